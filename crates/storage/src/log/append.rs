//! Appending as leader.

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{
    AppendOrigin, RecordsInvalid, ValidateOptions, ValidatedRecords, validate_and_assign,
};

use super::write::{Batch, ProducerCheck};
use super::{LogState, PartitionLog};
use crate::error::StorageError;
use crate::producer_state::append_info::{ProducerRefused, TransactionVersion};
use crate::producer_state::verification::VerificationGuard;

/// How to append as leader.
#[derive(Clone, Copy, Debug)]
pub struct AppendOptions {
    /// Epoch of this leader.
    pub leader_epoch: i32,
    /// Who appends.
    pub origin: AppendOrigin,
    /// The time, Unix ms.
    pub now_ms: i64,
    /// For transactional records of a producer whose transaction is not yet known here.
    pub verification_guard: VerificationGuard,
    /// For transaction markers.
    pub transaction_version: TransactionVersion,
    /// With `flush.messages`, leave the fsync to the caller, who calls [`PartitionLog::flush_up_to`] where
    /// blocking is allowed before acknowledging. Otherwise it is done before the append returns.
    pub defer_flush: bool,
    /// Let go of the log's lock while the records are written: for a disk that makes writers wait, so that who reads the
    /// log does not wait with them.
    pub unlocked: bool,
    /// Bytes of the frame that the records are a slice of: who keeps them in memory keeps all of it. 0: of nothing larger.
    pub frame_bytes: usize,
}

impl Default for AppendOptions {
    fn default() -> Self {
        Self {
            leader_epoch: 0,
            origin: AppendOrigin::Client,
            now_ms: 0,
            verification_guard: VerificationGuard::SENTINEL,
            transaction_version: TransactionVersion::Legacy,
            defer_flush: false,
            unlocked: false,
            frame_bytes: 0,
        }
    }
}

/// What was appended, or was already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Largest timestamp, Unix ms.
    pub max_timestamp: i64,
    /// When it was appended if that is what its timestamps mean, else -1; of a duplicate its timestamp.
    pub log_append_time_ms: i64,
    /// The log's start.
    pub log_start_offset: i64,
    /// Bytes written.
    pub size: usize,
    /// Records written.
    pub records_count: i32,
    /// Whether the records were in the log already, and nothing was written.
    pub duplicate: bool,
    /// Whether `flush.messages` demands an fsync that was left to the caller.
    pub flush_due: bool,
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// They are not valid.
    #[error(transparent)]
    Invalid(#[from] RecordsInvalid),
    /// They do not fit the producer's state.
    #[error(transparent)]
    Producer(#[from] ProducerRefused),
    /// They are larger than a segment may be.
    #[error(
        "Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum configured segment size of {max}."
    )]
    LargerThanSegment {
        /// Their size in bytes.
        size: usize,
        /// `segment.bytes`.
        max: u32,
        /// The partition.
        partition: String,
    },
    /// A follower was given offsets that it has already (Kafka: `UnexpectedAppendOffsetException`).
    #[error(
        "Unexpected offset in append to {partition}: {first_offset} is less than the next offset {log_end_offset}"
    )]
    UnexpectedOffset {
        /// The partition.
        partition: String,
        /// First offset given.
        first_offset: i64,
        /// Last offset given.
        last_offset: i64,
        /// The log's end.
        log_end_offset: i64,
    },
    /// Given offsets do not ascend (Kafka: `OffsetsOutOfOrderException`).
    #[error("Out of order offsets found in append to {0}")]
    OffsetsOutOfOrder(String),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AppendError {
    /// The code to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            AppendError::Invalid(invalid) => invalid.error,
            AppendError::Producer(refused) => refused.error,
            AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::UnexpectedOffset { .. } | AppendError::OffsetsOutOfOrder(_) => {
                ErrorCode::UnknownServerError
            }
            AppendError::Storage(e) => e.code(),
        }
    }
}

impl PartitionLog {
    /// Appends one batch: checks it, gives it offsets and the leader epoch, and writes it.
    ///
    /// When this returns, the records are in the page cache, and durable if `flush.messages` demands it. The
    /// high watermark is not moved.
    pub fn append_as_leader(
        &self,
        records: &Bytes,
        options: &AppendOptions,
    ) -> Result<AppendInfo, AppendError> {
        let (mut info, flush_messages) = {
            let mut state = self.open_state_to_change()?;
            let validated = self.validate(&state, records, options)?;
            let batch = Batch {
                header: *validated.header(),
                head: validated.header_bytes(),
                body: validated.payload().clone(),
            };
            let mut info = self.leader_info(&validated);
            match self.check_producers(&state, std::slice::from_ref(&batch), options)? {
                ProducerCheck::Duplicate(duplicate) => {
                    info.base_offset = duplicate.first_offset();
                    info.last_offset = duplicate.last_offset;
                    info.log_append_time_ms = duplicate.timestamp;
                    (info.size, info.duplicate) = (0, true);
                }
                ProducerCheck::Accepted(updates) => {
                    self.write(&mut state, &[batch], &validated.parts(), options, updates)?;
                    self.appended.note(u64::from(info.records_count.unsigned_abs()), info.size as u64);
                }
            }
            (info, state.config.flush_messages)
        };
        // Also of a duplicate: what was not durable when it was first written may still not be.
        let flush_to = info.last_offset + 1;
        if flush_to.saturating_sub(self.recovery_point()) >= flush_messages {
            if options.defer_flush {
                info.flush_due = true;
            } else {
                self.flush_up_to(flush_to, options.now_ms)?;
            }
        }
        Ok(info)
    }

    fn validate(
        &self,
        state: &LogState,
        records: &Bytes,
        options: &AppendOptions,
    ) -> Result<ValidatedRecords, RecordsInvalid> {
        let config = &state.config;
        let validate = ValidateOptions {
            partition: &self.partition,
            topic_compression: config.compression,
            level: config.compression_level,
            timestamp_type: config.timestamp_type,
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            is_compacted: config.compact,
            max_message_bytes: Some(config.max_message_bytes as usize),
            now_ms: options.now_ms,
            origin: options.origin,
            ..Default::default()
        };
        validate_and_assign(records, self.log_end_offset(), options.leader_epoch, &validate)
    }

    fn leader_info(&self, validated: &ValidatedRecords) -> AppendInfo {
        AppendInfo {
            base_offset: validated.base_offset(),
            last_offset: validated.last_offset(),
            max_timestamp: validated.max_timestamp(),
            log_append_time_ms: validated.log_append_time_ms,
            log_start_offset: self.log_start_offset(),
            size: validated.size(),
            records_count: validated.records_count(),
            duplicate: false,
            flush_due: false,
        }
    }
}
