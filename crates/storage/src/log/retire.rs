//! The end of a log: shutdown, deletion, replacement.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LogState, PartitionLog};
use crate::error::{StorageError, StorageResult};
use crate::names::unique_dir_name;
use crate::producer_state::snapshot_path;
use crate::segment::Segment;

impl PartitionLog {
    /// Ends the log in order: indexes and a producer snapshot are written, all is durable. Afterwards nothing
    /// is served any more.
    pub fn close(&self, now_ms: i64) -> StorageResult<()> {
        self.write_out()?;
        self.flush(now_ms)?;
        self.sync_rest()?;
        self.state_to_change().closed = true;
        Ok(())
    }

    /// Writes all that an orderly stop leaves on disk, without making it durable.
    pub(crate) fn write_out(&self) -> StorageResult<()> {
        let mut state = self.open_state_to_change()?;
        self.write_epochs(&mut state)?;
        let dir = state.dir.clone();
        let env = self.env(&dir);
        let mut work = || {
            if let Some(active) = state.segments.last_mut() {
                active.close(env)?;
            }
            // Without a single snapshot, nobody looks for producers after a clean stop, neither here nor in Kafka.
            let never_needed =
                state.producers.producers().is_empty() && state.producers.snapshot_offsets().is_empty();
            if !never_needed && let Some(offset) = state.producers.take_snapshot(&dir, false)? {
                state.unsynced.push(snapshot_path(&dir, offset));
            }
            Ok(())
        };
        work().map_err(|e| self.fail("closing log for", e))
    }

    /// All is durable up to the log's end: somebody has synced the whole file system.
    pub(crate) fn mark_all_durable(&self) {
        let mut state = self.state_to_change();
        state.unsynced.clear();
        self.recovery_point.store(self.log_end_offset(), Ordering::Release);
        state.closed = true;
    }

    /// Makes durable what a flush leaves out: the active segment's indexes, and files of an empty log.
    pub(crate) fn sync_rest(&self) -> StorageResult<()> {
        let mut state = self.open_state_to_change()?;
        let dir = state.dir.clone();
        let env = self.env(&dir);
        let mut work = || {
            if let Some(active) = state.segments.last_mut() {
                active.sync_indexes(env)?;
            }
            let replaced = std::mem::take(&mut state.unsynced);
            for path in &replaced {
                if let Some(file) = crate::fs::found(std::fs::File::open(path))? {
                    env.disk.sync_data(&file)?;
                }
            }
            if !replaced.is_empty() {
                env.disk.sync_dir(env.dir)?;
            }
            Ok(())
        };
        work().map_err(|e| self.fail("closing log for", e))
    }

    /// Takes the log out of service and gives its directory a unique name with this suffix (`-delete`,
    /// `-stray`); the new path.
    pub(crate) fn retire(&self, suffix: &str) -> StorageResult<PathBuf> {
        let mut state = self.open_state_to_change()?;
        self.end(&mut state);
        self.rename_locked(&mut state, &unique_dir_name(&self.partition, suffix))
    }

    /// Like [`Self::retire`], for a log that is out of service already.
    pub(crate) fn rename_closed(&self, suffix: &str) -> StorageResult<PathBuf> {
        self.log_dir.check()?;
        let mut state = self.state_to_change();
        self.rename_locked(&mut state, &unique_dir_name(&self.partition, suffix))
    }

    fn rename_locked(&self, state: &mut LogState, name: &str) -> StorageResult<PathBuf> {
        let renamed = self.log_dir.path().join(name);
        std::fs::rename(&state.dir, &renamed).map_err(|e| self.fail("renaming the directory of", e))?;
        state.dir = Arc::from(renamed.as_path());
        // These paths lead nowhere any more; what they named is durable or about to be removed.
        state.unsynced.clear();
        Ok(renamed)
    }

    /// Takes the log out of service where it is.
    pub(crate) fn abandon(&self) {
        self.end(&mut self.state_to_change());
    }

    pub(super) fn end(&self, state: &mut LogState) {
        state.closed = true;
        state.clear_tail();
    }

    /// Gives the directory another name below the same log directory; it stays in service. What is to survive a power
    /// failure must be durable before.
    pub(crate) fn rename_dir(&self, name: &str) -> StorageResult<()> {
        let mut state = self.open_state_to_change()?;
        self.rename_locked(&mut state, name).map(|_| ())
    }

    /// Whether there is nothing that a power failure could take away.
    pub(crate) fn is_durable(&self) -> bool {
        let state = self.state.lock();
        let is_written_out = !state.active().is_some_and(Segment::is_dirty);
        is_written_out && state.unsynced.is_empty() && self.recovery_point() >= self.log_end_offset()
    }

    /// An error unless the log serves.
    pub fn check_open(&self) -> Result<(), StorageError> {
        self.open_state().map(|_| ())
    }
}
