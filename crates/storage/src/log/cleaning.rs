//! What a log tells the cleaner about itself (Kafka: `LogCleanerManager`, which keeps this outside the log).

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::SystemTime;

use super::{LogState, PartitionLog};
use crate::cleaner::{CleanError, LastRecord, LogBounds, SegmentSize};
use crate::cold::OnCold;
use crate::config::LogConfig;
use crate::error::{StorageError, StorageResult};
use crate::segment::Segment;

/// The state of a log's cleaning.
#[derive(Debug)]
pub(crate) struct CleaningMarks {
    /// All before is clean; -1: it was never cleaned.
    checkpoint: AtomicI64,
    /// Whether a thread cleans it, or applies retention in the cleaner's place.
    is_taken: AtomicBool,
    /// Whether something in it cannot be cleaned; it is left alone until the next start.
    is_uncleanable: AtomicBool,
    /// What should have been cleaned in it then, in bytes; 0 when that could not be found out.
    uncleanable_bytes: AtomicU64,
    /// Counts what takes closed segments away from under a cleaning.
    truncations: AtomicU64,
}

impl Default for CleaningMarks {
    fn default() -> Self {
        Self {
            checkpoint: AtomicI64::new(-1),
            is_taken: AtomicBool::new(false),
            is_uncleanable: AtomicBool::new(false),
            uncleanable_bytes: AtomicU64::new(0),
            truncations: AtomicU64::new(0),
        }
    }
}

/// A log as it is when its cleaning begins.
#[derive(Debug)]
pub(crate) struct CleaningView {
    pub(crate) config: Arc<LogConfig>,
    pub(crate) bounds: LogBounds,
    /// All segments but the active one.
    pub(crate) segments: Vec<SegmentSize>,
    /// What [`PartitionLog::check_cleaning`] compares.
    pub(crate) truncations: u64,
    /// How long ago the oldest dirty record exceeded `max.compaction.lag.ms`. 0: it did not. Milliseconds.
    pub(crate) overdue_ms: i64,
}

/// A closed segment that is being read.
#[derive(Debug)]
pub(crate) struct SourceSegment {
    pub(crate) file: Arc<File>,
    pub(crate) bytes: u32,
    /// Where to start reading.
    pub(crate) position: u32,
    pub(crate) modified: SystemTime,
}

impl PartitionLog {
    /// Up to where the log was cleaned.
    pub fn cleaner_checkpoint(&self) -> Option<i64> {
        Some(self.cleaning.checkpoint.load(Ordering::Acquire)).filter(|offset| *offset >= 0)
    }

    /// The log is clean up to `offset`; none: nobody knows.
    pub(crate) fn set_cleaner_checkpoint(&self, offset: Option<i64>) {
        self.cleaning.checkpoint.store(offset.unwrap_or(-1), Ordering::Release);
    }

    /// Whether the cleaner has given this log up.
    pub fn is_uncleanable(&self) -> bool {
        self.cleaning.is_uncleanable.load(Ordering::Relaxed)
    }

    /// What should have been cleaned when the cleaner gave this log up, in bytes; 0 when nobody knows.
    pub(crate) fn uncleanable_bytes(&self) -> u64 {
        self.cleaning.uncleanable_bytes.load(Ordering::Relaxed)
    }

    /// The cleaner gives this log up, in which so many bytes should have been cleaned.
    pub(crate) fn set_uncleanable(&self, bytes: u64) {
        self.cleaning.uncleanable_bytes.store(bytes, Ordering::Relaxed);
        self.cleaning.is_uncleanable.store(true, Ordering::Relaxed);
    }

