//! A long run of one broker under everything at once: a steady load, segments that roll and go, compaction, topics that are
//! made and deleted, clients that come and leave. Asked is whether it is the same broker at the end as at the beginning.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ottla_protocol::records::{BatchBuilder, BatchOptions};

use crate::contestant::{Kind, Workplace};
use crate::load::batch::{acknowledged, now_ms, produce_frame};
use crate::load::fixed_rate::FixedRate;
use crate::load::produce::create_writable;
use crate::load::reconnect::greeted;
use crate::process::{cpu_seconds, memory_mb};
use crate::stats::{Random, median};
use crate::threads::joined;
use crate::topic::{self, Setting, TIMEOUT};
use crate::wire::Connection;

/// Settings of the broker that make a half hour long: what happens in days happens in minutes.
pub const PROPERTIES: [&str; 4] = [
    "log.retention.check.interval.ms=5000",
    "log.cleaner.backoff.ms=1000",
    "log.segment.delete.delay.ms=1000",
    "log.cleaner.dedupe.buffer.size=8388608",
];
/// 10,000 records of 1 KB a second.
const LOAD: FixedRate =
    FixedRate { record_size: 1024, partitions: 10, tick: Duration::from_millis(1), acks: -1 };
/// A segment of a partition lasts a quarter of a minute, and three of them are kept.
const ROLLING: [Setting; 2] = [("segment.bytes", "16777216"), ("retention.bytes", "50331648")];
const COMPACTED: [Setting; 3] =
    [("cleanup.policy", "compact"), ("segment.bytes", "2097152"), ("min.cleanable.dirty.ratio", "0.1")];
/// Different keys in the compacted topic.
const KEYS: usize = 1_000;
/// Between two connections that come and go, and between two batches for the compacted topic.
const PACE: Duration = Duration::from_millis(5);
/// Growth of memory from the second quarter to the last that is taken for noise, MB and part.
const GROWTH_MB: f64 = 2.0;
const GROWTH_PART: f64 = 0.05;
/// The last quarter's p99 by the second's, at most.
const SLOWER: f64 = 2.0;
/// One segment more or less of each partition.
const DISK_SLACK_MB: f64 = 16.8 * LOAD.partitions as f64;

/// One interval of a soak.
struct Sample {
    minutes: f64,
    rss_mb: f64,
    cpu_ms_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    open_files: usize,
    disk_mb: f64,
}

/// Runs the load for `time` in intervals of `every`, prints a line for each, and fails where memory or the 99th percentile has
/// grown.
pub fn run(place: &Workplace, kind: Kind, time: Duration, every: Duration) -> Result<()> {
    let broker = place.start(kind, "soak")?;
    let (port, pid) = (broker.port, broker.pid());
    create_writable(port, "rolling", LOAD.partitions, &ROLLING)?;
    // Without a key no record is taken there, so this does not wait for one.
    topic::create(port, "compacted", 1, &COMPACTED)?;
    let done = AtomicBool::new(false);
    let samples = thread::scope(|scope| {
        let others = [
            scope.spawn(|| until(&done, PACE, || keyed_batch(port))),
            scope.spawn(|| until(&done, PACE, || greeted(port)?.reset())),
            scope.spawn(|| until(&done, Duration::from_secs(2), || passing_topic(port))),
        ];
        let samples = measure(port, pid, broker.data_folder(), time, every);
        done.store(true, Ordering::Relaxed);
        for other in others {
            joined(other)??;
        }
        samples
    })?;
    broker.discard()?;
    judge(&samples)
}

fn measure(
    port: u16,
    pid: u32,
    data: std::path::PathBuf,
    time: Duration,
    every: Duration,
) -> Result<Vec<Sample>> {
    println!("| minute | RSS, MB | CPU, ms/s | p50, us | p99, us | p99.9, us | open files | disk, MB |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < time {
        let (cpu, since) = (cpu_seconds(pid)?, Instant::now());
        let (_, took) = LOAD.run(port, "rolling", every)?;
        let sample = Sample {
            minutes: began.elapsed().as_secs_f64() / 60.0,
            rss_mb: memory_mb(pid)?.0,
            cpu_ms_per_s: (cpu_seconds(pid)? - cpu) * 1e3 / since.elapsed().as_secs_f64(),
            p50_us: took.percentile_us(50.0),
            p99_us: took.percentile_us(99.0),
            p999_us: took.percentile_us(99.9),
            open_files: fs::read_dir(format!("/proc/{pid}/fd")).context("the broker is gone")?.count(),
            disk_mb: bytes_under(&data) as f64 / 1e6,
        };
        println!(
            "| {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {:.0} |",
            sample.minutes,
            sample.rss_mb,
            sample.cpu_ms_per_s,
            sample.p50_us,
            sample.p99_us,
            sample.p999_us,
            sample.open_files,
            sample.disk_mb
        );
        samples.push(sample);
    }
    Ok(samples)
}

