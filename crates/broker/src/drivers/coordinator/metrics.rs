//! What a coordinator has been busy with, as numbers (`CoordinatorRuntimeMetrics`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counters of one coordinator. Written by its task, read by anyone.
#[derive(Debug, Default)]
pub struct CoordinatorMetrics {
    loads: AtomicU64,
    loads_failed: AtomicU64,
    load_ms: AtomicU64,
    load_ms_max: AtomicU64,
    events: AtomicU64,
    queue_us: AtomicU64,
    queue_us_max: AtomicU64,
    processing_us: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoordinatorNumbers {
    /// Partitions that were read since the start.
    pub loads: u64,
    /// Those of them that could not be read.
    pub loads_failed: u64,
    /// Time that reading took, all together, in milliseconds.
    pub load_ms: u64,
    /// The longest of these times, in milliseconds.
    pub load_ms_max: u64,
    /// Events handled.
    pub events: u64,
    /// Time that events have waited for their turn, all together, in microseconds.
    pub queue_us: u64,
    /// The longest wait, in microseconds.
    pub queue_us_max: u64,
    /// Time that events have taken once it was their turn, all together, in microseconds.
    pub processing_us: u64,
}

impl CoordinatorMetrics {
    /// The counters now.
    pub fn numbers(&self) -> CoordinatorNumbers {
        CoordinatorNumbers {
            loads: self.loads.load(Relaxed),
            loads_failed: self.loads_failed.load(Relaxed),
            load_ms: self.load_ms.load(Relaxed),
            load_ms_max: self.load_ms_max.load(Relaxed),
            events: self.events.load(Relaxed),
            queue_us: self.queue_us.load(Relaxed),
            queue_us_max: self.queue_us_max.load(Relaxed),
            processing_us: self.processing_us.load(Relaxed),
        }
    }

    pub(super) fn loaded(&self, took: Duration, succeeded: bool) {
        self.loads.fetch_add(1, Relaxed);
        self.loads_failed.fetch_add(u64::from(!succeeded), Relaxed);
        let ms = took.as_millis() as u64;
        self.load_ms.fetch_add(ms, Relaxed);
        self.load_ms_max.fetch_max(ms, Relaxed);
    }

    pub(super) fn handled(&self, sent: Instant, begun: Instant) {
        self.events.fetch_add(1, Relaxed);
        let waited = begun.saturating_duration_since(sent).as_micros() as u64;
        self.queue_us.fetch_add(waited, Relaxed);
        self.queue_us_max.fetch_max(waited, Relaxed);
        self.processing_us.fetch_add(begun.elapsed().as_micros() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_extremes() {
        let metrics = CoordinatorMetrics::default();
        metrics.loaded(Duration::from_millis(30), true);
        metrics.loaded(Duration::from_millis(10), false);
        let numbers = metrics.numbers();
        assert_eq!((numbers.loads, numbers.loads_failed), (2, 1));
        assert_eq!((numbers.load_ms, numbers.load_ms_max), (40, 30));
    }
}
