//! Why a request to a group of a newer type is refused.

use ottla_protocol::{ErrorCode, Str};

/// An error code with the words that go with it, as Kafka's `ApiException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    /// The code.
    pub code: ErrorCode,
    /// The words; `None` where Kafka has nothing more special to say than the code's own text.
    pub message: Option<String>,
}

impl GroupError {
    /// An error with words of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// The error message field of an answer.
    pub fn text(&self) -> Option<Str> {
        match &self.message {
            Some(message) => Some(Str::from(message.as_str())),
            None => Some(Str::from_static(self.code.message())),
        }
    }
}

impl From<ErrorCode> for GroupError {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}
