//! What can go wrong below the log's operations.

use std::io;
use std::path::PathBuf;

use ottla_protocol::ErrorCode;

use crate::cold::Cold;

/// A failure of the storage itself, not of the request (Kafka: `KafkaStorageException` and its kin).
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The log directory failed earlier and serves nothing any more.
    #[error("The log dir {} is already offline due to a previous IO exception.", .0.display())]
    Offline(PathBuf),
    /// The log was deleted, moved away or shut down while the operation was on its way.
    #[error("The log in {} is closed.", .0.display())]
    Closed(PathBuf),
    /// This operation failed on disk, and the log directory went offline with it.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, for the log line.
        doing: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// What was looked for is not in memory, and the look was not to wait for the disk: nothing is wrong.
    #[error("{0}")]
    Cold(Cold),
    /// A file does not hold what it must; the log directory stays online.
    #[error("{what} in {}", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The partition's directory belongs to another incarnation of the topic.
    #[error(
        "Tried to assign topic ID {wanted} to log for topic partition {partition}, but log already contained topic ID {found}"
    )]
    InconsistentTopicId {
        /// The partition, as text.
        partition: String,
        /// The id that was asked for.
        wanted: ottla_protocol::Uuid,
        /// The id that `partition.metadata` holds.
        found: ottla_protocol::Uuid,
    },
}

impl TryFrom<StorageError> for Cold {
    type Error = StorageError;

    fn try_from(error: StorageError) -> Result<Self, StorageError> {
        match error {
            StorageError::Cold(cold) => Ok(cold),
            other => Err(other),
        }
    }
}

impl StorageError {
    /// The error code that a client or another broker is answered.
    pub fn code(&self) -> ErrorCode {
        match self {
            StorageError::InconsistentTopicId { .. } => ErrorCode::InconsistentTopicId,
            StorageError::Corrupt { .. } => ErrorCode::CorruptMessage,
            StorageError::Offline(_)
            | StorageError::Closed(_)
            | StorageError::Io { .. }
            | StorageError::Cold(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// Result of a storage operation.
pub type StorageResult<T> = Result<T, StorageError>;
