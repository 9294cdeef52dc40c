//! Recovery that reads only the tail.
//!
//! After `kill -9` the whole active segment of every log would have to be read, as Kafka does, although all of it is
//! sound: what a process has written stays in the page cache when the process ends. So every few megabytes of an active
//! segment, and whenever a segment is opened, a checkpoint says what all before has come to: how far the index files go,
//! the largest timestamp, the state of the producers. If the machine has not been started since, recovery begins there.
//!
//! Nothing is taken on trust that is cheap to check. The checkpoint names the last batch before it by all of its header;
//! it must lie where it lay, whole, and be what the index leads to. Leader epoch, offset and CRC together are not found
//! in another history of the log, so that a broker that had the directory in between (Kafka knows nothing of these
//! files) can have appended, but not have cut the log before that place. Whatever does not fit, is missing or
//! damaged means that the log is recovered in full.
//!
//! What this leaves out, a full recovery would find: bytes that the disk has lost although the machine
//! runs. Kafka's own recovery point leaves them out, too, for all segments before it.
//!
//! The recovery point stays where it is: what was not durable before is not durable now.

use std::io;
use std::sync::Arc;

use super::open::Loading;
use super::{LogState, PartitionLog};
use crate::boot_id::BootId;
use crate::checkpoint::tail_checkpoint::{self, NewTailCheckpoint, TailCheckpoint};
use crate::producer_state::ProducerStateManager;
use crate::segment::lazy_file::SegmentEnv;
use crate::segment::{Segment, SegmentMark};

/// The next checkpoint waits for this many times the bytes that the last one had: where thousands of producers write to
/// one partition, writing down their state must not become the main thing.
const BYTES_PER_CHECKPOINT_BYTE: u32 = 16;

/// When checkpoints are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TailCheckpointOptions {
    /// Which start of the machine this is; none: take none, and use none.
    pub(crate) boot_id: Option<BootId>,
    /// Bytes of the active segment from one to the next.
    pub(crate) interval_bytes: u32,
}

/// The checkpoints of one log.
#[derive(Clone, Debug)]
pub(super) struct TailCheckpoints {
    options: Arc<TailCheckpointOptions>,
    /// Of the last one; 0: none yet.
    sequence: u64,
    /// Size of the active segment at which the next one is due.
    due_size: u32,
}

/// Where a recovery begins.
pub(super) struct RecoverFrom {
    /// Number of the segment.
    pub(super) at: usize,
    /// The leader epochs are known up to this offset.
    pub(super) known_until: i64,
    /// Where in it, and the next offset there; none: at its start.
    pub(super) mark: Option<(SegmentMark, i64)>,
    /// Whether the producers' state is that of this place already.
    pub(super) has_producers: bool,
}

impl RecoverFrom {
    /// The start of segment number `at`.
    pub(super) fn start_of(at: usize, known_until: i64) -> Self {
        Self { at, known_until, mark: None, has_producers: false }
    }
}

impl TailCheckpoints {
    pub(super) fn new(options: &Arc<TailCheckpointOptions>) -> Self {
        Self { options: options.clone(), sequence: 0, due_size: options.interval_bytes }
    }

    /// Writes a checkpoint for the log as it is.
    pub(super) fn take(
        &mut self,
        env: SegmentEnv<'_>,
        segments: &mut [Segment],
        producers: &ProducerStateManager,
    ) -> io::Result<()> {
        let (Some(boot_id), [before @ .., active]) = (self.options.boot_id, segments) else { return Ok(()) };
        self.due_size = active.size().saturating_add(self.options.interval_bytes);
        let last_batch = match (active.size(), before.last_mut()) {
            (0, None) => return Ok(()),
            (0, Some(before)) => before.last_batch(env, before.size())?,
            (size, _) => active.last_batch(env, size)?,
        };
        let Some(last_batch) = &last_batch else { return Ok(()) };
        let mark = active.mark(env)?;
        self.sequence += 1;
        let (sequence, segment, offset) = (self.sequence, active.base_offset, producers.map_end_offset());
        let new = NewTailCheckpoint { boot_id, sequence, segment, offset, mark, last_batch, producers };
        let len = new.write(env.dir, env.disk)?;
        let wait = self.options.interval_bytes.max(len.saturating_mul(BYTES_PER_CHECKPOINT_BYTE));
        self.due_size = active.size().saturating_add(wait);
        Ok(())
    }

