//! Messages and exchanges of OAUTHBEARER.

use proptest::prelude::*;

use super::*;
use crate::sasl::server::{Credentials, SaslServer, Step};
use crate::sasl::session::{Expects, Progress, SaslSession};
use crate::sasl::{Credential, HashFunction, Mechanism, SaslError};

/// Lets in `good.<user>`, until 5 s.
struct Tokens;

impl Credentials for Tokens {
    fn is_plain_password(&self, _: &str, _: &str) -> bool {
        false
    }

    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool) {
        (Credential::of_nobody(hash, user, b"x", None), false)
    }

    fn bearer(&self, token: &str) -> Result<Token, Refusal> {
        match token.strip_prefix("good.") {
            Some(user) => {
                Ok(Token { user: user.into(), expires_ms: 5_000, issued_ms: None, scope: Vec::new() })
            }
            None if token == "narrow" => Err(Refusal {
                status: "insufficient_scope",
                scope: Some("[wide]".into()),
                why: "not wide".into(),
            }),
            None => Err(Refusal::invalid_token("no good")),
        }
    }
}

fn extensions(pairs: &[(&str, &str)]) -> Extensions {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn evaluate(message: &[u8]) -> Result<Step, SaslError> {
    SaslServer::new(Mechanism::OAuthBearer).evaluate(message, &Tokens, "n")
}

#[test]
fn messages_as_java_writes_them() {
    /// Authorization id, token, extensions.
    type Parts<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);
    let check = |message: &str, expect: Result<Parts<'_>, &str>| {
        let found = ClientFirst::parse(message.as_bytes());
        let found = found.as_ref().map(|it| (it.authorization_id, it.token, it.extensions.clone()));
        let expect = expect.map(|(id, token, pairs)| (id, token, extensions(pairs)));
        assert_eq!(found.map_err(ToString::to_string), expect.map_err(str::to_owned), "{message:?}");
    };
    check("n,,\x01auth=Bearer a.b.c\x01\x01", Ok(("", "a.b.c", &[])));
    check("n,a=alice,\x01auth=bEARER   a.b.c==\x01\x01", Ok(("alice", "a.b.c==", &[])));
    let pairs: &[_] = &[("a", "b=c d"), ("traceId", "1\t2")];
    check("n,,\x01a=b=c d\x01auth=Bearer x\x01traceId=1\t2\x01\x01", Ok(("", "x", pairs)));
    check("n,a=x=2Cy=3D,\x01auth=Bearer x\x01\x01", Ok(("x=2Cy=3D", "x", &[])));
    let none = "Invalid OAUTHBEARER client first message";
    for broken in [
        "",
        "\x01",
        "n,,",
        "y,,\x01auth=Bearer x\x01\x01",
        "n,b=x,\x01auth=Bearer x\x01\x01",
        "n,a=,\x01auth=Bearer x\x01\x01",
        "n,a=x=,\x01auth=Bearer x\x01\x01",
        "n,,auth=Bearer x\x01\x01",
        "n,,\x01auth=Bearer x\x01",
        "n,,\x01auth=Bearer x\x01\x01\x01",
        "n,,\x01auth=Bearer x\x01a1=b\x01\x01",
        "n,,\x01auth=Bearer x\x01a=\x01\x01",
        "n,,\x01auth=Bearer x\x01a=\u{e4}\x01\x01",
        "n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
    ] {
        check(broken, Err(none));
    }
    check("n,,\x01\x01", Err("Invalid OAUTHBEARER client first message: 'auth' not specified"));
    check("n,,\x01a=b\x01\x01", Err("Invalid OAUTHBEARER client first message: 'auth' not specified"));
    for auth in ["Bearer", "Bearer ", "Basic x", "Bearer a b", "Bearer =", "Bearer a=b", "Bearer a\u{7f}"] {
        assert!(ClientFirst::parse(format!("n,,\x01auth={auth}\x01\x01").as_bytes()).is_err(), "{auth:?}");
    }
}

#[test]
fn what_a_client_may_send() {
    let sent = initial("a.b", &extensions(&[("b", "c"), ("a", "x y")])).expect("a message");
    assert_eq!(sent, b"n,,\x01auth=Bearer a.b\x01a=x y\x01b=c\x01\x01");
    for (name, value) in [("auth", "x"), ("a1", "x"), ("", "x"), ("a", ""), ("a", "\x01")] {
        assert!(initial("a.b", &extensions(&[(name, value)])).is_err(), "{name:?}={value:?}");
    }
    for token in ["", "a b", "a\x01auth=Bearer x", "\u{e4}"] {
        assert!(initial(token, &Extensions::new()).is_err(), "{token:?}");
    }
}

#[test]
fn a_good_token_ends_the_exchange() {
    let sent = initial("good.alice", &extensions(&[("a", "b")])).expect("a message");
    let done = Step::Done { user: "alice".into(), response: Vec::new(), expires_ms: Some(5_000) };
    assert_eq!(evaluate(&sent), Ok(done.clone()));
    assert_eq!(evaluate(b"n,a=alice,\x01auth=Bearer good.alice\x01\x01"), Ok(done));
    let Err(SaslError::Explained { told, .. }) = evaluate(b"n,a=bob,\x01auth=Bearer good.alice\x01\x01")
    else {
        panic!("somebody else")
    };
    assert_eq!(
        told,
        "Authentication failed: Client requested an authorization id (bob) that is different from the token's principal name (alice)"
    );
}

