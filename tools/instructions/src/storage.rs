//! Appending to a log, and reading from it.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use ottla_protocol::TopicPartition;
use ottla_protocol::records::BatchOptions;
use ottla_storage::{AppendOptions, LogConfig, OpenOptions, PartitionLog};

use crate::records::{NOW_MS, batch};
use crate::{Body, CALLS};

/// A log in a folder of its own, which goes with it.
struct Log {
    folder: PathBuf,
    log: Arc<PartitionLog>,
}

impl Log {
    fn open() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ottla-instructions-{}", std::process::id()));
        let mut options = OpenOptions::new(TopicPartition::new("topic".to_owned(), 0));
        options.config = Arc::new(LogConfig::default());
        options.now_ms = NOW_MS;
        fs::create_dir_all(&folder)?;
        let log = PartitionLog::open_at(&folder.join("topic-0"), &options)?;
        Ok(Self { folder, log })
    }

    /// One at whose end somebody reads, so that it keeps in memory what is appended.
    fn watched() -> Result<Self> {
        let log = Self::open()?;
        ensure!(log.log.read(0, 1, true, 0)?.size == 0, "the log is not empty");
        Ok(log)
    }

    /// With enough batches to have an index.
    fn filled(self) -> Result<Self> {
        let bytes = batch(16, 1024, BatchOptions::default())?;
        for _ in 0..200 {
            self.log.append_as_leader(&bytes, &append_options())?;
        }
        Ok(self)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn append_options() -> AppendOptions {
    AppendOptions { now_ms: NOW_MS, ..Default::default() }
}

/// A batch of a producer without an id.
pub fn append_batch() -> Result<Body> {
    append_to(Log::open()?)
}

/// The same, beside a consumer at the tail.
pub fn append_watched() -> Result<Body> {
    append_to(Log::watched()?)
}

fn append_to(log: Log) -> Result<Body> {
    let bytes = batch(16, 1024, BatchOptions::default())?;
    let options = append_options();
    Ok(Box::new(move || {
        black_box(log.log.append_as_leader(&bytes, &options)?);
        Ok(())
    }))
}

/// Single records of an idempotent producer.
pub fn append_idempotent() -> Result<Body> {
    let log = Log::open()?;
    let one = |base_sequence: i32| {
        batch(
            1,
            1024,
            BatchOptions { producer_id: 1, producer_epoch: 0, base_sequence, ..Default::default() },
        )
    };
    let batches = (0..=CALLS as i32).map(one).collect::<Result<Vec<_>>>()?;
    let (options, mut next) = (append_options(), 0);
    Ok(Box::new(move || {
        black_box(log.log.append_as_leader(&batches[next], &options)?);
        next += 1;
        Ok(())
    }))
}

/// What was just written, as consumers at the tail do.
pub fn read_memory() -> Result<Body> {
    Ok(read(Log::watched()?.filled()?))
}

/// What memory does not hold.
pub fn read_file() -> Result<Body> {
    Ok(read(Log::open()?.filled()?))
}

fn read(log: Log) -> Body {
    let end = log.log.log_end_offset();
    Box::new(move || {
        let data = log.log.read(end - 64, 64 << 10, true, end)?;
        ensure!(data.size > 0, "nothing was read");
        black_box(&data);
        Ok(())
    })
}
