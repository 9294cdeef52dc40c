//! SASL as strangers speak it: any messages in any order, and nobody gets in who has no password. Then the same bytes as the
//! server's messages to a client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_security::sasl::session::Expects;
use ottla_security::sasl::{Credential, Credentials, HashFunction, Mechanism, SaslSession, ScramClient};

struct Users;

impl Credentials for Users {
    fn is_plain_password(&self, _: &str, _: &str) -> bool {
        false
    }

    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool) {
        // Known, but the stored key is no hash of anything that was ever made.
        (Credential::of_nobody(hash, user, b"secret", None), true)
    }
}

fuzz_target!(|data: &[u8]| {
    let mut session = SaslSession::default();
    let mut client = ScramClient::new(HashFunction::Sha256, "user", "pencil", "nonce".to_owned());
    let _ = client.evaluate(b"");
    for message in data.split(|byte| *byte == 0xff) {
        match message {
            [0xf0] => session.versions_told(),
            [0xf1] => drop(session.begin_again(0)),
            [0xf2, version, name @ ..] => {
                let name = String::from_utf8_lossy(name);
                session.handshake(&name, i16::from(version % 2), Mechanism::ALL);
            }
            [0xf3, which, ..] => {
                let mechanism = Mechanism::ALL[usize::from(*which) % Mechanism::ALL.len()];
                session.handshake(mechanism.name(), 1, Mechanism::ALL);
            }
            token => {
                let _ = session.token(token, &Users, "nonce", |_| 1, 0);
                // Iterations cost time, not correctness: what is long is left out.
                if token.len() < 64 && !token.windows(3).any(|w| w == b",i=") {
                    let _ = client.evaluate(token);
                }
            }
        }
        assert!(session.user().is_none() && session.expects() != Expects::Anything, "nobody is let in");
        assert!(!client.is_complete(), "no server is believed");
    }
});
