//! What appends have in common: the producers' consent, the write, and all that follows from it.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{AppendOrigin, BatchHeader, NO_TIMESTAMP};
use parking_lot::MutexGuard;

use super::append::{AppendError, AppendOptions};
use super::{LogState, PartitionLog};
use crate::error::StorageResult;
use crate::producer_state::append_info::{CompletedTxn, ProducerAppendInfo, ProducerRefused};
use crate::producer_state::entry::BatchMetadata;
use crate::segment::txn_index::AbortedTxn;
use crate::segment::{BatchInfo, RollParams};

/// One batch as it goes to the file: `head`, the first [`BATCH_HEADER_SIZE`] bytes, and `body`.
pub(super) struct Batch<'a> {
    pub(super) header: BatchHeader,
    pub(super) head: &'a [u8],
    pub(super) body: Bytes,
}

/// What the producers' state says to a set of batches.
pub(super) enum ProducerCheck {
    Duplicate(BatchMetadata),
    Accepted(ProducerUpdates),
}

/// What changes in the producers' state when the batches are written. A client's append has one batch, so
/// that the lists take no memory.
#[derive(Default)]
pub(super) struct ProducerUpdates {
    first: Option<ProducerAppendInfo>,
    others: Vec<ProducerAppendInfo>,
    completed: Vec<CompletedTxn>,
}

impl PartitionLog {
    /// Whether the producers' state takes these batches, and what it will be then.
    pub(super) fn check_producers(
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
    pub(super) fn write(
        &self,
        state: &mut MutexGuard<'_, LogState>,
        batches: &[Batch<'_>],
        parts: &[&[u8]],
        options: &AppendOptions,
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
        let roll = RollParams { bytes, last_offset, max_timestamp, now_ms: options.now_ms };
        self.maybe_roll(state, &roll, first.header.base_offset())?;
        let txn_index = self.open_txn_index(state, &updates)?;
        self.write_to_segment(state, batches, parts, options)?;
        self.size_bytes.fetch_add(u64::from(bytes), std::sync::atomic::Ordering::Relaxed);
        self.update_log_end_offset(state, last_offset + 1);
        for batch in batches.iter().filter(|b| b.header.is_transactional()) {
            let header = &batch.header;
            let (id, epoch) = (header.producer_id(), header.producer_epoch());
            state.producers.end_verification(id, epoch, header.is_control());
        }
        self.apply_producers(state, &updates, txn_index.as_deref())?;
        state.producers.update_map_end_offset(last_offset + 1);
        self.checkpoint_tail_if_due(state);
        self.update_last_stable_offset(state);
        Ok(())
    }

    fn write_to_segment(
        &self,
        guard: &mut MutexGuard<'_, LogState>,
        batches: &[Batch<'_>],
        parts: &[&[u8]],
        options: &AppendOptions,
    ) -> StorageResult<()> {
        let LogState { dir, config, segments, .. } = &mut **guard;
        let Some(segment) = segments.last_mut() else { return Ok(()) };
        let mut position = segment.size();
        let bytes = parts.iter().map(|part| part.len()).sum();
        let pending = segment.begin_append(self.env(dir), bytes, config);
        let pending = pending.map_err(|e| self.fail("appending records to", e))?;
        let disk = self.log_dir.disk();
        let written = if options.unlocked {
            self.unlocked(guard, || pending.run(disk, parts))
        } else {
            pending.run(disk, parts)
        };
        let LogState { dir, config, segments, tail, used, .. } = &mut **guard;
        *used = true;
        let Some(segment) = segments.last_mut() else { return Ok(()) };
        let infos = batches.iter().map(|b| BatchInfo::of(&b.header));
        let is_written = written.is_ok();
        segment.end_append(self.env(dir), pending, written, infos, config).map_err(|e| match is_written {
            true => self.fail_for_good("appending records to", e),
            false => self.fail("appending records to", e),
        })?;
        let Some(tail) = tail else { return Ok(()) };
        for Batch { header, head, body } in batches {
            let offsets = (header.base_offset(), header.last_offset());
            tail.push(offsets, position, head, body, options.frame_bytes);
            position += (head.len() + body.len()) as u32;
        }
        Ok(())
    }

    /// Does `work` without the lock, while nobody else may change what an append is in the middle of: the segments,
    /// their sizes, the log's end. The records that it writes lie behind the end, where nobody looks.
    fn unlocked<T>(&self, state: &mut MutexGuard<'_, LogState>, work: impl FnOnce() -> T) -> T {
        state.is_writing = true;
        let done = MutexGuard::unlocked(state, work);
        state.is_writing = false;
        self.written.notify_all();
        done
    }

    /// The transaction index, if the batches abort a transaction: when they are in the log, nothing may be missing to
    /// complete it.
    fn open_txn_index(
        &self,
        state: &mut LogState,
        updates: &ProducerUpdates,
    ) -> StorageResult<Option<Arc<File>>> {
        let LogState { dir, segments, .. } = state;
        match segments.last_mut() {
            Some(active) if updates.completed.iter().any(|completed| completed.is_aborted) => {
                let opened = active.txns.open(self.env(dir));
                Ok(Some(opened.map_err(|e| self.fail("opening the transaction index of", e))?))
            }
            _ => Ok(None),
        }
    }

    fn apply_producers(
        &self,
        state: &mut LogState,
        updates: &ProducerUpdates,
        txn_index: Option<&File>,
    ) -> StorageResult<()> {
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
                if let (Some(segment), Some(file)) = (state.segments.last_mut(), txn_index) {
                    let done = segment.txns.append_to(file, self.env(&dir), &aborted);
                    done.map_err(|e| self.fail_for_good("writing the transaction index of", e))?;
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
