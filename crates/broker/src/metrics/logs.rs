//! Log directories, the log cleaner, fsyncs, slow logs.

use std::collections::HashMap;
use std::path::Path;

use super::collect::{Out, Sources};
use super::metric::{Metric, gauge, histogram};
use super::topics::Hosted;

const BY_DIR: &[&str] = &["logDirectory"];

pub static DIR_OFFLINE: Metric =
    gauge("kafka_log_logmanager_logdirectoryoffline", "1 if the log directory has failed.").by(BY_DIR);
pub static DIRS_OFFLINE: Metric =
    gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that have failed.");
pub static DIR_TOTAL: Metric = gauge(
    "ottla_log_directory_total_bytes",
    "Size of the file system that the log directory lies on, in bytes.",
)
.by(BY_DIR);
pub static DIR_USABLE: Metric =
    gauge("ottla_log_directory_usable_bytes", "What is free on that file system, in bytes.").by(BY_DIR);
pub static DIR_LOGS: Metric =
    gauge("ottla_log_directory_logs", "Partitions in the log directory.").by(BY_DIR);
pub static DIR_LOG_BYTES: Metric =
    gauge("ottla_log_directory_log_bytes", "Bytes of the logs in the log directory.").by(BY_DIR);
pub static FLUSHES: Metric = histogram(
    "kafka_log_logflushstats_logflushrateandtimems",
    "How long fsyncs of logs took, in milliseconds.",
);
pub static SLOW: Metric = gauge(
    "ottla_slow_logs",
    "Partitions whose disk makes writers wait, and whose appends are done on helper threads.",
);
pub static SLOW_WAITING: Metric =
    gauge("ottla_slow_log_appends_waiting", "Appends that wait for those threads.");
pub static CLEANER_DIRTY: Metric = gauge(
    "kafka_log_logcleanermanager_max_dirty_percent",
    "Dirty part of the dirtiest log when one was last chosen, in percent.",
);
pub static CLEANER_SINCE: Metric = gauge(
    "kafka_log_logcleanermanager_time_since_last_run_ms",
    "Since when no log was chosen to be cleaned, in milliseconds.",
);
pub static CLEANER_BUFFER: Metric = gauge(
    "kafka_log_logcleaner_max_buffer_utilization_percent",
    "How full the fullest offset map of the last cleanings was, in percent.",
);
pub static CLEANER_RECOPY: Metric = gauge(
    "kafka_log_logcleaner_cleaner_recopy_percent",
    "What of the bytes that the last cleanings read was written again, in percent.",
);
pub static CLEANER_TIME: Metric = gauge(
    "kafka_log_logcleaner_max_clean_time_secs",
    "How long the longest of the last cleanings took, in seconds.",
);
pub static CLEANER_DELAY: Metric = gauge(
    "kafka_log_logcleaner_max_compaction_delay_secs",
    "By how much the log that most needs compaction is late, in seconds.",
);
pub static CLEANER_DEAD: Metric = gauge(
    "kafka_log_logcleaner_deadthreadcount",
    "Threads of the cleaner that ended although they should run.",
);
pub static UNCLEANABLE: Metric = gauge(
    "kafka_log_logcleanermanager_uncleanable_partitions_count",
    "Logs that the cleaner has set aside because of an error.",
)
.by(BY_DIR);
pub static UNCLEANABLE_BYTES: Metric =
    gauge("kafka_log_logcleanermanager_uncleanable_bytes", "What in these logs should be cleaned, in bytes.")
        .by(BY_DIR);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &DIR_OFFLINE,
    &DIRS_OFFLINE,
    &DIR_TOTAL,
    &DIR_USABLE,
    &DIR_LOGS,
    &DIR_LOG_BYTES,
    &FLUSHES,
    &SLOW,
    &SLOW_WAITING,
    &CLEANER_DIRTY,
    &CLEANER_SINCE,
    &CLEANER_BUFFER,
    &CLEANER_RECOPY,
    &CLEANER_TIME,
    &CLEANER_DELAY,
    &CLEANER_DEAD,
    &UNCLEANABLE,
    &UNCLEANABLE_BYTES,
];

