//! One segment of a log: a file of batches and its three indexes (Kafka: `LogSegment`).
//!
//! | file | what |
//! | --- | --- |
//! | `lazy_file` | files that are opened when they are needed |
//! | `index` | `.index` and `.timeindex` |
//! | `txn_index` | `.txnindex` |
//! | `scanner` | walking a segment's batches |
//! | `append`, `read`, `recover` | what is done with a segment |
//! | `mark` | recovery that begins in the middle |
//! | `reserve` | blocks set aside for what will be appended |
//!
//! A segment has no lock of its own: all is done under the log's.

mod append;
pub mod index;
pub mod lazy_file;
mod mark;
mod read;
mod recover;
mod reserve;
pub mod scanner;
pub mod txn_index;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use append::BatchInfo;
use index::{Index, IndexEntry, OffsetEntry, TimeEntry};
use lazy_file::{LazyFile, SegmentEnv};
pub use mark::{LastBatch, SegmentMark};
pub use read::{FoundTimestamp, OffsetPosition, SegmentRead, TimestampOffset};
pub use recover::{Recovered, RecoverySink};
use txn_index::TxnIndex;

use crate::cleaner::SegmentSize;
use crate::config::LogConfig;
use crate::fs::{found, is_exhaustion, with_suffix};
use crate::names::{
    DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, random_u128,
};

/// The suffixes of a segment's files.
pub const SUFFIXES: [&str; 4] = [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];

/// Sizes of a segment's files as a directory listing shows them; none: no such file.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSizes {
    /// `.log`.
    pub log: u64,
    /// `.index`.
    pub index: Option<u64>,
    /// `.timeindex`.
    pub time_index: Option<u64>,
    /// `.txnindex`.
    pub txn_index: Option<u64>,
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    /// No record in it has a smaller offset.
    pub base_offset: i64,
    size: u32,
    log: LazyFile,
    offsets: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    /// Aborted transactions whose marker is in this segment.
    pub txns: TxnIndex,
    /// Largest timestamp so far and the last offset of its batch; none: not read from the time index yet.
    max_timestamp: Option<TimestampOffset>,
    /// Timestamp of the first batch; none: not read yet, or there is no batch.
    first_timestamp: Option<i64>,
    created_ms: i64,
    bytes_since_index_entry: u32,
    jitter_ms: i64,
    /// Whether the files are there; false only before the first append to a new log.
    has_files: bool,
    /// Blocks are set aside up to this position; 0: none beyond the end.
    reserved: u32,
    /// Whether anything was appended since the segment was opened or closed.
    is_dirty: bool,
}

impl Segment {
    /// A new segment; its files are created. Fails when there are any.
    pub fn create(
        env: SegmentEnv<'_>,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> io::Result<Self> {
        let mut segment = Self::open(base_offset, &FileSizes::default(), config, now_ms);
        segment.create_files(env, config)?;
        Ok(segment)
    }

    fn create_files(&mut self, env: SegmentEnv<'_>, config: &LogConfig) -> io::Result<()> {
        // What makes them a segment comes last: where one of the others fails, what is appended next goes to the segment before,
        // behind where this one would begin.
        self.offsets.create(env)?;
        self.times.create(env)?;
        let log = self.log.create(env, self.base_offset, LOG_SUFFIX)?;
        self.has_files = true;
        if config.preallocate {
            match env.disk.reserve(&log, 0, u64::from(config.segment_bytes)) {
                Err(e) if is_exhaustion(&e) => tracing::warn!("{}: {e}", self.log_path(env).display()),
                other => {
                    other?;
                    self.reserved = config.segment_bytes;
                }
            }
        }
        Ok(())
    }

    /// The first segment of a new log. Its files are made with the first append: most partitions of a large
    /// topic wait long for it. A directory without segments means an empty log that starts at 0, here as in
    /// Kafka; at any other offset the files must be there to say so, see [`Segment::create`].
    pub fn create_later(config: &LogConfig, now_ms: i64) -> Self {
        Self { has_files: false, ..Self::open(0, &FileSizes::default(), config, now_ms) }
    }

    /// A segment whose files are there; none is opened.
    pub fn open(base_offset: i64, sizes: &FileSizes, config: &LogConfig, now_ms: i64) -> Self {
        Self {
            base_offset,
            // Kafka refuses segments beyond 2 GiB - 1; their rest would be cut by recovery.
            size: u32::try_from(sizes.log).unwrap_or(u32::MAX).min(i32::MAX as u32),
            log: LazyFile::default(),
            offsets: Index::new(base_offset, sizes.index.unwrap_or_default()),
            times: Index::new(base_offset, sizes.time_index.unwrap_or_default()),
            txns: TxnIndex::new(base_offset, sizes.txn_index.unwrap_or_default()),
            max_timestamp: None,
            first_timestamp: None,
            created_ms: now_ms,
            bytes_since_index_entry: 0,
            jitter_ms: draw_jitter(config),
            has_files: true,
            reserved: 0,
            is_dirty: false,
        }
    }

    /// Bytes of batches.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What the cleaner goes by when it groups segments.
    pub(crate) fn cleaning_size(&self) -> SegmentSize {
        SegmentSize {
            base_offset: self.base_offset,
            bytes: self.size,
            index_bytes: u64::from(self.offsets.len()) * OffsetEntry::SIZE as u64,
            time_index_bytes: u64::from(self.times.len()) * TimeEntry::SIZE as u64,
        }
    }

