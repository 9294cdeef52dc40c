//! Making a log durable.
//!
//! The recovery point says up to where it is. Before it may pass an offset, all that recovery will then take
//! for granted is durable: the closed segments with their indexes, the producer snapshots, the leader epochs,
//! and the directory. The active segment's indexes need not be: recovery always reads the segment of the
//! recovery point anew.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LogState, PartitionLog};
use crate::checkpoint::leader_epoch_checkpoint::{self, LEADER_EPOCH_FILE};
use crate::error::StorageResult;
use crate::fs::found;

/// What one fsync round has to do.
struct SyncPlan {
    files: Vec<Arc<File>>,
    /// Small files that were replaced, by path.
    replaced: Vec<PathBuf>,
    /// The directory, when files were added to it.
    dir: Option<PathBuf>,
}

impl PartitionLog {
    /// Makes everything durable that is in the log now.
    pub fn flush(&self, now_ms: i64) -> StorageResult<()> {
        self.flush_up_to(self.log_end_offset(), now_ms)
    }

    /// Makes the log durable up to `offset`, if it is not. Calls that wait for each other share one fsync.
    pub fn flush_up_to(&self, offset: i64, now_ms: i64) -> StorageResult<()> {
        if self.recovery_point() >= offset {
            return Ok(());
        }
        let _turn = self.flushing.lock();
        if self.recovery_point() >= offset {
            return Ok(());
        }
        // Whatever came in while this call waited is made durable by the same fsync.
        let (plan, reaches) = {
            let mut state = self.open_state()?;
            let active_base = state.active().map_or(0, |s| s.base_offset);
            let reaches = if offset <= active_base { offset } else { self.log_end_offset() };
            let plan = self.plan_sync(&mut state, reaches).map_err(|e| self.fail("flushing log for", e))?;
            (plan, reaches)
        };
        if let Err(e) = plan.run(self.log_dir.disk()) {
            self.state.lock().unsynced.extend(plan.replaced);
            return Err(self.fail("flushing log for", e));
        }
        let mut state = self.state.lock();
        state.last_flush_ms = now_ms;
        // A truncation may have taken some of it away again.
        let durable = reaches.min(self.log_end_offset());
        self.recovery_point.fetch_max(durable, Ordering::AcqRel);
        Ok(())
    }

    /// Makes all segments but the active one durable.
    pub fn flush_closed_segments(&self, now_ms: i64) -> StorageResult<()> {
        self.flush_up_to(self.active_segment_base_offset(), now_ms)
    }

    /// Makes everything durable if the last time was `flush.ms` ago.
    pub fn flush_if_due(&self, now_ms: i64) -> StorageResult<()> {
        if self.recovery_point() >= self.log_end_offset() {
            return Ok(());
        }
        let is_due = {
            let state = self.state.lock();
            now_ms.saturating_sub(state.last_flush_ms) >= state.config.flush_ms
        };
        if is_due { self.flush(now_ms) } else { Ok(()) }
    }

    fn plan_sync(&self, state: &mut LogState, reaches: i64) -> io::Result<SyncPlan> {
        let dir = state.dir.clone();
        let env = self.env(&dir);
        let recovery_point = self.recovery_point();
        let from = state.floor_segment(recovery_point).unwrap_or(0);
        let last = state.segments.len().saturating_sub(1);
        let mut files = Vec::new();
        let mut has_new_files = !state.unsynced.is_empty();
        for (at, segment) in state.segments.iter_mut().enumerate().skip(from) {
            if segment.base_offset >= reaches {
                break;
            }
            files.extend(segment.prepare_sync(env, at < last)?);
            has_new_files |= segment.base_offset >= recovery_point;
        }
        let replaced = std::mem::take(&mut state.unsynced);
        Ok(SyncPlan { files, replaced, dir: has_new_files.then(|| dir.to_path_buf()) })
    }

    /// Replaces the leader epoch file if the epochs have changed. It is made durable with the next flush: an
    /// entry that a power failure takes away is found again in the batches that recovery reads.
    pub(super) fn write_epochs(&self, state: &mut LogState) -> StorageResult<()> {
        if !state.epochs.take_changed() {
            return Ok(());
        }
        if let Err(e) = leader_epoch_checkpoint::write(&state.dir, state.epochs.entries(), false) {
            state.epochs.not_written();
            return Err(self.fail("writing the leader epochs of", e));
        }
        let path = state.dir.join(LEADER_EPOCH_FILE);
        if !state.unsynced.contains(&path) {
            state.unsynced.push(path);
        }
        Ok(())
    }
}

impl SyncPlan {
    fn run(&self, disk: &dyn crate::fs::Disk) -> io::Result<()> {
        for file in &self.files {
            disk.sync_data(file)?;
        }
        for path in &self.replaced {
            // It may be gone with its segment meanwhile, or be under another name with its directory.
            if let Some(file) = found(disk.open(path, false))? {
                disk.sync_data(&file)?;
            }
        }
        match &self.dir {
            Some(dir) => found(disk.sync_dir(dir)).map(|_| ()),
            None => Ok(()),
        }
    }
}