    /// Takes the log for one thread of the cleaner, or for retention; false when it is taken.
    pub(crate) fn take_for_cleaning(&self) -> bool {
        !self.cleaning.is_taken.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_taken_for_cleaning(&self) -> bool {
        self.cleaning.is_taken.load(Ordering::Acquire)
    }

    pub(crate) fn release_from_cleaning(&self) {
        self.cleaning.is_taken.store(false, Ordering::Release);
    }

    /// Closed segments have lost their end: a cleaning that is under way is worth nothing, and what is clean ends
    /// before the active segment.
    pub(super) fn abort_cleaning(&self, state: &LogState) {
        self.cleaning.truncations.fetch_add(1, Ordering::AcqRel);
        let active_base = state.active().map_or(0, |s| s.base_offset);
        if self.cleaning.checkpoint.fetch_min(active_base, Ordering::AcqRel) > active_base {
            self.context.cleaner_checkpoints_changed.store(true, Ordering::Release);
        }
    }

    /// A cleaning that is under way comes too late: the log is being copied as it is.
    pub(crate) fn stop_cleaning(&self) {
        self.abort_cleaning(&self.state.lock());
    }

    /// Sets the checkpoint after a cleaning, unless the log has been truncated since.
    pub(crate) fn finish_cleaning(&self, truncations: u64, clean_until: i64) {
        let _state = self.state.lock();
        if self.cleaning.truncations.load(Ordering::Acquire) == truncations {
            self.set_cleaner_checkpoint(Some(clean_until));
        }
    }

    /// What there is to clean, at `now_ms`.
    pub(crate) fn cleaning_view(&self, now_ms: i64) -> StorageResult<CleaningView> {
        Self::look(OnCold::Wait, |on_cold| self.look_what_to_clean(now_ms, on_cold))
    }

    fn look_what_to_clean(&self, now_ms: i64, on_cold: OnCold) -> StorageResult<CleaningView> {
        let mut state = self.open_state()?;
        let config = state.config.clone();
        let mut bounds = LogBounds {
            log_start_offset: self.log_start_offset(),
            log_end_offset: self.log_end_offset(),
            last_stable_offset: self.last_stable_offset(),
            active_base_offset: state.active().map_or(0, |s| s.base_offset),
            checkpoint: self.cleaner_checkpoint(),
            first_young_segment: None,
        };
        let (first_dirty_offset, _) = bounds.first_dirty_offset();
        let mut overdue_ms = 0;
        let dir = state.dir.clone();
        let mut look = || {
            let env = self.env_with(&dir, on_cold);
            let dirty = dirty_segments(&mut state, first_dirty_offset);
            if config.min_compaction_lag_ms > 0 {
                let young = now_ms.saturating_sub(config.min_compaction_lag_ms);
                for segment in dirty.iter_mut() {
                    if segment.largest_timestamp(env)? > young {
                        bounds.first_young_segment = Some(segment.base_offset);
                        break;
                    }
                }
            }
            let due = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
            if due > 0 {
                for segment in dirty {
                    if let Some(first) = segment.first_timestamp(env)?.filter(|first| *first > 0) {
                        overdue_ms = overdue_ms.max(due.saturating_sub(first));
                    }
                }
            }
            Ok(())
        };
        look().map_err(|e| self.fail("looking what is to be cleaned in", e))?;
        let closed = state.segments.len().saturating_sub(1);
        Ok(CleaningView {
            bounds,
            segments: state.segments.iter().take(closed).map(Segment::cleaning_size).collect(),
            truncations: self.cleaning.truncations.load(Ordering::Acquire),
            overdue_ms,
            config,
        })
    }

    /// An error when the cleaning that began with this count of truncations must end: the log is closed, or was
    /// truncated.
    pub(crate) fn check_cleaning(&self, truncations: u64) -> Result<(), CleanError> {
        drop(self.open_for_cleaning(truncations)?);
        Ok(())
    }

    pub(super) fn open_for_cleaning(
        &self,
        truncations: u64,
    ) -> Result<parking_lot::MutexGuard<'_, LogState>, CleanError> {
        let state = self.open_state()?;
        if self.cleaning.truncations.load(Ordering::Acquire) == truncations {
            Ok(state)
        } else {
            Err(CleanError::Aborted)
        }
    }

    /// The closed segment at `base_offset`, to be read from the batch that holds `offset` on.
    pub(crate) fn source_segment(
        &self,
        truncations: u64,
        base_offset: i64,
        offset: i64,
    ) -> Result<SourceSegment, CleanError> {
        Self::look(OnCold::Wait, |on_cold| self.find_source(truncations, base_offset, offset, on_cold))
    }

    fn find_source(
        &self,
        truncations: u64,
        base_offset: i64,
        offset: i64,
        on_cold: OnCold,
    ) -> Result<SourceSegment, CleanError> {
        let mut state = self.open_for_cleaning(truncations)?;
        let dir = state.dir.clone();
        let env = self.env_with(&dir, on_cold);
        // Retention has taken it meanwhile, or replaced it.
        let at = state.segments.binary_search_by_key(&base_offset, |s| s.base_offset);
        let segment = at.ok().and_then(|at| state.segments.get_mut(at)).ok_or(CleanError::Aborted)?;
        let mut open = || {
            let position = if offset <= base_offset {
                0
            } else {
                segment.translate_offset(env, offset)?.map_or(segment.size(), |found| found.position)
            };
            let file = segment.log_file(env)?;
            let modified = file.metadata()?.modified()?;
            Ok(SourceSegment { file, bytes: segment.size(), position, modified })
        };
        Ok(open().map_err(|e| self.fail("cleaning", e))?)
    }

    /// An error of the disk during a cleaning, for the log directory to hear of.
    pub(crate) fn fail_cleaning(&self, e: std::io::Error) -> StorageError {
        self.fail("cleaning", e)
    }

    /// The last traces of the producers that are active in this log.
    pub(crate) fn last_records_of_producers(&self) -> HashMap<i64, LastRecord> {
        let state = self.state.lock();
        let last = |entry: &crate::producer_state::entry::ProducerEntry| LastRecord {
            last_data_offset: Some(entry.last_data_offset()).filter(|offset| *offset >= 0),
            producer_epoch: entry.producer_epoch,
        };
        state.producers.producers().iter().map(|(id, entry)| (*id, last(entry))).collect()
    }
}

/// The closed segments from the one that holds `first_dirty_offset` on.
fn dirty_segments(state: &mut LogState, first_dirty_offset: i64) -> &mut [Segment] {
    let start = state.floor_segment(first_dirty_offset).unwrap_or(0);
    let end = state.segments.len().saturating_sub(1);
    state.segments.get_mut(start..end).unwrap_or_default()
}
