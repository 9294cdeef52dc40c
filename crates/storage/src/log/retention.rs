//! Removing records from the front: by time, by size, and by request. Whole segments go; their files are
//! renamed and unlinked later.

use std::io;

use super::{LogState, PartitionLog, ReadError};
use crate::cold::OnCold;
use crate::config::LogConfig;
use crate::error::StorageResult;
use crate::segment::Segment;

impl PartitionLog {
    /// Moves the log's start to `offset`, as DeleteRecords asks (-1: the high watermark); where it is then.
    /// Records are removed from disk when retention next finds a whole segment before the start.
    pub fn delete_records_before(&self, offset: i64) -> Result<i64, ReadError> {
        let mut state = self.open_state()?;
        let high_watermark = self.high_watermark();
        let target = if offset == -1 { high_watermark } else { offset };
        if target < 0 || target > high_watermark {
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset: self.log_start_offset(),
                log_end_offset: high_watermark,
            });
        }
        if self.increment_log_start_offset(&mut state, target)? {
            tracing::info!(
                "{}: log start offset is {target} due to client delete records request",
                self.partition
            );
        }
        Ok(self.log_start_offset())
    }

    /// As a follower: the leader's log starts at `offset` from now on.
    pub fn maybe_increment_log_start_offset(&self, offset: i64) -> StorageResult<bool> {
        let mut state = self.open_state()?;
        if offset > self.high_watermark() {
            return Ok(false);
        }
        self.increment_log_start_offset(&mut state, offset)
    }

    /// Removes the segments that `retention.ms`, `retention.bytes` and the log's start leave no reason to keep;
    /// how many. Nothing at or above the high watermark is removed.
    pub fn delete_old_segments(&self, now_ms: i64) -> StorageResult<usize> {
        let mut deleted = 0;
        Self::look(OnCold::Wait, |on_cold| {
            let mut state = self.open_state_to_change()?;
            let config = state.config.clone();
            deleted += self.delete_before_log_start(&mut state, now_ms)?;
            if config.delete {
                deleted += self.delete_by_size(&mut state, &config, now_ms)?;
                deleted += self.delete_by_time(&mut state, &config, now_ms, on_cold)?;
            }
            Ok(())
        })?;
        Ok(deleted)
    }

    fn delete_before_log_start(&self, state: &mut LogState, now_ms: i64) -> StorageResult<usize> {
        let start = self.log_start_offset();
        let why = format!("log start offset {start}");
        self.delete_while(state, now_ms, &why, |_, next_base| Ok(next_base.is_some_and(|base| base <= start)))
    }

    fn delete_by_size(&self, state: &mut LogState, config: &LogConfig, now_ms: i64) -> StorageResult<usize> {
        let size = self.size_bytes() as i64;
        if config.retention_bytes < 0 || size < config.retention_bytes {
            return Ok(0);
        }
        let mut excess = size - config.retention_bytes;
        let why = format!("retention size {}", config.retention_bytes);
        self.delete_while(state, now_ms, &why, |segment, _| {
            let delete = excess >= i64::from(segment.size());
            if delete {
                excess -= i64::from(segment.size());
            }
            Ok(delete)
        })
    }

    fn delete_by_time(
        &self,
        state: &mut LogState,
        config: &LogConfig,
        now_ms: i64,
        on_cold: OnCold,
    ) -> StorageResult<usize> {
        let retention_ms = config.retention_ms;
        if retention_ms < 0 {
            return Ok(0);
        }
        let why = format!("retention time {retention_ms}ms");
        let dir = state.dir.clone();
        let env = self.env_with(&dir, on_cold);
        self.delete_while(state, now_ms, &why, |segment, _| {
            Ok(now_ms.saturating_sub(segment.largest_timestamp(env)?) > retention_ms)
        })
    }

    /// Removes segments from the front as long as `delete` (segment, base offset of the next) says so.
    fn delete_while(
        &self,
        state: &mut LogState,
        now_ms: i64,
        why: &str,
        mut delete: impl FnMut(&mut Segment, Option<i64>) -> io::Result<bool>,
    ) -> StorageResult<usize> {
        let (high_watermark, end) = (self.high_watermark(), self.log_end_offset());
        let bases: Vec<i64> = state.segments.iter().skip(1).map(|s| s.base_offset).collect();
        let mut count = 0;
        for (segment, next) in state.segments.iter_mut().zip(bases.iter().map(Some).chain([None])) {
            let is_empty_active = next.is_none() && segment.size() == 0;
            if high_watermark < *next.unwrap_or(&end) || is_empty_active {
                break;
            }
            let go_on = delete(segment, next.copied());
            if !go_on.map_err(|e| self.fail("deleting segments for", e))? {
                break;
            }
            count += 1;
        }
        if count > 0 {
            self.delete_first(state, count, now_ms, why)?;
        }
        Ok(count)
    }

    fn delete_first(&self, state: &mut LogState, count: usize, now_ms: i64, why: &str) -> StorageResult<()> {
        if count == state.segments.len() {
            // There must be one segment at least.
            let end = self.log_end_offset();
            self.roll_to(state, end, now_ms).map_err(|e| self.fail("rolling log segment for", e))?;
        }
        let new_start = state.segments.get(count).map_or(self.log_end_offset(), |s| s.base_offset);
        self.increment_log_start_offset(state, new_start)?;
        tracing::info!(
            "{}: deleting {count} segments before offset {new_start} due to {why}",
            self.partition
        );
        let removed: Vec<Segment> = state.segments.drain(..count).collect();
        self.remove_segments(state, removed, now_ms).map_err(|e| self.fail("deleting segments for", e))
    }

    /// Renames the files of segments that are no longer in the list, and plans their removal.
    pub(super) fn remove_segments(
        &self,
        state: &mut LogState,
        removed: Vec<Segment>,
        now_ms: i64,
    ) -> io::Result<()> {
        let dir = state.dir.clone();
        let due_ms = now_ms.saturating_add(state.config.file_delete_delay_ms);
        state.read_bound = None;
        for segment in removed {
            let bytes = u64::from(segment.size());
            self.size_bytes.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed);
            let files = segment.mark_deleted(self.env(&dir))?;
            let snapshot = state.producers.mark_snapshot_deleted(self.env(&dir), segment.base_offset)?;
            for path in files.into_iter().chain(snapshot) {
                self.context.trash.add(due_ms, path, &self.log_dir);
            }
        }
        Ok(())
    }
}
