//! Writing to a segment.

use std::io;

use ottla_protocol::records::BatchHeader;

use super::Segment;
use super::index::{OffsetEntry, TimeEntry};
use super::lazy_file::SegmentEnv;
use super::read::TimestampOffset;
use crate::config::LogConfig;
use crate::fs::write_all_at;

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
        if !self.has_files {
            self.create_files(env, config)?;
        }
        let file = self.log_file(env)?;
        self.reserve(env, &file, parts.iter().map(|part| part.len()).sum(), config.segment_bytes);
        // Before the write: afterwards nothing may fail but the index, which recovery rebuilds.
        let mut max = self.max_timestamp(env)?;
        if let Err(e) = write_all_at(env.disk, &file, parts, u64::from(self.size)) {
            let _ = env.disk.set_len(&file, u64::from(self.size));
            self.reserved = 0;
            return Err(e);
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
                self.push_index_entries(env, batch.last_offset, position)?;
                self.bytes_since_index_entry = 0;
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
