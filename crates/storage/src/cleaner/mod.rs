//! Compaction: of all records with the same key, the newest stays (Kafka: `LogCleaner`).
//!
//! | file | what |
//! | --- | --- |
//! | `worker` | what a cleaner thread does: choose a log, clean it, note how far it is clean |
//! | `log_cleaner` | cleaning one log |
//! | `choose` | what of a log is dirty, and which log is cleaned next |
//! | `offset_map` | key to newest offset |
//! | `group` | which segments become one |
//! | `filter`, `transactions` | what of a batch stays |
//! | `chunks`, `cleaned_segment` | reading the old segments, writing the new one |
//! | `throttle` | the bound on reads and writes |
//! | `metrics` | Kafka's gauges |
//!
//! The swap itself, and all else that needs the log's lock, is in `log`: `cleaning` and `replace`. Threads belong to
//! the caller, who lends them to a [`CleanerWorker`]; time comes from its [`CleanerHost`].

mod choose;
mod chunks;
mod cleaned_segment;
mod error;
mod filter;
mod group;
mod log_cleaner;
mod metrics;
mod offset_map;
mod throttle;
mod transactions;
mod worker;

#[cfg(test)]
mod filter_test;
#[cfg(test)]
pub(crate) mod test_host;

pub(crate) use choose::LogBounds;
pub(crate) use cleaned_segment::{CleanedFiles, CleanedSegment};
pub(crate) use error::CleanError;
pub(crate) use filter::LastRecord;
pub(crate) use group::SegmentSize;
#[cfg(test)]
pub(crate) use group::{GroupLimits, group};
#[cfg(test)]
pub(crate) use log_cleaner::{CleanStats, Cleaner};
pub use metrics::{CleanerMetrics, UncleanableLogs};
#[cfg(test)]
pub(crate) use throttle::Throttler;
#[cfg(test)]
pub(crate) use transactions::CleanedTransactions;
#[cfg(test)]
pub(crate) use worker::LogToClean;
pub use worker::{CleanerShared, CleanerWorker};

/// Memory of one cleaner thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerOptions {
    /// For the offset map: the thread's share of `log.cleaner.dedupe.buffer.size`.
    pub dedupe_buffer_bytes: usize,
    /// How full the offset map may get, from 0 to 1: `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
    /// For reading: half of the thread's share of `log.cleaner.io.buffer.size`.
    pub io_buffer_bytes: usize,
    /// To what the read buffer may grow in any log: `message.max.bytes`.
    pub max_io_buffer_bytes: usize,
}

/// What a cleaner thread asks of whoever runs it.
pub trait CleanerHost: Sync {
    /// The time, Unix ms.
    fn now_ms(&self) -> i64;
    /// Milliseconds since some moment; never runs backward.
    fn elapsed_ms(&self) -> i64;
    /// Waits so many milliseconds, or until the thread is to stop.
    fn pause(&self, ms: i64);
    /// Whether the thread is to stop.
    fn is_stopping(&self) -> bool;
}
