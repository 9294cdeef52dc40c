//! Walks the batches of a segment file without loading more of them than it must.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crc_fast::{CrcAlgorithm, Digest};
use ottla_protocol::records::{BATCH_HEADER_SIZE, BatchHeader, RecordsError};

use super::lazy_file::SegmentEnv;
use crate::fs::read_up_to;

/// Bytes read at a time while looking for one batch.
const LOOKUP_BUFFER: usize = 4 * 1024;
/// Bytes read at a time while reading a segment from end to end.
pub const SCAN_BUFFER: usize = 1024 * 1024;
/// What the CRC covers starts here.
const CRC_COVERS_FROM: usize = 21;
/// Messages before format 2: offset (int64), size (int32), CRC-32 of all that follows it (uint32).
const OLD_HEADER_SIZE: usize = 16;
/// Control batches hold one small record; anything larger is read without its content.
const CONTROL_BATCH_MAX: usize = 64 * 1024;

/// Why a walk ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes at this position are no batch.
    #[error("invalid batch at position {position}: {source}")]
    Invalid {
        /// Position in the file.
        position: u32,
        /// What is wrong.
        source: RecordsError,
    },
}

impl ScanError {
    /// Whether the batch is sound, but of a format that this release does not read. Such a log must not be
    /// "repaired" by cutting it.
    pub fn is_old_format(&self) -> bool {
        matches!(self, ScanError::Invalid { source: RecordsError::UnsupportedMagic(_), .. })
    }

    /// The error for an operation that cannot go on.
    pub fn into_io(self, path: &Path) -> io::Error {
        match self {
            ScanError::Io(e) => e,
            invalid => io::Error::new(io::ErrorKind::InvalidData, format!("{}: {invalid}", path.display())),
        }
    }
}

/// One batch of the file, as far as its header.
#[derive(Clone, Copy, Debug)]
pub struct ScannedBatch {
    /// The header.
    pub header: BatchHeader,
    /// Where the batch starts.
    pub position: u32,
}

impl ScannedBatch {
    /// Bytes of the batch. It lies in the file, so the size fits.
    pub fn size(&self) -> u32 {
        self.header.size() as u32
    }

    /// Where the next batch starts.
    pub fn end(&self) -> u32 {
        self.position + self.size()
    }
}

/// What is walked over.
enum Source<'f> {
    File(&'f File),
    /// A file that is read as the environment says.
    Segment(SegmentEnv<'f>, &'f Arc<File>),
}

impl Source<'_> {
    fn read_up_to(&self, target: &mut [u8], at: u32) -> io::Result<usize> {
        match self {
            Source::File(file) => read_up_to(file, target, u64::from(at)),
            Source::Segment(env, file) => env.read_up_to(file, target, u64::from(at)),
        }
    }
}

/// A walk over the batches between two positions of a file. It stops cleanly before a batch that is not whole.
pub struct Scanner<'f> {
    source: Source<'f>,
    buffer: Vec<u8>,
    buffered_at: u32,
    buffered: usize,
    buffer_size: usize,
    position: u32,
    end: u32,
}

impl<'f> Scanner<'f> {
    /// A walk from `position` to `end`, which reads `buffer_size` bytes at a time.
    pub fn new(file: &'f File, position: u32, end: u32, buffer_size: usize) -> Self {
        Self::over(Source::File(file), position, end, buffer_size)
    }

    /// A walk to find one batch, which waits for the disk only if `env` says so.
    pub fn lookup(env: SegmentEnv<'f>, file: &'f Arc<File>, position: u32, end: u32) -> Self {
        Self::over(Source::Segment(env, file), position, end, LOOKUP_BUFFER)
    }

    fn over(source: Source<'f>, position: u32, end: u32, buffer_size: usize) -> Self {
        let buffer_size = buffer_size.min(end.saturating_sub(position) as usize).max(BATCH_HEADER_SIZE);
        Self { source, buffer: Vec::new(), buffered_at: 0, buffered: 0, buffer_size, position, end }
    }

    /// Where the next batch starts.
    pub fn position(&self) -> u32 {
        self.position
    }

