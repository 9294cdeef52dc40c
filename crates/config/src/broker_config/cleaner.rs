//! Compaction.

use crate::values::Values;

/// Compaction (Kafka's `CleanerConfig`).
#[derive(Clone, Debug, PartialEq)]
pub struct LogCleanerConfig {
    /// `log.cleaner.enable`.
    pub enable: bool,
    /// `log.cleaner.threads`.
    pub threads: i32,
    /// `log.cleaner.dedupe.buffer.size`, of all threads together. Bytes.
    pub dedupe_buffer_size: i64,
    /// `log.cleaner.io.buffer.size`, of all threads together. Bytes.
    pub io_buffer_size: i32,
    /// `log.cleaner.io.buffer.load.factor`, from 0 to 1.
    pub load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`, of all threads together.
    pub io_max_bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`.
    pub backoff_ms: i64,
    /// `message.max.bytes`.
    pub message_max_bytes: i32,
}

impl LogCleanerConfig {
    pub(super) fn from_values(values: &Values) -> LogCleanerConfig {
        LogCleanerConfig {
            enable: values.boolean("log.cleaner.enable"),
            threads: values.int("log.cleaner.threads"),
            dedupe_buffer_size: values.long("log.cleaner.dedupe.buffer.size"),
            io_buffer_size: values.int("log.cleaner.io.buffer.size"),
            load_factor: values.double("log.cleaner.io.buffer.load.factor"),
            io_max_bytes_per_second: values.double("log.cleaner.io.max.bytes.per.second"),
            backoff_ms: values.long("log.cleaner.backoff.ms"),
            message_max_bytes: values.int("message.max.bytes"),
        }
    }

    /// Bytes of the key map of one thread.
    pub fn dedupe_buffer_per_thread(&self) -> usize {
        let bytes = self.dedupe_buffer_size / i64::from(self.threads.max(1));
        usize::try_from(bytes.clamp(0, i32::MAX.into())).unwrap_or_default()
    }

    /// Bytes of the read buffer of one thread; as much is meant for writing.
    pub fn io_buffer_per_thread(&self) -> usize {
        usize::try_from(self.io_buffer_size / self.threads.max(1) / 2).unwrap_or_default()
    }
}
