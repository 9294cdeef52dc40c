//! Moving a partition's log to another log directory of this broker (AlterReplicaLogDirs, KIP-113): a copy is
//! made beside the log, and takes its place when it has caught up.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::LogManager;
use super::create::CreateOptions;
use crate::error::{StorageError, StorageResult};
use crate::log::{AppendError, PartitionLog, ReadError};
use crate::names::{FUTURE_DIR_SUFFIX, dir_name, unique_dir_name};

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
    /// There is no such log.
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

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

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
        let start = log.log_start_offset();
        if start > 0 {
            future.truncate_fully_and_start_at(start, None, now_ms)?;
        }
        self.futures.write().insert(partition.clone(), future);
        Ok(())
    }

    /// Copies up to about a megabyte, and finishes the move when nothing is left to copy. To be called again
    /// and again by a background thread.
    pub fn continue_move(&self, partition: &TopicPartition, now_ms: i64) -> Result<MoveProgress, MoveError> {
        let missing = || MoveError::NoLog(partition.clone());
        let log = self.log(partition).ok_or_else(missing)?;
        let future = self.future_log(partition).ok_or_else(missing)?;
        if future.log_end_offset() < log.log_start_offset() {
            future.truncate_fully_and_start_at(log.log_start_offset(), None, now_ms)?;
        }
        if future.log_end_offset() > log.log_end_offset() {
            future.truncate_to(log.log_end_offset(), now_ms)?;
        }
        if future.log_end_offset() < log.log_end_offset() {
            let records = copy_from(&log, future.log_end_offset())?;
            future.append_as_follower(&records, i32::MAX, now_ms)?;
        }
        let behind = log.log_end_offset() - future.log_end_offset();
        if behind > 0 {
            return Ok(MoveProgress::Behind(behind));
        }
        self.finish_move(&log, &future, now_ms)
    }

    /// Gives a move up.
    pub fn cancel_move(&self, partition: &TopicPartition, now_ms: i64) -> StorageResult<()> {
        let _turn = self.creation.lock();
        let future = self.futures.write().remove(partition);
        future.map_or(Ok(()), |future| self.retire(&future, now_ms))
    }

    fn finish_move(
        &self,
        log: &Arc<PartitionLog>,
        future: &Arc<PartitionLog>,
        now_ms: i64,
    ) -> Result<MoveProgress, MoveError> {
        let partition = log.partition();
        // The copy must be as durable as what it replaces.
        future.flush(now_ms)?;
        let _turn = self.creation.lock();
        if !log.close_at(future.log_end_offset())? {
            return Ok(MoveProgress::Behind(log.log_end_offset() - future.log_end_offset()));
        }
        future.rename_dir(&dir_name(partition))?;
        future.set_high_watermark(log.high_watermark());
        future.set_cleaner_checkpoint(log.cleaner_checkpoint());
        if log.is_uncleanable() {
            future.set_uncleanable(log.uncleanable_bytes());
        }
        self.futures.write().remove(partition);
        self.logs.write().insert(partition.clone(), future.clone());
        let delay_ms = log.config().file_delete_delay_ms;
        let renamed = log.rename_closed(crate::names::DELETE_DIR_SUFFIX)?;
        self.context.trash.add(now_ms.saturating_add(delay_ms), renamed, log.log_dir());
        self.checkpoint_dir(log.log_dir());
        self.checkpoint_dir(future.log_dir());
        tracing::info!("The log of {partition} was moved to {}", future.log_dir().path().display());
        Ok(MoveProgress::Done(future.clone()))
    }
}

fn copy_from(log: &PartitionLog, offset: i64) -> Result<Bytes, MoveError> {
    let data = log.read(offset, COPY_BYTES, true, log.log_end_offset())?;
    let mut records = BytesMut::with_capacity(data.size);
    for piece in &data.pieces {
        let bytes = piece.to_bytes().map_err(|source| {
            log.log_dir().fail(format!("Error while copying the log of {}", log.partition()), source)
        })?;
        records.extend_from_slice(&bytes);
    }
    Ok(records.freeze())
}