    /// The next batch; none at the end, and before a batch that goes beyond it.
    pub fn next_batch(&mut self) -> Result<Option<ScannedBatch>, ScanError> {
        if self.end.saturating_sub(self.position) < BATCH_HEADER_SIZE as u32 {
            return Ok(None);
        }
        let position = self.position;
        let bytes = self.bytes_at(position, BATCH_HEADER_SIZE)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(RecordsError::Incomplete { .. }) => return Ok(None),
            Err(RecordsError::UnsupportedMagic(magic)) => return Err(self.old_format(position, magic)?),
            Err(source) => return Err(ScanError::Invalid { position, source }),
        };
        if header.size() as u64 > u64::from(self.end - position) {
            return Ok(None);
        }
        let batch = ScannedBatch { header, position };
        self.position = batch.end();
        Ok(Some(batch))
    }

    /// An error unless the batch's CRC is right.
    pub fn check_crc(&mut self, batch: &ScannedBatch) -> Result<(), ScanError> {
        let from = batch.position + CRC_COVERS_FROM as u32;
        let computed = self.crc_of(CrcAlgorithm::Crc32Iscsi, from, batch.end())?;
        let stored = batch.header.crc();
        if computed == stored {
            return Ok(());
        }
        let source = RecordsError::InvalidCrc { stored, computed };
        Err(ScanError::Invalid { position: batch.position, source })
    }

    /// The error for a batch without the magic byte of today's format: what a torn write leaves is no old message.
    fn old_format(&mut self, position: u32, magic: i8) -> Result<ScanError, ScanError> {
        let mut source = RecordsError::UnsupportedMagic(magic);
        let header = self.bytes_at(position, OLD_HEADER_SIZE)?;
        let size = header.get(8..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_be_bytes(*b));
        let stored = header.get(12..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_be_bytes(*b));
        let end = position.saturating_add(12).saturating_add(size).min(self.end);
        let from = position + OLD_HEADER_SIZE as u32;
        let computed = self.crc_of(CrcAlgorithm::Crc32IsoHdlc, from, end)?;
        if computed != stored || size < OLD_HEADER_SIZE as u32 {
            source = RecordsError::InvalidCrc { stored, computed };
        }
        Ok(ScanError::Invalid { position, source })
    }

    /// The CRC of what lies between two positions, read in pieces when it is larger than the buffer.
    fn crc_of(&mut self, algorithm: CrcAlgorithm, from: u32, end: u32) -> io::Result<u32> {
        let mut digest = Digest::new(algorithm);
        let mut at = from;
        while at < end {
            let want = ((end - at) as usize).min(self.buffer_size);
            let piece = self.bytes_at(at, want)?;
            if piece.is_empty() {
                break;
            }
            digest.update(piece);
            at += piece.len() as u32;
        }
        Ok(digest.finalize() as u32)
    }

    /// All bytes of a control batch; none when it is too large to be one.
    pub fn control_batch(&self, batch: &ScannedBatch) -> io::Result<Option<Vec<u8>>> {
        if batch.header.size() > CONTROL_BATCH_MAX {
            return Ok(None);
        }
        self.read_batch(batch).map(Some)
    }

    /// All bytes of a batch.
    pub fn read_batch(&self, batch: &ScannedBatch) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; batch.header.size()];
        let filled = self.source.read_up_to(&mut bytes, batch.position)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// `len` bytes at `at`, or what the file still has of them.
    fn bytes_at(&mut self, at: u32, len: usize) -> io::Result<&[u8]> {
        let in_buffer = at.checked_sub(self.buffered_at).map(|from| from as usize);
        let from = match in_buffer {
            Some(from) if from + len <= self.buffered => from,
            _ => {
                self.buffer.resize(self.buffer_size.max(len), 0);
                (self.buffered_at, self.buffered) = (at, 0);
                let want = (self.end.saturating_sub(at) as usize).min(self.buffer.len());
                let target = self.buffer.get_mut(..want).unwrap_or_default();
                self.buffered = self.source.read_up_to(target, at)?;
                0
            }
        };
        Ok(self.buffer.get(from..self.buffered.min(from + len)).unwrap_or_default())
    }
}
