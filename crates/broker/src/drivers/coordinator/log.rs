//! A partition of an internal topic as its coordinator writes it.

use std::sync::Arc;

use ottla_coordinator::{Append, Appended, RecordLog};
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{BATCH_HEADER_SIZE, BatchBuilder, BatchOptions};
use ottla_storage::VerificationGuard;

use crate::partitions::{EndTransaction, Partition};

/// Room that a batch needs beside keys and values: per record at most 21 bytes of lengths and deltas. Taken off
/// generously, because a batch that is too large is refused.
const BATCH_OVERHEAD: usize = 4096;

/// Writes the records of one shard.
pub struct CoordinatorLog {
    partition: Arc<Partition>,
    /// Proof that what is appended now is part of a verified transaction.
    pub(super) guard: VerificationGuard,
}

/// Where a marker was written.
pub struct Marked {
    /// Its offset.
    pub offset: i64,
    /// The partition's high watermark afterwards.
    pub high_watermark: i64,
}

impl CoordinatorLog {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        Self { partition, guard: VerificationGuard::SENTINEL }
    }

    /// Ends the transaction of a producer in this partition.
    pub(super) fn end_transaction(&self, end: &EndTransaction, now_ms: i64) -> Result<Marked, ErrorCode> {
        let info = self.partition.end_transaction(end, now_ms).map_err(|refused| refused.error)?;
        Ok(Marked { offset: info.base_offset, high_watermark: self.partition.high_watermark() })
    }
}

impl RecordLog for CoordinatorLog {
    fn append(&mut self, append: Append<'_>) -> Result<Appended, ErrorCode> {
        let mut options = BatchOptions::default();
        if let Some(producer) = append.producer {
            options.producer_id = producer.producer_id;
            options.producer_epoch = producer.producer_epoch;
            options.base_sequence = 0;
            options.is_transactional = true;
        }
        let mut builder = BatchBuilder::new(options);
        for record in append.records {
            builder
                .append(append.now_ms, Some(&record.key), record.value.as_deref(), &[])
                .map_err(|_| ErrorCode::MessageTooLarge)?;
        }
        let batch = builder.build().map_err(|_| ErrorCode::MessageTooLarge)?;
        let info =
            self.partition.append_as_coordinator(&batch, self.guard, append.now_ms).map_err(|refused| {
                tracing::warn!(
                    partition = %self.partition.index,
                    topic = &*self.partition.topic,
                    error = %refused.error,
                    "records of a coordinator were not written"
                );
                refused.error
            })?;
        Ok(Appended { base_offset: info.base_offset, high_watermark: self.partition.high_watermark() })
    }

    fn batch_bytes_max(&self) -> usize {
        let max = self.partition.log().map_or(0, |log| log.config().max_message_bytes as usize);
        max.saturating_sub(BATCH_HEADER_SIZE + BATCH_OVERHEAD).max(1)
    }
}
