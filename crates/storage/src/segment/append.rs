//! Writing to a segment.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use ottla_protocol::records::BatchHeader;

use super::Segment;
use super::index::{OffsetEntry, TimeEntry};
use super::lazy_file::SegmentEnv;
use super::read::TimestampOffset;
use crate::config::LogConfig;
use crate::fs::{Disk, is_exhaustion, write_all_at};

/// What the indexes need to know of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchInfo {
    /// Offset of its last record.
    pub last_offset: i64,
    /// Largest timestamp, Unix ms.
    pub max_timestamp: i64,
    /// Bytes.
    pub size: u32,
}

impl BatchInfo {
    /// What a header says.
    pub fn of(header: &BatchHeader) -> Self {
        Self {
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp(),
            size: u32::try_from(header.size()).unwrap_or(u32::MAX),
        }
    }
}

/// An append that is decided and not yet written. What may wait for the disk is in [`Self::run`], which needs
/// neither the segment nor the log's lock.
pub struct PendingWrite {
    file: Arc<File>,
    position: u64,
    reserve: Option<Range<u64>>,
    max: TimestampOffset,
}

impl PendingWrite {
    /// Writes `parts` where the append begins.
    pub fn run(&self, disk: &dyn Disk, parts: &[&[u8]]) -> io::Result<()> {
        if let Some(Range { start, end }) = self.reserve {
            // A disk that cannot is asked again later: whether there is room, the write itself finds out.
            let _ = disk.reserve(&self.file, start, end - start);
        }
        write_all_at(disk, &self.file, parts, self.position)
    }
}

impl Segment {
    /// Writes `parts`, which are `batches` one after another, at the segment's end. The caller has made sure
    /// that they fit ([`Segment::should_roll`]).
    ///
    /// When the write fails, what it left behind is cut off again if the disk allows it; the segment is as
    /// before either way.
    pub fn append(
        &mut self,
        env: SegmentEnv<'_>,
        parts: &[&[u8]],
        batches: impl Iterator<Item = BatchInfo>,
        config: &LogConfig,
    ) -> io::Result<()> {
        let pending = self.begin_append(env, parts.iter().map(|part| part.len()).sum(), config)?;
        let written = pending.run(env.disk, parts);
        self.end_append(env, pending, written, batches, config)
    }

    /// The first step of an append of `bytes`. Between it and the last, nothing else may change the segment.
    pub fn begin_append(
        &mut self,
        env: SegmentEnv<'_>,
        bytes: usize,
        config: &LogConfig,
    ) -> io::Result<PendingWrite> {
        if !self.has_files {
            self.create_files(env, config)?;
        }
        let file = self.log_file(env)?;
        let reserve = self.plan_reserve(bytes, config.segment_bytes);
        // Before the write: afterwards nothing may fail but the index, which recovery rebuilds.
        let max = self.max_timestamp(env)?;
        Ok(PendingWrite { file, position: u64::from(self.size), reserve, max })
    }

    /// The last step of an append: takes note of what was written. When it fails after a write that has not, the batches
    /// are in the file, and nothing may be appended any more.
    pub fn end_append(
        &mut self,
        env: SegmentEnv<'_>,
        pending: PendingWrite,
        written: io::Result<()>,
        batches: impl Iterator<Item = BatchInfo>,
        config: &LogConfig,
    ) -> io::Result<()> {
        let PendingWrite { file, position, mut max, .. } = pending;
        if let Err(e) = written {
            // Synced, so that a power failure does not bring it back in place of what is appended there later.
            let cut = env.disk.set_len(&file, position).and_then(|()| env.disk.sync_data(&file));
            self.reserved = 0;
            return Err(match cut {
                Err(cut) if is_exhaustion(&e) => {
                    io::Error::other(format!("{e}; what was written is not cut off: {cut}"))
                }
                _ => e,
            });
        }
        self.is_dirty = true;
        for batch in batches {
            if batch.max_timestamp > max.timestamp {
                max = TimestampOffset { timestamp: batch.max_timestamp, offset: batch.last_offset };
                self.max_timestamp = Some(max);
            }
            if self.size == 0 {
                self.first_timestamp = Some(batch.max_timestamp);
            }
            let position = self.size;
            self.size += batch.size;
            if self.bytes_since_index_entry > config.index_interval_bytes {
                self.bytes_since_index_entry = 0;
                match self.push_index_entries(env, batch.last_offset, position) {
                    // The batch is in the log, and what the index lacks in its file it has in memory, or does without.
                    Err(e) if is_exhaustion(&e) => {
                        tracing::warn!("{}: the index is left as it is: {e}", self.log_path(env).display());
                    }
                    other => other?,
                }
            }
            self.bytes_since_index_entry += batch.size;
        }
        Ok(())
    }

    pub(super) fn push_index_entries(
        &mut self,
        env: SegmentEnv<'_>,
        last_offset: i64,
        position: u32,
    ) -> io::Result<()> {
        let Some(relative_offset) = self.relative(last_offset) else { return Ok(()) };
        self.offsets.push(env, OffsetEntry { relative_offset, position })?;
        self.push_time_entry(env)
    }

    /// Adds the largest timestamp so far to the time index, unless it is the last entry already.
    pub(super) fn push_time_entry(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        let max = self.max_timestamp(env)?;
        let last = self.times.last(env)?.map_or(-1, |e| e.timestamp);
        if max.timestamp > last
            && let Some(relative_offset) = self.relative(max.offset)
        {
            self.times.push(env, TimeEntry { timestamp: max.timestamp, relative_offset })?;
        }
        Ok(())
    }
}