    /// The open log file.
    pub fn log_file(&mut self, env: SegmentEnv<'_>) -> io::Result<Arc<File>> {
        self.log.get(env, self.base_offset, LOG_SUFFIX)
    }

    /// Path of the log file.
    pub fn log_path(&self, env: SegmentEnv<'_>) -> PathBuf {
        lazy_file::path(env, self.base_offset, LOG_SUFFIX)
    }

    /// `offset` as the indexes hold it; none when the segment cannot take it.
    pub fn relative(&self, offset: i64) -> Option<u32> {
        let relative = offset.checked_sub(self.base_offset)?;
        i32::try_from(relative).ok().and_then(|r| u32::try_from(r).ok())
    }

    /// The offset that an index entry means; whatever a damaged file says, it is one.
    fn absolute(&self, relative: u32) -> i64 {
        self.base_offset.saturating_add(i64::from(relative))
    }

    /// Whether a set of batches of `bytes`, up to `last_offset`, must go to a new segment.
    pub fn should_roll(
        &mut self,
        env: SegmentEnv<'_>,
        config: &LogConfig,
        set: &RollParams,
    ) -> io::Result<bool> {
        if u64::from(self.size) + u64::from(set.bytes) > u64::from(config.segment_bytes)
            || self.relative(set.last_offset).is_none()
            || self.is_index_full(config)
        {
            return Ok(true);
        }
        if self.size == 0 {
            return Ok(false);
        }
        let waited = self.time_waited_for_roll(env, set.now_ms, set.max_timestamp)?;
        Ok(waited > config.segment_ms.saturating_sub(self.jitter_ms))
    }

    /// The last slot of the time index is left for the entry that closing the segment adds.
    fn is_index_full(&self, config: &LogConfig) -> bool {
        let bytes = config.segment_index_bytes as usize;
        self.offsets.len() as usize >= bytes / OffsetEntry::SIZE
            || self.times.len() as usize + 1 >= bytes / TimeEntry::SIZE
    }

    fn time_waited_for_roll(&mut self, env: SegmentEnv<'_>, now_ms: i64, timestamp: i64) -> io::Result<i64> {
        Ok(match self.first_timestamp(env)? {
            Some(first) if first >= 0 => timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        })
    }

    /// Ends the segment: writes its indexes out, with a last entry in the time index.
    pub fn close(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        if self.size > 0 {
            self.push_time_entry(env)?;
        }
        self.offsets.write_out(env)?;
        self.times.write_out(env)?;
        self.release_reserve(env)?;
        self.is_dirty = false;
        Ok(())
    }

    /// Whether anything was appended since the segment was opened or closed, so that its index files lack entries.
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// The files that must be made durable so that all of this segment is. Of a segment that is still
    /// written to, the batches suffice: recovery reads it again.
    pub fn prepare_sync(&mut self, env: SegmentEnv<'_>, is_closed: bool) -> io::Result<Vec<Arc<File>>> {
        let mut files = vec![self.log_file(env)?];
        if is_closed {
            files.push(self.offsets.prepare_sync(env)?);
            files.push(self.times.prepare_sync(env)?);
            files.extend(self.txns.prepare_sync(env)?);
        }
        Ok(files)
    }

    /// Gives memory back that only makes look-ups faster.
    pub fn trim(&mut self) {
        self.offsets.trim();
        self.times.trim();
    }

    /// Makes the indexes durable.
    pub fn sync_indexes(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        if !self.has_files {
            return Ok(());
        }
        self.prepare_sync(env, true)?.iter().skip(1).try_for_each(|file| env.disk.sync_data(file))
    }

    /// When the log file was last written, Unix ms.
    pub fn last_modified_ms(&mut self, env: SegmentEnv<'_>) -> io::Result<i64> {
        if !self.has_files {
            return Ok(self.created_ms);
        }
        let modified = self.log_file(env)?.metadata()?.modified()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Renames the files for removal; what they are called then.
    pub fn mark_deleted(&self, env: SegmentEnv<'_>) -> io::Result<Vec<PathBuf>> {
        let mut renamed = Vec::with_capacity(SUFFIXES.len());
        for suffix in SUFFIXES {
            let path = lazy_file::path(env, self.base_offset, suffix);
            let marked = with_suffix(&path, DELETED_SUFFIX);
            if found(env.disk.rename(&path, &marked))?.is_some() {
                renamed.push(marked);
            }
        }
        Ok(renamed)
    }
}

/// What decides whether a segment is full.
#[derive(Clone, Copy, Debug)]
pub struct RollParams {
    /// Bytes to be appended.
    pub bytes: u32,
    /// Largest offset to be appended.
    pub last_offset: i64,
    /// Largest timestamp to be appended.
    pub max_timestamp: i64,
    /// The time, Unix ms.
    pub now_ms: i64,
}

fn draw_jitter(config: &LogConfig) -> i64 {
    let limit = config.segment_jitter_ms.min(config.segment_ms);
    if limit <= 0 { 0 } else { (random_u128() % limit as u128) as i64 }
}
