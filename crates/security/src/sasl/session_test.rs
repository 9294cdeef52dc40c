//! Sessions, with one user of each mechanism.

use proptest::prelude::*;

use super::*;
use crate::sasl::scram::{Credential, ScramClient};
use crate::sasl::{HashFunction, TokenOwner, plain};

const PLAIN: Mechanism = Mechanism::Plain;
const SCRAM: Mechanism = Mechanism::Scram(HashFunction::Sha256);

struct Alice;

impl Credentials for Alice {
    fn is_plain_password(&self, user: &str, password: &str) -> bool {
        (user == "alice" || user == "bob") && password == "secret"
    }

    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool) {
        match user {
            "alice" => (Credential::new(hash, b"secret", b"salt", 4096), true),
            _ => (Credential::of_nobody(hash, user, b"x", None), false),
        }
    }

    /// A token of hers, good until 1,000.
    fn token(&self, hash: HashFunction, id: &str) -> (Credential, Option<TokenOwner>) {
        match id {
            "token" => {
                let owner = TokenOwner { user: "alice".into(), expires_ms: 1_000 };
                (Credential::new(hash, b"hmac", b"salt", 4096), Some(owner))
            }
            _ => (Credential::of_nobody(hash, id, b"x", None), None),
        }
    }
}

fn plain(
    session: &mut SaslSession,
    user: &str,
    password: &str,
    lifetime_ms: i64,
    now_ms: i64,
) -> Result<Progress, Failure> {
    session.token(&plain::message(user, password), &Alice, "n", |_| lifetime_ms, now_ms)
}

fn known(lifetime_ms: i64) -> SaslSession {
    let mut session = SaslSession::default();
    assert!(session.handshake("PLAIN", 1, &[PLAIN]));
    plain(&mut session, "alice", "secret", lifetime_ms, 0).expect("the right password");
    session
}

#[test]
fn the_steps_of_a_modern_client() {
    let mut session = SaslSession::default();
    assert_eq!(session.expects(), Expects::ApiVersionsOrHandshake);
    session.versions_told();
    assert_eq!(session.expects(), Expects::Handshake);
    assert!(session.handshake("SCRAM-SHA-256", 1, &[PLAIN, SCRAM]));
    assert_eq!((session.expects(), session.user()), (Expects::Authenticate, None));
    let mut client = ScramClient::new(HashFunction::Sha256, "alice", "secret", "c".into());
    let first = client.evaluate(b"").expect("a message");
    let Ok(Progress::Challenge(challenge)) = session.token(&first, &Alice, "s", |_| 0, 0) else {
        panic!("a challenge")
    };
    let last = client.evaluate(&challenge).expect("a message");
    let Ok(Progress::Complete { token, session_lifetime_ms: 0 }) =
        session.token(&last, &Alice, "s", |_| 0, 0)
    else {
        panic!("the end")
    };
    client.evaluate(&token).expect("the server knows the user");
    assert_eq!((session.expects(), session.user()), (Expects::Anything, Some("alice")));
    assert!(!session.is_expired(i64::MAX) && !session.begin_again(i64::MAX), "such a session never ends");
}

#[test]
fn tokens_of_old_clients_come_bare() {
    let mut session = SaslSession::default();
    assert!(session.handshake("PLAIN", 0, &[PLAIN]));
    assert_eq!(session.expects(), Expects::Token);
}

#[test]
fn mechanisms_that_are_not_enabled() {
    for name in ["SCRAM-SHA-256", "GSSAPI", "plain", ""] {
        let mut session = SaslSession::default();
        assert!(!session.handshake(name, 1, &[PLAIN]));
        assert_eq!(session.expects(), Expects::Nothing);
    }
}

#[test]
fn failures_say_no_more_than_they_may() {
    let mut session = SaslSession::default();
    session.handshake("PLAIN", 1, &[PLAIN]);
    let failure = plain(&mut session, "alice", "wrong", 0, 0).expect_err("a wrong password");
    assert_eq!(failure.told, "Authentication failed: Invalid username or password");
    assert_eq!((session.expects(), session.user()), (Expects::Nothing, None));
    assert!(plain(&mut session, "alice", "secret", 0, 0).is_err(), "there is no second attempt");
    let mut session = SaslSession::default();
    session.handshake("SCRAM-SHA-256", 1, &[SCRAM]);
    let failure = session.token(b"rubbish", &Alice, "n", |_| 0, 0).expect_err("rubbish");
    assert_eq!(
        failure.told,
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
    );
    assert!(!failure.why.contains("rubbish"));
}

