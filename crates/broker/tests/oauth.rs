//! A node with a listener that takes tokens: whose, how long, and what the issuer's moods do to it.

mod issuer;
mod wire_client;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use issuer::{Answer, Issuer, SigningKey, jwks};
use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use ottla_security::sasl::oauthbearer::{Extensions, initial};
use serde_json::{Value, json};
use wire_client::WireClient;

const INVALID: &str = "{\"status\":\"invalid_token\"}";

fn start(more: &[(&str, &str)]) -> Result<(tempfile::TempDir, Server), String> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut properties = RawMap::from(
        [
            ("log.dirs", dir.path().to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "OAUTHBEARER"),
            ("sasl.oauthbearer.expected.audience", "kafka"),
            ("sasl.oauthbearer.expected.issuer", "https://issuer"),
            ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", "1"),
            ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "10"),
            ("connection.failed.authentication.delay.ms", "1"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    properties.extend(more.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    let (config, _) = BrokerConfig::from_properties(&properties).map_err(|why| format!("{why:?}"))?;
    let options = NodeOptions { data_threads: 1, ..Default::default() };
    let server = Server::start(config, options).map_err(|why| why.to_string())?;
    Ok((dir, server))
}

fn with_issuer(issuer: &Issuer, more: &[(&str, &str)]) -> (tempfile::TempDir, Server) {
    let url = issuer.url();
    let keys = [
        ("sasl.oauthbearer.jwks.endpoint.url", url.as_str()),
        ("ottla.sasl.oauthbearer.allowed.urls", url.as_str()),
    ];
    start(&[&keys, more].concat()).expect("the node starts")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn claims(more: Value) -> Value {
    let mut claims = json!({
        "sub": "alice", "aud": "kafka", "iss": "https://issuer", "iat": now() - 5, "exp": now() + 600
    });
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    claims
}

fn connect(server: &Server) -> WireClient {
    let address = server.addresses().iter().find(|(name, _)| name == "SECURE").expect("the listener").1;
    WireClient::connect(address)
}

fn handshake(client: &mut WireClient) {
    let response = client.call(&SaslHandshakeRequest { mechanism: "OAUTHBEARER".into() }, 1);
    assert_eq!(response.error_code, 0);
}

fn authenticate(client: &mut WireClient, message: &[u8]) -> SaslAuthenticateResponse {
    client.call(&SaslAuthenticateRequest { auth_bytes: message.to_vec().into() }, 2)
}

fn message(token: &str) -> Vec<u8> {
    initial(token, &Extensions::new()).expect("a message")
}

fn log_in(server: &Server, token: &str) -> (WireClient, SaslAuthenticateResponse) {
    let mut client = connect(server);
    handshake(&mut client);
    let response = authenticate(&mut client, &message(token));
    (client, response)
}

fn is_let_in(server: &Server, token: &str) -> bool {
    let (mut client, response) = log_in(server, token);
    assert_eq!(response.error_code, 0, "{:?}", response.error_message);
    if response.auth_bytes.is_empty() {
        let metadata = client.call(&MetadataRequest { topics: Some(Vec::new()), ..Default::default() }, 12);
        assert_eq!(metadata.brokers.len(), 1);
        return true;
    }
    assert_eq!(&*response.auth_bytes, INVALID.as_bytes());
    let last = authenticate(&mut client, b"\x01");
    assert_eq!(ErrorCode::from_code(last.error_code), ErrorCode::SaslAuthenticationFailed);
    assert_eq!(last.error_message.as_deref(), Some(INVALID));
    assert!(client.is_closed());
    false
}

/// Waits for what another thread does.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn tokens_of_the_issuer_are_taken() {
    let key = SigningKey::new("a");
    let issuer = Issuer::start(Answer::Keys(jwks(&[&key])));
    let (_dir, server) = with_issuer(&issuer, &[]);
    let good = key.sign(&claims(json!({})));
    assert!(is_let_in(&server, &good));
    let (_, response) = log_in(&server, &good);
    assert!((590_000..=600_000).contains(&response.session_lifetime_ms), "{}", response.session_lifetime_ms);
    let stranger = SigningKey::new("a");
    for bad in [
        stranger.sign(&claims(json!({}))),
        key.sign(&claims(json!({"exp": now() - 60, "iat": now() - 90}))),
        key.sign(&claims(json!({"nbf": now() + 300}))),
        key.sign(&claims(json!({"aud": ["x", "y"]}))),
        key.sign(&claims(json!({"iss": "https://other"}))),
        format!("{good}x"),
        "rubbish".to_owned(),
    ] {
        assert!(!is_let_in(&server, &bad), "{bad}");
    }
    assert_eq!(issuer.asked(), 1, "all of them named a key that is known");
    let mut stranger = connect(&server);
    handshake(&mut stranger);
    let refused = authenticate(&mut stranger, b"rubbish");
    assert_eq!(
        refused.error_message.as_deref(),
        Some(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism OAUTHBEARER"
        )
    );
    assert!(stranger.is_closed());
    server.shutdown();
}

#[test]
fn sessions_last_as_long_as_their_token_and_go_on_with_the_next() {
    let key = SigningKey::new("a");
    let issuer = Issuer::start(Answer::Keys(jwks(&[&key])));
    let (_dir, server) = with_issuer(&issuer, &[("connections.max.reauth.ms", "60000")]);
    let (mut client, response) = log_in(&server, &key.sign(&claims(json!({}))));
    assert_eq!(response.session_lifetime_ms, 60_000);
    handshake(&mut client);
    let again = authenticate(&mut client, &message(&key.sign(&claims(json!({"exp": now() + 30})))));
    assert!((20_000..=30_000).contains(&again.session_lifetime_ms), "{}", again.session_lifetime_ms);
    let (mut client, _) = log_in(&server, &key.sign(&claims(json!({}))));
    handshake(&mut client);
    let other = authenticate(&mut client, &message(&key.sign(&claims(json!({"sub": "bob"})))));
    let why = other.error_message.expect("a reason");
    assert!(why.contains("Cannot change principals"), "{why}");
    // Within the clock's skew a token that is over is taken, but its session has no time.
    let late = claims(json!({"exp": now() - 2, "iat": now() - 90}));
    let (mut client, response) = log_in(&server, &key.sign(&late));
    assert_eq!((response.error_code, response.session_lifetime_ms), (0, 0));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2) {
        std::thread::yield_now();
    }
    client.send(&MetadataRequest::default(), 12, 12);
    assert!(client.is_closed());
    server.shutdown();
}

#[test]
fn a_new_key_is_asked_for_while_its_login_waits_and_no_other() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let issuer = Issuer::start(Answer::Keys(jwks(&[&old])));
    let (_dir, server) = with_issuer(&issuer, &[]);
    let first = old.sign(&claims(json!({})));
    assert!(is_let_in(&server, &first));
    issuer.set(Answer::Held(jwks(&[&new])));
    let mut waiting = connect(&server);
    handshake(&mut waiting);
    let token = message(&new.sign(&claims(json!({}))));
    waiting.send(&SaslAuthenticateRequest { auth_bytes: token.into() }, 2, 2);
    wait_for("the issuer is asked", || issuer.asked() == 2);
    assert!(is_let_in(&server, &first), "the one data thread serves others meanwhile");
    issuer.set(Answer::Keys(jwks(&[&new])));
    issuer.release();
    let response = waiting.receive::<SaslAuthenticateResponse>(ottla_protocol::ApiKey::SaslAuthenticate, 2);
    assert_eq!((response.error_code, response.auth_bytes.len()), (0, 0));
    assert!(!is_let_in(&server, &first), "the old key is gone");
    for _ in 0..20 {
        assert!(!is_let_in(&server, &first));
    }
    assert!(issuer.asked() <= 3, "a key that is missing is asked for once a minute: {}", issuer.asked());
    server.shutdown();
}

