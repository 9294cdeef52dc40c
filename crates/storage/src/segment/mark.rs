//! A place in a segment up to which it is known to be sound, and recovery that begins there.

use std::io;

use ottla_protocol::records::BATCH_HEADER_SIZE;

use super::Segment;
use super::lazy_file::SegmentEnv;
use super::read::TimestampOffset;
use super::recover::{Recovered, RecoverySink, ScanFrom};
use super::scanner::{ScanError, ScannedBatch, Scanner};

/// What a segment was when it ended at [`SegmentMark::position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentMark {
    /// Bytes of batches.
    pub position: u32,
    /// Entries of the offset index.
    pub offset_entries: u32,
    /// Entries of the time index.
    pub time_entries: u32,
    /// Entries of the transaction index.
    pub txn_entries: u32,
    /// Largest timestamp.
    pub max_timestamp: TimestampOffset,
}

/// Where the last batch before a position lies, and its header: bytes that no other history of the log has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBatch {
    /// Base offset of its segment.
    pub segment: i64,
    /// Where it ends.
    pub end: u32,
    /// Its header.
    pub header: [u8; BATCH_HEADER_SIZE],
}

impl Segment {
    /// The mark at the segment's end. All index entries are written out, so that the files hold what it counts.
    pub fn mark(&mut self, env: SegmentEnv<'_>) -> io::Result<SegmentMark> {
        let max_timestamp = self.max_timestamp(env)?;
        self.write_out_indexes(env)?;
        Ok(SegmentMark {
            position: self.size,
            offset_entries: self.offsets.len(),
            time_entries: self.times.len(),
            txn_entries: self.txns.len(),
            max_timestamp,
        })
    }

    /// The last batch before the position `end`; none when batches do not end there. Reads from the last index
    /// entry on.
    pub fn last_batch(&mut self, env: SegmentEnv<'_>, end: u32) -> io::Result<Option<LastBatch>> {
        let segment = self.base_offset;
        match self.walk_to(env, end, |_, _| Ok(())) {
            Ok(found) => Ok(found.map(|batch| LastBatch { segment, end, header: batch.header.to_bytes() })),
            Err(ScanError::Io(e)) => Err(e),
            Err(ScanError::Invalid { .. }) => Ok(None),
        }
    }

    /// Whether `batch` lies where it says, sound and as the last one that the index leads to. Its next offset.
    pub fn holds(&mut self, env: SegmentEnv<'_>, batch: &LastBatch) -> io::Result<Option<i64>> {
        if batch.end > self.size {
            return Ok(None);
        }
        let found = self.walk_to(env, batch.end, |scanner, last| scanner.check_crc(last));
        match found {
            Ok(found) => {
                let same = found.filter(|found| found.header.to_bytes() == batch.header);
                Ok(same.map(|found| found.header.next_offset()))
            }
            Err(ScanError::Io(e)) => Err(e),
            Err(ScanError::Invalid { .. }) => Ok(None),
        }
    }

    /// Cuts the indexes back to `mark`, where `next_offset` comes next; false when the files cannot have been so.
    pub fn rewind_indexes(
        &mut self,
        env: SegmentEnv<'_>,
        mark: &SegmentMark,
        next_offset: i64,
    ) -> io::Result<bool> {
        let fits = mark.position <= self.size
            && mark.offset_entries <= self.offsets.len()
            && mark.time_entries <= self.times.len()
            && mark.txn_entries <= self.txns.len();
        if !fits {
            return Ok(false);
        }
        self.offsets.truncate(env, mark.offset_entries)?;
        self.times.truncate(env, mark.time_entries)?;
        self.txns.keep_first(env, mark.txn_entries)?;
        let last = i64::from(mark.position) - 1;
        let offsets_ascend =
            self.offsets.all_ascend(env, |e| (e.relative_offset.into(), e.position.into()), last)?;
        let max = mark.max_timestamp;
        let times_ascend =
            self.times.all_ascend(env, |e| (e.relative_offset.into(), e.timestamp), max.timestamp)?;
        let txns_ascend = self.txns.all_ascend(env, next_offset)?;
        Ok(offsets_ascend && times_ascend && txns_ascend && max.offset >= self.base_offset)
    }

    /// Like [`Segment::recover`], but trusts what lies before `mark`, to which the indexes were cut back.
    pub fn recover_from(
        &mut self,
        env: SegmentEnv<'_>,
        mark: &SegmentMark,
        next_offset: i64,
        index_interval_bytes: u32,
        sink: &mut impl RecoverySink,
    ) -> Result<Recovered, ScanError> {
        self.max_timestamp = Some(mark.max_timestamp);
        self.first_timestamp = None;
        let last_entry = self.offsets.last(env)?.map_or(0, |e| e.position);
        let from = ScanFrom { position: mark.position, last_entry, last_offset: next_offset - 1 };
        self.recover_rest(env, from, index_interval_bytes, sink)
    }

    /// The batch that ends at `end`, found from the last index entry before; `check` is called with it.
    fn walk_to(
        &mut self,
        env: SegmentEnv<'_>,
        end: u32,
        check: impl Fn(&mut Scanner<'_>, &ScannedBatch) -> Result<(), ScanError>,
    ) -> Result<Option<ScannedBatch>, ScanError> {
        let start = self.offsets.find_last(env, |e| e.position < end)?.map_or(0, |(_, e)| e.position);
        let file = self.log_file(env)?;
        let mut scanner = Scanner::lookup(env, &file, start, end);
        let mut last = None;
        while let Some(batch) = scanner.next_batch()? {
            last = Some(batch);
        }
        let Some(last) = last.filter(|last| last.end() == end) else { return Ok(None) };
        check(&mut scanner, &last)?;
        Ok(Some(last))
    }
}
