//! The process, as Prometheus' own clients tell of it, and what was built.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::collect::Out;
use super::idle::thread_times;
use super::metric::{Metric, counter, gauge};

pub static BUILD: Metric =
    gauge("ottla_build_info", "1; the labels say what runs here.").by(&["version", "arch"]);
pub static READY: Metric = gauge("ottla_ready", "1 once the node serves.");
pub static CPU: Metric = counter(
    "process_cpu_seconds_total",
    "Processor time of the process, in user and system mode, in seconds.",
);
pub static THREAD_CPU: Metric =
    counter("ottla_thread_cpu_seconds_total", "Processor time by name of the thread, in seconds.")
        .by(&["thread"]);
pub static START: Metric =
    gauge("process_start_time_seconds", "When the process was started, in Unix seconds.");
pub static RESIDENT: Metric = gauge("process_resident_memory_bytes", "Memory that is in use, in bytes.");
pub static VIRTUAL: Metric = gauge("process_virtual_memory_bytes", "Address space that is in use, in bytes.");
pub static OPEN_FDS: Metric = gauge("process_open_fds", "Open file descriptors.");
pub static MAX_FDS: Metric = gauge("process_max_fds", "File descriptors that may be open.");
pub static THREADS: Metric = gauge("process_threads", "Threads.");

/// In the order in which they are told.
pub static METRICS: &[&Metric] =
    &[&BUILD, &READY, &CPU, &THREAD_CPU, &START, &RESIDENT, &VIRTUAL, &OPEN_FDS, &MAX_FDS, &THREADS];

/// What is known of the process from the start on.
pub(crate) struct Process {
    start_seconds: f64,
}

impl Process {
    /// Of a process that was started just now.
    pub fn started() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_seconds: since.as_secs_f64() }
    }
}

pub(super) fn collect(process: &Process, is_ready: bool, out: &mut Out) {
    out.begin(&BUILD);
    out.sample(&BUILD, &[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], 1_u64);
    out.one(&READY, is_ready);
    let time = clock_gettime(ClockId::ProcessCPUTime);
    out.one(&CPU, time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
    out.begin(&THREAD_CPU);
    for time in thread_times() {
        out.sample(&THREAD_CPU, &[&time.name], time.seconds);
    }
    out.one(&START, process.start_seconds);
    // Where the system does not tell, a metric is without a sample.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let kilobytes = |name: &str| status_field(&status, name).map(|kb| kb.saturating_mul(1024));
    optional(out, &RESIDENT, kilobytes("VmRSS"));
    optional(out, &VIRTUAL, kilobytes("VmSize"));
    // The descriptor that the counting itself needs is not counted.
    let fds = fs::read_dir("/proc/self/fd").map(|fds| (fds.count() as u64).saturating_sub(1)).ok();
    optional(out, &OPEN_FDS, fds);
    optional(out, &MAX_FDS, open_files_max(&limits));
    optional(out, &THREADS, status_field(&status, "Threads"));
}

fn optional(out: &mut Out, metric: &'static Metric, value: Option<u64>) {
    out.begin(metric);
    if let Some(value) = value {
        out.sample(metric, &[], value);
    }
}

/// The number in a line `name: number` of `/proc/self/status`.
fn status_field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The soft limit in the line `Max open files` of `/proc/self/limits`.
fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        let status = "Name:\tottla\nVmSize:\t  2048 kB\nVmRSS:\t  512 kB\nThreads:\t9\n";
        assert_eq!(status_field(status, "VmRSS"), Some(512));
        assert_eq!(status_field(status, "Threads"), Some(9));
        assert_eq!(status_field(status, "VmSwap"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files_max(limits), Some(1024));
        assert_eq!(open_files_max("Max open files   unlimited unlimited files"), None);
    }
}
