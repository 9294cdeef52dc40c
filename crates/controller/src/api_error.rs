//! An error as a response carries it (`ApiError`).

use ottla_protocol::{ErrorCode, Str};

/// An error code and, unless the code says it all, a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", message.as_deref().unwrap_or_else(|| code.message()))]
pub struct ApiError {
    /// The code.
    pub code: ErrorCode,
    /// What goes on the wire as the message.
    pub message: Option<String>,
}

impl ApiError {
    /// Success.
    pub const NONE: Self = Self { code: ErrorCode::None, message: None };

    /// A code with a text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// A code with its default text.
    pub fn with_default_message(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }

    /// A code without any text.
    pub const fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// What Kafka makes of an exception (`ApiError.fromThrowable`): the default text, and any text of
    /// an unknown error, is left out.
    pub fn thrown(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let shown = code != ErrorCode::UnknownServerError && message != code.message();
        Self { code, message: shown.then_some(message) }
    }

    /// INVALID_REQUEST with a text.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// INVALID_CONFIG with a text.
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidConfig, message)
    }

    /// More records than one operation may write.
    pub fn too_many_records() -> Self {
        Self::new(ErrorCode::PolicyViolation, "Unable to perform excessively large batch operation.")
    }

    /// Whether this is success.
    pub fn is_none(&self) -> bool {
        self.code == ErrorCode::None
    }

    /// The number on the wire.
    pub fn error_code(&self) -> i16 {
        self.code.code()
    }

    /// The text on the wire.
    pub fn error_message(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }

    /// The error of a result, or success.
    pub fn of<T>(result: &Result<T, ApiError>) -> &ApiError {
        result.as_ref().err().unwrap_or(&Self::NONE)
    }
}
