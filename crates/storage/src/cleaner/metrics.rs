//! What the cleaner says about itself, as Kafka's gauges of `LogCleaner` and `LogCleanerManager` do.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::log_cleaner::CleanStats;

/// Numbers of the threads of the cleaner, as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanerMetrics {
    /// `max-dirty-percent`: the dirty part of the dirtiest log when one was last chosen.
    pub max_dirty_percent: i32,
    /// `time-since-last-run-ms`: since one was last chosen.
    pub time_since_last_run_ms: i64,
    /// `max-buffer-utilization-percent`: the fullest offset map of the threads' last cleanings.
    pub max_buffer_utilization_percent: i32,
    /// `cleaner-recopy-percent`: what of the bytes read by the threads' last cleanings was written again.
    pub cleaner_recopy_percent: i32,
    /// `max-clean-time-secs`: the longest of the threads' last cleanings, in seconds.
    pub max_clean_time_secs: i32,
    /// `max-compaction-delay-secs`: by how much a log that had to be compacted was late when the threads last looked, in
    /// seconds.
    pub max_compaction_delay_secs: i32,
}

/// Logs of one directory that the cleaner has set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UncleanableLogs {
    /// `uncleanable-partitions-count`.
    pub count: usize,
    /// `uncleanable-bytes`: what in them should be cleaned.
    pub bytes: u64,
}

/// What one thread did last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastClean {
    pub(crate) stats: CleanStats,
    pub(crate) elapsed_ms: i64,
    pub(crate) max_compaction_delay_ms: i64,
}

/// Kept by the threads for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct MetricsBoard {
    /// `elapsed_ms` of the host.
    last_run_ms: i64,
    dirtiest_ratio: f64,
    threads: Vec<Weak<Mutex<LastClean>>>,
}

impl MetricsBoard {
    pub(crate) fn new(elapsed_ms: i64) -> Self {
        Self { last_run_ms: elapsed_ms, ..Self::default() }
    }

    /// A thread more; it is forgotten when it drops what this gives.
    pub(crate) fn add_thread(&mut self) -> Arc<Mutex<LastClean>> {
        let last = Arc::default();
        self.threads.retain(|thread| thread.strong_count() > 0);
        self.threads.push(Arc::downgrade(&last));
        last
    }

    /// A log was chosen, or none was found to be due.
    pub(crate) fn note_run(&mut self, elapsed_ms: i64, dirtiest_ratio: f64) {
        (self.last_run_ms, self.dirtiest_ratio) = (elapsed_ms, dirtiest_ratio);
    }

    pub(crate) fn read(&self, elapsed_ms: i64) -> CleanerMetrics {
        let threads = self.threads.iter().filter_map(Weak::upgrade).map(|last| *last.lock());
        let (mut metrics, mut read, mut written) = (CleanerMetrics::default(), 0_u64, 0_u64);
        for LastClean { stats, elapsed_ms, max_compaction_delay_ms } in threads {
            read = read.saturating_add(stats.bytes_read);
            written = written.saturating_add(stats.bytes_written);
            let percent = (stats.map_utilization * 100.0) as i32;
            metrics.max_buffer_utilization_percent = metrics.max_buffer_utilization_percent.max(percent);
            metrics.max_clean_time_secs = metrics.max_clean_time_secs.max(seconds(elapsed_ms));
            metrics.max_compaction_delay_secs =
                metrics.max_compaction_delay_secs.max(seconds(max_compaction_delay_ms));
        }
        metrics.cleaner_recopy_percent = (100.0 * written as f64 / read.max(1) as f64) as i32;
        metrics.max_dirty_percent = (100.0 * self.dirtiest_ratio) as i32;
        metrics.time_since_last_run_ms = elapsed_ms.saturating_sub(self.last_run_ms);
        metrics
    }
}

fn seconds(ms: i64) -> i32 {
    i32::try_from(ms / 1000).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_the_threads_counts_and_those_that_ended_do_not() {
        let mut board = MetricsBoard::new(100);
        assert_eq!(board.read(350), CleanerMetrics { time_since_last_run_ms: 250, ..Default::default() });
        let (one, other, gone) = (board.add_thread(), board.add_thread(), board.add_thread());
        let last = |bytes_read, bytes_written, map_utilization, elapsed_ms, max_compaction_delay_ms| {
            let stats = CleanStats { bytes_read, bytes_written, map_utilization, ..Default::default() };
            LastClean { stats, elapsed_ms, max_compaction_delay_ms }
        };
        *one.lock() = last(1000, 100, 0.5, 3999, 0);
        *other.lock() = last(1000, 400, 0.259, 1000, 7000);
        *gone.lock() = last(1000, 1000, 1.0, 9000, 9000);
        drop(gone);
        board.note_run(400, 0.756);
        let expect = CleanerMetrics {
            max_dirty_percent: 75,
            time_since_last_run_ms: 20,
            max_buffer_utilization_percent: 50,
            cleaner_recopy_percent: 25,
            max_clean_time_secs: 3,
            max_compaction_delay_secs: 7,
        };
        assert_eq!(board.read(420), expect);
    }
}
