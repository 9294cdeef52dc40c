//! What a listener's configuration makes of tokens.

use ottla_security::jaas;

use super::*;

const URL: &str = "http://127.0.0.1:1/keys";

fn config() -> OAuthConfig {
    OAuthConfig {
        handler_class: None,
        validator_class: VALIDATORS[0].to_owned(),
        jwks_endpoint_url: Some(URL.to_owned()),
        jwks_refresh_ms: 1_000,
        jwks_retry_backoff_ms: 1,
        jwks_retry_backoff_max_ms: 1,
        expected_audience: Vec::new(),
        expected_issuer: None,
        clock_skew_seconds: 30,
        scope_claim: "scope".to_owned(),
        sub_claim: "sub".to_owned(),
        allowed_urls: vec!["http://x".to_owned(), URL.to_owned()],
    }
}

fn check(config: &OAuthConfig, jaas: Option<&str>, expect: Result<bool, &str>) {
    let module = |options| format!("{OAUTHBEARER_LOGIN_MODULE} required {options};");
    let entry = jaas.map(|options| jaas::parse_single(&module(options)).expect("an entry"));
    let found = BearerTokens::new("L", config, entry.as_ref());
    match (found, expect) {
        (Ok(tokens), Ok(is_unsecured)) => {
            assert_eq!(matches!(tokens, BearerTokens::Unsecured(_)), is_unsecured, "{config:?} {jaas:?}");
        }
        (Err(why), Err(expect)) => assert!(why.to_string().contains(expect), "{why} and not {expect}"),
        (found, expect) => panic!("{found:?} and not {expect:?} of {config:?} {jaas:?}"),
    }
}

#[test]
fn unsecured_tokens_are_taken_only_where_they_are_asked_for() {
    let none = OAuthConfig { jwks_endpoint_url: None, ..config() };
    let class = |name: &str| Some(name.to_owned());
    check(&config(), None, Ok(false));
    check(&config(), Some("unsecuredLoginStringClaim_sub=a"), Ok(false));
    check(&none, None, Err("jwks.endpoint.url"));
    check(&none, Some(""), Err("jwks.endpoint.url"));
    check(&none, Some("unsecuredLoginStringClaim_sub=a"), Ok(true));
    check(&none, Some("unsecuredValidatorAllowableClockSkewMs=x"), Err("AllowableClockSkewMs"));
    check(&OAuthConfig { handler_class: class(UNSECURED_HANDLER), ..none.clone() }, None, Ok(true));
    let secured = OAuthConfig { handler_class: class(SECURED_HANDLERS[0]), ..none.clone() };
    check(&secured, Some("unsecuredLoginStringClaim_sub=a"), Err("jwks.endpoint.url"));
    check(&OAuthConfig { handler_class: class(SECURED_HANDLERS[1]), ..config() }, None, Ok(false));
    check(&OAuthConfig { handler_class: class("com.example.X"), ..config() }, None, Err("com.example.X"));
    let client = "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator";
    check(&OAuthConfig { validator_class: client.to_owned(), ..config() }, None, Err("BrokerJwtValidator"));
}

#[test]
fn addresses_must_be_allowed() {
    check(&OAuthConfig { allowed_urls: Vec::new(), ..config() }, None, Err("KAFKA_OPTS=-Dorg.apache.kafka"));
    let at = |url: &str| OAuthConfig {
        jwks_endpoint_url: Some(url.to_owned()),
        allowed_urls: vec![url.to_owned()],
        ..config()
    };
    check(&at("ftp://x"), None, Err("neither http:// nor https://"));
    check(&at("file:/does/not/exist"), None, Err("/does/not/exist"));
    check(&at("https://x/keys"), Some("ssl.truststore.location=\"/does/not/exist\""), Err("/does/not/exist"));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("keys.json");
    let url = format!("file://{}", path.display());
    std::fs::write(&path, "{}").expect("written");
    check(&at(&url), None, Err("no set of keys"));
    std::fs::write(&path, "{\"keys\":[]}").expect("written");
    check(&at(&url), None, Ok(false));
    std::fs::write(&path, vec![b' '; 600 << 10]).expect("written");
    check(&at(&url), None, Err("more than 524288 bytes"));
}

#[test]
fn keys_stay_while_their_configuration_does() {
    let sasl = |oauth: OAuthConfig| {
        let mechanism = MechanismConfig {
            name: "OAUTHBEARER".to_owned(),
            jaas_config: None,
            max_reauth_ms: 0,
            oauth: Some(oauth),
        };
        let sasl = ottla_config::broker_config::security::SaslConfig {
            mechanisms: vec![mechanism],
            max_receive_size: 1,
            kerberos: Default::default(),
        };
        SecurityConfig { sasl: [("L".to_owned(), sasl)].into(), ..Default::default() }
    };
    let listeners = OAuthListeners::default();
    let replace = |config: &SecurityConfig| {
        listeners.replace(config, |_, _| Ok(None), |listener, why| format!("{listener}: {why}"))
    };
    replace(&sasl(config())).expect("a listener");
    let first = listeners.of("L").expect("the listener");
    replace(&sasl(config())).expect("the same");
    assert!(Arc::ptr_eq(&first, &listeners.of("L").expect("the listener")));
    let why = replace(&sasl(OAuthConfig { allowed_urls: Vec::new(), ..config() })).expect_err("not allowed");
    assert!(why.starts_with("L: "), "{why}");
    assert!(Arc::ptr_eq(&first, &listeners.of("L").expect("it stays as it was")));
    replace(&sasl(OAuthConfig { clock_skew_seconds: 1, ..config() })).expect("another");
    assert!(!Arc::ptr_eq(&first, &listeners.of("L").expect("the listener")));
    replace(&SecurityConfig::default()).expect("none");
    assert!(listeners.of("L").is_none() && listeners.of("other").is_none());
}

#[tokio::test]
async fn who_asks_for_a_key_hears_of_the_next_set() {
    let keys = Keys::new();
    let first = keys.ask(None, 0).expect("the first set is under way");
    let second = keys.ask(Some("a"), 0).expect("likewise");
    keys.end(None);
    tokio::join!(first, second);
    assert!(keys.ask(None, 0).is_none(), "no id, no question");
    let asked = keys.ask(Some("a"), 0).expect("asked for");
    keys.asked().await;
    let together = keys.ask(Some("b"), 0).expect("it is being fetched anyway");
    keys.end(None);
    tokio::join!(asked, together);
    assert!(keys.ask(Some("a"), 59_999).is_none(), "it was not there");
    assert!(keys.ask(Some("a"), 60_000).is_some());
}
