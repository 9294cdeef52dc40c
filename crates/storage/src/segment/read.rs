//! Finding things in a segment.

use std::io;

use ottla_protocol::records::{NO_PARTITION_LEADER_EPOCH, NO_TIMESTAMP, RecordBatch, RecordsError};

use super::Segment;
use super::index::OffsetEntry;
use super::lazy_file::SegmentEnv;
use super::scanner::{SCAN_BUFFER, ScanError, ScannedBatch, Scanner};

use crate::config::LogConfig;

/// A timestamp and the offset it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Unix ms; -1: none.
    pub timestamp: i64,
    /// Offset.
    pub offset: i64,
}

/// Where the batch is that an offset was looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    /// Base offset of the batch.
    pub base_offset: i64,
    /// Where it starts in the segment.
    pub position: u32,
    /// Its bytes.
    pub size: u32,
}

/// A range of a segment that answers a read.
#[derive(Clone, Copy, Debug)]
pub struct SegmentRead {
    /// The first batch.
    pub first: OffsetPosition,
    /// Bytes to return from the first batch's start.
    pub len: u32,
    /// Whether the first batch is larger than what may be returned.
    pub first_is_incomplete: bool,
}

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundTimestamp {
    /// Unix ms.
    pub timestamp: i64,
    /// Offset of the record.
    pub offset: i64,
    /// Leader epoch of its batch.
    pub leader_epoch: Option<i32>,
}

/// Most bytes that a batch may decompress to while a timestamp is looked for in it.
const DECOMPRESSED_MAX: usize = 256 << 20;

impl Segment {
    /// The first batch whose last offset is at or after `offset`.
    pub fn translate_offset(
        &mut self,
        env: SegmentEnv<'_>,
        offset: i64,
    ) -> io::Result<Option<OffsetPosition>> {
        if self.size == 0 {
            return Ok(None);
        }
        let start = self.index_entry(env, offset)?;
        match self.search_from(env, offset, start) {
            Ok(found) => Ok(found),
            Err(ScanError::Invalid { .. }) if start.is_some() => {
                let path = self.log_path(env);
                tracing::warn!("The index of {} does not fit its batches; rebuilding it", path.display());
                // The interval only sets how sparse the index is; the usual one will do.
                let interval = LogConfig::default().index_interval_bytes;
                self.rebuild_indexes(env.waiting(), interval).map_err(|e| e.into_io(&path))?;
                let start = self.index_entry(env, offset)?;
                self.search_from(env, offset, start).map_err(|e| e.into_io(&path))
            }
            Err(e) => Err(e.into_io(&self.log_path(env))),
        }
    }

    /// The last index entry up to `offset`.
    fn index_entry(&mut self, env: SegmentEnv<'_>, offset: i64) -> io::Result<Option<OffsetEntry>> {
        let largest = self.base_offset.saturating_add(i32::MAX.into());
        let Some(relative) = self.relative(offset.min(largest)) else { return Ok(None) };
        let entry = self.offsets.find_last(env, |e| e.relative_offset <= relative)?;
        Ok(entry.map(|(_, entry)| entry))
    }

    /// Where to start looking for `offset`.
    fn index_position(&mut self, env: SegmentEnv<'_>, offset: i64) -> io::Result<u32> {
        Ok(self.index_entry(env, offset)?.map_or(0, |entry| entry.position.min(self.size)))
    }

    fn search_from(
        &mut self,
        env: SegmentEnv<'_>,
        offset: i64,
        start: Option<OffsetEntry>,
    ) -> Result<Option<OffsetPosition>, ScanError> {
        let file = self.log_file(env)?;
        let position = start.map_or(0, |entry| entry.position);
        let mut scanner = Scanner::lookup(env, &file, position, self.size);
        let mut is_first = true;
        while let Some(batch) = scanner.next_batch()? {
            let last_offset = batch.header.last_offset();
            // An entry that points too far would hide the batches before it. (Brokers before 4.0 noted the last
            // offset of several batches at the position of the first.)
            if let Some(entry) = start.filter(|_| is_first)
                && last_offset > self.absolute(entry.relative_offset)
            {
                let source = RecordsError::InvalidRecord("the offset index points elsewhere");
                return Err(ScanError::Invalid { position, source });
            }
            is_first = false;
            if last_offset >= offset {
                return Ok(Some(OffsetPosition {
                    base_offset: batch.header.base_offset(),
                    position: batch.position,
                    size: batch.size(),
                }));
            }
        }
        if is_first && start.is_some() {
            let source = RecordsError::InvalidRecord("the offset index points behind the last batch");
            return Err(ScanError::Invalid { position, source });
        }
        Ok(None)
    }

