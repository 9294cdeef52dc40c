use super::*;
use crate::jaas;
use crate::sasl::oauthbearer::Extensions;
use crate::sasl::scram::Credential;
use crate::sasl::session::{Expects, Progress};
use crate::sasl::{Credentials, HashFunction, Mechanism, Refusal, SaslSession, Token};
use ottla_protocol::ErrorCode;
use proptest::prelude::*;

const SHA_256: Mechanism = Mechanism::Scram(HashFunction::Sha256);

struct Users;

impl Credentials for Users {
    fn is_plain_password(&self, user: &str, password: &str) -> bool {
        (user, password) == ("alice", "secret")
    }

    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool) {
        match user {
            "alice" => (Credential::new(hash, b"secret", b"salt", 4096), true),
            other => (Credential::of_nobody(hash, other, b"", None), false),
        }
    }

    fn bearer(&self, token: &str) -> Result<Token, Refusal> {
        match token {
            "good" => {
                Ok(Token { user: "alice".into(), expires_ms: 90_000, issued_ms: None, scope: Vec::new() })
            }
            _ => Err(Refusal::invalid_token("no good")),
        }
    }
}

fn login(mechanism: Mechanism, options: &str) -> Result<Login, LoginError> {
    let module = match mechanism {
        Mechanism::Scram(_) => jaas::SCRAM_LOGIN_MODULE,
        _ => jaas::PLAIN_LOGIN_MODULE,
    };
    let entry = jaas::parse_single(&format!("{module} required {options};")).expect("an entry");
    Login::from_jaas(mechanism, &entry)
}

/// A login against the broker's own state machine, with a session of a minute.
fn log_in(login: &Login, enabled: &[Mechanism]) -> Result<i64, LoginFailure> {
    let mut client = ClientSession::new(login, "nonce".into());
    let mut server = SaslSession::default();
    server.versions_told();
    let names: Vec<_> = enabled.iter().map(|mechanism| mechanism.name()).collect();
    let code = match server.handshake(client.mechanism(), 1, enabled) {
        true => ErrorCode::None,
        false => ErrorCode::UnsupportedSaslMechanism,
    };
    let mut token = client.handshake_answered(code, &names)?;
    loop {
        let next = match server.token(&token, &Users, "server", |_| 60_000, 0) {
            Ok(Progress::Challenge(challenge)) => {
                client.authenticate_answered(ErrorCode::None, None, &challenge, 0)?
            }
            Ok(Progress::Complete { token, session_lifetime_ms }) => {
                assert_eq!(server.expects(), Expects::Anything);
                client.authenticate_answered(ErrorCode::None, None, &token, session_lifetime_ms)?
            }
            Err(failure) => client.authenticate_answered(
                ErrorCode::SaslAuthenticationFailed,
                Some(&failure.told),
                b"",
                0,
            )?,
        };
        match next {
            Next::Authenticate(next) => token = next,
            Next::Complete { session_lifetime_ms } => return Ok(session_lifetime_ms),
        }
    }
}

#[test]
fn each_mechanism_finds_its_way_to_the_end() {
    for mechanism in [Mechanism::Plain, SHA_256, Mechanism::Scram(HashFunction::Sha512)] {
        let enabled = [mechanism];
        let right = login(mechanism, "username=alice password=secret").expect("a login");
        assert_eq!(log_in(&right, &enabled), Ok(60_000));
        let wrong = login(mechanism, "username=alice password=wrong").expect("a login");
        let failure = log_in(&wrong, &enabled).expect_err("a wrong password");
        assert_eq!(failure.code, ErrorCode::SaslAuthenticationFailed);
        assert!(failure.is_final() && failure.message.starts_with("Authentication failed"), "{failure}");
    }
}

#[test]
fn tokens_find_their_way_to_the_end_too() {
    let enabled = [Mechanism::OAuthBearer];
    let extensions = Extensions::from([("traceId".to_owned(), "1".to_owned())]);
    let right = Login::bearer("good", &extensions);
    assert_eq!((log_in(&right, &enabled), format!("{right:?}")), (Ok(60_000), "Login(OAUTHBEARER)".into()));
    let failure = log_in(&Login::bearer("bad", &extensions), &enabled).expect_err("a bad token");
    assert!(failure.is_final() && failure.message == "{\"status\":\"invalid_token\"}", "{failure}");
    let unsayable = Login::bearer("a b", &extensions);
    assert!(log_in(&unsayable, &enabled).expect_err("no token at all").is_final());
}

