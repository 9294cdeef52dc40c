//! SASL/PLAIN (RFC 4616): `PlainSaslServer`, `PlainServerCallbackHandler`.

use std::collections::HashMap;
use std::fmt;

use super::SaslError;
use super::hash::{HashFunction, equal};
use crate::jaas::JaasEntry;

/// Begins the options of a `PlainLoginModule` that name a user.
const USER_PREFIX: &str = "user_";

/// The users of one listener and their passwords, of which only keyed hashes are kept. All are hashed and compared alike, so that
/// the time of an answer tells neither a user's existence nor a password's length.
#[derive(Clone, Default)]
pub struct PlainUsers {
    secret: Vec<u8>,
    hashes: HashMap<String, Vec<u8>>,
}

impl PlainUsers {
    /// The users of a `PlainLoginModule`'s options, such as `user_alice="secret"`. `secret` is random and the broker's own.
    pub fn new(entry: &JaasEntry, secret: &[u8]) -> Self {
        let users = entry.options().filter_map(|(key, value)| Some((key.strip_prefix(USER_PREFIX)?, value)));
        Self {
            secret: secret.to_vec(),
            hashes: users.map(|(user, password)| (user.to_owned(), hash(secret, password))).collect(),
        }
    }

    /// Whether this is the user's password.
    pub fn is_password(&self, user: &str, password: &str) -> bool {
        let given = hash(&self.secret, password);
        let expected = self.hashes.get(user);
        let same = equal(&given, expected.map_or(&[0; 32], Vec::as_slice));
        same && expected.is_some()
    }
}

impl fmt::Debug for PlainUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainUsers({} users)", self.hashes.len())
    }
}

fn hash(secret: &[u8], password: &str) -> Vec<u8> {
    HashFunction::Sha256.hmac(secret, password.as_bytes())
}

/// Checks a client's only message; the user's name on success.
///
/// # Errors
/// When it is malformed, or user and password are not known together.
pub fn authenticate(message: &[u8], is_password: impl Fn(&str, &str) -> bool) -> Result<String, SaslError> {
    let told = |text: &str| SaslError::Told(text.to_owned());
    let text = String::from_utf8_lossy(message);
    let tokens: Vec<&str> = text.splitn(4, '\0').collect();
    let [authorization_id, user, password] = tokens[..] else {
        let count = tokens.len();
        return Err(SaslError::Told(format!("Invalid SASL/PLAIN response: expected 3 tokens, got {count}")));
    };
    if user.is_empty() {
        return Err(told("Authentication failed: username not specified"));
    }
    if password.is_empty() {
        return Err(told("Authentication failed: password not specified"));
    }
    if !is_password(user, password) {
        return Err(told("Authentication failed: Invalid username or password"));
    }
    if !authorization_id.is_empty() && authorization_id != user {
        return Err(told(super::scram::OTHER_AUTHORIZATION_ID));
    }
    Ok(user.to_owned())
}

/// A client's only message.
pub fn message(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jaas;

    #[test]
    fn messages_and_their_answers() {
        let entry =
            jaas::parse_single("M required username=x user_alice=\"a\u{e4}\" user_b=c;").expect("an entry");
        let users = PlainUsers::new(&entry, b"secret");
        let check = |message: &str, expect: &str| {
            let found = authenticate(message.as_bytes(), |user, password| users.is_password(user, password));
            assert_eq!(found.unwrap_or_else(|why| why.to_string()), expect, "{message:?}");
        };
        check("\0alice\0a\u{e4}", "alice");
        check("b\0b\0c", "b");
        check(
            "alice\0b\0c",
            "Authentication failed: Client requested an authorization id that is different from username",
        );
        let wrong = "Authentication failed: Invalid username or password";
        check("\0b\0d", wrong);
        check("\0nobody\0c", wrong);
        check("\0x\0x", wrong);
        check("\0\0c", "Authentication failed: username not specified");
        check("\0b\0", "Authentication failed: password not specified");
        check("", "Invalid SASL/PLAIN response: expected 3 tokens, got 1");
        check("\0b\0c\0", "Invalid SASL/PLAIN response: expected 3 tokens, got 4");
        check("\0b\0c\0\0\0", "Invalid SASL/PLAIN response: expected 3 tokens, got 4");
        assert_eq!(format!("{users:?}"), "PlainUsers(2 users)");
        assert_eq!(message("b", "c"), b"\0b\0c");
    }

    #[test]
    fn a_name_that_is_nobodys_has_no_password() {
        let users = PlainUsers::default();
        assert!(!users.is_password("a", "") && !users.is_password("", ""));
    }
}
