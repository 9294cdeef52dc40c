//! Reading: which stretch of which segment answers a fetch.

use ottla_protocol::ErrorCode;

use super::{LogState, PartitionLog};
use crate::cold::{Cold, OnCold};
use crate::error::StorageError;
use crate::hot_tail::HotTail;
use crate::piece::{FileRange, Piece};
use crate::segment::lazy_file::SegmentEnv;
use crate::segment::txn_index::AbortedTxn;
use crate::segment::{OffsetPosition, SegmentRead};

/// The answer to a read.
#[derive(Clone, Debug, Default)]
pub struct ReadData {
    /// The records, in order; none when there is nothing below the bound. They start with the batch that holds
    /// the offset, and may end within a batch.
    pub pieces: Vec<Piece>,
    /// Bytes of all pieces.
    pub size: usize,
    /// Base offset of the first batch; the offset asked for when there is none.
    pub first_offset: i64,
    /// Whether there are records, but the first batch is larger than was allowed.
    pub first_entry_incomplete: bool,
    /// The log's start when it was read.
    pub log_start_offset: i64,
    /// The last stable offset when it was read.
    pub last_stable_offset: i64,
    /// The high watermark when it was read.
    pub high_watermark: i64,
    /// The log's end when it was read.
    pub log_end_offset: i64,
    /// For [`PartitionLog::read_committed`]: transactions among the records that were aborted.
    pub aborted_transactions: Vec<AbortedTxn>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset lies before the log's start or behind its end.
    #[error(
        "Received request for offset {offset}, but we only have log segments in the range {log_start_offset} to {log_end_offset}."
    )]
    OffsetOutOfRange {
        /// Asked for.
        offset: i64,
        /// The log's start.
        log_start_offset: i64,
        /// The log's end.
        log_end_offset: i64,
    },
    /// What was looked for is not in memory, and the look was not to wait for the disk.
    #[error("{0}")]
    Cold(Cold),
    /// The storage failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Cold(cold) => ReadError::Cold(cold),
            other => ReadError::Storage(other),
        }
    }
}

impl TryFrom<ReadError> for Cold {
    type Error = ReadError;

    fn try_from(error: ReadError) -> Result<Self, ReadError> {
        match error {
            ReadError::Cold(cold) => Ok(cold),
            other => Err(other),
        }
    }
}

impl ReadError {
    /// The code to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            // Bytes that are no batch: as Kafka, which finds them when it looks for the offset.
            ReadError::Storage(StorageError::Corrupt { .. }) => ErrorCode::CorruptMessage,
            ReadError::Storage(e) => e.code(),
            ReadError::Cold(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// From where on.
    pub offset: i64,
    /// How much, in bytes.
    pub max_bytes: usize,
    /// Whether the first batch comes even if it is larger.
    pub min_one_message: bool,
    /// What to do where the place must be looked for on the disk.
    pub on_cold: OnCold,
}

/// A range of one segment.
pub(super) struct Found {
    segment: usize,
    read: SegmentRead,
}

impl Found {
    /// Whether it goes to the log's end.
    fn ends_with(&self, state: &LogState) -> bool {
        let end = self.read.first.position.saturating_add(self.read.len);
        self.segment + 1 == state.segments.len() && state.active().is_some_and(|active| active.size() <= end)
    }
}

impl PartitionLog {
    /// Finds the records from `offset` on, up to `max_bytes`, all below `upper_bound_offset` (the high
    /// watermark for consumers, the log's end for followers).
    ///
    /// The batch that holds `offset` comes as a whole, from its start. With `min_one_message` the first batch
    /// comes even if it is larger than `max_bytes`. A read ends with its segment. Nothing is read from disk but
    /// batch headers; the pieces are read or sent by the caller.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        min_one_message: bool,
        upper_bound_offset: i64,
    ) -> Result<ReadData, ReadError> {
        let options = ReadOptions { offset, max_bytes, min_one_message, on_cold: OnCold::Wait };
        self.read_with(options, upper_bound_offset)
    }

