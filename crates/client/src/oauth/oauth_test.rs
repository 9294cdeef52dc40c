//! Logins, with sources and token endpoints of the test's own.

use std::collections::VecDeque;
use std::sync::Mutex;

use ottla_config::{ClientValues, Scope};
use ottla_security::base64::encode_url;
use ottla_security::jaas::{self, OAUTHBEARER_LOGIN_MODULE};
use ottla_security::jwt::UnsecuredValidator;
use ottla_security::sasl::oauthbearer::Extensions;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::grant::{Grant, form_encoded, token_of};
use super::login::Claims;
use super::refresh::Refresh;
use super::*;
use crate::clock::unix_ms;

/// Something that looks like a signed token of this life, in seconds from now.
fn token(from: i64, to: i64) -> String {
    let now = unix_ms() / 1_000;
    let claims = json!({"sub": "alice", "iat": now + from, "exp": now + to});
    let part = |value: &serde_json::Value| encode_url(value.to_string().as_bytes());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims))
}

#[derive(Debug)]
struct Given(Mutex<VecDeque<Result<String, TokenError>>>);

impl TokenSource for Given {
    fn token(&self) -> TokenFuture<'_> {
        let next = self.0.lock().expect("tokens").pop_front().expect("it is asked no more than it should");
        Box::pin(async move { next.map(RawToken) })
    }
}

fn login(given: Vec<Result<String, TokenError>>, window_factor: f64) -> OAuthLogin {
    let claims = Claims::Signed { scope: "scope".into(), sub: "sub".into() };
    let refresh = Refresh { window_factor, window_jitter: 0.0, period_min_seconds: 0, buffer_seconds: 0 };
    OAuthLogin::new(Arc::new(Given(Mutex::new(given.into()))), claims, Extensions::new(), refresh)
}

fn failed() -> Result<String, TokenError> {
    Err(TokenError::Failed("down".into()))
}

#[tokio::test]
async fn a_token_is_kept_until_it_is_to_be_renewed() {
    let good = token(-10, 3_600);
    let kept = login(vec![Ok(good.clone())], 0.8);
    for _ in 0..3 {
        assert_eq!(kept.token().await.expect("a token").0, good);
    }
    assert!(!format!("{kept:?}").contains(&good));
    // Renewed each time; while that fails the one before is shown, and the source left alone for a while.
    let second = token(-5, 3_600);
    let renewed = login(vec![Ok(good.clone()), Ok(second.clone()), failed()], 0.0);
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(renewed.token().await.expect("a token").0.clone());
    }
    assert_eq!(seen, [&good, &second, &second, &second, &second].map(String::clone));
}

#[tokio::test]
async fn without_a_good_token_there_is_no_login() {
    let over = token(-100, -10);
    let login = login(vec![failed(), Ok(over.clone()), failed(), Ok("rubbish".into())], 0.8);
    assert_eq!(login.token().await, Err(TokenError::Failed("down".into())));
    assert_eq!(login.token().await.expect("the broker may see it otherwise").0, over);
    assert_eq!(login.token().await, Err(TokenError::Failed("down".into())));
    let why = login.token().await.expect_err("rubbish").to_string();
    assert!(why.contains("no good") && !why.contains("rubbish"), "{why}");
}

#[test]
fn forms_as_kafka_sends_them() {
    let secret = |is_encoded| Grant::ClientSecret {
        id: "a:b".into(),
        secret: "c d/\u{e4}".into(),
        scope: Some("x y".into()),
        is_encoded,
    };
    assert_eq!(secret(false).form(""), "grant_type=client_credentials&scope=x y");
    assert_eq!(secret(true).form(""), "grant_type=client_credentials&scope=x+y");
    let basic = |text: &str| Some(format!("Basic {}", ottla_security::base64::encode(text.as_bytes())));
    assert_eq!(secret(false).authorization(), basic("a:b:c d/\u{e4}"));
    assert_eq!(secret(true).authorization(), basic("a%3Ab:c+d%2F%C3%A4"));
    assert!(!format!("{:?}", secret(true)).contains("c d"));
    let proved = Grant::ClientAssertion { id: Some("me".into()), scope: Some("x y".into()) };
    assert_eq!(
        proved.form("a.b-c_"),
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion=a.b-c_&grant_type=client_credentials&client_id=me&scope=x+y"
    );
    assert_eq!(
        Grant::JwtBearer { scope: None }.form("a.b"),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b"
    );
    assert_eq!(form_encoded("a*~-_.+&="), "a*%7E-_.%2B%26%3D");
}