    /// What was found is not true any more.
    pub(super) fn forget(&mut self) {
        (self.sequence, self.due_size) = (0, self.options.interval_bytes);
    }

    fn is_due(&self, active_size: u32) -> bool {
        active_size >= self.due_size && self.options.boot_id.is_some()
    }
}

impl PartitionLog {
    /// Takes a checkpoint if the active segment has grown enough since the last one.
    pub(super) fn checkpoint_tail_if_due(&self, state: &mut LogState) {
        if state.active().is_some_and(|active| state.tail_checkpoints.is_due(active.size())) {
            self.checkpoint_tail(state);
        }
    }

    /// Takes a checkpoint. A failure takes the log directory offline, but is none of the append that has led here: its
    /// records are in the log.
    pub(super) fn checkpoint_tail(&self, state: &mut LogState) {
        let dir = state.dir.clone();
        let LogState { segments, producers, tail_checkpoints, .. } = state;
        if let Err(e) = tail_checkpoints.take(self.env(&dir), segments, producers) {
            let _ = self.fail("writing the tail checkpoint of", e);
        }
    }

    /// Removes the checkpoints before the log is cut: no later one may seem to fit what is written then.
    pub(super) fn drop_tail_checkpoints(&self, state: &mut LogState) -> io::Result<()> {
        state.tail_checkpoints.forget();
        tail_checkpoint::remove(&state.dir)
    }
}

impl Loading<'_> {
    /// Where the recovery may begin at or after segment number `first`, with the producers' state of that place. None
    /// when there is no checkpoint that fits.
    pub(super) fn resume(&mut self, first: usize) -> io::Result<Option<RecoverFrom>> {
        let Some(boot_id) = self.tail_checkpoints.options.boot_id else { return Ok(None) };
        let Some(found) = TailCheckpoint::read(self.env.dir, boot_id) else { return Ok(None) };
        let at = self.segments.binary_search_by_key(&found.segment, |s| s.base_offset);
        let Some(at) = at.ok().filter(|at| *at >= first) else { return Ok(None) };
        if !self.fits(at, &found)? {
            tracing::warn!("{}: the tail checkpoint does not fit the log", self.env.dir.display());
            return Ok(None);
        }
        let TailCheckpoint { sequence, offset, mark, producers, .. } = found;
        self.producers.start_from(self.env.dir, producers, offset, self.options.now_ms)?;
        self.tail_checkpoints.sequence = sequence;
        self.tail_checkpoints.due_size =
            mark.position.saturating_add(self.tail_checkpoints.options.interval_bytes);
        let mark = Some((mark, offset)).filter(|(mark, _)| mark.position > 0);
        Ok(Some(RecoverFrom { at, known_until: offset, mark, has_producers: true }))
    }

    /// Whether the log holds what the checkpoint says. Cuts the indexes back to it.
    fn fits(&mut self, at: usize, found: &TailCheckpoint) -> io::Result<bool> {
        let is_empty = found.mark.position == 0;
        let holds_batch = if is_empty { at.checked_sub(1) } else { Some(at) };
        let Some(holder) = holds_batch.and_then(|holder| self.segments.get_mut(holder)) else {
            return Ok(false);
        };
        let end = if is_empty { holder.size() } else { found.mark.position };
        if holder.base_offset != found.last_batch.segment || found.last_batch.end != end {
            return Ok(false);
        }
        if !is_empty && !holder.rewind_indexes(self.env, &found.mark, found.offset)? {
            return Ok(false);
        }
        let next_offset = holder.holds(self.env, &found.last_batch)?;
        Ok(match next_offset {
            // Followers may be given offsets that leave a gap.
            Some(next) if is_empty => next <= found.offset && found.offset == found.segment,
            Some(next) => next == found.offset,
            None => false,
        })
    }

    /// Takes a checkpoint of the loaded log if it is large enough to be worth it. Without one, the files of an earlier
    /// run are removed.
    pub(super) fn checkpoint_tail(&mut self) -> io::Result<()> {
        if self.tail_checkpoints.sequence == 0 && self.has_tail_checkpoints {
            tail_checkpoint::remove(self.env.dir)?;
        }
        let size = self.segments.last().map_or(0, Segment::size);
        if self.tail_checkpoints.is_due(size) {
            self.tail_checkpoints.take(self.env, &mut self.segments, &self.producers)?;
        }
        Ok(())
    }
}
