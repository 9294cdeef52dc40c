//! The client's side (`OAuthBearerSaslClient`).

use super::super::SaslError;
use super::CONTROL_A;
use super::messages::{ClientFirst, Extensions, check_extensions};

/// How much of a server's error is repeated.
const ERROR_CHARS_MAX: usize = 1_000;

/// The first message: a token, and extensions by name.
///
/// # Errors
/// When an extension can't be sent.
pub fn initial(token: &str, extensions: &Extensions) -> Result<Vec<u8>, SaslError> {
    check_extensions(extensions)?;
    let first = ClientFirst { authorization_id: "", token, extensions: extensions.clone() }.encode();
    match ClientFirst::parse(&first) {
        Ok(_) => Ok(first),
        Err(_) => Err(SaslError::Hidden("the token has characters that no bearer token has")),
    }
}

/// One exchange.
#[derive(Debug, Default)]
pub struct OAuthClient {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Sent,
    /// The server's error, repeated once it has heard that it was understood.
    Refused(String),
    Ended,
}

impl OAuthClient {
    /// The first message.
    ///
    /// # Errors
    /// When it can't be made, or was made before.
    pub fn first(&mut self, token: &str, extensions: &Extensions) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Start => {
                let first = initial(token, extensions)?;
                self.state = State::Sent;
                Ok(first)
            }
            _ => Err(SaslError::Hidden("the exchange has begun before")),
        }
    }

    /// Takes an answer of the server: `None` when the token was taken, else what to send.
    ///
    /// # Errors
    /// When the server has refused the token, or answers out of order.
    pub fn evaluate(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Sent if challenge.is_empty() => Ok(None),
            State::Sent => {
                let text = String::from_utf8_lossy(challenge).chars().take(ERROR_CHARS_MAX).collect();
                self.state = State::Refused(text);
                Ok(Some(CONTROL_A.to_vec()))
            }
            State::Refused(text) => Err(SaslError::Told(text)),
            State::Start | State::Ended => {
                Err(SaslError::Hidden("an answer of the server came out of order"))
            }
        }
    }

    /// What the server has said against the token, if it has.
    pub fn refusal(&self) -> Option<&str> {
        match &self.state {
            State::Refused(text) => Some(text),
            _ => None,
        }
    }
}
