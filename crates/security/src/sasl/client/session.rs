//! A connection's way through a login (`SaslClientAuthenticator`, KIP-152, KIP-368): which requests are sent, and what their answers
//! mean. The same way is gone again before the broker ends the session.
//!
//! ```text
//! SaslHandshake(mechanism) ──► SaslAuthenticate(token) ──► SaslAuthenticate(token) ──► ... ──► Complete
//! ```

use ottla_protocol::ErrorCode;

use super::{Login, SaslClient};

/// Share of a session's life after which a client logs in again: from here, and up to [`WINDOW`] later, so that not all clients do at
/// once, and none comes too late for a slow network.
const EARLIEST: f64 = 0.85;
/// See [`EARLIEST`].
const WINDOW: f64 = 0.10;

/// What follows an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another token is to be sent.
    Authenticate(Vec<u8>),
    /// The client is known.
    Complete {
        /// In ms; 0 when the session never ends.
        session_lifetime_ms: i64,
    },
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoginFailure {
    /// What Kafka calls it. Those of [`LoginFailure::is_final`] end the same at each attempt.
    pub code: ErrorCode,
    /// The broker's words, or what the client found.
    pub message: String,
}

impl LoginFailure {
    fn of(code: ErrorCode, message: String) -> Self {
        Self { code, message }
    }

    /// Whether it is one of Kafka's `AuthenticationException`s, which another attempt does not mend.
    pub fn is_final(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::SaslAuthenticationFailed
                | ErrorCode::UnsupportedSaslMechanism
                | ErrorCode::IllegalSaslState
        )
    }
}

/// One login on a connection.
#[derive(Debug)]
pub struct ClientSession {
    mechanism: &'static str,
    exchange: SaslClient,
}

impl ClientSession {
    /// A login that is about to begin with a SaslHandshake for [`ClientSession::mechanism`]. `nonce` as
    /// [`crate::sasl::scram::nonce`] makes it.
    pub fn new(login: &Login, nonce: String) -> Self {
        Self { mechanism: login.mechanism().name(), exchange: login.exchange(nonce) }
    }

    /// The name of the mechanism.
    pub fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// Takes the answer to SaslHandshake; the first token.
    ///
    /// # Errors
    /// When the broker does not offer the mechanism, or no SASL at all on this listener.
    pub fn handshake_answered(
        &mut self,
        code: ErrorCode,
        enabled: &[impl AsRef<str>],
    ) -> Result<Vec<u8>, LoginFailure> {
        let mechanism = self.mechanism;
        let enabled = enabled.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        let text = match code {
            ErrorCode::None => return self.evaluate(&[]),
            ErrorCode::UnsupportedSaslMechanism => format!(
                "Client SASL mechanism '{mechanism}' not enabled in the server, enabled mechanisms are [{enabled}]"
            ),
            ErrorCode::IllegalSaslState => format!(
                "Unexpected handshake request with client mechanism {mechanism}, enabled mechanisms are [{enabled}]. \
                 Does the listener ask for SASL at all? If not, set security.protocol=PLAINTEXT or SSL"
            ),
            other => {
                let text = format!(
                    "Unknown error code {other}, client mechanism is {mechanism}, enabled mechanisms are [{enabled}]"
                );
                return Err(LoginFailure::of(ErrorCode::IllegalSaslState, text));
            }
        };
        Err(LoginFailure::of(code, text))
    }

    /// Takes the answer to SaslAuthenticate.
    ///
    /// # Errors
    /// When the broker refuses, or what it says is not the mechanism's.
    pub fn authenticate_answered(
        &mut self,
        code: ErrorCode,
        message: Option<&str>,
        token: &[u8],
        session_lifetime_ms: i64,
    ) -> Result<Next, LoginFailure> {
        if code != ErrorCode::None {
            let message = message.filter(|text| !text.is_empty()).unwrap_or_else(|| code.message());
            return Err(LoginFailure::of(code, message.to_owned()));
        }
        if !self.exchange.is_complete() {
            let answer = self.evaluate(token)?;
            if !self.exchange.is_complete() {
                return Ok(Next::Authenticate(answer));
            }
        }
        Ok(Next::Complete { session_lifetime_ms: session_lifetime_ms.max(0) })
    }

    fn evaluate(&mut self, token: &[u8]) -> Result<Vec<u8>, LoginFailure> {
        self.exchange.evaluate(token).map_err(|why| {
            let text = format!("The broker's SASL token of {} is not accepted: {why}", self.mechanism);
            LoginFailure::of(ErrorCode::SaslAuthenticationFailed, text)
        })
    }
}

/// When to log in again after a login, in ms: after 85 to 95 % of the session's life. `random` is from 0 to 1. Nothing when the session
/// never ends.
pub fn reauthenticate_after_ms(session_lifetime_ms: i64, random: f64) -> Option<i64> {
    let share = EARLIEST + WINDOW * random.clamp(0.0, 1.0);
    (session_lifetime_ms > 0).then(|| (session_lifetime_ms as f64 * share).round() as i64)
}
