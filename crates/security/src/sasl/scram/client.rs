//! The client's side (`ScramSaslClient`).

use std::fmt;

use super::messages::{ServerFirst, ascii, escaped};
use super::{ITERATIONS_MIN, auth_message};
use crate::base64;
use crate::sasl::SaslError;
use crate::sasl::hash::{HashFunction, equal, xor};

/// The most iterations that a server can make a client work for: about ten seconds.
const ITERATIONS_SERVABLE: u32 = 10_000_000;

/// One exchange with a server. Its `Debug` form shows no secret.
pub struct ScramClient {
    hash: HashFunction,
    password: String,
    nonce: String,
    first_bare: String,
    state: State,
}

enum State {
    Begin,
    First,
    Final { server_signature: Vec<u8> },
    Done,
    Failed,
}

impl ScramClient {
    /// An exchange that is about to begin; `nonce` as [`super::nonce`] makes it.
    pub fn new(hash: HashFunction, user: &str, password: &str, nonce: String) -> Self {
        let first_bare = format!("n={},r={nonce}", escaped(user));
        Self { hash, password: password.to_owned(), nonce, first_bare, state: State::Begin }
    }

    /// An exchange with a delegation token: its id, and its HMAC in Base64, as `ScramLoginModule`'s `username` and `password` with
    /// `tokenauth="true"` hold them.
    pub fn for_token(hash: HashFunction, id: &str, hmac: &str, nonce: String) -> Self {
        let mut client = Self::new(hash, id, hmac, nonce);
        client.first_bare.push_str(",tokenauth=true");
        client
    }

    /// Whether the server has proved to know the user.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The answer to a server's message; the first is given for none.
    ///
    /// # Errors
    /// When the server says something else than SCRAM, or does not know the user's credential.
    pub fn evaluate(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Begin => {
                self.state = State::First;
                Ok(format!("n,,{}", self.first_bare).into_bytes())
            }
            State::First => {
                let (state, answer) = self.prove(challenge)?;
                self.state = state;
                Ok(answer)
            }
            State::Final { server_signature } => {
                let text = ascii(challenge).unwrap_or_default();
                if let Some(error) = text.strip_prefix("e=") {
                    return Err(SaslError::Told(format!("the server says: {error}")));
                }
                let signature = text.strip_prefix("v=").and_then(|rest| rest.split(',').next());
                let signature = signature
                    .and_then(base64::decode)
                    .ok_or(SaslError::Hidden("Invalid SCRAM server final message format"))?;
                if !equal(&signature, &server_signature) {
                    return Err(SaslError::Hidden("Invalid server signature in server final message"));
                }
                self.state = State::Done;
                Ok(Vec::new())
            }
            State::Done | State::Failed => {
                Err(SaslError::Hidden("Unexpected challenge after the end of the exchange"))
            }
        }
    }

    fn prove(&self, challenge: &[u8]) -> Result<(State, Vec<u8>), SaslError> {
        let text = ascii(challenge).unwrap_or_default();
        let first =
            ServerFirst::parse(text).ok_or(SaslError::Hidden("Invalid SCRAM server first message format"))?;
        if !first.nonce.starts_with(&self.nonce) {
            return Err(SaslError::Hidden("Invalid server nonce: does not start with client nonce"));
        }
        if !(ITERATIONS_MIN..=ITERATIONS_SERVABLE).contains(&first.iterations) {
            return Err(SaslError::Told(format!(
                "Requested iterations {} is less than the minimum {ITERATIONS_MIN}, or more than {ITERATIONS_SERVABLE}",
                first.iterations
            )));
        }
        let hash = self.hash;
        let salted = hash.salted_password(self.password.as_bytes(), &first.salt, first.iterations);
        // "n,,", the header of a client without channel binding.
        let without_proof = format!("c=biws,r={}", first.nonce);
        let message = auth_message(&self.first_bare, text, &without_proof);
        let client_key = hash.client_key(&salted);
        let proof = xor(&client_key, &hash.hmac(&hash.hash(&client_key), &message));
        let server_signature = hash.hmac(&hash.server_key(&salted), &message);
        let answer = format!("{without_proof},p={}", base64::encode(&proof)).into_bytes();
        Ok((State::Final { server_signature }, answer))
    }
}

impl fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramClient({:?})", self.hash)
    }
}
