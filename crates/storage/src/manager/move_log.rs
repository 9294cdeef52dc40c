//! Moving a partition's log to another log directory of this broker (AlterReplicaLogDirs, KIP-113): a copy is
//! made beside the log, and takes its place when it has caught up.

use std::path::Path;
use std::sync::Arc;

use ottla_protocol::{ErrorCode, TopicPartition};

use super::LogManager;
use super::create::CreateOptions;
use super::log_copy::LogCopy;
use crate::error::{StorageError, StorageResult};
use crate::log::{AppendError, PartitionLog, ReadError};
use crate::names::{FUTURE_DIR_SUFFIX, unique_dir_name};

/// How far a copy is.
#[derive(Clone, Debug)]
pub enum MoveProgress {
    /// So many records are still to be copied.
    Behind(i64),
    /// The copy is the partition's log now. Whoever holds the old one gets `Closed` from it.
    Done(Arc<PartitionLog>),
}

/// Why a log is not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such log, or it is not being moved.
    #[error("there is no log for {0}")]
    NoLog(TopicPartition),
    /// There is no such directory, or it is offline.
    #[error("{0} is not an online log directory")]
    NoDirectory(String),
    /// Reading the log failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Writing the copy failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl MoveError {
    /// The code to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            MoveError::NoLog(_) => ErrorCode::ReplicaNotAvailable,
            MoveError::NoDirectory(_) => ErrorCode::LogDirNotFound,
            MoveError::Read(e) => e.code(),
            MoveError::Append(e) => e.code(),
            MoveError::Storage(e) => e.code(),
        }
    }
}

impl LogManager {
    /// Begins to move a log; nothing happens when it lies there already. Another move of the same log is given
    /// up.
    pub fn start_move(
        &self,
        partition: &TopicPartition,
        target: &Path,
        now_ms: i64,
    ) -> Result<(), MoveError> {
        let no_dir = || MoveError::NoDirectory(target.display().to_string());
        let dir = self.log_dir(target).filter(|dir| dir.is_online()).ok_or_else(no_dir)?;
        let _turn = self.creation.lock();
        let log = self.log(partition).ok_or_else(|| MoveError::NoLog(partition.clone()))?;
        if let Some(other) = self.future_log(partition) {
            if other.log_dir().path() == target {
                return Ok(());
            }
            self.futures.write().remove(partition);
            self.retire(&other, now_ms)?;
        }
        if log.log_dir().path() == target {
            return Ok(());
        }
        let options = CreateOptions {
            topic_id: log.topic_id(),
            config: log.config(),
            is_new: true,
            directory_id: None,
            now_ms,
        };
        let name = unique_dir_name(partition, FUTURE_DIR_SUFFIX);
        let future = self.create_in(dir, partition, &name, &options)?;
        self.futures.write().insert(partition.clone(), future);
        log.stop_cleaning();
        Ok(())
    }

    /// Copies up to about a megabyte, and finishes the move when nothing is left to copy. To be called again
    /// and again by a background thread.
    ///
    /// # Errors
    /// `NoLog` when there is nothing to do: the log was deleted, its move given up, or its directory is offline. After any
    /// other the log serves where it was, and the move cannot go on.
    pub fn continue_move(&self, partition: &TopicPartition, now_ms: i64) -> Result<MoveProgress, MoveError> {
        let missing = || MoveError::NoLog(partition.clone());
        let log = self.log(partition).ok_or_else(missing)?;
        let future = self.future_log(partition).ok_or_else(missing)?;
        let copy = LogCopy { log, future, now_ms };
        let done = match copy.advance() {
            Ok(true) => self.finish_move(&copy),
            Ok(false) => Ok(MoveProgress::Behind(copy.behind())),
            Err(why) => Err(why),
        };
        match done {
            // Records were removed just where the next ones were looked for.
            Err(MoveError::Read(ReadError::OffsetOutOfRange { .. })) => {
                Ok(MoveProgress::Behind(copy.behind()))
            }
            // Without the log the copy may be all that is left.
            Err(_) if !copy.log.log_dir().is_online() => Err(missing()),
            Err(why) => self.check_move(&copy).and(Err(why)),
            done => done,
        }
    }

    /// Gives a move up.
    pub fn cancel_move(&self, partition: &TopicPartition, now_ms: i64) -> StorageResult<()> {
        let _turn = self.creation.lock();
        let future = self.futures.write().remove(partition);
        future.map_or(Ok(()), |future| self.retire(&future, now_ms))
    }
}