/// Compares the last quarter with the second: the first is warm-up.
fn judge(samples: &[Sample]) -> Result<()> {
    let quarter = samples.len() / 4;
    ensure!(quarter >= 1, "too short to say anything: four intervals at least");
    let of = |from: usize, value: fn(&Sample) -> f64| {
        median(&samples.iter().skip(from).take(quarter).map(value).collect::<Vec<f64>>())
    };
    let last = samples.len() - quarter;
    let (rss, rss_at_end) = (of(quarter, |s| s.rss_mb), of(last, |s| s.rss_mb));
    let (p99, p99_at_end) = (of(quarter, |s| s.p99_us), of(last, |s| s.p99_us));
    let (disk, disk_at_end) = (of(quarter, |s| s.disk_mb), of(last, |s| s.disk_mb));
    println!(
        "soak: from the second quarter to the last: RSS {rss:.1} to {rss_at_end:.1} MB, p99 {p99:.0} to {p99_at_end:.0} us, disk {disk:.0} to {disk_at_end:.0} MB"
    );
    if rss_at_end > rss * (1.0 + GROWTH_PART) + GROWTH_MB {
        bail!("soak: memory grew");
    }
    if p99_at_end > p99 * SLOWER {
        bail!("soak: the 99th percentile grew");
    }
    if disk_at_end > disk * (1.0 + GROWTH_PART) + DISK_SLACK_MB {
        bail!("soak: the disk filled: retention or compaction does not keep up");
    }
    println!("soak: passed");
    Ok(())
}

fn until(done: &AtomicBool, pace: Duration, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        step()?;
        thread::sleep(pace);
    }
    Ok(())
}

/// Twenty records with keys that come again and again, from a producer that leaves.
fn keyed_batch(port: u16) -> Result<()> {
    let mut random = Random::new(now_ms() as u64);
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for _ in 0..20 {
        let key = format!("key-{}", random.below(KEYS));
        batch.append(now_ms(), Some(key.as_bytes()), Some(&[0x6b; 512]), &[])?;
    }
    let mut connection = Connection::open(port, TIMEOUT)?;
    connection.send(&produce_frame("compacted", -1, [(0, batch.build()?)])?)?;
    acknowledged(&mut connection)?;
    connection.reset()
}

fn passing_topic(port: u16) -> Result<()> {
    let name = format!("passing-{}", now_ms());
    create_writable(port, &name, 3, &[])?;
    topic::delete(port, &name)
}

fn bytes_under(folder: &std::path::Path) -> u64 {
    // Files come and go meanwhile.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_under(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rss_mb: [f64; 8], p99_us: [f64; 8]) -> Vec<Sample> {
        rss_mb
            .into_iter()
            .zip(p99_us)
            .map(|(rss_mb, p99_us)| Sample {
                minutes: 1.0,
                rss_mb,
                cpu_ms_per_s: 1.0,
                p50_us: 1.0,
                p99_us,
                p999_us: 1.0,
                open_files: 1,
                disk_mb: 1.0,
            })
            .collect()
    }

    #[test]
    fn growth_is_told_from_warm_up_and_noise() {
        let flat = [1.0; 8];
        assert!(judge(&samples([5.0, 9.0, 20.0, 21.0, 20.0, 22.0, 21.0, 20.5], flat)).is_ok());
        assert!(judge(&samples([5.0, 9.0, 20.0, 21.0, 22.0, 23.0, 25.0, 26.0], flat)).is_err());
        assert!(judge(&samples(flat, [9.0, 9.0, 2.0, 2.0, 9.0, 9.0, 3.0, 3.0])).is_ok());
        assert!(judge(&samples(flat, [9.0, 9.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0])).is_err());
        assert!(judge(&samples(flat, flat)[..3]).is_err());
    }
}
