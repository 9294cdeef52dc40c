//! What a cleaner thread does (Kafka: `LogCleaner.CleanerThread`, `LogCleanerManager`).

use std::sync::Arc;

use parking_lot::Mutex;

use super::choose::{Dirtiness, filthiest};
use super::error::CleanError;
use super::log_cleaner::{CleanStats, Cleaner, Run};
use super::metrics::{CleanerMetrics, LastClean, MetricsBoard, UncleanableLogs};
use super::throttle::Throttler;
use super::{CleanerHost, CleanerOptions};
use crate::error::StorageResult;
use crate::log::{CleaningView, PartitionLog};
use crate::log_dir::LogDir;
use crate::manager::LogManager;

/// What the threads of the cleaner share.
#[derive(Debug)]
pub struct CleanerShared {
    throttler: Mutex<Throttler>,
    /// Held while a log is chosen, so that no two threads choose the same.
    choosing: Mutex<()>,
    metrics: Mutex<MetricsBoard>,
}

impl CleanerShared {
    /// Threads that together read and write at most so much a second. `elapsed_ms` is that of their host.
    pub fn new(io_max_bytes_per_second: f64, elapsed_ms: i64) -> Self {
        let throttler = Mutex::new(Throttler::new(io_max_bytes_per_second, elapsed_ms));
        Self { throttler, choosing: Mutex::default(), metrics: Mutex::new(MetricsBoard::new(elapsed_ms)) }
    }

    /// Another bound holds from now on.
    pub fn set_io_max(&self, bytes_per_second: f64) {
        self.throttler.lock().set_rate(bytes_per_second);
    }

    /// Kafka's gauges. `elapsed_ms` is that of the host.
    pub fn metrics(&self, elapsed_ms: i64) -> CleanerMetrics {
        self.metrics.lock().read(elapsed_ms)
    }
}

/// One thread of the cleaner.
#[derive(Debug)]
pub struct CleanerWorker {
    cleaner: Cleaner,
    options: CleanerOptions,
    shared: Arc<CleanerShared>,
    last: Arc<Mutex<LastClean>>,
}

/// A log that is to be cleaned.
pub(crate) struct LogToClean {
    pub(crate) log: Arc<PartitionLog>,
    pub(crate) view: CleaningView,
    pub(crate) first_dirty_offset: i64,
    pub(crate) first_uncleanable_offset: i64,
    pub(crate) cleanable_bytes: u64,
}

/// A log that no other thread cleans, or deletes from.
struct Taken<'a>(&'a PartitionLog);

impl<'a> Taken<'a> {
    fn take(log: &'a PartitionLog) -> Option<Self> {
        log.take_for_cleaning().then_some(Self(log))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.release_from_cleaning();
    }
}

impl CleanerWorker {
    /// A thread with these buffers.
    pub fn new(shared: &Arc<CleanerShared>, options: CleanerOptions) -> Self {
        let last = shared.metrics.lock().add_thread();
        Self { cleaner: Cleaner::new(&options), options, shared: shared.clone(), last }
    }

    /// Other buffers, if these differ.
    pub fn set_options(&mut self, options: CleanerOptions) {
        if self.options != options {
            (self.cleaner, self.options) = (Cleaner::new(&options), options);
        }
    }

    /// Gives the memory of the buffers back, before a pause.
    pub fn release_memory(&mut self) {
        self.cleaner.release();
    }

    /// Cleans the filthiest log, if one is due, and applies retention to all compacted logs; whether a log was
    /// cleaned. Blocks on the disk, and by the host's pauses.
    pub fn work(&mut self, manager: &LogManager, host: &dyn CleanerHost) -> bool {
        let cleaned = self.clean_filthiest(manager, host);
        for log in manager.logs() {
            if host.is_stopping() {
                break;
            }
            if log.config().compact
                && !log.is_uncleanable()
                && let Some(_taken) = Taken::take(&log)
            {
                // A failure has taken the log directory offline and was logged there.
                let _ = log.delete_old_segments(host.now_ms());
            }
        }
        cleaned
    }

    fn clean_filthiest(&mut self, manager: &LogManager, host: &dyn CleanerHost) -> bool {
        let choosing = self.shared.choosing.lock();
        let chosen = choose(manager, host.now_ms());
        self.shared.metrics.lock().note_run(host.elapsed_ms(), chosen.dirtiest_ratio);
        self.last.lock().max_compaction_delay_ms = chosen.max_compaction_delay_ms;
        let Some(target) = chosen.target else { return false };
        let Some(_taken) = Taken::take(&target.log) else { return false };
        drop(choosing);
        let began_ms = host.elapsed_ms();
        let log = &target.log;
        tracing::debug!(
            partition = %log.partition(),
            from = target.first_dirty_offset,
            to = target.first_uncleanable_offset,
            "cleaning"
        );
        match self.clean(&target, host) {
            Ok((end_offset, stats)) => {
                report(log, &target, end_offset, &stats);
                {
                    let mut last = self.last.lock();
                    (last.stats, last.elapsed_ms) = (stats, host.elapsed_ms().saturating_sub(began_ms));
                }
                log.finish_cleaning(target.view.truncations, end_offset);
                manager.checkpoint_cleaner_offsets(log.log_dir());
                true
            }
            Err(e) => {
                if e.is_lasting() {
                    tracing::warn!(
                        "Error while cleaning {}; marking it as uncleanable: {e}",
                        log.partition()
                    );
                    log.set_uncleanable(target.cleanable_bytes);
                } else {
                    tracing::debug!(partition = %log.partition(), why = %e, "the cleaning is given up");
                }
                false
            }
        }
    }