    /// The range that answers a read from `offset`: at most `max_bytes` long, but with `min_one_message`
    /// at least the first batch, and nothing from `max_position` on. None when all batches lie before `offset`.
    pub fn read(
        &mut self,
        env: SegmentEnv<'_>,
        offset: i64,
        max_bytes: u32,
        max_position: u32,
        min_one_message: bool,
    ) -> io::Result<Option<SegmentRead>> {
        let found = self.translate_offset(env, offset)?;
        Ok(found.map(|first| SegmentRead::new(first, max_bytes, max_position, min_one_message)))
    }

    /// An offset that lies behind all batches before `position`, as far as the index knows.
    pub fn upper_bound_offset(&mut self, env: SegmentEnv<'_>, position: u32) -> io::Result<Option<i64>> {
        let before = self.offsets.find_last(env, |e| e.position < position)?;
        let next = before.map_or(0, |(at, _)| at + 1);
        let entry = self.offsets.get(env, next)?;
        Ok(entry.map(|e| self.absolute(e.relative_offset)))
    }

    /// The largest timestamp in the segment, and the last offset of its batch.
    pub fn max_timestamp(&mut self, env: SegmentEnv<'_>) -> io::Result<TimestampOffset> {
        if let Some(known) = self.max_timestamp {
            return Ok(known);
        }
        let last = self.times.last(env)?;
        let none = TimestampOffset { timestamp: NO_TIMESTAMP, offset: self.base_offset };
        let max = last.map_or(none, |e| TimestampOffset {
            timestamp: e.timestamp,
            offset: self.absolute(e.relative_offset),
        });
        self.max_timestamp = Some(max);
        Ok(max)
    }

    /// The largest timestamp of a record, or when the file was last written: what retention goes by.
    pub fn largest_timestamp(&mut self, env: SegmentEnv<'_>) -> io::Result<i64> {
        let max = self.max_timestamp(env)?.timestamp;
        if max >= 0 { Ok(max) } else { self.last_modified_ms(env) }
    }

    /// Largest timestamp of the first batch.
    pub fn first_timestamp(&mut self, env: SegmentEnv<'_>) -> io::Result<Option<i64>> {
        if self.first_timestamp.is_none() && self.size > 0 {
            let file = self.log_file(env)?;
            let first = Scanner::lookup(env, &file, 0, self.size).next_batch();
            let first = first.map_err(|e| e.into_io(&self.log_path(env)))?;
            self.first_timestamp = first.map(|b| b.header.max_timestamp());
        }
        Ok(self.first_timestamp)
    }

    /// The offset behind the last batch. Reads from the last index entry on.
    pub fn read_next_offset(&mut self, env: SegmentEnv<'_>) -> Result<i64, ScanError> {
        if self.size == 0 {
            return Ok(self.base_offset);
        }
        let start = self.offsets.last(env)?.map_or(0, |e| e.position);
        let file = self.log_file(env)?;
        let mut next_offset = self.base_offset;
        let mut scanner = Scanner::lookup(env, &file, start, self.size);
        while let Some(batch) = scanner.next_batch()? {
            next_offset = batch.header.next_offset();
        }
        // Bytes that are no whole batch, an index that points past the end, offsets that are not of this segment: it
        // needs recovery.
        if scanner.position() != self.size || start > self.size || next_offset < self.base_offset {
            let source = RecordsError::Incomplete {
                needed: 0,
                available: self.size.saturating_sub(scanner.position()) as usize,
            };
            return Err(ScanError::Invalid { position: scanner.position(), source });
        }
        Ok(next_offset)
    }

