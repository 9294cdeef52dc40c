//! The offsets that bound a log, and how they move.

use std::sync::atomic::Ordering;

use super::{LogState, PartitionLog};
use crate::error::StorageResult;

impl PartitionLog {
    /// First offset that is served.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset.load(Ordering::Acquire)
    }

    /// All before is replicated: what consumers see.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// All before is replicated and decided: what `read_committed` consumers see.
    pub fn last_stable_offset(&self) -> i64 {
        self.last_stable_offset.load(Ordering::Acquire)
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset.load(Ordering::Acquire)
    }

    /// All before is durable.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Whether the log holds no record.
    pub fn is_empty(&self) -> bool {
        self.log_start_offset() == self.log_end_offset()
    }

    /// First offset of a transaction that is open, or ended but not replicated.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let state = self.state.lock();
        state.producers.first_unstable_offset().map(|offset| offset.max(self.log_start_offset()))
    }

    /// Moves the high watermark, forward or backward, as far as the log reaches; where it is then.
    pub fn set_high_watermark(&self, offset: i64) -> i64 {
        let mut state = self.state.lock();
        self.update_high_watermark(&mut state, offset)
    }

    /// Moves the high watermark forward to `offset`, or to the log's end; whether it moved.
    pub fn maybe_increment_high_watermark(&self, offset: i64) -> bool {
        if offset <= self.high_watermark() {
            return false;
        }
        let mut state = self.state.lock();
        let before = self.high_watermark();
        offset > before && self.update_high_watermark(&mut state, offset) > before
    }

    pub(super) fn update_high_watermark(&self, state: &mut LogState, offset: i64) -> i64 {
        let bounded = offset.min(self.log_end_offset()).max(self.log_start_offset());
        self.high_watermark.store(bounded, Ordering::Release);
        state.producers.on_high_watermark_updated(bounded);
        self.update_last_stable_offset(state);
        bounded
    }

    /// To be called when the first unstable offset or the high watermark may have moved.
    pub(super) fn update_last_stable_offset(&self, state: &LogState) {
        let high_watermark = self.high_watermark();
        let unstable = state.producers.first_unstable_offset().unwrap_or(i64::MAX);
        // A transaction that began before the log's start is unstable from there on.
        let stable = unstable.max(self.log_start_offset()).min(high_watermark);
        self.last_stable_offset.store(stable, Ordering::Release);
    }

    /// Publishes a new log end. The high watermark never lies behind it.
    pub(super) fn update_log_end_offset(&self, state: &mut LogState, offset: i64) {
        self.log_end_offset.store(offset, Ordering::Release);
        if self.recovery_point() > offset {
            self.recovery_point.store(offset, Ordering::Release);
        }
        if self.high_watermark() > offset {
            self.update_high_watermark(state, offset);
        }
    }

    /// Moves the log start offset forward and forgets what lies before it; whether it moved. Segments are
    /// removed by the next retention run.
    pub(super) fn increment_log_start_offset(
        &self,
        state: &mut LogState,
        offset: i64,
    ) -> StorageResult<bool> {
        if offset <= self.log_start_offset() {
            return Ok(false);
        }
        self.log_start_offset.store(offset, Ordering::Release);
        if self.high_watermark() < offset {
            self.update_high_watermark(state, offset);
        }
        // The recovery point stays: until the new start is durable, too, a power failure may bring back what lies
        // before it, and recovery must look at that.
        state.epochs.truncate_from_start(offset);
        self.write_epochs(state)?;
        state.producers.on_log_start_offset_incremented(offset);
        self.update_last_stable_offset(state);
        Ok(true)
    }
}