    /// Like [`PartitionLog::read`], but with [`OnCold::Tell`] in `options` never waits for the disk.
    ///
    /// # Errors
    /// [`ReadError::Cold`] where it would have to.
    pub fn read_with(&self, options: ReadOptions, upper_bound_offset: i64) -> Result<ReadData, ReadError> {
        Self::look(options.on_cold, |on_cold| {
            let mut state = self.open_state()?;
            let options = ReadOptions { on_cold, ..options };
            self.read_locked(&mut state, options, upper_bound_offset).map(|(data, _)| data)
        })
    }

    /// Like [`PartitionLog::read_with`] up to the last stable offset, with the transactions that a `read_committed`
    /// consumer must skip.
    pub fn read_committed(&self, options: ReadOptions) -> Result<ReadData, ReadError> {
        Self::look(options.on_cold, |on_cold| {
            let mut state = self.open_state()?;
            let options = ReadOptions { on_cold, ..options };
            let (mut data, found) = self.read_locked(&mut state, options, self.last_stable_offset())?;
            if let Some(found) = found
                && data.size > 0
            {
                let aborted = self.aborted_in(&mut state, options, &found);
                data.aborted_transactions = aborted.map_err(|e| self.fail("reading from", e))?;
            }
            Ok(data)
        })
    }