    /// The first record at or after `start_offset` whose timestamp is at or after `timestamp`.
    pub fn find_by_timestamp(
        &mut self,
        env: SegmentEnv<'_>,
        timestamp: i64,
        start_offset: i64,
    ) -> io::Result<Option<FoundTimestamp>> {
        if self.size == 0 {
            return Ok(None);
        }
        let entry = self.times.find_last(env, |e| e.timestamp <= timestamp)?;
        let from_time = entry.map_or(0, |(_, e)| e.relative_offset);
        let from_start = self.relative(start_offset).unwrap_or(0);
        let offset = self.absolute(from_time.max(from_start));
        let start = self.index_position(env, offset)?;
        let file = self.log_file(env)?;
        let path = self.log_path(env);
        let mut scanner = Scanner::lookup(env, &file, start, self.size);
        while let Some(batch) = scanner.next_batch().map_err(|e| e.into_io(&path))? {
            if batch.header.max_timestamp() < timestamp {
                continue;
            }
            let found = find_record(&scanner, &batch, |t, offset| t >= timestamp && offset >= start_offset)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record of the first batch that has the segment's largest timestamp.
    pub fn find_max_timestamp(&mut self, env: SegmentEnv<'_>) -> io::Result<Option<FoundTimestamp>> {
        if self.size == 0 {
            return Ok(None);
        }
        let max = self.max_timestamp(env)?;
        let start = self.index_position(env, max.offset)?;
        let file = self.log_file(env)?;
        let path = self.log_path(env);
        let mut scanner = Scanner::lookup(env, &file, start, self.size);
        while let Some(batch) = scanner.next_batch().map_err(|e| e.into_io(&path))? {
            if batch.header.max_timestamp() == max.timestamp {
                return find_record(&scanner, &batch, |t, _| t == max.timestamp);
            }
        }
        Ok(None)
    }

    /// Calls `each` with every batch between two positions, in order.
    pub fn for_each_batch(
        &mut self,
        env: SegmentEnv<'_>,
        from: u32,
        to: u32,
        mut each: impl FnMut(&Scanner<'_>, &ScannedBatch) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.size == 0 {
            return Ok(());
        }
        let file = self.log_file(env)?;
        let path = self.log_path(env);
        let mut scanner = Scanner::new(&file, from, to.min(self.size), SCAN_BUFFER);
        while let Some(batch) = scanner.next_batch().map_err(|e| e.into_io(&path))? {
            each(&scanner, &batch)?;
        }
        Ok(())
    }
}

impl SegmentRead {
    /// How much to return of what starts with the batch `first`.
    pub fn new(first: OffsetPosition, max_bytes: u32, max_position: u32, min_one_message: bool) -> Self {
        let limit = if min_one_message { max_bytes.max(first.size) } else { max_bytes };
        let len = max_position.saturating_sub(first.position).min(limit);
        Self { first, len, first_is_incomplete: limit < first.size }
    }
}

/// The first record of a batch whose timestamp and offset are wanted.
fn find_record(
    scanner: &Scanner<'_>,
    batch: &ScannedBatch,
    wanted: impl Fn(i64, i64) -> bool,
) -> io::Result<Option<FoundTimestamp>> {
    let bytes = scanner.read_batch(batch)?;
    let epoch = batch.header.partition_leader_epoch();
    let leader_epoch = (epoch != NO_PARTITION_LEADER_EPOCH).then_some(epoch);
    let found = |timestamp, offset| FoundTimestamp { timestamp, offset, leader_epoch };
    let invalid = |e: RecordsError| io::Error::new(io::ErrorKind::InvalidData, e);
    let (view, _) = RecordBatch::parse(&bytes).map_err(invalid)?;
    for record in view.records(DECOMPRESSED_MAX).map_err(invalid)? {
        let record = record.map_err(invalid)?;
        if wanted(record.timestamp, record.offset) {
            return Ok(Some(found(record.timestamp, record.offset)));
        }
    }
    Ok(None)
}
