//! What an append and a tail read cost, without network: one thread, one log, the page cache.
//!
//! ```text
//! cargo run --release -p ottla-storage --example append_bench [dir]
//! ```
//!
//! Each row is the median of batches of calls, so that a stall of the machine does not count.

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ottla_protocol::TopicPartition;
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_storage::{AppendOptions, LogConfig, OpenOptions, PartitionLog};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const NOW_MS: i64 = 1_700_000_000_000;
const GROUP: usize = 32;

fn batch(records: usize, size: usize, sequence: Option<i32>) -> Outcome<Bytes> {
    let mut options = BatchOptions::default();
    if let Some(sequence) = sequence {
        (options.producer_id, options.producer_epoch, options.base_sequence) = (1, 0, sequence);
    }
    let mut builder = BatchBuilder::new(options);
    let value = vec![b'x'; size];
    for _ in 0..records {
        builder.append(NOW_MS, None, Some(&value), &[])?;
    }
    Ok(builder.build()?)
}

fn open(dir: &std::path::Path, name: &str) -> Outcome<Arc<PartitionLog>> {
    let path = dir.join(format!("{name}-0"));
    let _ = std::fs::remove_dir_all(&path);
    let mut options = OpenOptions::new(TopicPartition::new(name.to_owned(), 0));
    options.config = Arc::new(LogConfig::default());
    options.now_ms = NOW_MS;
    Ok(PartitionLog::open_at(&path, &options)?)
}

/// Nanoseconds per call: the median of groups.
fn measure(total: usize, mut call: impl FnMut(usize) -> Outcome<()>) -> Outcome<f64> {
    let mut groups = Vec::with_capacity(total / GROUP);
    for group in 0..total / GROUP {
        let start = Instant::now();
        for i in 0..GROUP {
            call(group * GROUP + i)?;
        }
        groups.push(start.elapsed().as_nanos() as f64 / GROUP as f64);
    }
    groups.sort_by(f64::total_cmp);
    Ok(groups[groups.len() / 2])
}

/// The least that an append can cost: the same bytes behind each other in a file.
fn floor(dir: &std::path::Path, bytes: &[u8], total: usize) -> Outcome<f64> {
    let path = dir.join("floor");
    let file = std::fs::File::create(&path)?;
    let found = measure(total, |i| Ok(file.write_all_at(bytes, (i * bytes.len()) as u64)?))?;
    std::fs::remove_file(path)?;
    Ok(found)
}

fn row(dir: &std::path::Path, name: &str, records: usize, size: usize, total: usize) -> Outcome<()> {
    let bytes = batch(records, size, None)?;
    let floor = floor(dir, &bytes, total)?;
    let log = open(dir, name)?;
    let options = AppendOptions { now_ms: NOW_MS, ..Default::default() };
    let append = measure(total, |_| Ok(log.append_as_leader(&bytes, &options).map(|_| ())?))?;

    let log = open(dir, name)?;
    let idempotent: Vec<Bytes> =
        (0..total).map(|i| batch(records, size, Some((i * records) as i32))).collect::<Outcome<_>>()?;
    let append_idempotent =
        measure(total, |i| Ok(log.append_as_leader(&idempotent[i], &options).map(|_| ())?))?;

    let end = log.log_end_offset();
    let last = end - records as i64;
    let tail =
        measure(total, |_| Ok(log.read(last, 1 << 20, true, end).map(|data| drop(black_box(data)))?))?;
    log.trim_memory();
    log.trim_memory();
    let file =
        measure(total, |_| Ok(log.read(last, 1 << 20, true, end).map(|data| drop(black_box(data)))?))?;
    println!(
        "{name:>14} {:>8} {floor:>10.0} {append:>10.0} {append_idempotent:>14.0} {tail:>10.0} {file:>10.0}",
        bytes.len()
    );
    let _ = std::fs::remove_dir_all(log.dir());
    Ok(())
}

fn main() -> Outcome<()> {
    let dir: PathBuf =
        std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("append-bench"), PathBuf::from);
    std::fs::create_dir_all(&dir)?;
    println!("           row    bytes  pwrite ns  append ns  idempotent ns    tail ns    file ns");
    row(&dir, "record-100B", 1, 100, 20_000)?;
    row(&dir, "record-1KiB", 1, 1024, 20_000)?;
    row(&dir, "batch-16KiB", 16, 1000, 16_000)?;
    row(&dir, "batch-64KiB", 64, 1000, 6_000)?;
    row(&dir, "batch-256KiB", 250, 1000, 2_000)?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