#[test]
fn an_issuer_that_is_ill_lets_nobody_in_and_holds_nobody_up() {
    let key = SigningKey::new("a");
    let good = key.sign(&claims(json!({})));
    for answer in [
        Answer::Status(503),
        Answer::Status(302),
        Answer::Keys("<html>".to_owned()),
        Answer::Endless(b"                                "),
    ] {
        let issuer = Issuer::start(answer);
        let (_dir, server) = with_issuer(&issuer, &[]);
        assert!(!is_let_in(&server, &good));
        issuer.set(Answer::Keys(jwks(&[&key])));
        // Without keys it is asked again and again.
        wait_for("it is well again", || {
            let (_, response) = log_in(&server, &good);
            response.auth_bytes.is_empty()
        });
        issuer.set(Answer::Status(500));
        assert!(is_let_in(&server, &good), "what is known stays");
        server.shutdown();
    }
}

#[test]
fn keys_from_a_file_are_read_again() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(jwks(&[&old]).as_bytes()).expect("written");
    let url = format!("file://{}", file.path().display());
    let keys = [
        ("listener.name.secure.oauthbearer.sasl.oauthbearer.jwks.endpoint.url", url.as_str()),
        ("ottla.sasl.oauthbearer.allowed.urls", url.as_str()),
    ];
    let (_dir, server) = start(&keys).expect("the node starts");
    assert!(is_let_in(&server, &old.sign(&claims(json!({})))));
    std::fs::write(file.path(), jwks(&[&new])).expect("written");
    assert!(is_let_in(&server, &new.sign(&claims(json!({})))));
    assert!(!is_let_in(&server, &old.sign(&claims(json!({})))));
    server.shutdown();
}

