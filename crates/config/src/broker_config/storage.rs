//! Directories, and the periodic work on logs.

use crate::values::Values;

/// Directories, and the periodic work on logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// `log.dirs`, or `log.dir` if that is not given. At least one.
    pub log_dirs: Vec<String>,
    /// `metadata.log.dir`, or the first of the log directories.
    pub metadata_log_dir: String,
    /// `cordoned.log.dirs`, with `*` resolved.
    pub cordoned_log_dirs: Vec<String>,
    /// `num.recovery.threads.per.data.dir`.
    pub num_recovery_threads_per_data_dir: i32,
    /// `log.initial.task.delay.ms`.
    pub initial_task_delay_ms: i64,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `log.flush.scheduler.interval.ms`.
    pub flush_scheduler_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub flush_offset_checkpoint_interval_ms: i32,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub flush_start_offset_checkpoint_interval_ms: i32,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval_ms: i64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i32,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: i32,
    /// `log.dir.failure.timeout.ms`.
    pub log_dir_failure_timeout_ms: i64,
}

impl StorageConfig {
    pub(super) fn from_values(values: &Values) -> StorageConfig {
        let log_dirs = values.opt_list("log.dirs").unwrap_or_else(|| values.list("log.dir")).to_vec();
        let cordoned = values.list("cordoned.log.dirs");
        StorageConfig {
            metadata_log_dir: match values.opt_string("metadata.log.dir") {
                Some(dir) => dir.to_owned(),
                None => log_dirs.first().cloned().unwrap_or_default(),
            },
            cordoned_log_dirs: if cordoned.iter().any(|dir| dir == "*") {
                log_dirs.clone()
            } else {
                cordoned.to_vec()
            },
            log_dirs,
            num_recovery_threads_per_data_dir: values.int("num.recovery.threads.per.data.dir"),
            initial_task_delay_ms: values.long("log.initial.task.delay.ms"),
            retention_check_interval_ms: values.long("log.retention.check.interval.ms"),
            flush_scheduler_interval_ms: values.long("log.flush.scheduler.interval.ms"),
            flush_offset_checkpoint_interval_ms: values.int("log.flush.offset.checkpoint.interval.ms"),
            flush_start_offset_checkpoint_interval_ms: values
                .int("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval_ms: values
                .long("replica.high.watermark.checkpoint.interval.ms"),
            producer_id_expiration_ms: values.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: values.int("producer.id.expiration.check.interval.ms"),
            log_dir_failure_timeout_ms: values.long("log.dir.failure.timeout.ms"),
        }
    }
}
