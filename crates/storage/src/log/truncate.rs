//! Removing records from the back, as a follower does that has more than its leader.

use std::io;
use std::sync::atomic::Ordering;

use super::{LogState, PartitionLog};
use crate::error::StorageResult;
use crate::segment::Segment;

impl PartitionLog {
    /// Removes everything from `offset` on; whether anything was.
    pub fn truncate_to(&self, offset: i64, now_ms: i64) -> StorageResult<bool> {
        let offset = offset.max(0);
        // No fsync may be under way: it would move the recovery point over what is being cut.
        let _turn = self.flushing.lock();
        let mut state = self.open_state_to_change()?;
        let end = self.log_end_offset();
        if offset >= end {
            // An epoch that began here but never wrote must not stay in the way.
            state.epochs.truncate_from_end(end);
            self.write_epochs(&mut state)?;
            return Ok(false);
        }
        if offset < self.high_watermark() {
            tracing::warn!(
                "Truncating {} to offset {offset} below high watermark {}",
                self.partition,
                self.high_watermark()
            );
        }
        if state.segments.first().is_some_and(|s| s.base_offset > offset) {
            self.start_over(&mut state, offset, offset, now_ms)?;
            return Ok(true);
        }
        self.cut(&mut state, offset, now_ms).map_err(|e| self.fail("truncating log for", e))?;
        state.epochs.truncate_from_end(offset);
        self.write_epochs(&mut state)?;
        self.log_start_offset.fetch_min(offset, Ordering::AcqRel);
        self.update_log_end_offset(&mut state, offset);
        self.rebuild_producers(&mut state, offset, now_ms)
            .map_err(|e| self.fail("rebuilding the producer state of", e))?;
        let high_watermark = self.high_watermark();
        self.update_high_watermark(&mut state, high_watermark);
        Ok(true)
    }

    /// Removes everything; the log goes on at `offset`, and starts at `log_start_offset` or there.
    pub fn truncate_fully_and_start_at(
        &self,
        offset: i64,
        log_start_offset: Option<i64>,
        now_ms: i64,
    ) -> StorageResult<()> {
        let _turn = self.flushing.lock();
        let mut state = self.open_state_to_change()?;
        self.start_over(&mut state, offset, log_start_offset.unwrap_or(offset), now_ms)
    }

    fn start_over(
        &self,
        state: &mut LogState,
        offset: i64,
        log_start_offset: i64,
        now_ms: i64,
    ) -> StorageResult<()> {
        let done = self.replace_all_segments(state, offset, now_ms);
        done.map_err(|e| self.fail("truncating the entire log for", e))?;
        state.epochs.clear();
        self.write_epochs(state)?;
        self.log_start_offset.store(log_start_offset, Ordering::Release);
        self.update_log_end_offset(state, offset);
        self.update_high_watermark(state, offset);
        Ok(())
    }

    fn replace_all_segments(&self, state: &mut LogState, offset: i64, now_ms: i64) -> io::Result<()> {
        self.drop_tail_checkpoints(state)?;
        let dir = state.dir.clone();
        let removed = std::mem::take(&mut state.segments).into_iter().rev().collect();
        self.remove_segments(state, removed, now_ms)?;
        let segment = Segment::create(self.env(&dir), offset, &state.config, now_ms)?;
        state.segments.push(segment);
        // A power failure must not bring the old segments back beside the new one.
        self.log_dir.disk().sync_dir(&dir)?;
        self.abort_cleaning(state);
        state.clear_tail();
        state.producers.truncate_fully_and_start_at(&dir, offset)
    }

    fn cut(&self, state: &mut LogState, offset: i64, now_ms: i64) -> io::Result<()> {
        self.drop_tail_checkpoints(state)?;
        let dir = state.dir.clone();
        let keep = state.segments.partition_point(|s| s.base_offset <= offset);
        // From the end, so that whenever this is interrupted, there is no gap before what is left.
        let removed: Vec<Segment> = state.segments.drain(keep..).rev().collect();
        if !removed.is_empty() {
            self.abort_cleaning(state);
            self.remove_segments(state, removed, now_ms)?;
            self.log_dir.disk().sync_dir(&dir)?;
        }
        state.clear_tail();
        state.read_bound = None;
        if let Some(active) = state.segments.last_mut() {
            let cut = active.truncate_to(self.env(&dir), offset, now_ms)?;
            self.size_bytes.fetch_sub(u64::from(cut), Ordering::Relaxed);
        }
        Ok(())
    }
}