    pub(crate) fn clean(
        &mut self,
        target: &LogToClean,
        host: &dyn CleanerHost,
    ) -> Result<(i64, CleanStats), CleanError> {
        let run = target.run(host, &self.shared.throttler);
        self.cleaner.clean(&run)
    }
}

impl LogToClean {
    pub(crate) fn run<'a>(&'a self, host: &'a dyn CleanerHost, throttler: &'a Mutex<Throttler>) -> Run<'a> {
        Run {
            log: &self.log,
            view: &self.view,
            first_dirty_offset: self.first_dirty_offset,
            first_uncleanable_offset: self.first_uncleanable_offset,
            host,
            throttler,
            now_ms: host.now_ms(),
        }
    }

    /// How dirty a log is; puts its checkpoint right if it lies outside the log.
    pub(crate) fn look(log: &Arc<PartitionLog>, now_ms: i64) -> StorageResult<(Self, Dirtiness)> {
        let view = log.cleaning_view(now_ms)?;
        let range = view.bounds.dirty_range();
        let first = range.first_dirty_offset;
        if range.resets_checkpoint {
            if !view.config.delete {
                tracing::warn!(
                    "Resetting first dirty offset of {} to log start offset {first} since the checkpointed offset {:?} is invalid.",
                    log.partition(),
                    view.bounds.checkpoint
                );
            }
            log.set_cleaner_checkpoint(Some(first));
        }
        // Segments are cleaned as a whole.
        let segments = &view.segments;
        let is_active = range.first_uncleanable_offset >= view.bounds.active_base_offset;
        let at = segments.partition_point(|s| s.base_offset <= range.first_uncleanable_offset);
        let floor = segments.get(at.saturating_sub(1)).map(|s| s.base_offset);
        let end = floor.filter(|_| !is_active).unwrap_or(view.bounds.active_base_offset);
        let from = segments.partition_point(|s| s.base_offset <= first.min(end)).saturating_sub(1);
        let bytes = |from: usize, end: i64| -> u64 {
            let within = segments.iter().skip(from).take_while(|s| s.base_offset < end);
            within.map(|s| u64::from(s.bytes)).sum()
        };
        let dirtiness = Dirtiness {
            clean_bytes: bytes(0, first),
            cleanable_bytes: if first < end { bytes(from, end) } else { 0 },
            must_clean_now: view.overdue_ms > 0,
            min_ratio: view.config.min_cleanable_dirty_ratio,
        };
        let (log, cleanable_bytes) = (log.clone(), dirtiness.cleanable_bytes);
        Ok((
            Self { log, view, first_dirty_offset: first, first_uncleanable_offset: end, cleanable_bytes },
            dirtiness,
        ))
    }
}

/// The log to clean, and what was seen when it was looked for.
struct Chosen {
    target: Option<LogToClean>,
    dirtiest_ratio: f64,
    max_compaction_delay_ms: i64,
}

fn choose(manager: &LogManager, now_ms: i64) -> Chosen {
    let candidates = manager.logs().into_iter().filter(|log| {
        log.log_dir().is_online()
            && log.config().compact
            && !log.is_uncleanable()
            && !log.is_taken_for_cleaning()
            // What was copied before would not be clean, although the log says so.
            && manager.future_log(log.partition()).is_none()
    });
    let (mut dirtiest_ratio, mut max_compaction_delay_ms) = (0.0_f64, 0);
    let looked = candidates.filter_map(|log| match LogToClean::look(&log, now_ms) {
        Ok((target, dirtiness)) => {
            dirtiest_ratio = dirtiest_ratio.max(dirtiness.ratio());
            max_compaction_delay_ms = max_compaction_delay_ms.max(target.view.overdue_ms);
            Some((target, dirtiness))
        }
        Err(e) => {
            let e = CleanError::from(e);
            if e.is_lasting() {
                tracing::warn!("Failed to look at {}; marking it as uncleanable: {e}", log.partition());
                log.set_uncleanable(0);
            }
            None
        }
    });
    let target = filthiest(looked);
    Chosen { target, dirtiest_ratio, max_compaction_delay_ms }
}

impl LogManager {
    /// The logs of a directory that the cleaner has set aside, and what in them should have been cleaned then. Reads
    /// no file: such logs are those whose files may be bad.
    pub fn uncleanable_logs(&self, dir: &Arc<LogDir>) -> UncleanableLogs {
        let mut found = UncleanableLogs::default();
        for log in self.logs_in(dir).iter().filter(|log| log.is_uncleanable()) {
            found.count += 1;
            found.bytes = found.bytes.saturating_add(log.uncleanable_bytes());
        }
        found
    }
}

fn report(log: &PartitionLog, target: &LogToClean, end_offset: i64, stats: &CleanStats) {
    tracing::info!(
        "Cleaned log {} (dirty section = [{}, {end_offset}]): {} of {} bytes and {} of {} records stay; \
         {} bytes indexed, the offset map is {:.1}% full",
        log.partition(),
        target.first_dirty_offset,
        stats.bytes_written,
        stats.bytes_read,
        stats.records_kept,
        stats.records_read,
        stats.map_bytes_read,
        stats.map_utilization * 100.0
    );
}
