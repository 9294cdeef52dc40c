//! What is to be done from time to time, for a background thread that wakes about once a second.

use std::sync::atomic::Ordering;

use super::LogManager;
use super::disk_space::DiskWatch;

/// How often, in ms.
#[derive(Clone, Copy, Debug)]
pub struct HousekeepingOptions {
    /// `log.retention.check.interval.ms`.
    pub retention_check_ms: i64,
    /// `log.flush.scheduler.interval.ms`: look for logs whose `flush.ms` has passed.
    pub flush_check_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_checkpoint_ms: i64,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_start_offset_checkpoint_ms: i64,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_expiration_check_ms: i64,
    /// Look how much space is left on the disks.
    pub disk_space_ms: i64,
    /// Close files and free memory that were not used for so long.
    pub idle_ms: i64,
}

impl Default for HousekeepingOptions {
    fn default() -> Self {
        Self {
            retention_check_ms: 300_000,
            flush_check_ms: i64::MAX,
            recovery_point_checkpoint_ms: 60_000,
            log_start_offset_checkpoint_ms: 60_000,
            high_watermark_checkpoint_ms: 5_000,
            producer_expiration_check_ms: 600_000,
            disk_space_ms: 30_000,
            idle_ms: 30_000,
        }
    }
}

/// One recurring job.
#[derive(Clone, Copy, Debug)]
struct Every {
    interval_ms: i64,
    due_ms: i64,
}

impl Every {
    fn new(interval_ms: i64, now_ms: i64) -> Self {
        Self { interval_ms, due_ms: now_ms.saturating_add(interval_ms.max(1)) }
    }

    fn is_due(&mut self, now_ms: i64) -> bool {
        let is_due = now_ms >= self.due_ms;
        if is_due {
            *self = Self::new(self.interval_ms, now_ms);
        }
        is_due
    }
}

/// Keeps the times.
#[derive(Debug)]
pub struct Housekeeping {
    retention: Every,
    flush: Every,
    recovery_points: Every,
    log_start_offsets: Every,
    high_watermarks: Every,
    producers: Every,
    disk_space: Every,
    idle: Every,
    disk_watches: Vec<DiskWatch>,
}

impl Housekeeping {
    /// Nothing is due yet.
    pub fn new(options: &HousekeepingOptions, now_ms: i64) -> Self {
        let every = |interval_ms| Every::new(interval_ms, now_ms);
        Self {
            retention: every(options.retention_check_ms),
            flush: every(options.flush_check_ms),
            recovery_points: every(options.recovery_point_checkpoint_ms),
            log_start_offsets: every(options.log_start_offset_checkpoint_ms),
            high_watermarks: every(options.high_watermark_checkpoint_ms),
            producers: every(options.producer_expiration_check_ms),
            disk_space: every(options.disk_space_ms),
            idle: every(options.idle_ms),
            disk_watches: Vec::new(),
        }
    }

    /// Does what is due. Blocks on the disk.
    pub fn tick(&mut self, manager: &LogManager, now_ms: i64) {
        manager.context().background_tick(now_ms);
        if manager.context().cleaner_checkpoints_changed.swap(false, Ordering::AcqRel) {
            manager.live_dirs().for_each(|dir| manager.checkpoint_cleaner_offsets(dir));
        }
        if self.flush.is_due(now_ms) {
            manager.flush_due_logs(now_ms);
        }
        if self.retention.is_due(now_ms) {
            manager.delete_old_segments(now_ms);
        }
        if self.recovery_points.is_due(now_ms) {
            manager.checkpoint_recovery_points();
        }
        if self.log_start_offsets.is_due(now_ms) {
            manager.checkpoint_log_start_offsets();
        }
        if self.high_watermarks.is_due(now_ms) {
            manager.checkpoint_high_watermarks();
        }
        if self.producers.is_due(now_ms) {
            manager.logs().iter().for_each(|log| log.remove_expired_producers(now_ms));
        }
        if self.disk_space.is_due(now_ms) {
            manager.watch_disk_space(&mut self.disk_watches, now_ms);
        }
        if self.idle.is_due(now_ms) {
            manager.trim_memory();
        }
    }
}

impl LogManager {
    /// Makes the logs durable whose `flush.ms` has passed. Failures take the directory offline and are logged
    /// there.
    pub fn flush_due_logs(&self, now_ms: i64) {
        for log in self.logs() {
            let _ = log.flush_if_due(now_ms);
        }
    }

    /// Applies retention to all logs; how many segments were removed. A log that is being cleaned has to wait: the
    /// cleaner does it there.
    pub fn delete_old_segments(&self, now_ms: i64) -> usize {
        let mut deleted = 0;
        for log in self.logs().into_iter().chain(self.future_logs()) {
            if log.take_for_cleaning() {
                deleted += log.delete_old_segments(now_ms).unwrap_or(0);
                log.release_from_cleaning();
            }
        }
        deleted
    }

    /// Closes files and frees memory that nobody has used since the last call.
    pub fn trim_memory(&self) {
        self.context().files.close_idle();
        self.logs().iter().for_each(|log| log.trim_memory());
    }
}
