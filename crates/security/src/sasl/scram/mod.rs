//! SCRAM (RFC 5802, RFC 7677): `ScramSaslServer`, `ScramSaslClient`.
//!
//! The server keeps no password and nothing that opens a door elsewhere: a salt, a hash of a key that only who knows the password
//! can work out, and its own key, with which it proves to know the user.

mod client;
mod messages;
mod server;

use std::fmt;

use super::hash::HashFunction;
use crate::base64;

pub use client::ScramClient;
pub(super) use server::{Found, ScramName, ScramServer};

/// The fewest iterations that both sides accept.
pub const ITERATIONS_MIN: u32 = 4_096;
/// The most that a credential can be given.
pub const ITERATIONS_MAX: u32 = 16_384;

/// Whoever proves to be one user may not act as another.
pub(super) const OTHER_AUTHORIZATION_ID: &str =
    "Authentication failed: Client requested an authorization id that is different from username";

/// What a server keeps of a password. Its `Debug` form shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Random bytes.
    pub salt: Vec<u8>,
    /// Hash of the client's key.
    pub stored_key: Vec<u8>,
    /// The server's key.
    pub server_key: Vec<u8>,
    /// Rounds of hashing.
    pub iterations: u32,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([hidden])")
    }
}

impl Credential {
    /// The credential of a password.
    pub fn new(hash: HashFunction, password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted_password(password, salt, iterations);
        Self {
            salt: salt.to_vec(),
            stored_key: hash.stored_key(&salted),
            server_key: hash.server_key(&salted),
            iterations,
        }
    }

    /// What stands in for the credential of a user that does not exist. It is the same at each attempt, looks like `model` (a
    /// credential of somebody else, if there is one), and no password fits it.
    pub fn of_nobody(hash: HashFunction, user: &str, secret: &[u8], model: Option<&Self>) -> Self {
        let derived = |what: &str| hash.hmac(secret, format!("{what} {user}").as_bytes());
        let mut salt: Vec<u8> = derived("salt 0").into_iter().chain(derived("salt 1")).collect();
        salt.truncate(model.map_or(DEFAULT_SALT_BYTES, |model| model.salt.len()));
        if model.is_none_or(|model| model.salt.iter().all(u8::is_ascii_alphanumeric)) {
            // Java's clients write a salt as a number to the base 36.
            salt.iter_mut().for_each(|byte| *byte = base_36(*byte));
        }
        Self {
            salt,
            stored_key: derived("stored key"),
            server_key: derived("server key"),
            iterations: model.map_or(ITERATIONS_MIN, |model| model.iterations),
        }
    }
}

/// Bytes of the salts that Java's clients make.
const DEFAULT_SALT_BYTES: usize = 26;

fn base_36(byte: u8) -> u8 {
    match byte % 36 {
        digit @ 0..10 => b'0' + digit,
        letter => b'a' + letter - 10,
    }
}

/// A nonce: 144 random bits as a text without commas.
pub fn nonce(random: [u8; 18]) -> String {
    base64::encode(&random)
}

/// `AuthMessage`
fn auth_message(client_first_bare: &str, server_first: &str, client_final_without_proof: &str) -> Vec<u8> {
    format!("{client_first_bare},{server_first},{client_final_without_proof}").into_bytes()
}

#[cfg(test)]
#[path = "scram_test.rs"]
mod scram_test;