#[test]
fn tokens_without_a_signature_only_where_asked_for() {
    let entry = ottla_security::jaas::parse_single("M required unsecuredLoginStringClaim_sub=dev;")
        .expect("an entry");
    let made = ottla_security::jwt::unsecured::issue(&entry, now() * 1_000).expect("options");
    let (token, _) = made.expect("a token");
    let class = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.\
                 OAuthBearerUnsecuredValidatorCallbackHandler";
    let handler = [("listener.name.secure.oauthbearer.sasl.server.callback.handler.class", class)];
    let (_dir, server) = start(&handler).expect("the node starts");
    assert!(is_let_in(&server, &token));
    server.shutdown();
    let key = SigningKey::new("a");
    let issuer = Issuer::start(Answer::Keys(jwks(&[&key])));
    let (_dir, server) = with_issuer(&issuer, &[]);
    assert!(!is_let_in(&server, &token));
    server.shutdown();
    let why = start(&[]).err().expect("nothing says what to check tokens by");
    assert!(why.contains("sasl.oauthbearer.jwks.endpoint.url") && why.contains(class), "{why}");
    let why =
        start(&[("sasl.oauthbearer.jwks.endpoint.url", "http://127.0.0.1:1/x")]).err().expect("not allowed");
    assert!(why.contains("ottla.sasl.oauthbearer.allowed.urls"), "{why}");
}

fn store(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name)
}

/// A login module whose options say whom to believe on the way to the issuer.
fn trusting(authority: &str) -> String {
    let authority = store(authority);
    format!(
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required ssl.truststore.type=\"PEM\" \
         ssl.truststore.location=\"{}\";",
        authority.display()
    )
}

#[test]
fn keys_over_https() {
    const JAAS: &str = "listener.name.secure.oauthbearer.sasl.jaas.config";
    let key = SigningKey::new("a");
    let good = key.sign(&claims(json!({})));
    let issuer = |certificate: &str, private_key: &str| {
        Issuer::start_tls(Answer::Keys(jwks(&[&key])), &store(certificate), &store(private_key))
    };
    let known = issuer("server.pem", "server.key");
    let (_dir, server) = with_issuer(&known, &[(JAAS, &trusting("ca.pem"))]);
    assert!(is_let_in(&server, &good));
    server.shutdown();
    let by_name = known.url_by_name();
    let (_dir, server) = start(&[
        ("sasl.oauthbearer.jwks.endpoint.url", &by_name),
        ("ottla.sasl.oauthbearer.allowed.urls", &by_name),
        (JAAS, &trusting("ca.pem")),
    ])
    .expect("the node starts");
    assert!(is_let_in(&server, &good));
    server.shutdown();
    for (certificate, private_key, authority) in [
        ("server.pem", "server.key", "other-ca.pem"),
        ("servers/other-name.pem", "servers/leaf.key", "servers/ca.pem"),
        ("servers/expired.pem", "servers/leaf.key", "servers/ca.pem"),
    ] {
        let issuer = issuer(certificate, private_key);
        let (_dir, server) = with_issuer(&issuer, &[(JAAS, &trusting(authority))]);
        wait_for("the issuer is tried", || issuer.connections() > 0);
        assert!(!is_let_in(&server, &good), "{certificate} is believed");
        assert_eq!(issuer.asked(), 0, "who is not believed is asked nothing");
        server.shutdown();
    }
    let url = known.url();
    let nowhere = trusting("nothing.pem");
    let refused = start(&[
        ("sasl.oauthbearer.jwks.endpoint.url", &url),
        ("ottla.sasl.oauthbearer.allowed.urls", &url),
        (JAAS, &nowhere),
    ]);
    let why = refused.err().expect("there is no such store");
    assert!(why.contains("ssl.truststore.location") && why.contains("nothing.pem"), "{why}");
}
