//! Reading a segment from end to end: after a crash, and when an index does not fit.

use std::io;

use super::Segment;
use super::lazy_file::SegmentEnv;
use super::read::TimestampOffset;
use super::scanner::{SCAN_BUFFER, ScanError, ScannedBatch, Scanner};
use super::txn_index::AbortedTxn;

/// Takes part in the recovery of a segment.
pub trait RecoverySink {
    /// A valid batch, in order of offsets; `control` are the bytes of a control batch. Returns the aborted
    /// transaction that it ends.
    fn batch(&mut self, batch: &ScannedBatch, control: Option<&[u8]>) -> io::Result<Option<AbortedTxn>>;
}

/// What recovery found.
#[derive(Clone, Copy, Debug)]
pub struct Recovered {
    /// Bytes that were cut off.
    pub truncated: u64,
}

/// Where a walk over a segment begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanFrom {
    /// Position of the first batch.
    pub(super) position: u32,
    /// Position of the batch that the last index entry names; 0: none.
    pub(super) last_entry: u32,
    /// Offset of the record before.
    pub(super) last_offset: i64,
}

impl ScanFrom {
    fn start_of(segment: &Segment) -> Self {
        Self { position: 0, last_entry: 0, last_offset: segment.base_offset - 1 }
    }
}

impl Segment {
    /// Checks every batch, cuts the file at the first that is not valid, and rebuilds the three indexes, the sparse ones in
    /// memory: [`Self::end_recovery`] comes next.
    pub fn recover(
        &mut self,
        env: SegmentEnv<'_>,
        index_interval_bytes: u32,
        sink: &mut impl RecoverySink,
    ) -> Result<Recovered, ScanError> {
        self.txns.reset(env)?;
        self.forget_indexes();
        self.recover_rest(env, ScanFrom::start_of(self), index_interval_bytes, sink)
    }

    /// Goes on with a recovery at `from`.
    pub(super) fn recover_rest(
        &mut self,
        env: SegmentEnv<'_>,
        from: ScanFrom,
        index_interval_bytes: u32,
        sink: &mut impl RecoverySink,
    ) -> Result<Recovered, ScanError> {
        let valid = self.scan_into_indexes(env, from, index_interval_bytes, Some(sink), true)?;
        let file = self.log_file(env)?;
        let len = file.metadata()?.len();
        let truncated = len.saturating_sub(u64::from(valid));
        if truncated > 0 {
            env.disk.set_len(&file, u64::from(valid))?;
            // A power failure must not bring it back behind batches that are appended from now on.
            env.disk.sync_data(&file)?;
        }
        self.size = valid;
        self.push_time_entry(env)?;
        Ok(Recovered { truncated })
    }

    /// Ends a recovery: brings the index files in line with the batches. Those of the active segment lack entries at any time,
    /// so that files without any stay so until they are written out in order.
    pub fn end_recovery(&mut self, env: SegmentEnv<'_>, is_active: bool) -> io::Result<()> {
        if is_active && !self.offsets.has_rest() && !self.times.has_rest() {
            self.is_dirty = true;
            return Ok(());
        }
        self.write_out_indexes(env)
    }

    /// Builds the two sparse indexes anew, trusting the batches.
    pub fn rebuild_indexes(
        &mut self,
        env: SegmentEnv<'_>,
        index_interval_bytes: u32,
    ) -> Result<(), ScanError> {
        self.rebuild::<NoSink>(env, index_interval_bytes, None)
    }

    /// Builds all three indexes anew, trusting the batches: `sink` knows what lies before the segment.
    pub fn rebuild_all_indexes(
        &mut self,
        env: SegmentEnv<'_>,
        index_interval_bytes: u32,
        sink: &mut impl RecoverySink,
    ) -> Result<(), ScanError> {
        self.txns.reset(env)?;
        self.rebuild(env, index_interval_bytes, Some(sink))
    }

    fn rebuild<S: RecoverySink>(
        &mut self,
        env: SegmentEnv<'_>,
        index_interval_bytes: u32,
        sink: Option<&mut S>,
    ) -> Result<(), ScanError> {
        self.forget_indexes();
        self.offsets.create(env)?;
        self.times.create(env)?;
        self.scan_into_indexes(env, ScanFrom::start_of(self), index_interval_bytes, sink, false)?;
        self.push_time_entry(env)?;
        self.write_out_indexes(env)?;
        Ok(())
    }

    pub(super) fn write_out_indexes(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        self.offsets.end_rebuild(env)?;
        self.times.end_rebuild(env)
    }

    fn forget_indexes(&mut self) {
        self.offsets.reset();
        self.times.reset();
        self.max_timestamp = Some(TimestampOffset { timestamp: -1, offset: self.base_offset });
        self.first_timestamp = None;
    }

