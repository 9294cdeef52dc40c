//! Closing the active segment and opening the next.

use std::io;
use std::sync::Arc;

use super::{LogState, PartitionLog};
use crate::error::StorageResult;
use crate::producer_state::snapshot_path;
use crate::segment::{RollParams, Segment, lazy_file};

impl PartitionLog {
    /// Closes the active segment, so that the next append starts a new one. Does nothing when it is empty.
    pub fn roll(&self, now_ms: i64) -> StorageResult<()> {
        let mut state = self.open_state_to_change()?;
        let end = self.log_end_offset();
        if state.active().is_some_and(|s| s.size() > 0) {
            self.roll_to(&mut state, end, now_ms).map_err(|e| self.fail("rolling log segment for", e))?;
        }
        Ok(())
    }

    /// Goes on at `offset`, behind the log's end: what lay in between in the log that this one is a copy of, was compacted
    /// away.
    pub(crate) fn skip_to(&self, offset: i64, now_ms: i64) -> StorageResult<()> {
        let mut state = self.open_state_to_change()?;
        if offset > self.log_end_offset() {
            self.roll_to(&mut state, offset, now_ms).map_err(|e| self.fail("rolling log segment for", e))?;
            self.update_log_end_offset(&mut state, offset);
        }
        Ok(())
    }

    /// Closes the active segment if it cannot take what is to be appended from `first_offset` on.
    pub(super) fn maybe_roll(
        &self,
        state: &mut LogState,
        set: &RollParams,
        first_offset: i64,
    ) -> StorageResult<()> {
        let dir = state.dir.clone();
        let config = state.config.clone();
        let should_roll = match state.segments.last_mut() {
            Some(active) if active.base_offset > first_offset => Ok(true),
            Some(active) => active.should_roll(self.env(&dir), &config, set),
            None => Ok(true),
        };
        let rolled = should_roll.and_then(|should_roll| {
            if should_roll {
                self.roll_to(state, first_offset.max(self.log_end_offset()), set.now_ms)
            } else {
                Ok(())
            }
        });
        rolled.map_err(|e| self.fail("rolling log segment for", e))
    }

    /// Opens the segment at `base_offset` behind the active one.
    pub(super) fn roll_to(&self, state: &mut LogState, base_offset: i64, now_ms: i64) -> io::Result<()> {
        let dir = state.dir.clone();
        let env = self.env(&dir);
        if let Some(active) = state.segments.pop_if(|active| active.base_offset > base_offset) {
            // Made for batches behind a gap, which were then not written; others come without the gap.
            self.remove_files(&dir, active.base_offset)?;
            state.producers.step_back_to(&dir, self.log_end_offset())?;
        }
        match state.segments.last_mut() {
            Some(active) if active.base_offset == base_offset => {
                // Empty, and yet full: one of its indexes has no room at all. Start it over.
                let config = state.config.clone();
                if active.size() == 0 {
                    self.remove_files(&dir, base_offset)?;
                    *active = Segment::create(env, base_offset, &config, now_ms)?;
                }
                return Ok(());
            }
            Some(active) => {
                active.close(env)?;
                // With its records durable already, no flush and no recovery will look at this segment again.
                if self.recovery_point() >= base_offset {
                    active.sync_indexes(env)?;
                }
            }
            None => {}
        }
        // Left by an operation that a crash interrupted.
        self.remove_files(&dir, base_offset)?;
        let segment = Segment::create(env, base_offset, &state.config, now_ms)?;
        state.segments.push(segment);
        state.clear_tail();
        state.producers.update_map_end_offset(base_offset);
        if let Some(offset) = state.producers.take_snapshot(&dir, false)? {
            state.unsynced.push(snapshot_path(&dir, offset));
        }
        self.checkpoint_tail(state);
        self.queue_flush();
        Ok(())
    }

    /// Asks the background thread to make the closed segments durable.
    fn queue_flush(&self) {
        let mut queue = self.context.to_flush.lock();
        if !queue.iter().any(|log| log.ptr_eq(&self.this)) {
            queue.push(self.this.clone());
        }
    }

    fn remove_files(&self, dir: &Arc<std::path::Path>, base_offset: i64) -> io::Result<()> {
        for suffix in crate::segment::SUFFIXES {
            crate::fs::found(std::fs::remove_file(lazy_file::path(self.env(dir), base_offset, suffix)))?;
        }
        Ok(())
    }
}
