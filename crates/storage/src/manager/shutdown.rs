//! The orderly end.

use std::fs::File;
use std::sync::Arc;

use super::LogManager;
use crate::checkpoint::clean_shutdown;
use crate::checkpoint::offset_checkpoint::HIGH_WATERMARK_FILE;
use crate::error::StorageResult;
use crate::log::PartitionLog;
use crate::log_dir::LogDir;

/// With more logs than this to make durable, the file system is synced as a whole: one call instead of several
/// per log.
const SYNC_EACH_MAX: usize = 32;

impl LogManager {
    /// Ends all logs in order, writes the checkpoints, and marks the directories as left in order.
    ///
    /// `broker_epoch` is that of the registration (-1: none). A directory in which anything fails, or whose logs
    /// were not all loaded, is not marked: the next start recovers it.
    pub fn shutdown(&self, broker_epoch: i64, now_ms: i64) {
        let _turn = self.creation.lock();
        for dir in self.live_dirs() {
            self.write_checkpoint(dir, HIGH_WATERMARK_FILE, |log| Some(log.high_watermark()));
            match self.close_logs(dir, now_ms) {
                Ok(()) => self.mark_clean(dir, broker_epoch),
                Err(e) => tracing::warn!("Error while closing the logs in {}: {e}", dir.path().display()),
            }
        }
        self.locks.lock().clear();
    }

    fn close_logs(&self, dir: &Arc<LogDir>, now_ms: i64) -> StorageResult<()> {
        let mut logs = self.logs_in(dir);
        logs.extend(self.future_logs().into_iter().filter(|log| log.log_dir().path() == dir.path()));
        let (clean, dirty): (Vec<_>, Vec<_>) = logs.into_iter().partition(|log| log.is_durable());
        if dirty.len() <= SYNC_EACH_MAX {
            dirty.iter().try_for_each(|log| log.close(now_ms))?;
        } else {
            self.close_at_once(dir, &dirty)?;
        }
        clean.iter().for_each(|log| log.abandon());
        Ok(())
    }

    fn close_at_once(&self, dir: &Arc<LogDir>, logs: &[Arc<PartitionLog>]) -> StorageResult<()> {
        logs.iter().try_for_each(|log| log.write_out())?;
        let doing = || format!("Error while syncing {}", dir.path().display());
        dir.guard(doing, || Ok(rustix::fs::syncfs(File::open(dir.path())?)?))?;
        logs.iter().for_each(|log| log.mark_all_durable());
        Ok(())
    }

    fn mark_clean(&self, dir: &Arc<LogDir>, broker_epoch: i64) {
        self.checkpoint_dir(dir);
        if !self.loaded_dirs.lock().iter().any(|loaded| loaded == dir.path()) {
            return;
        }
        let doing = || format!("Error while marking {} as left in order", dir.path().display());
        let _ = dir.guard(doing, || clean_shutdown::write(dir.path(), broker_epoch));
    }
}
