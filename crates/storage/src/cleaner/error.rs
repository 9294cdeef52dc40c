//! Why a cleaning ended early.

use ottla_protocol::records::RecordsError;

use crate::cold::Cold;
use crate::error::StorageError;

/// Why a cleaning ended early. The log is whole in any case: what was swapped in is part of it, all else is as before.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The log was truncated, or segments of it were removed (Kafka: `LogCleaningAbortedException`).
    #[error("the log has changed")]
    Aborted,
    /// The cleaner is to stop (Kafka: `ThreadShutdownException`).
    #[error("the cleaner stops")]
    Stopped,
    /// A batch cannot be read.
    #[error("batch at position {position} of the segment at offset {base_offset}: {source}")]
    Records {
        /// The segment.
        base_offset: i64,
        /// Where the batch starts.
        position: u32,
        /// What is wrong.
        source: RecordsError,
    },
    /// Something else makes it impossible.
    #[error("{0}")]
    Impossible(&'static str),
    /// The storage failed, or the log is closed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl TryFrom<CleanError> for Cold {
    type Error = CleanError;

    fn try_from(error: CleanError) -> Result<Self, CleanError> {
        match error {
            CleanError::Storage(StorageError::Cold(cold)) => Ok(cold),
            other => Err(other),
        }
    }
}

impl CleanError {
    /// Whether trying again would end the same way: the log is set aside then.
    pub fn is_lasting(&self) -> bool {
        match self {
            CleanError::Aborted | CleanError::Stopped => false,
            CleanError::Records { .. } | CleanError::Impossible(_) => true,
            CleanError::Storage(e) => matches!(e, StorageError::Corrupt { .. }),
        }
    }
}
