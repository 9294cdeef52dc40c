//! The server's side (`ScramSaslServer`).

use super::messages::{ClientFinal, ClientFirst};
use super::{Credential, ITERATIONS_MIN, OTHER_AUTHORIZATION_ID, auth_message};
use crate::base64;
use crate::sasl::hash::{HashFunction, equal, xor};
use crate::sasl::{SaslError, Step, TokenOwner};

/// One exchange.
#[derive(Debug)]
pub(in crate::sasl) struct ScramServer {
    hash: HashFunction,
    is_token: bool,
    /// What was said so far.
    begun: Option<Begun>,
}

/// Whose credential is asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::sasl) enum ScramName<'a> {
    User(&'a str),
    /// By its id.
    Token(&'a str),
}

/// A credential, or what stands in for it.
#[derive(Debug)]
pub(in crate::sasl) struct Found {
    credential: Credential,
    is_known: bool,
    owner: Option<TokenOwner>,
}

impl Found {
    pub(in crate::sasl) fn user((credential, is_known): (Credential, bool)) -> Self {
        Self { credential, is_known, owner: None }
    }

    pub(in crate::sasl) fn token((credential, owner): (Credential, Option<TokenOwner>)) -> Self {
        Self { credential, is_known: owner.is_some(), owner }
    }
}

#[derive(Debug)]
struct Begun {
    user: String,
    found: Found,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl ScramServer {
    pub(in crate::sasl) fn new(hash: HashFunction) -> Self {
        Self { hash, is_token: false, begun: None }
    }

    pub(in crate::sasl) fn hash(&self) -> HashFunction {
        self.hash
    }

    /// Whether the client has given a token's id in place of a user.
    pub(in crate::sasl) fn is_token(&self) -> bool {
        self.is_token
    }

    /// Takes a message. `find` finds a credential, or what stands in for it; `nonce` is a random text.
    pub(in crate::sasl) fn evaluate(
        &mut self,
        message: &[u8],
        find: impl FnOnce(ScramName<'_>) -> Found,
        nonce: &str,
    ) -> Result<Step, SaslError> {
        match self.begun.take() {
            None => self.begin(message, find, nonce),
            Some(begun) => self.finish(message, begun),
        }
    }

    fn begin(
        &mut self,
        message: &[u8],
        find: impl FnOnce(ScramName<'_>) -> Found,
        nonce: &str,
    ) -> Result<Step, SaslError> {
        let first = ClientFirst::parse(message)
            .ok_or(SaslError::Hidden("Invalid SCRAM client first message format"))?;
        if !first.authorization_id.is_empty() && first.authorization_id != first.user {
            return Err(SaslError::Told(OTHER_AUTHORIZATION_ID.to_owned()));
        }
        self.is_token = first.is_token;
        let found = find(match first.is_token {
            true => ScramName::Token(&first.user),
            false => ScramName::User(&first.user),
        });
        let credential = &found.credential;
        if credential.iterations < ITERATIONS_MIN {
            return Err(SaslError::Hidden("The credential has too few iterations"));
        }
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = base64::encode(&credential.salt);
        let server_first = format!("r={nonce},s={salt},i={}", credential.iterations);
        let client_first_bare = first.bare.to_owned();
        let challenge = server_first.clone().into_bytes();
        let user = first.user;
        self.begun = Some(Begun { user, found, client_first_bare, server_first, nonce });
        Ok(Step::Challenge(challenge))
    }

    fn finish(&self, message: &[u8], begun: Begun) -> Result<Step, SaslError> {
        let last = ClientFinal::parse(message)
            .ok_or(SaslError::Hidden("Invalid SCRAM client final message format"))?;
        if last.nonce != begun.nonce {
            return Err(SaslError::Hidden("Invalid client nonce in the final client message"));
        }
        let text = auth_message(&begun.client_first_bare, &begun.server_first, last.without_proof);
        let Found { credential, is_known, owner } = begun.found;
        let signature = self.hash.hmac(&credential.stored_key, &text);
        let stored_key = self.hash.hash(&xor(&signature, &last.proof));
        let fits = equal(&stored_key, &credential.stored_key) && last.proof.len() == signature.len();
        if !(fits && is_known) {
            return Err(SaslError::Hidden("Invalid client credentials"));
        }
        let proof = base64::encode(&self.hash.hmac(&credential.server_key, &text));
        let response = format!("v={proof}").into_bytes();
        Ok(match owner {
            None => Step::Done { user: begun.user, response, expires_ms: None },
            Some(TokenOwner { user, expires_ms }) => {
                Step::Done { user, response, expires_ms: Some(expires_ms) }
            }
        })
    }
}