    pub(super) fn read_locked(
        &self,
        state: &mut LogState,
        options: ReadOptions,
        upper_bound_offset: i64,
    ) -> Result<(ReadData, Option<Found>), ReadError> {
        let offset = options.offset;
        let mut data = ReadData {
            first_offset: offset,
            log_start_offset: self.log_start_offset(),
            last_stable_offset: self.last_stable_offset(),
            high_watermark: self.high_watermark(),
            log_end_offset: self.log_end_offset(),
            ..Default::default()
        };
        let start = state.floor_segment(offset);
        let (Some(start), true) = (start, offset >= data.log_start_offset && offset <= data.log_end_offset)
        else {
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset: data.log_start_offset,
                log_end_offset: data.log_end_offset,
            });
        };
        if offset >= upper_bound_offset {
            self.want_tail(state);
            return Ok((data, None));
        }
        if options.max_bytes == 0 && !options.min_one_message {
            return Ok((data, None));
        }
        state.used = true;
        let found = self.find(state, start, options, upper_bound_offset);
        let found = found.map_err(|e| self.fail("reading from", e))?;
        if let Some(found) = &found {
            data.first_offset = found.read.first.base_offset;
            data.first_entry_incomplete = found.read.first_is_incomplete;
            if found.read.len > 0 && !found.read.first_is_incomplete {
                data.pieces = self.pieces(state, options, found).map_err(|e| self.fail("reading from", e))?;
                data.size = found.read.len as usize;
            }
        }
        if found.as_ref().is_none_or(|found| found.ends_with(state)) {
            self.want_tail(state);
        }
        Ok((data, found))
    }

    /// Somebody reads at the log's end, and will want what comes next.
    fn want_tail(&self, state: &mut LogState) {
        state.tail.get_or_insert_with(|| Box::new(HotTail::new(&self.context.tail_budget))).want();
    }

    /// The first range at or after `offset`: when a segment has nothing there (its end was compacted away), the
    /// next one is asked.
    fn find(
        &self,
        state: &mut LogState,
        start: usize,
        options: ReadOptions,
        upper_bound_offset: i64,
    ) -> std::io::Result<Option<Found>> {
        let ReadOptions { offset, max_bytes, min_one_message, on_cold } = options;
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX).min(i32::MAX as u32);
        let dir = state.dir.clone();
        let env = self.env_with(&dir, on_cold);
        for at in start..state.segments.len() {
            if state.segments.get(at).is_some_and(|s| s.base_offset >= upper_bound_offset) {
                return Ok(None);
            }
            if at + 1 == state.segments.len()
                && let Some(hot) = state.tail.as_mut().and_then(|tail| tail.find(offset))
            {
                let first = OffsetPosition {
                    base_offset: hot.first_base_offset,
                    position: hot.position,
                    size: hot.first_batch_size,
                };
                let max_position = self.bound_position(state, env, at, upper_bound_offset)?;
                let read = SegmentRead::new(first, max_bytes, max_position, min_one_message);
                return Ok(Some(Found { segment: at, read }));
            }
            let max_position = self.bound_position(state, env, at, upper_bound_offset)?;
            let Some(segment) = state.segments.get_mut(at) else { return Ok(None) };
            if let Some(read) = segment.read(env, offset, max_bytes, max_position, min_one_message)? {
                return Ok(Some(Found { segment: at, read }));
            }
        }
        Ok(None)
    }

    /// Where in the segment number `at` reading must end, so that nothing from `bound` on is served.
    fn bound_position(
        &self,
        state: &mut LogState,
        env: SegmentEnv<'_>,
        at: usize,
        bound: i64,
    ) -> std::io::Result<u32> {
        let next_base = state.segments.get(at + 1).map_or(self.log_end_offset(), |s| s.base_offset);
        let Some(segment) = state.segments.get_mut(at) else { return Ok(0) };
        if bound >= next_base {
            return Ok(segment.size());
        }
        let base_offset = segment.base_offset;
        if let Some((offset, base, position)) = state.read_bound
            && (offset, base) == (bound, base_offset)
        {
            return Ok(position);
        }
        let tail = state.tail.as_mut().filter(|_| next_base == self.log_end_offset());
        let position = match tail.and_then(|tail| tail.find(bound)) {
            Some(hot) => hot.position,
            None => segment.translate_offset(env, bound)?.map_or(segment.size(), |p| p.position),
        };
        state.read_bound = Some((bound, base_offset, position));
        Ok(position)
    }

    fn pieces(
        &self,
        state: &mut LogState,
        options: ReadOptions,
        found: &Found,
    ) -> std::io::Result<Vec<Piece>> {
        let read = &found.read;
        if found.segment + 1 == state.segments.len()
            && let Some(tail) = &mut state.tail
            && let Some(hot) = tail.find(options.offset)
            && hot.position == read.first.position
            && let Some(pieces) = tail.take(&hot, read.len as usize)
        {
            return Ok(pieces);
        }
        let dir = state.dir.clone();
        let Some(segment) = state.segments.get_mut(found.segment) else { return Ok(Vec::new()) };
        let file = segment.log_file(self.env_with(&dir, options.on_cold))?;
        Ok(vec![Piece::File(FileRange { file, position: u64::from(read.first.position), len: read.len })])
    }

    /// The aborted transactions that overlap a range that was found.
    fn aborted_in(
        &self,
        state: &mut LogState,
        options: ReadOptions,
        found: &Found,
    ) -> std::io::Result<Vec<AbortedTxn>> {
        let dir = state.dir.clone();
        let env = self.env_with(&dir, options.on_cold);
        let end_position = found.read.first.position.saturating_add(found.read.len);
        let next_base =
            state.segments.get(found.segment + 1).map_or(self.log_end_offset(), |s| s.base_offset);
        let upper_bound = match state.segments.get_mut(found.segment) {
            Some(segment) => segment.upper_bound_offset(env, end_position)?.unwrap_or(next_base),
            None => next_base,
        };
        let mut aborted = Vec::new();
        for segment in state.segments.iter_mut().skip(found.segment) {
            if segment.txns.collect(env, options.offset, upper_bound, &mut aborted)? {
                break;
            }
        }
        Ok(aborted)
    }

    /// All aborted transactions that overlap `from..upper_bound`. Blocks.
    pub fn aborted_transactions(&self, from: i64, upper_bound: i64) -> Result<Vec<AbortedTxn>, StorageError> {
        Self::look(OnCold::Wait, |on_cold| {
            let mut state = self.open_state()?;
            let dir = state.dir.clone();
            let env = self.env_with(&dir, on_cold);
            let start = state.floor_segment(from).unwrap_or(0);
            let mut aborted = Vec::new();
            for segment in state.segments.iter_mut().skip(start) {
                let done = segment.txns.collect(env, from, upper_bound, &mut aborted);
                if done.map_err(|e| self.fail("reading from", e))? {
                    break;
                }
            }
            Ok(aborted)
        })
    }
}