    /// Walks the batches; where the valid ones end.
    fn scan_into_indexes<S: RecoverySink>(
        &mut self,
        env: SegmentEnv<'_>,
        from: ScanFrom,
        index_interval_bytes: u32,
        mut sink: Option<&mut S>,
        verify: bool,
    ) -> Result<u32, ScanError> {
        let file = self.log_file(env)?;
        let ScanFrom { position: mut valid, mut last_entry, mut last_offset } = from;
        let mut scanner = Scanner::new(&file, valid, self.size, SCAN_BUFFER);
        loop {
            let next = scanner.next_batch().and_then(|batch| match batch {
                Some(batch) if verify => scanner.check_crc(&batch).map(|()| Some(batch)),
                other => Ok(other),
            });
            let batch = match next {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(e) if e.is_old_format() || matches!(e, ScanError::Io(_)) => return Err(e),
                Err(invalid) => {
                    tracing::warn!("{}: {invalid}", self.log_path(env).display());
                    break;
                }
            };
            // Offsets that go backwards or do not fit are as invalid as a wrong CRC, which does not cover the first one: a page
            // that a power failure has torn may begin a batch elsewhere.
            if batch.header.base_offset() <= last_offset
                || batch.header.last_offset() < batch.header.base_offset()
                || self.relative(batch.header.last_offset()).is_none()
            {
                break;
            }
            last_offset = batch.header.last_offset();
            self.note_scanned(env, &batch, index_interval_bytes, &mut last_entry)?;
            if let Some(sink) = sink.as_deref_mut() {
                self.feed(env, &scanner, &batch, sink)?;
            }
            valid = batch.end();
        }
        self.bytes_since_index_entry = valid - last_entry;
        Ok(valid)
    }

    fn note_scanned(
        &mut self,
        env: SegmentEnv<'_>,
        batch: &ScannedBatch,
        index_interval_bytes: u32,
        last_entry: &mut u32,
    ) -> io::Result<()> {
        let (timestamp, offset) = (batch.header.max_timestamp(), batch.header.last_offset());
        if batch.position == 0 {
            self.first_timestamp = Some(timestamp);
        }
        if self.max_timestamp.is_none_or(|max| timestamp > max.timestamp) {
            self.max_timestamp = Some(TimestampOffset { timestamp, offset });
        }
        if batch.position - *last_entry > index_interval_bytes {
            self.push_index_entries(env, offset, batch.position)?;
            *last_entry = batch.position;
        }
        Ok(())
    }

    fn feed(
        &mut self,
        env: SegmentEnv<'_>,
        scanner: &Scanner<'_>,
        batch: &ScannedBatch,
        sink: &mut impl RecoverySink,
    ) -> io::Result<()> {
        let control = if batch.header.is_control() { scanner.control_batch(batch)? } else { None };
        match sink.batch(batch, control.as_deref())? {
            Some(aborted) => self.txns.append(env, &aborted),
            None => Ok(()),
        }
    }

    /// Cuts everything from `offset` on; how many bytes that were. The batch that holds `offset` goes as a
    /// whole.
    pub fn truncate_to(&mut self, env: SegmentEnv<'_>, offset: i64, now_ms: i64) -> io::Result<u32> {
        // Before the index is cut, so that the look-up is short.
        let found = self.translate_offset(env, offset)?;
        let keep_offsets = match self.relative(offset) {
            Some(relative) => self.offsets.find_last(env, |e| e.relative_offset < relative)?,
            None => None,
        };
        self.offsets.truncate(env, keep_offsets.map_or(0, |(at, _)| at + 1))?;
        let keep_times = match self.relative(offset) {
            Some(relative) => self.times.find_last(env, |e| e.relative_offset < relative)?,
            None => None,
        };
        self.times.truncate(env, keep_times.map_or(0, |(at, _)| at + 1))?;
        self.txns.truncate_to(env, offset)?;
        let Some(found) = found else { return Ok(0) };
        let truncated = self.size - found.position;
        let file = self.log_file(env)?;
        env.disk.set_len(&file, u64::from(found.position))?;
        // A power failure must not bring it back behind batches that are appended from now on.
        env.disk.sync_data(&file)?;
        (self.size, self.reserved, self.is_dirty) = (found.position, 0, true);
        self.bytes_since_index_entry = 0;
        if self.size == 0 {
            self.created_ms = now_ms;
            self.first_timestamp = None;
        }
        self.reload_max_timestamp(env)?;
        Ok(truncated)
    }

    /// The largest timestamp may have been cut off: looks in the time index and in what comes after it.
    fn reload_max_timestamp(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        self.max_timestamp = None;
        let mut max = self.max_timestamp(env)?;
        let start = match self.relative(max.offset) {
            Some(relative) => self.offsets.find_last(env, |e| e.relative_offset <= relative)?,
            None => None,
        };
        let from = start.map_or(0, |(_, e)| e.position);
        self.for_each_batch(env, from, self.size, |_, batch| {
            if batch.header.max_timestamp() > max.timestamp {
                max = TimestampOffset {
                    timestamp: batch.header.max_timestamp(),
                    offset: batch.header.last_offset(),
                };
            }
            Ok(())
        })?;
        self.max_timestamp = Some(max);
        Ok(())
    }
}

/// Of a walk that only builds indexes.
struct NoSink;

impl RecoverySink for NoSink {
    fn batch(&mut self, _: &ScannedBatch, _: Option<&[u8]>) -> io::Result<Option<AbortedTxn>> {
        Ok(None)
    }
}
