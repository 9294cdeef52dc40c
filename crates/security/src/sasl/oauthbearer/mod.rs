//! OAUTHBEARER (RFC 7628, KIP-255): a client shows a token that somebody else has issued.
//!
//! ```text
//! client: n,,^Aauth=Bearer <token>^Aextension=value^A^A
//! server: (empty)                     the token is good
//!         {"status":"invalid_token"}  it is not; the client answers ^A, and hears the same again as an error
//! ```
//!
//! What makes a token good is [`crate::jwt`]'s.

mod client;
mod messages;
mod server;

pub use client::{OAuthClient, initial};
pub use messages::{ClientFirst, Extensions, check_extensions};
pub(in crate::sasl) use server::OAuthServer;

/// What a client answers to an error: it has understood.
const CONTROL_A: &[u8] = b"\x01";

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The user.
    pub user: String,
    /// The end of the token's life, in Unix milliseconds.
    pub expires_ms: i64,
    /// When it was issued, in Unix milliseconds.
    pub issued_ms: Option<i64>,
    /// What it is good for; each once.
    pub scope: Vec<String>,
}

/// Why a token is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// `invalid_token` or `insufficient_scope`.
    pub status: &'static str,
    /// The scope that was wanted.
    pub scope: Option<String>,
    /// For the log: holds nothing of the token.
    pub why: String,
}

impl Refusal {
    /// The token itself is no good.
    pub fn invalid_token(why: impl Into<String>) -> Self {
        Self { status: "invalid_token", scope: None, why: why.into() }
    }

    /// What the client hears (`OAuthBearerSaslServer.jsonErrorResponse`).
    fn json(&self) -> String {
        match &self.scope {
            Some(scope) => format!("{{\"status\":\"{}\", \"scope\":\"{scope}\"}}", self.status),
            None => format!("{{\"status\":\"{}\"}}", self.status),
        }
    }
}

#[cfg(test)]
#[path = "oauthbearer_test.rs"]
mod oauthbearer_test;
