//! Reading a segment in chunks of whole batches, into a buffer that grows for a batch that needs it.

use std::io;

use ottla_protocol::records::{BatchHeader, RecordBatch, RecordsError};

use super::error::CleanError;
use crate::fs::read_up_to;
use crate::log::SourceSegment;

/// Smaller buffers read no header.
const BUFFER_MIN: usize = 1024;

/// The read buffer of a cleaner.
#[derive(Debug)]
pub(super) struct ChunkBuffer {
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes that the buffer has as long as batches fit.
    initial: usize,
    /// Bytes that it grows to whatever the log's `max.message.bytes`.
    max: usize,
}

/// Why no chunk was read.
pub(super) enum ChunkError {
    Io(io::Error),
    Records(RecordsError),
    Impossible(&'static str),
}

impl ChunkError {
    /// With the place; `fail` is told of errors of the disk.
    pub(super) fn at(
        self,
        base_offset: i64,
        position: u32,
        fail: impl Fn(io::Error) -> CleanError,
    ) -> CleanError {
        match self {
            ChunkError::Io(e) => fail(e),
            ChunkError::Records(source) => CleanError::Records { base_offset, position, source },
            ChunkError::Impossible(why) => CleanError::Impossible(why),
        }
    }
}

impl ChunkBuffer {
    pub(super) fn new(initial: usize, max: usize) -> Self {
        let initial = initial.max(BUFFER_MIN);
        Self { buffer: Vec::new(), filled: 0, initial, max: max.max(initial) }
    }

    /// Gives memory back that only few batches need.
    pub(super) fn restore(&mut self) {
        self.filled = 0;
        if self.buffer.len() > self.initial {
            self.buffer = Vec::new();
        }
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self) {
        self.filled = 0;
        self.buffer = Vec::new();
    }

    /// Reads from `position` on; at least one whole batch, or nothing at the segment's end. What was read before is
    /// gone. Returns the bytes of whole batches.
    pub(super) fn fill(
        &mut self,
        source: &SourceSegment,
        position: u32,
        max_message_bytes: u32,
    ) -> Result<&[u8], ChunkError> {
        let left = source.bytes.saturating_sub(position) as usize;
        if self.buffer.len() < self.initial {
            self.buffer.resize(self.initial, 0);
        }
        loop {
            let want = left.min(self.buffer.len());
            let place = self.buffer.get_mut(..want).unwrap_or_default();
            self.filled = read_up_to(&source.file, place, u64::from(position)).map_err(ChunkError::Io)?;
            let whole = whole_batches(self.buffer.get(..self.filled).unwrap_or_default())?;
            if whole > 0 || left == 0 {
                return Ok(self.buffer.get(..whole).unwrap_or_default());
            }
            self.grow(left, max_message_bytes as usize)?;
        }
    }

    /// Makes room for a batch that is larger than the buffer, up to the largest that the log may hold, and for one
    /// that is there all the same (the limit was once higher).
    fn grow(&mut self, left: usize, max_message_bytes: usize) -> Result<(), ChunkError> {
        let capacity = self.buffer.len();
        let read = self.buffer.get(..self.filled).unwrap_or_default();
        let size = BatchHeader::peek_size(read).map_err(ChunkError::Records)?;
        if size > left {
            return Err(ChunkError::Records(RecordsError::Incomplete { needed: size, available: left }));
        }
        let limit = if capacity >= max_message_bytes { size } else { max_message_bytes }.max(self.max);
        if capacity >= limit || size <= capacity {
            return Err(ChunkError::Impossible("the log holds a batch that cannot be read"));
        }
        let grown = capacity.saturating_mul(2).min(limit);
        tracing::debug!("Growing cleaner I/O buffer from {capacity} bytes to {grown} bytes");
        self.buffer.resize(grown, 0);
        Ok(())
    }
}

/// Bytes of the whole batches at the start of `bytes`.
fn whole_batches(bytes: &[u8]) -> Result<usize, ChunkError> {
    let mut rest = bytes;
    loop {
        match RecordBatch::parse(rest) {
            Ok((_, behind)) => rest = behind,
            Err(RecordsError::Incomplete { .. }) => return Ok(bytes.len() - rest.len()),
            // What comes before is cleaned; the next chunk starts with the damage.
            Err(_) if rest.len() < bytes.len() => return Ok(bytes.len() - rest.len()),
            Err(e) => return Err(ChunkError::Records(e)),
        }
    }
}