#[test]
fn sessions_end_and_go_on() {
    let mut session = known(5_000);
    assert!(!session.is_expired(5_000) && session.is_expired(5_001));
    assert!(session.begin_again(4_000));
    assert_eq!((session.expects(), session.user()), (Expects::Handshake, Some("alice")));
    assert!(session.handshake("PLAIN", 1, &[PLAIN]));
    let done = plain(&mut session, "alice", "secret", 5_000, 4_000);
    assert_eq!(done, Ok(Progress::Complete { token: Vec::new(), session_lifetime_ms: 5_000 }));
    assert!(!session.is_expired(9_000) && session.is_expired(9_001));
    assert!(!session.begin_again(4_999), "not within a second");
    assert!(session.begin_again(5_000));
}

#[test]
fn who_comes_again_must_be_the_same() {
    let mut session = known(5_000);
    assert!(session.begin_again(10));
    session.handshake("PLAIN", 1, &[PLAIN]);
    let failure = plain(&mut session, "bob", "secret", 5_000, 20).expect_err("somebody else");
    assert_eq!(failure.told, "Cannot change principals during re-authentication from User.alice: User.bob");
    let mut session = known(5_000);
    session.begin_again(10);
    session.handshake("SCRAM-SHA-256", 1, &[PLAIN, SCRAM]);
    let failure = session.token(b"n,,n=alice,r=x", &Alice, "n", |_| 0, 20).expect_err("another mechanism");
    assert!(
        failure.told.contains("'SCRAM-SHA-256' requested by client is not supported for re-authentication")
    );
    let mut session = known(5_000);
    session.begin_again(10);
    session.handshake("PLAIN", 1, &[PLAIN]);
    let failure = session.token(b"", &Alice, "n", |_| 0, 20).expect_err("rubbish");
    assert!(failure.told.contains("expected 3 tokens"));
}

#[test]
fn a_session_ends_with_its_token() {
    for (max_reauth_ms, now_ms, lifetime_ms) in
        [(0, 400, 600), (100, 400, 100), (5_000, 400, 600), (0, 1_001, 0)]
    {
        let mut session = SaslSession::default();
        session.handshake("SCRAM-SHA-256", 1, &[SCRAM]);
        let mut client = ScramClient::for_token(HashFunction::Sha256, "token", "hmac", "c".into());
        let mut challenge = Vec::new();
        let done = loop {
            let message = client.evaluate(&challenge).expect("a message");
            match session.token(&message, &Alice, "s", |_| max_reauth_ms, now_ms).expect("the right token") {
                Progress::Challenge(next) => challenge = next,
                Progress::Complete { session_lifetime_ms, .. } => break session_lifetime_ms,
            }
        };
        assert_eq!((done, session.user(), session.is_token()), (lifetime_ms, Some("alice"), true));
        let end = now_ms + lifetime_ms;
        assert!(!session.is_expired(end) && session.is_expired(end + 1));
    }
    assert!(!known(0).is_token());
}

proptest! {
    /// Whatever comes in whatever order: nobody is known who has not given the password.
    #[test]
    fn no_order_of_messages_lets_anybody_in(steps in prop::collection::vec((0..5_u8, prop::collection::vec(any::<u8>(), 0..20)), 0..12)) {
        let mut session = SaslSession::default();
        for (step, bytes) in steps {
            match step {
                0 => session.versions_told(),
                1 => { session.begin_again(0); }
                2 => { session.handshake("PLAIN", i16::from(bytes.len() as u8 % 2), &[PLAIN, SCRAM]); }
                3 => { session.handshake("SCRAM-SHA-256", 1, &[PLAIN, SCRAM]); }
                _ => { let _ = session.token(&bytes, &Alice, "n", |_| 1, 0); }
            }
            prop_assert!(session.user().is_none() && session.expects() != Expects::Anything);
        }
    }
}
