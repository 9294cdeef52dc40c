//! A stretch of a log as it is handed to the network: bytes in memory, or a range of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// A range of a segment file. It stays readable when the segment is renamed or unlinked meanwhile.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The open file.
    pub file: Arc<File>,
    /// Where the range starts, in bytes from the file's start.
    pub position: u64,
    /// Length in bytes.
    pub len: u32,
}

/// One stretch of records.
#[derive(Clone, Debug)]
pub enum Piece {
    /// From the hot tail: shared with the log, not copied.
    Bytes(Bytes),
    /// From a segment file: to be sent with `sendfile`, or read where blocking is allowed.
    File(FileRange),
}

impl Piece {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(range) => range.len as usize,
        }
    }

    /// Whether the piece holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The piece's bytes, read from the file if they are there. Blocks on a cold page.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match self {
            Piece::Bytes(bytes) => Ok(bytes.clone()),
            Piece::File(range) => {
                let mut buf = vec![0; range.len as usize];
                range.file.read_exact_at(&mut buf, range.position)?;
                Ok(buf.into())
            }
        }
    }
}
