//! What can go wrong in a client.

use ottla_config::ConfigError;
use ottla_protocol::ErrorCode;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation of a client failed. Cheap to clone: one failure may end many operations.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A broker answered with an error.
    #[error("{message}")]
    Api {
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, or Kafka's text for the code.
        message: String,
    },
    /// The time for the operation was up; the text says what was waited for, as Kafka's `TimeoutException` does.
    #[error("{0}")]
    Timeout(String),
    /// The TLS handshake failed: the broker's certificate is not trusted, or the client's is not (Kafka's
    /// `SslAuthenticationException`). Another attempt ends the same.
    #[error("{0}")]
    SslAuthentication(String),
    /// The connection ended before the answer came; whether the request took effect is unknown.
    #[error("{0}")]
    Disconnected(String),
    /// No node can be reached, or an address can't be resolved.
    #[error("{0}")]
    Unreachable(String),
    /// The broker does not offer the API, or not in a version that can carry what is asked.
    #[error("{0}")]
    UnsupportedVersion(String),
    /// A setting is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An argument, or the state in which the operation was called, is wrong.
    #[error("{0}")]
    Illegal(String),
    /// A key or value can't be turned into bytes, or back.
    #[error("{0}")]
    Serialization(String),
    /// A broker's answer can't be understood.
    #[error("{0}")]
    Protocol(String),
    /// The client was closed.
    #[error("{0}")]
    Closed(String),
    /// There is no position to read from, and `auto.offset.reset` names none: nothing was committed, the log does not
    /// have the offset any more, or it was truncated (Kafka's `InvalidOffsetException`).
    #[error("{0}")]
    InvalidOffset(String),
    /// Offsets were not committed, because the group gave the partitions to another member
    /// (Kafka's `CommitFailedException`).
    #[error("{0}")]
    CommitFailed(String),
    /// `wakeup` was called.
    #[error("woken up")]
    Wakeup,
}

impl Error {
    /// An answer's code, with the broker's message or else Kafka's text for the code.
    pub fn api(code: ErrorCode, message: Option<&str>) -> Self {
        let message = message.filter(|text| !text.is_empty()).unwrap_or_else(|| code.message());
        Error::Api { code, message: message.to_owned() }
    }

    /// Likewise for a code as it is in a response; nothing for no error.
    pub fn check(code: i16, message: Option<&str>) -> Result<()> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => Ok(()),
            code => Err(Self::api(code, message)),
        }
    }

    /// The broker's code, when it was a broker that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Api { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether a broker did not let the client in, or the client did not trust it (Kafka's `AuthenticationException`).
    pub fn is_authentication(&self) -> bool {
        match self {
            Error::SslAuthentication(_) => true,
            Error::Api { code, .. } => matches!(
                code,
                ErrorCode::SaslAuthenticationFailed
                    | ErrorCode::UnsupportedSaslMechanism
                    | ErrorCode::IllegalSaslState
            ),
            _ => false,
        }
    }

    /// Whether fresh metadata may help (Kafka's `InvalidMetadataException`): the leader moved, the topic is new, or the
    /// connection was lost.
    pub fn is_stale_metadata(&self) -> bool {
        match self {
            Error::Api { code, .. } => crate::cluster::is_stale(*code),
            Error::Disconnected(_) | Error::Unreachable(_) => true,
            _ => false,
        }
    }

    /// Whether the same operation may succeed a little later (Kafka's `RetriableException`).
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Api { code, .. } => code.is_retriable(),
            Error::Timeout(_) | Error::Disconnected(_) | Error::Unreachable(_) => true,
            _ => false,
        }
    }
}