#[test]
fn answers_of_token_endpoints() {
    let check = |status: u16, body: &str, expect: Result<&str, (bool, &str)>| {
        let found = token_of(status, body.as_bytes());
        let found = found.as_ref().map(|it| it.0.as_str()).map_err(|why| match why {
            TokenError::Refused(text) => (true, text.as_str()),
            TokenError::Failed(text) => (false, text.as_str()),
        });
        match (found, expect) {
            (Err((is_final, text)), Err((expect_final, part))) => {
                assert!(is_final == expect_final && text.contains(part), "{text}");
            }
            (found, expect) => assert_eq!(found, expect, "{body}"),
        }
    };
    check(200, r#"{"access_token":" a.b.c ","id_token":"x"}"#, Ok("a.b.c"));
    check(201, r#"{"access_token":"","id_token":"x"}"#, Ok("x"));
    check(200, r#"{"token":"hush"}"#, Err((true, "neither access_token nor id_token")));
    check(200, "<html>", Err((true, "not JSON")));
    check(200, "", Err((false, "empty")));
    check(
        401,
        r#"{"error":"invalid_client","error_description":"no such"}"#,
        Err((true, "401: invalid_client - no such")),
    );
    check(400, r#"{"errorCode":"E1","errorSummary":"x"}"#, Err((true, "E1 - x")));
    check(503, "busy", Err((false, "status 503")));
    check(302, "", Err((false, "status 302")));
}

fn values(more: &[(&str, &str)]) -> ClientValues {
    let entries = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ClientValues::parse(Scope::Admin, &entries).expect("a configuration")
}

fn from_values(more: &[(&str, &str)], options: &str, allowed: &Allowed) -> Result<OAuthLogin, String> {
    let entry =
        jaas::parse_single(&format!("{OAUTHBEARER_LOGIN_MODULE} required {options};")).expect("an entry");
    OAuthLogin::from_values(&values(more), &entry, allowed).map_err(|why| why.explain())
}

#[tokio::test]
async fn tokens_of_the_options() {
    let options = "unsecuredLoginStringClaim_sub=alice unsecuredLoginExtension_traceId=\"1\"";
    let login = from_values(&[], options, &Allowed::default()).expect("a login");
    let token = login.token().await.expect("a token");
    let found = UnsecuredValidator::default().validate(&token.0, unix_ms()).expect("a token");
    assert_eq!((found.user.as_str(), login.extensions()["traceId"].as_str()), ("alice", "1"));
    let none = from_values(&[], "", &Allowed::default()).expect("a login");
    assert!(none.token().await.expect_err("no options").to_string().contains("token.endpoint.url"));
    assert!(from_values(&[], "unsecuredLoginExtension_auth=x", &Allowed::default()).is_err());
}

const URL: (&str, &str) = ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token");

#[test]
fn what_is_missing_is_said() {
    let allowed = Allowed { urls: vec![URL.1.into(), "file:/x".into()], files: vec!["/k.pem".into()] };
    let check = |more: &[(&str, &str)], options: &str, allowed: &Allowed, expect: &str| {
        let found = from_values(&[&[URL], more].concat(), options, allowed);
        match found {
            Ok(login) => assert_eq!(expect, "", "{login:?}"),
            Err(why) => assert!(!expect.is_empty() && why.contains(expect) && !why.contains("hush"), "{why}"),
        }
    };
    let class = |name: &'static str| ("sasl.oauthbearer.jwt.retriever.class", name);
    check(
        &[],
        "clientId=a clientSecret=hush",
        &Allowed::default(),
        "OTTLA_SASL_OAUTHBEARER_ALLOWED_URLS=http",
    );
    check(&[], "clientId=a clientSecret=hush scope=x", &allowed, "");
    check(&[], "clientId=a", &allowed, "client.secret");
    check(&[("sasl.oauthbearer.client.credentials.client.secret", "hush")], "", &allowed, "client.id");
    check(&[("sasl.login.callback.handler.class", "com.example.X")], "", &allowed, "com.example.X");
    check(&[class("com.example.Y")], "", &allowed, "JwtBearerJwtRetriever");
    let bearer = class("org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever");
    check(&[bearer], "", &allowed, "private.key.file");
    check(&[bearer, ("sasl.oauthbearer.assertion.private.key.file", "/k.pem")], "", &allowed, "");
    let other = ("sasl.oauthbearer.assertion.private.key.file", "/etc/shadow");
    check(&[bearer, other], "", &allowed, "OTTLA_SASL_OAUTHBEARER_ALLOWED_FILES=/etc/shadow");
    check(&[("sasl.oauthbearer.token.endpoint.url", "file:/x")], "", &allowed, "");
    check(&[], "extension_auth=x clientId=a clientSecret=hush", &allowed, "extension_*");
    check(
        &[("sasl.oauthbearer.sub.claim.name", " ")],
        "clientId=a clientSecret=hush",
        &allowed,
        "sub.claim.name",
    );
    let opts = "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=http://a,http://b";
    let found = Allowed::new(|name| (name == "KAFKA_OPTS").then(|| opts.to_owned()));
    assert_eq!(found, Allowed { urls: vec!["http://a".into(), "http://b".into()], files: Vec::new() });
}

/// Answers as many connections as there are answers; what was asked.
async fn endpoint(listener: TcpListener, answers: Vec<String>) -> Vec<String> {
    let mut asked = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = String::new();
        while !request.contains("\r\n\r\ngrant_type") && !request.contains("\r\n\r\nclient_assertion") {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).await.expect("a request");
            request.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        asked.push(request);
        stream.write_all(answer.as_bytes()).await.expect("sent");
    }
    asked
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_token_endpoint_is_asked_until_it_is_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let good = token(-10, 3_600);
    let keys = [("sasl.oauthbearer.token.endpoint.url", url.as_str()), ("sasl.login.retry.backoff.ms", "1")];
    let allowed = Allowed { urls: vec![url.clone()], files: Vec::new() };
    let login = from_values(&keys, "clientId=me clientSecret=hush scope=x", &allowed).expect("a login");
    assert!(!format!("{login:?}").contains("hush"));
    let answers = vec![answer(503, ""), answer(200, &json!({"access_token": good}).to_string())];
    let (found, asked) = tokio::join!(login.token(), endpoint(listener, answers));
    assert_eq!(found.expect("a token").0, good);
    let basic = format!("authorization: Basic {}\r\n", ottla_security::base64::encode(b"me:hush"));
    assert!(asked[1].starts_with("POST /token HTTP/1.1\r\n") && asked[1].contains(&basic), "{}", asked[1]);
    assert!(asked[1].ends_with("\r\n\r\ngrant_type=client_credentials&scope=x"), "{}", asked[1]);
    let refusing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", refusing.local_addr().expect("an address"));
    let keys = [("sasl.oauthbearer.token.endpoint.url", url.as_str())];
    let allowed = Allowed { urls: vec![url.clone()], files: Vec::new() };
    let login = from_values(&keys, "clientId=me clientSecret=hush", &allowed).expect("a login");
    let answers = vec![answer(401, r#"{"error":"invalid_client"}"#)];
    let (found, _) = tokio::join!(login.token(), endpoint(refusing, answers));
    assert_eq!(
        found,
        Err(TokenError::Refused("the token endpoint answers with status 401: invalid_client".into()))
    );
}

#[tokio::test]
async fn a_token_endpoint_with_tls() {
    let store = |name: &str| format!("{}/../security/tests/stores/{name}", env!("CARGO_MANIFEST_DIR"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}/token", listener.local_addr().expect("an address").port());
    let keys = [
        ("sasl.oauthbearer.token.endpoint.url", url.as_str()),
        ("sasl.login.retry.backoff.ms", "1"),
        ("sasl.login.retry.backoff.max.ms", "1"),
    ];
    let allowed = Allowed { urls: vec![url.clone()], files: Vec::new() };
    let login = |authority: &str| {
        let authority = store(authority);
        let options = format!(
            "clientId=me clientSecret=hush ssl.truststore.type=PEM ssl.truststore.location=\"{authority}\""
        );
        from_values(&keys, &options, &allowed)
    };
    let chain = vec![CertificateDer::from_pem_file(store("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(store("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let good = token(-10, 3_600);
    let body = answer(200, &json!({"access_token": good}).to_string());
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = String::new();
            while !request.contains("\r\n\r\ngrant_type") {
                let mut bytes = [0; 4_096];
                let count = stream.read(&mut bytes).await.expect("a request");
                request.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            stream.write_all(body.as_bytes()).await.expect("sent");
            // The other side may have gone: it has what it wanted.
            let _ = stream.shutdown().await;
        }
    };
    let ask = async {
        let right = login("ca.pem").expect("a login").token().await;
        assert_eq!(right.expect("a token").0, good);
        let wrong = login("other-ca.pem").expect("a login").token().await;
        let why = wrong.expect_err("an authority that is not the endpoint's").to_string();
        assert!(why.contains("no TLS with localhost") && why.contains("UnknownIssuer"), "{why}");
        let why = login("nothing.pem").expect_err("no such store");
        assert!(why.contains("ssl.truststore.location") && !why.contains("hush"), "{why}");
    };
    tokio::select! {
        () = ask => {}
        () = serve => unreachable!("it serves on"),
    }
}

#[tokio::test]
async fn a_file_is_read_whenever_a_token_is_wanted() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let url = format!("file://{}", file.path().display());
    let keys = [("sasl.oauthbearer.token.endpoint.url", url.as_str())];
    let allowed = Allowed { urls: vec![url.clone()], files: Vec::new() };
    let login = from_values(&keys, "", &allowed).expect("a login");
    assert!(matches!(login.token().await, Err(TokenError::Refused(_))), "an empty file is no token");
    let good = token(-10, 3_600);
    std::fs::write(file.path(), format!("{good}\n")).expect("written");
    assert_eq!(login.token().await.expect("a token").0, good);
}
