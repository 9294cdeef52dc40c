//! Appending batches that have their offsets: as a follower, and as the leader of the metadata quorum.

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{
    AppendOrigin, BATCH_HEADER_SIZE, BatchIter, NO_PARTITION_LEADER_EPOCH, NO_TIMESTAMP, RecordBatch,
    RecordsInvalid,
};

use super::PartitionLog;
use super::append::{AppendError, AppendInfo, AppendOptions};
use super::write::{Batch, ProducerCheck, ProducerUpdates};

impl PartitionLog {
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

    /// Appends what was read from the log that this one is a copy of. While it is written, who changes settings does not
    /// wait for the disk.
    pub(crate) fn append_as_copy(
        &self,
        records: &Bytes,
        now_ms: i64,
    ) -> Result<Option<AppendInfo>, AppendError> {
        let (leader_epoch, origin) = (i32::MAX, AppendOrigin::Replication);
        let options = AppendOptions { leader_epoch, origin, now_ms, unlocked: true, ..Default::default() };
        self.append_given(records, &options)
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
            let mut state = self.open_state_to_change()?;
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
            // Of a fetch response nothing more is known here.
            let options = AppendOptions { frame_bytes: records.len(), ..*options };
            self.write(&mut state, &batches, &[whole], &options, updates)?;
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
            // Whoever sent them: offsets ascend, and there is always a next one.
            let (first, last) = (batch.base_offset(), batch.last_offset());
            if first < 0 || last < first || last <= last_offset || last == i64::MAX {
                return Err(AppendError::OffsetsOutOfOrder(self.partition.to_string()));
            }
            last_offset = batch.last_offset();
            batch.check_crc().map_err(RecordsInvalid::from)?;
            let (head, body) = batch.bytes().split_at(BATCH_HEADER_SIZE);
            batches.push(Batch { header: *batch.header(), head, body: records.slice_ref(body) });
        }
        Ok(batches)
    }
}