#[test]
fn what_brokers_refuse_is_told_in_kafkas_words() {
    let plain = login(Mechanism::Plain, "username=alice password=secret").expect("a login");
    let failure = log_in(&plain, &[SHA_256]).expect_err("not enabled");
    assert_eq!(
        failure.message,
        "Client SASL mechanism 'PLAIN' not enabled in the server, enabled mechanisms are [SCRAM-SHA-256]"
    );
    let mut session = ClientSession::new(&plain, String::new());
    let failure = session.handshake_answered(ErrorCode::IllegalSaslState, &[""; 0]).expect_err("no SASL");
    assert!(failure.is_final() && failure.message.contains("security.protocol=PLAINTEXT"), "{failure}");
    session.handshake_answered(ErrorCode::None, &["PLAIN"]).expect("a token");
    let busy = session.authenticate_answered(ErrorCode::CoordinatorNotAvailable, None, b"", 0);
    assert!(!busy.expect_err("an error").is_final(), "others than those of authentication pass");
}

#[test]
fn a_server_without_the_credential_is_found_out() {
    let scram = login(SHA_256, "username=alice password=secret").expect("a login");
    let mut session = ClientSession::new(&scram, "abc".into());
    session.handshake_answered(ErrorCode::None, &["SCRAM-SHA-256"]).expect("a token");
    let challenge = b"r=abcdef,s=c2FsdA==,i=4096";
    let next = session.authenticate_answered(ErrorCode::None, None, challenge, 0).expect("a token");
    assert!(matches!(next, Next::Authenticate(_)));
    let forged = session.authenticate_answered(ErrorCode::None, None, b"v=c2FsdA==", 5).expect_err("forged");
    assert!(forged.is_final() && forged.message.contains("server signature"), "{forged}");
    let mut session = ClientSession::new(&scram, "abc".into());
    session.handshake_answered(ErrorCode::None, &["SCRAM-SHA-256"]).expect("a token");
    let early = session.authenticate_answered(ErrorCode::None, None, b"", 5);
    assert!(early.is_err(), "a server that proves nothing is not believed");
}

#[test]
fn logins_of_jaas_entries() {
    let token = login(SHA_256, "username=id password=hmac tokenauth=true").expect("a login");
    let first = token.exchange("abc".into()).evaluate(b"").expect("a message");
    assert_eq!(first, b"n,,n=id,r=abc,tokenauth=true");
    assert_eq!(format!("{token:?}"), "Login(SCRAM-SHA-256)");
    let why = login(Mechanism::Plain, "username=alice").expect_err("no password").to_string();
    assert!(why.contains("the option password is missing"), "{why}");
    let entry = jaas::parse_single("com.example.Module required username=a password=b;").expect("an entry");
    let why = Login::from_jaas(Mechanism::Plain, &entry).expect_err("another module").to_string();
    assert!(why.contains("com.example.Module") && why.contains("PlainLoginModule"), "{why}");
}

#[cfg(feature = "gssapi")]
#[test]
fn tickets_are_logins_too() {
    use crate::sasl::gssapi::crypto::{Enctype, Key};
    use crate::sasl::gssapi::{Credential, PrincipalName};
    let name = |text: &str| PrincipalName::parse(text, "R").expect("a name");
    let ticket = Credential {
        client: name("alice"),
        service: name("kafka/host"),
        session_key: Key::new(Enctype::Aes128Sha1, &[7; 16]).expect("a key"),
        flags: 0,
        start_s: 0,
        end_s: 100,
        renew_till_s: None,
        ticket: vec![0x61, 0],
    };
    let login = Login::kerberos(ticket, 50_000);
    assert_eq!(format!("{login:?}"), "Login(GSSAPI)");
    let mut session = ClientSession::new(&login, "abc".into());
    let token = session.handshake_answered(ErrorCode::None, &["GSSAPI"]).expect("a token");
    assert_eq!(token.first(), Some(&0x60), "a first token of GSS-API");
    let failure = session.authenticate_answered(ErrorCode::None, None, b"rubbish", 0).expect_err("no answer");
    assert!(failure.is_final() && failure.message.contains("GSSAPI is not accepted"), "{failure}");
}

#[test]
fn sessions_are_renewed_before_they_end() {
    assert_eq!(reauthenticate_after_ms(0, 0.5), None);
    assert_eq!(reauthenticate_after_ms(1000, 0.0), Some(850));
    assert_eq!(reauthenticate_after_ms(1000, 1.0), Some(950));
    assert_eq!(reauthenticate_after_ms(i64::MAX, 0.5).map(|ms| ms > 0), Some(true));
}

proptest! {
    #[test]
    fn any_tokens_of_a_server_are_survived(tokens: Vec<Vec<u8>>, plain: bool) {
        let mechanism = if plain { Mechanism::Plain } else { SHA_256 };
        let login = login(mechanism, "username=alice password=secret").expect("a login");
        let mut session = ClientSession::new(&login, "abc".into());
        session.handshake_answered(ErrorCode::None, &["PLAIN"]).expect("a token");
        for token in tokens {
            let next = session.authenticate_answered(ErrorCode::None, None, &token, -1);
            match next {
                Ok(Next::Complete { session_lifetime_ms }) => prop_assert!(plain && session_lifetime_ms == 0),
                Ok(Next::Authenticate(_)) => {}
                Err(_) => break,
            }
        }
    }
}