#[test]
fn errors_are_told_twice() {
    for (token, expect) in [
        ("bad", "{\"status\":\"invalid_token\"}"),
        ("narrow", "{\"status\":\"insufficient_scope\", \"scope\":\"[wide]\"}"),
    ] {
        // Even a good token does not mend what has failed.
        for second in [CONTROL_A.to_vec(), Vec::new(), initial("good.alice", &Extensions::new()).expect("it")]
        {
            let mut client = OAuthClient::default();
            let mut server = SaslServer::new(Mechanism::OAuthBearer);
            let first = client.first(token, &Extensions::new()).expect("a message");
            let Ok(Step::Challenge(challenge)) = server.evaluate(&first, &Tokens, "n") else {
                panic!("an error")
            };
            assert_eq!(challenge, expect.as_bytes());
            assert_eq!(client.evaluate(&challenge), Ok(Some(CONTROL_A.to_vec())));
            assert_eq!(client.refusal(), Some(expect));
            let Err(SaslError::Explained { told, why }) = server.evaluate(&second, &Tokens, "n") else {
                panic!("the end")
            };
            assert_eq!((told.as_str(), why.contains(token)), (expect, false));
            assert!(server.evaluate(&first, &Tokens, "n").is_err(), "it is over");
        }
    }
    let mut client = OAuthClient::default();
    assert!(client.evaluate(b"").is_err(), "before anything was sent");
    let mut client = OAuthClient::default();
    client.first("good.a", &Extensions::new()).expect("a message");
    assert_eq!(client.evaluate(b""), Ok(None));
    assert!(client.evaluate(b"").is_err() && client.first("x", &Extensions::new()).is_err());
}

fn session(max_reauth_ms: i64, now_ms: i64) -> (SaslSession, i64) {
    let mut session = SaslSession::default();
    assert!(session.handshake("OAUTHBEARER", 1, &[Mechanism::OAuthBearer]));
    let first = initial("good.alice", &Extensions::new()).expect("a message");
    let progress = session.token(&first, &Tokens, "n", |_| max_reauth_ms, now_ms);
    let Ok(Progress::Complete { session_lifetime_ms, .. }) = progress else { panic!("{progress:?}") };
    (session, session_lifetime_ms)
}

#[test]
fn sessions_end_with_their_token() {
    for (max_reauth_ms, now_ms, expect) in
        [(0, 1_000, 4_000), (3_000, 1_000, 3_000), (9_000, 1_000, 4_000), (0, 6_000, 0), (-1, 0, 5_000)]
    {
        let (mut session, lifetime) = session(max_reauth_ms, now_ms);
        assert_eq!(lifetime, expect, "{max_reauth_ms} at {now_ms}");
        assert!(!session.is_expired(now_ms + expect) && session.is_expired(now_ms + expect + 1));
        assert!(session.begin_again(now_ms), "even where the broker asks for no such thing");
        assert!(session.handshake("OAUTHBEARER", 1, &[Mechanism::OAuthBearer]));
        let other = initial("good.bob", &Extensions::new()).expect("a message");
        let failure = session.token(&other, &Tokens, "n", |_| 0, now_ms).expect_err("somebody else");
        assert!(failure.told.contains("Cannot change principals"), "{}", failure.told);
    }
}

proptest! {
    #[test]
    fn messages_come_back(id in "[a-z]{0,5}", token in "[A-Za-z0-9._~+/-]{1,20}={0,2}", pairs in prop::collection::btree_map("[A-Za-z]{1,5}", "[ -~]{1,9}", 0..4)) {
        prop_assume!(!pairs.contains_key("auth"));
        let first = ClientFirst { authorization_id: &id, token: &token, extensions: pairs };
        let bytes = first.encode();
        prop_assert_eq!(ClientFirst::parse(&bytes), Ok(first));
    }

    /// Whatever comes in whatever order: nobody is known without a good token, and nobody after an error.
    #[test]
    fn no_order_of_messages_lets_anybody_in(steps in prop::collection::vec((0..6_u8, prop::collection::vec(any::<u8>(), 0..20)), 0..10)) {
        let mut session = SaslSession::default();
        let mut has_failed = false;
        for (step, bytes) in steps {
            let good = initial("good.alice", &Extensions::new()).expect("a message");
            let bad = initial("bad", &Extensions::new()).expect("a message");
            let sent = match step {
                0 => { session.versions_told(); continue }
                1 => { has_failed |= !session.handshake("OAUTHBEARER", 1, &[Mechanism::OAuthBearer]); continue }
                2 => good.clone(),
                3 => bad,
                4 => CONTROL_A.to_vec(),
                _ => bytes,
            };
            let known_before = session.user().is_some();
            let is_open = session.expects() == Expects::Authenticate;
            let found = session.token(&sent, &Tokens, "n", |_| 0, 0);
            if let Ok(Progress::Complete { .. }) = &found {
                prop_assert!(sent == good && is_open && !has_failed);
            } else {
                prop_assert!(session.user().is_none() || known_before);
            }
            // A handshake begins anew only in this test; on a connection the gate lets none through.
            has_failed = !matches!(found, Ok(Progress::Complete { .. }));
            if has_failed { break }
        }
    }

    #[test]
    fn any_message_is_survived(bytes: Vec<u8>, text in "n,(a=[^,]{0,3})?,\x01([a-z=\x01 ]{0,20}\x01)?\x01") {
        let _ = ClientFirst::parse(&bytes);
        let _ = ClientFirst::parse(text.as_bytes());
    }
}
