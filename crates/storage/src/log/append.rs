//! Appending.

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{
    AppendOrigin, BATCH_HEADER_SIZE, BatchHeader, BatchIter, NO_PARTITION_LEADER_EPOCH, NO_TIMESTAMP,
    RecordBatch, RecordsInvalid, ValidateOptions, ValidatedRecords, validate_and_assign,
};

use super::{LogState, PartitionLog};
use crate::error::StorageError;
use crate::producer_state::append_info::{
    CompletedTxn, ProducerAppendInfo, ProducerRefused, TransactionVersion,
};
use crate::producer_state::entry::BatchMetadata;
use crate::producer_state::verification::VerificationGuard;
use crate::segment::txn_index::AbortedTxn;
use crate::segment::{BatchInfo, RollParams};

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

/// One batch as it goes to the file: `head`, the first [`BATCH_HEADER_SIZE`] bytes, and `body`.
struct Batch<'a> {
    header: BatchHeader,
    head: &'a [u8],
    body: Bytes,
}

/// What the producers' state says to a set of batches.
enum ProducerCheck {
    Duplicate(BatchMetadata),
    Accepted(ProducerUpdates),
}

/// What changes in the producers' state when the batches are written. A client's append has one batch, so
/// that the lists take no memory.
#[derive(Default)]
struct ProducerUpdates {
    first: Option<ProducerAppendInfo>,
    others: Vec<ProducerAppendInfo>,
    completed: Vec<CompletedTxn>,
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
            let mut state = self.open_state()?;
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
                    return Ok(info);
                }
                ProducerCheck::Accepted(updates) => {
                    self.write(&mut state, &[batch], &validated.parts(), options.now_ms, updates)?;
                }
            }
            (info, state.config.flush_messages)
        };
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

    /// Appends batches that have their offsets, as a follower gets them from the leader. Batches of a later
    /// leader epoch than `leader_epoch`, and all behind them, are left out: they came too late.
    pub fn append_as_follower(
        &self,
        records: &Bytes,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Option<AppendInfo>, AppendError> {
        let origin = AppendOrigin::Replication;
        self.append_given(records, &AppendOptions { leader_epoch, origin, now_ms, ..Default::default() })
    }

    /// Appends batches that have their offsets and their leader epoch, as the leader of the metadata quorum
    /// makes them.
    pub fn append_as_raft_leader(
        &self,
        records: &Bytes,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Option<AppendInfo>, AppendError> {
        let origin = AppendOrigin::RaftLeader;
        self.append_given(records, &AppendOptions { leader_epoch, origin, now_ms, ..Default::default() })
    }

    fn append_given(
        &self,
        records: &Bytes,
        options: &AppendOptions,
    ) -> Result<Option<AppendInfo>, AppendError> {
        let batches = self.check_given(records, options)?;
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(None) };
        let (first_offset, last_offset) = (first.header.base_offset(), last.header.last_offset());
        let size = batches.iter().map(|b| b.header.size()).sum();
        let flush_messages = {
            let mut state = self.open_state()?;
            let log_end_offset = self.log_end_offset();
            if first_offset < log_end_offset {
                let partition = self.partition.to_string();
                return Err(AppendError::UnexpectedOffset {
                    partition,
                    first_offset,
                    last_offset,
                    log_end_offset,
                });
            }
            let updates = match self.check_producers(&state, &batches, options)? {
                ProducerCheck::Accepted(updates) => updates,
                // Only clients' batches are compared.
                ProducerCheck::Duplicate(_) => ProducerUpdates::default(),
            };
            let whole = records.get(..size).unwrap_or_default();
            self.write(&mut state, &batches, &[whole], options.now_ms, updates)?;
            state.config.flush_messages
        };
        if (last_offset + 1).saturating_sub(self.recovery_point()) >= flush_messages {
            self.flush_up_to(last_offset + 1, options.now_ms)?;
        }
        Ok(Some(AppendInfo {
            base_offset: first_offset,
            last_offset,
            max_timestamp: batches.iter().map(|b| b.header.max_timestamp()).max().unwrap_or(NO_TIMESTAMP),
            log_append_time_ms: NO_TIMESTAMP,
            log_start_offset: self.log_start_offset(),
            size,
            records_count: batches
                .iter()
                .fold(0i32, |sum, batch| sum.saturating_add(batch.header.records_count())),
            duplicate: false,
            flush_due: false,
        }))
    }

    /// The batches to append; an incomplete one at the end, as a size-limited fetch leaves it, is ignored.
    fn check_given<'a>(
        &self,
        records: &'a Bytes,
        options: &AppendOptions,
    ) -> Result<Vec<Batch<'a>>, AppendError> {
        let mut batches = Vec::new();
        let mut last_offset = -1;
        for batch in BatchIter::new(records) {
            let batch: RecordBatch<'_> = batch.map_err(RecordsInvalid::from)?;
            let epoch = batch.partition_leader_epoch();
            let is_raft = options.origin == AppendOrigin::RaftLeader;
            if is_raft && epoch != options.leader_epoch {
                let expected = options.leader_epoch;
                let why = format!(
                    "Append from Raft leader did not set the batch epoch correctly, expected {expected} but the batch has {epoch}"
                );
                return Err(RecordsInvalid::new(ErrorCode::InvalidRecord, why).into());
            }
            if !is_raft && epoch != NO_PARTITION_LEADER_EPOCH && epoch > options.leader_epoch {
                tracing::info!(
                    "{}: skipping batches from offset {} on: leader epoch {epoch} is after {}",
                    self.partition,
                    batch.base_offset(),
                    options.leader_epoch
                );
                break;
            }
            if batch.last_offset() <= last_offset || batch.last_offset() < batch.base_offset() {
                return Err(AppendError::OffsetsOutOfOrder(self.partition.to_string()));
            }
            last_offset = batch.last_offset();
            batch.check_crc().map_err(RecordsInvalid::from)?;
            let (head, body) = batch.bytes().split_at(BATCH_HEADER_SIZE);
            batches.push(Batch { header: *batch.header(), head, body: records.slice_ref(body) });
        }
        Ok(batches)
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

    fn check_producers(
        &self,
        state: &LogState,
        batches: &[Batch<'_>],
        options: &AppendOptions,
    ) -> Result<ProducerCheck, ProducerRefused> {
        let mut updates = ProducerUpdates::default();
        for Batch { header, head, body } in batches {
            if !header.has_producer_id() {
                continue;
            }
            if options.origin == AppendOrigin::Client
                && let Some(known) = state.producers.producer(header.producer_id())
                && let Some(duplicate) = known.find_duplicate(header)
            {
                return Ok(ProducerCheck::Duplicate(duplicate));
            }
            if matches!(options.origin, AppendOrigin::Client | AppendOrigin::Coordinator) {
                self.check_transaction(state, header, options)?;
            }
            let control = header.is_control().then(|| [head, &body[..]].concat());
            let info = updates.info(header.producer_id(), || {
                state.producers.prepare_update(header.producer_id(), options.origin)
            });
            let completed = info.append(header, control.as_deref(), options.transaction_version)?;
            updates.completed.extend(completed);
        }
        Ok(ProducerCheck::Accepted(updates))
    }

    /// Transactional records need a transaction that is known here, or was just verified with the coordinator.
    fn check_transaction(
        &self,
        state: &LogState,
        batch: &BatchHeader,
        options: &AppendOptions,
    ) -> Result<(), ProducerRefused> {
        let (id, epoch) = (batch.producer_id(), batch.producer_epoch());
        if !batch.is_transactional() || state.producers.has_ongoing_transaction(id, epoch) {
            return Ok(());
        }
        self.check_epoch_not_stale(state, id, epoch)?;
        if self.context.verify_transactions
            && !batch.is_control()
            && !state.producers.verification_guard(id).verify(options.verification_guard)
        {
            let message = "Record was not part of an ongoing transaction".to_owned();
            return Err(ProducerRefused { error: ErrorCode::InvalidTxnState, message });
        }
        Ok(())
    }

    /// Writes the batches (`parts` are all their bytes) and makes everything else follow.
    fn write(
        &self,
        state: &mut LogState,
        batches: &[Batch<'_>],
        parts: &[&[u8]],
        now_ms: i64,
        updates: ProducerUpdates,
    ) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(()) };
        let last_offset = last.header.last_offset();
        let size: usize = parts.iter().map(|p| p.len()).sum();
        let bytes = match u32::try_from(size) {
            Ok(bytes) if bytes <= state.config.segment_bytes => bytes,
            _ => {
                let partition = self.partition.to_string();
                return Err(AppendError::LargerThanSegment {
                    size,
                    max: state.config.segment_bytes,
                    partition,
                });
            }
        };
        for batch in batches {
            state.epochs.assign(batch.header.partition_leader_epoch(), batch.header.base_offset());
        }
        self.write_epochs(state)?;
        let max_timestamp = batches.iter().map(|b| b.header.max_timestamp()).max().unwrap_or(NO_TIMESTAMP);
        let roll = RollParams { bytes, last_offset, max_timestamp, now_ms };
        self.maybe_roll(state, &roll, first.header.base_offset())?;
        self.write_to_segment(state, batches, parts).map_err(|e| self.fail("appending records to", e))?;
        self.size_bytes.fetch_add(u64::from(bytes), std::sync::atomic::Ordering::Relaxed);
        self.update_log_end_offset(state, last_offset + 1);
        for batch in batches.iter().filter(|b| b.header.is_transactional()) {
            let header = &batch.header;
            let (id, epoch) = (header.producer_id(), header.producer_epoch());
            state.producers.end_verification(id, epoch, header.is_control());
        }
        self.apply_producers(state, &updates)?;
        state.producers.update_map_end_offset(last_offset + 1);
        self.update_last_stable_offset(state);
        Ok(())
    }

    fn write_to_segment(
        &self,
        state: &mut LogState,
        batches: &[Batch<'_>],
        parts: &[&[u8]],
    ) -> std::io::Result<()> {
        let dir = state.dir.clone();
        let env = self.env(&dir);
        let interval = state.config.index_interval_bytes;
        let Some(segment) = state.segments.last_mut() else { return Ok(()) };
        let mut position = segment.size();
        segment.append(env, parts, batches.iter().map(|b| BatchInfo::of(&b.header)), interval)?;
        for Batch { header, head, body } in batches {
            state.tail.push(header.base_offset(), header.last_offset(), position, head, body);
            position += (head.len() + body.len()) as u32;
        }
        Ok(())
    }

    fn apply_producers(&self, state: &mut LogState, updates: &ProducerUpdates) -> Result<(), AppendError> {
        for info in updates.first.iter().chain(&updates.others) {
            state.producers.update(info);
        }
        for completed in &updates.completed {
            if completed.is_aborted {
                let aborted = AbortedTxn {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset: state.producers.last_stable_offset(completed),
                };
                let dir = state.dir.clone();
                if let Some(segment) = state.segments.last_mut() {
                    let done = segment.txns.append(self.env(&dir), &aborted);
                    done.map_err(|e| self.fail("writing the transaction index of", e))?;
                }
            }
            state.producers.complete_txn(completed);
        }
        Ok(())
    }
}

impl ProducerUpdates {
    fn info(
        &mut self,
        producer_id: i64,
        new: impl FnOnce() -> ProducerAppendInfo,
    ) -> &mut ProducerAppendInfo {
        if self.first.as_ref().is_none_or(|first| first.producer_id() == producer_id) {
            return self.first.get_or_insert_with(new);
        }
        let at = match self.others.iter().position(|info| info.producer_id() == producer_id) {
            Some(at) => at,
            None => {
                self.others.push(new());
                self.others.len() - 1
            }
        };
        &mut self.others[at]
    }
}