/// A log directory and what lies in it.
#[derive(Default)]
struct Dir {
    path: String,
    is_online: bool,
    /// Total and usable bytes.
    space: Option<(u64, u64)>,
    logs: u64,
    log_bytes: u64,
    uncleanable: u64,
    uncleanable_bytes: u64,
}

pub(super) fn collect(sources: &Sources, hosted: &Hosted, out: &mut Out) {
    let dirs = dirs(sources, hosted);
    let each = |out: &mut Out, metric: &'static Metric, value: fn(&Dir) -> Option<u64>| {
        out.begin(metric);
        for dir in &dirs {
            if let Some(value) = value(dir) {
                out.sample(metric, &[&dir.path], value);
            }
        }
    };
    each(out, &DIR_OFFLINE, |dir| Some(u64::from(!dir.is_online)));
    out.one(&DIRS_OFFLINE, dirs.iter().filter(|dir| !dir.is_online).count());
    each(out, &DIR_TOTAL, |dir| dir.space.map(|(total, _)| total));
    each(out, &DIR_USABLE, |dir| dir.space.map(|(_, usable)| usable));
    each(out, &DIR_LOGS, |dir| dir.is_online.then_some(dir.logs));
    each(out, &DIR_LOG_BYTES, |dir| dir.is_online.then_some(dir.log_bytes));
    out.begin(&FLUSHES);
    out.histogram(&FLUSHES, &[], &sources.fsyncs.numbers());
    let partitions = || hosted.topics.iter().flat_map(|topic| topic.partitions.iter().flatten());
    let slow: Vec<_> = partitions().filter(|partition| partition.slowness.is_slow()).collect();
    out.one(&SLOW, slow.len());
    out.one(&SLOW_WAITING, slow.iter().map(|partition| partition.slowness.waiting_len()).sum::<usize>());
    let cleaner = sources.cleaner.metrics();
    out.one(&CLEANER_DIRTY, cleaner.max_dirty_percent);
    out.one(&CLEANER_SINCE, cleaner.time_since_last_run_ms);
    out.one(&CLEANER_BUFFER, cleaner.max_buffer_utilization_percent);
    out.one(&CLEANER_RECOPY, cleaner.cleaner_recopy_percent);
    out.one(&CLEANER_TIME, cleaner.max_clean_time_secs);
    out.one(&CLEANER_DELAY, cleaner.max_compaction_delay_secs);
    out.one(&CLEANER_DEAD, sources.cleaner.dead_threads());
    each(out, &UNCLEANABLE, |dir| dir.is_online.then_some(dir.uncleanable));
    each(out, &UNCLEANABLE_BYTES, |dir| dir.is_online.then_some(dir.uncleanable_bytes));
}

fn dirs(sources: &Sources, hosted: &Hosted) -> Vec<Dir> {
    let manager = &sources.broker.logs;
    let mut in_dirs: HashMap<&Path, (u64, u64)> = HashMap::new();
    let partitions = hosted.topics.iter().flat_map(|topic| topic.partitions.iter().flatten());
    let logs: Vec<_> = partitions.filter_map(|partition| partition.log().ok()).collect();
    for log in &logs {
        let (count, bytes) = in_dirs.entry(log.log_dir().path()).or_default();
        *count += 1;
        *bytes = bytes.saturating_add(log.size_bytes());
    }
    let mut dirs: Vec<Dir> = manager
        .log_dirs()
        .iter()
        .map(|dir| {
            let is_online = dir.is_online();
            let (logs, log_bytes) = in_dirs.get(dir.path()).copied().unwrap_or_default();
            let uncleanable = if is_online { manager.uncleanable_logs(dir) } else { Default::default() };
            Dir {
                path: dir.path().to_string_lossy().into_owned(),
                is_online,
                // A disk that can't be asked is left out.
                space: if is_online { dir.space().ok() } else { None },
                logs,
                log_bytes,
                uncleanable: uncleanable.count as u64,
                uncleanable_bytes: uncleanable.bytes,
            }
        })
        .collect();
    let lost = manager.offline_at_start().iter();
    dirs.extend(lost.map(|dir| Dir { path: dir.path.to_string_lossy().into_owned(), ..Dir::default() }));
    dirs
}
