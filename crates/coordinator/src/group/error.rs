//! Why a request to a group of a newer type is refused.

use ottla_protocol::{EncodeError, ErrorCode, Str};

/// An error code with the words that go with it, as Kafka's `ApiException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    /// The code.
    pub code: ErrorCode,
    /// The words, if there are any.
    pub message: Option<String>,
}

impl GroupError {
    /// An error with words of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// The error message field of an answer.
    pub fn text(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }
}

/// A record can't hold what the request brought: only texts that are too long can make that so.
impl From<EncodeError> for GroupError {
    fn from(why: EncodeError) -> Self {
        Self::new(ErrorCode::InvalidRequest, why.to_string())
    }
}

impl From<ErrorCode> for GroupError {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}
