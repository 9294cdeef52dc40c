//! The offsets that are written down for all logs of a directory.

use std::sync::Arc;

use ottla_protocol::TopicPartition;

use super::LogManager;
use crate::checkpoint::offset_checkpoint::{
    self, HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, RECOVERY_POINT_FILE,
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

    /// Writes down where logs start whose start lies within a segment.
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

    pub(super) fn checkpoint_dir(&self, dir: &Arc<LogDir>) {
        self.write_checkpoint(dir, RECOVERY_POINT_FILE, |log| Some(log.recovery_point()));
        self.write_checkpoint(dir, LOG_START_OFFSET_FILE, start_to_keep);
    }

    /// A failure takes the directory offline, and is logged with that.
    pub(super) fn write_checkpoint(
        &self,
        dir: &Arc<LogDir>,
        file: &str,
        offset: impl Fn(&PartitionLog) -> Option<i64>,
    ) {
        let mut offsets: Vec<(TopicPartition, i64)> = self
            .logs_in(dir)
            .iter()
            .filter_map(|log| offset(log).map(|offset| (log.partition().clone(), offset)))
            .collect();
        offsets.sort();
        let doing = || format!("Disk error while writing {file} in directory {}", dir.path().display());
        let _ = dir.guard(doing, || offset_checkpoint::write(&dir.path().join(file), &offsets));
    }
}

fn start_to_keep(log: &PartitionLog) -> Option<i64> {
    let start = log.log_start_offset();
    (start > log.first_segment_base_offset()).then_some(start)
}
