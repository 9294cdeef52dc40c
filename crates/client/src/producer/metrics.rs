//! What a producer has done so far, under Kafka's names (`SenderMetricsRegistry`, `BufferPool`).
//!
//! Totals, and averages and maxima since the start: rates and windows are for who reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A sum with its count and largest part.
#[derive(Debug, Default)]
pub(super) struct Sum {
    count: AtomicU64,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Sum {
    /// Adds one.
    pub fn add(&self, value: u64) {
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    fn average(&self) -> f64 {
        let count = self.count.load(Relaxed);
        if count == 0 { f64::NAN } else { self.sum.load(Relaxed) as f64 / count as f64 }
    }

    fn max(&self) -> f64 {
        if self.count.load(Relaxed) == 0 { f64::NAN } else { self.max.load(Relaxed) as f64 }
    }
}

/// Counters that the sender keeps.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Records written.
    pub records_sent: AtomicU64,
    /// Records given up.
    pub record_errors: AtomicU64,
    /// Bytes of batches as sent.
    pub bytes_sent: AtomicU64,
    /// Bytes of batches before compression.
    pub bytes_built: AtomicU64,
    /// Bytes of each batch.
    pub batch_size: Sum,
    /// Ms that batches were queued.
    pub queue_time: Sum,
    /// Ms until requests were answered.
    pub request_latency: Sum,
    /// Records of each request.
    pub records_per_request: Sum,
    /// Microseconds in `flush`.
    pub flush_us: AtomicU64,
    /// Microseconds in waiting for metadata.
    pub metadata_wait_us: AtomicU64,
    /// Microseconds in waiting for memory.
    pub memory_wait_us: AtomicU64,
    /// Records for which there was no memory in time.
    pub exhausted: AtomicU64,
}

impl Metrics {
    /// Adds a time.
    pub fn add_time(counter: &AtomicU64, time: Duration) {
        counter.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Everything by Kafka's names.
    pub fn read(&self, now: Now) -> Vec<(&'static str, f64)> {
        let total = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        let built = total(&self.bytes_built);
        let ratio = if built == 0.0 { f64::NAN } else { total(&self.bytes_sent) / built };
        vec![
            ("batch-size-avg", self.batch_size.average()),
            ("batch-size-max", self.batch_size.max()),
            ("batch-split-total", now.splits as f64),
            ("buffer-available-bytes", now.memory_left as f64),
            ("buffer-exhausted-total", total(&self.exhausted)),
            ("buffer-total-bytes", now.memory as f64),
            ("bufferpool-wait-time-ns-total", total(&self.memory_wait_us) * 1000.0),
            ("byte-total", total(&self.bytes_sent)),
            ("compression-rate-avg", ratio),
            ("flush-time-ns-total", total(&self.flush_us) * 1000.0),
            ("metadata-wait-time-ns-total", total(&self.metadata_wait_us) * 1000.0),
            ("record-error-total", total(&self.record_errors)),
            ("record-queue-time-avg", self.queue_time.average()),
            ("record-queue-time-max", self.queue_time.max()),
            ("record-retry-total", now.retried as f64),
            ("record-send-total", total(&self.records_sent)),
            ("records-per-request-avg", self.records_per_request.average()),
            ("request-latency-avg", self.request_latency.average()),
            ("request-latency-max", self.request_latency.max()),
            ("requests-in-flight", now.in_flight as f64),
            ("waiting-threads", now.waiting as f64),
        ]
    }
}

/// What is read at the moment of asking.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Now {
    /// Batches that were split.
    pub splits: u64,
    /// Records sent another time.
    pub retried: u64,
    /// `buffer.memory`.
    pub memory: usize,
    /// What is left of it.
    pub memory_left: usize,
    /// Requests without answer.
    pub in_flight: usize,
    /// Callers that wait for memory.
    pub waiting: usize,
}
