//! Both sides against each other, and against the examples of RFC 7677.

use proptest::prelude::*;

use super::*;
use crate::sasl::{SaslError, Step};

const USER: &str = "user";

fn known(hash: HashFunction) -> Credential {
    Credential::new(hash, b"pencil", b"saltsaltsaltsalt", 4096)
}

/// The whole exchange; what the server says in the end, and whether the client is content.
fn exchange(hash: HashFunction, user: &str, password: &str) -> (Result<Step, SaslError>, ScramClient) {
    let mut client = ScramClient::new(hash, user, password, nonce([7; 18]));
    let mut server = ScramServer::new(hash);
    let find = |name: ScramName<'_>| match name {
        ScramName::User(USER) => Found::user((known(hash), true)),
        ScramName::User(name) | ScramName::Token(name) => {
            Found::user((Credential::of_nobody(hash, name, b"secret", Some(&known(hash))), false))
        }
    };
    let first = client.evaluate(b"").expect("a message");
    let Ok(Step::Challenge(challenge)) = server.evaluate(&first, find, "server") else {
        panic!("the first message is answered by a challenge");
    };
    let last = client.evaluate(&challenge).expect("a message");
    let outcome = server.evaluate(&last, find, "unused");
    if let Ok(Step::Done { response, .. }) = &outcome {
        client.evaluate(response).expect("the server knows the user");
    }
    (outcome, client)
}

