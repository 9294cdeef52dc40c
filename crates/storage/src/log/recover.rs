//! What is done when a log was not closed in order, and the producers' state at any end.

use std::io;

use ottla_protocol::records::AppendOrigin;

use super::{LogState, PartitionLog};
use crate::leader_epochs::LeaderEpochs;
use crate::producer_state::ProducerStateManager;
use crate::producer_state::append_info::TransactionVersion;
use crate::segment::RecoverySink;
use crate::segment::Segment;
use crate::segment::lazy_file::SegmentEnv;
use crate::segment::scanner::ScannedBatch;
use crate::segment::txn_index::AbortedTxn;

/// Rebuilds the producers' state, and the leader epochs, from the batches that go by.
pub(super) struct StateBuilder<'a> {
    pub(super) producers: &'a mut ProducerStateManager,
    /// None while only producers are wanted.
    pub(super) epochs: Option<&'a mut LeaderEpochs>,
}

impl RecoverySink for StateBuilder<'_> {
    fn batch(&mut self, batch: &ScannedBatch, control: Option<&[u8]>) -> io::Result<Option<AbortedTxn>> {
        let header = &batch.header;
        if let Some(epochs) = self.epochs.as_deref_mut() {
            let epoch = header.partition_leader_epoch();
            if epochs.latest_epoch().is_none_or(|latest| epoch > latest) {
                epochs.assign(epoch, header.base_offset());
            }
        }
        let mut aborted = None;
        if header.has_producer_id() {
            let mut info = self.producers.prepare_update(header.producer_id(), AppendOrigin::Replication);
            match info.append(header, control, TransactionVersion::Legacy) {
                Ok(completed) => {
                    self.producers.update(&info);
                    if let Some(completed) = completed {
                        let last_stable_offset = self.producers.last_stable_offset(&completed);
                        self.producers.complete_txn(&completed);
                        aborted = completed.is_aborted.then_some(AbortedTxn {
                            producer_id: completed.producer_id,
                            first_offset: completed.first_offset,
                            last_offset: completed.last_offset,
                            last_stable_offset,
                        });
                    }
                }
                // The leader took it; what is in the log stays there.
                Err(refused) => tracing::warn!("While reading the log: {refused}"),
            }
        }
        self.producers.update_map_end_offset(header.next_offset());
        Ok(aborted)
    }
}

/// Feeds `builder` all batches from its state's end to `end`.
pub(super) fn replay(
    segments: &mut [Segment],
    env: SegmentEnv<'_>,
    log_start_offset: i64,
    end: i64,
    builder: &mut StateBuilder<'_>,
) -> io::Result<()> {
    let from = builder.producers.map_end_offset().max(log_start_offset);
    let first = segments.partition_point(|s| s.base_offset <= from).saturating_sub(1);
    for segment in segments.iter_mut().skip(first) {
        if segment.base_offset >= end {
            break;
        }
        let from = builder.producers.map_end_offset().max(log_start_offset).max(segment.base_offset);
        let Some(start) = segment.translate_offset(env, from)? else { continue };
        let until = match segment.translate_offset(env, end)? {
            Some(found) => found.position,
            None => segment.size(),
        };
        segment.for_each_batch(env, start.position, until, |scanner, batch| {
            let control = if batch.header.is_control() { scanner.control_batch(batch)? } else { None };
            builder.batch(batch, control.as_deref()).map(|_| ())
        })?;
    }
    Ok(())
}

/// Brings the producers' state to `end`: from the newest snapshot, and the batches after it.
pub(super) fn load_producers(
    producers: &mut ProducerStateManager,
    segments: &mut [Segment],
    env: SegmentEnv<'_>,
    log_start_offset: i64,
    end: i64,
    now_ms: i64,
) -> io::Result<()> {
    let was_empty = producers.is_empty() && producers.map_end_offset() >= end;
    producers.truncate_and_reload(env.dir, log_start_offset, end, now_ms)?;
    // Where there were no producers before a truncation, there are none after it.
    if end > producers.map_end_offset() && !was_empty {
        let mut builder = StateBuilder { producers, epochs: None };
        replay(segments, env, log_start_offset, end, &mut builder)?;
    }
    producers.update_map_end_offset(end);
    Ok(())
}

/// The producers' state at `end`, behind the segments `before`, beside `producers`, which has not been loaded yet.
pub(super) fn producers_before(
    producers: &ProducerStateManager,
    before: &mut [Segment],
    env: SegmentEnv<'_>,
    log_start_offset: i64,
    end: i64,
    now_ms: i64,
) -> io::Result<ProducerStateManager> {
    let mut found = producers.beside();
    match load_producers(&mut found, before, env, log_start_offset, end, now_ms) {
        // Damage in one segment is no reason to do without another.
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!("{}: reading the producers before offset {end}: {e}", env.dir.display());
            found.update_map_end_offset(end);
        }
        other => other?,
    }
    Ok(found)
}

impl PartitionLog {
    pub(super) fn rebuild_producers(&self, state: &mut LogState, end: i64, now_ms: i64) -> io::Result<()> {
        let dir = state.dir.clone();
        let env = self.env(&dir);
        load_producers(&mut state.producers, &mut state.segments, env, self.log_start_offset(), end, now_ms)?;
        if let Some(offset) = state.producers.take_snapshot(&dir, false)? {
            state.unsynced.push(crate::producer_state::snapshot_path(&dir, offset));
        }
        Ok(())
    }
}
