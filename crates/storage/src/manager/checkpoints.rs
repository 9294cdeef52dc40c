//! The offsets that are written down for all logs of a directory.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::LogManager;
use crate::checkpoint::offset_checkpoint::{
    self, CLEANER_OFFSET_FILE, HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, RECOVERY_POINT_FILE,
};
use crate::log::PartitionLog;
use crate::log_dir::LogDir;

impl LogManager {
    /// Writes down up to where each log is durable.
    pub fn checkpoint_recovery_points(&self) {
        for dir in self.live_dirs() {
            self.write_checkpoint(dir, RECOVERY_POINT_FILE, |log| Some(log.recovery_point()));
        }
    }

    /// Writes down where logs start that do not start at 0.
    pub fn checkpoint_log_start_offsets(&self) {
        for dir in self.live_dirs() {
            self.write_checkpoint(dir, LOG_START_OFFSET_FILE, start_to_keep);
        }
    }

    /// Writes down the high watermarks.
    pub fn checkpoint_high_watermarks(&self) {
        for dir in self.live_dirs() {
            self.write_checkpoint(dir, HIGH_WATERMARK_FILE, |log| Some(log.high_watermark()));
        }
    }

    /// Writes down up to where the logs of a directory are clean.
    pub(crate) fn checkpoint_cleaner_offsets(&self, dir: &Arc<LogDir>) {
        self.write_checkpoint(dir, CLEANER_OFFSET_FILE, PartitionLog::cleaner_checkpoint);
    }

    pub(super) fn checkpoint_dir(&self, dir: &Arc<LogDir>) {
        self.write_checkpoint(dir, RECOVERY_POINT_FILE, |log| Some(log.recovery_point()));
        self.write_checkpoint(dir, LOG_START_OFFSET_FILE, start_to_keep);
        self.checkpoint_cleaner_offsets(dir);
    }

    /// Writes a checkpoint, unless it says what the last one said: ten thousand idle partitions must not cost a
    /// file and an fsync every few seconds. A failure takes the directory offline, and is logged with that.
    pub(super) fn write_checkpoint(
        &self,
        dir: &Arc<LogDir>,
        file: &'static str,
        offset: impl Fn(&PartitionLog) -> Option<i64>,
    ) {
        // Held throughout, so that of two checkpoints the later one stays.
        let mut written = self.checkpoints_written.lock();
        let mut logs = self.logs_in(dir);
        let arriving = self.arriving.lock().clone().filter(|log| log.log_dir().path() == dir.path());
        logs.extend(arriving.filter(|arriving| logs.iter().all(|log| !Arc::ptr_eq(log, arriving))));
        let mut offsets: Vec<(Arc<PartitionLog>, i64)> =
            logs.into_iter().filter_map(|log| offset(&log).map(|offset| (log, offset))).collect();
        let sum = offsets.iter().fold(offsets.len() as u64, |sum, (log, offset)| {
            sum.wrapping_add(self.hasher.hash_one((log.partition(), offset)))
        });
        let key = (dir.path().to_path_buf(), file);
        if written.get(&key) == Some(&sum) {
            return;
        }
        offsets.sort_unstable_by(|(a, _), (b, _)| a.partition().cmp(b.partition()));
        let entries = offsets.iter().map(|(log, offset)| (log.partition(), *offset));
        let doing = || format!("Disk error while writing {file} in directory {}", dir.path().display());
        if dir.guard(doing, || offset_checkpoint::write(&dir.path().join(file), entries)).is_ok() {
            written.insert(key, sum);
        }
    }
}

/// Also where it is the first segment's (Kafka leaves those out): a power failure may bring removed segments back.
fn start_to_keep(log: &PartitionLog) -> Option<i64> {
    Some(log.log_start_offset()).filter(|start| *start > 0)
}