#[test]
fn rfc_7677s_example() {
    let salt = base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
    let credential = Credential::new(HashFunction::Sha256, b"pencil", &salt, 4096);
    let mut server = ScramServer::new(HashFunction::Sha256);
    let find = |_: ScramName<'_>| Found::user((credential.clone(), true));
    let challenge =
        server.evaluate(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", find, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    let expected = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(challenge, Ok(Step::Challenge(expected.into())));
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let done = server.evaluate(last.as_bytes(), find, "");
    let response = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec();
    assert_eq!(done, Ok(Step::Done { user: "user".into(), response, expires_ms: None }));
}

#[test]
fn the_right_password_and_nothing_else() {
    for hash in [HashFunction::Sha256, HashFunction::Sha512] {
        let (outcome, client) = exchange(hash, USER, "pencil");
        assert!(matches!(outcome, Ok(Step::Done { user, .. }) if user == USER));
        assert!(client.is_complete());
        let wrong = exchange(hash, USER, "pen").0.expect_err("a wrong password");
        let nobody = exchange(hash, "nobody", "pencil").0.expect_err("an unknown user");
        assert_eq!(wrong, nobody, "both hear the same");
    }
}

#[test]
fn who_is_unknown_looks_like_somebody() {
    let hash = HashFunction::Sha256;
    let model = Credential { salt: vec![0xff; 20], iterations: 8192, ..known(hash) };
    let first = Credential::of_nobody(hash, "a", b"secret", Some(&model));
    assert!(first == Credential::of_nobody(hash, "a", b"secret", Some(&model)), "the same at each attempt");
    assert_eq!((first.salt.len(), first.iterations, first.stored_key.len()), (20, 8192, 32));
    assert_ne!(first.salt, Credential::of_nobody(hash, "b", b"secret", Some(&model)).salt);
    assert_ne!(first.salt, Credential::of_nobody(hash, "a", b"other", Some(&model)).salt);
    let without_model = Credential::of_nobody(hash, "a", b"secret", None);
    assert!(without_model.salt.len() == 26 && without_model.salt.iter().all(u8::is_ascii_alphanumeric));
    assert_eq!(format!("{first:?}"), "Credential([hidden])");
}

#[test]
fn a_server_that_does_not_know_the_user_is_found_out() {
    let hash = HashFunction::Sha256;
    let begin = || {
        let mut client = ScramClient::new(hash, USER, "pencil", "abc".into());
        assert_eq!(client.evaluate(b"").expect("a message"), b"n,,n=user,r=abc");
        client
    };
    let mut client = begin();
    client.evaluate(b"r=abcdef,s=c2FsdA==,i=4096").expect("an answer");
    assert!(client.evaluate(b"v=c2FsdA==").is_err() && !client.is_complete());
    for bad in [
        "r=xyz,s=c2FsdA==,i=4096",
        "r=abcd,s=c2FsdA==,i=4095",
        "r=abcd,s=c2FsdA==,i=4294967295",
        "e=other-error",
        "",
    ] {
        assert!(begin().evaluate(bad.as_bytes()).is_err(), "{bad}");
    }
    let mut client = begin();
    client.evaluate(b"r=abcdef,s=c2FsdA==,i=4096").expect("an answer");
    assert!(client.evaluate(b"e=invalid-proof").expect_err("an error").to_string().contains("invalid-proof"));
}

#[test]
fn an_authorization_id_must_be_the_user() {
    let evaluate = |message: &str| {
        ScramServer::new(HashFunction::Sha256).evaluate(
            message.as_bytes(),
            |_| Found::user((known(HashFunction::Sha256), true)),
            "server",
        )
    };
    assert!(evaluate("n,a=user,n=user,r=a").is_ok());
    assert_eq!(evaluate("n,a=admin,n=user,r=a"), Err(SaslError::Told(OTHER_AUTHORIZATION_ID.into())));
}

#[test]
fn a_token_stands_for_its_owner() {
    let hash = HashFunction::Sha512;
    let exchange = |mut client: ScramClient, expect_token: bool| {
        let mut server = ScramServer::new(hash);
        let find = |name: ScramName<'_>| match name {
            ScramName::Token("id") => {
                assert!(expect_token);
                let credential = Credential::new(hash, b"aG1hYw==", b"salt", ITERATIONS_MIN);
                let owner = crate::sasl::TokenOwner { user: "alice".into(), expires_ms: 7 };
                Found::token((credential, Some(owner)))
            }
            ScramName::Token(id) => Found::token((Credential::of_nobody(hash, id, b"x", None), None)),
            ScramName::User(user) => Found::user((Credential::of_nobody(hash, user, b"x", None), false)),
        };
        let first = client.evaluate(b"").expect("a message");
        let Ok(Step::Challenge(challenge)) = server.evaluate(&first, find, "server") else {
            panic!("whether there is such a token is not told")
        };
        let last = client.evaluate(&challenge).expect("a message");
        server.evaluate(&last, find, "")
    };
    let token = |id, hmac| ScramClient::for_token(hash, id, hmac, "abc".into());
    let done = exchange(token("id", "aG1hYw=="), true);
    assert!(matches!(&done, Ok(Step::Done { user, expires_ms: Some(7), .. }) if user == "alice"), "{done:?}");
    let wrong = exchange(token("id", "aG1hYz=="), true).expect_err("another HMAC");
    assert_eq!(exchange(token("other", "aG1hYw=="), true), Err(wrong.clone()));
    let user = ScramClient::new(hash, "id", "aG1hYw==", "abc".into());
    assert_eq!(exchange(user, false), Err(wrong), "a token is no user");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_by_both_sides(first: Vec<u8>, last: Vec<u8>) {
        let mut server = ScramServer::new(HashFunction::Sha256);
        let find = |_: ScramName<'_>| {
            Found::user((Credential::of_nobody(HashFunction::Sha256, "", b"", None), true))
        };
        let _ = server.evaluate(&first, find, "server");
        let mut server = ScramServer::new(HashFunction::Sha256);
        server.evaluate(b"n,,n=user,r=a", find, "server").expect("a challenge");
        prop_assert!(server.evaluate(&last, find, "server").is_err());
        let mut client = ScramClient::new(HashFunction::Sha256, USER, "pencil", "abc".into());
        let _ = client.evaluate(b"");
        prop_assert!(client.evaluate(&last).is_err());
    }

    #[test]
    fn any_name_is_carried(name in "[ -~]{1,20}") {
        let mut client = ScramClient::new(HashFunction::Sha256, &name, "x", "abc".into());
        let first = client.evaluate(b"").expect("a message");
        let found = messages::ClientFirst::parse(&first).expect("a message").user;
        prop_assert_eq!(found, name);
    }
}
