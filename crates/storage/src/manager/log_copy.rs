//! A log, and the copy of it that is being made in another log directory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::move_log::MoveError;
use crate::error::StorageResult;
use crate::log::{PartitionLog, ReadData};

/// Bytes that are read at a time.
pub(super) const COPY_BYTES: usize = 1 << 20;

/// The copy is made durable whenever it has grown by so many bytes, so that no fsync has much to do.
const FLUSH_BYTES: u64 = 64 << 20;

/// Both, and the time, Unix ms.
pub(super) struct LogCopy {
    pub(super) log: Arc<PartitionLog>,
    pub(super) future: Arc<PartitionLog>,
    pub(super) now_ms: i64,
}

impl LogCopy {
    /// How many records the copy lacks.
    pub(super) fn behind(&self) -> i64 {
        (self.log.log_end_offset() - self.future.log_end_offset()).max(0)
    }

    /// Copies one read; whether the copy has reached what was the log's end before it.
    pub(super) fn advance(&self) -> Result<bool, MoveError> {
        self.align()?;
        let end = self.log.log_end_offset();
        let size = self.future.size_bytes();
        if self.future.log_end_offset() < end {
            self.take(self.log.read(self.next_offset(), self.read_bytes(), true, end)?, end)?;
        }
        self.follow()?;
        let is_grown = size / FLUSH_BYTES != self.future.size_bytes() / FLUSH_BYTES;
        let has_caught_up = self.future.log_end_offset() >= end;
        if is_grown && !has_caught_up {
            self.future.flush(self.now_ms)?;
        }
        Ok(has_caught_up)
    }

    /// Copies up to about `bytes_max` bytes while nobody can append; whether the log ends with them, and is closed.
    pub(super) fn close_log(&self, bytes_max: usize) -> Result<bool, MoveError> {
        self.align()?;
        self.log.close_after(self.next_offset(), bytes_max, self.read_bytes(), |data| {
            let end = data.log_end_offset;
            self.take(data, end)?;
            Ok(self.next_offset())
        })
    }

    /// Lets the copy end where the log can be read on from, after records were removed from the log.
    fn align(&self) -> Result<(), MoveError> {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        let copied = self.future.log_end_offset();
        if copied > end {
            self.future.truncate_to(end, self.now_ms)?;
        } else if copied < start {
            // Batches are copied as a whole: the log may start within one.
            let first = self.log.read(start, 1, true, end)?.first_offset.min(start);
            if copied != first {
                self.future.truncate_fully_and_start_at(first, None, self.now_ms)?;
            }
        }
        Ok(())
    }

    /// Where to read on: before the log's start nothing can be asked for, even if the batch that comes next begins there.
    fn next_offset(&self) -> i64 {
        self.future.log_end_offset().max(self.log.log_start_offset())
    }

    /// What is read at a time must fit into a segment of the copy, whose size may have been changed.
    fn read_bytes(&self) -> usize {
        COPY_BYTES.min(self.future.config().segment_bytes as usize)
    }

    /// Appends what was read below `end`.
    fn take(&self, data: ReadData, end: i64) -> Result<(), MoveError> {
        if data.size == 0 {
            // All there was has been compacted away.
            return Ok(self.future.skip_to(end, self.now_ms)?);
        }
        let records = self.records(&data)?;
        self.future.append_as_copy(&records, self.now_ms)?;
        Ok(())
    }

    fn records(&self, data: &ReadData) -> Result<Bytes, MoveError> {
        let mut records = BytesMut::with_capacity(data.size);
        for piece in &data.pieces {
            let bytes = piece.to_bytes().map_err(|source| {
                let dir = self.log.log_dir();
                dir.fail(format!("Error while copying the log of {}", self.log.partition()), source)
            })?;
            records.extend_from_slice(&bytes);
        }
        Ok(records.freeze())
    }

    /// What else the copy has from the log: settings, the high watermark, the start.
    pub(super) fn follow(&self) -> StorageResult<()> {
        let config = self.log.config();
        if !Arc::ptr_eq(&config, &self.future.config()) {
            self.future.update_config(config);
        }
        self.future.set_high_watermark(self.log.high_watermark());
        self.future.maybe_increment_log_start_offset(self.log.log_start_offset())?;
        Ok(())
    }
}
