//! Batches of a segment or snapshot, read one at a time (Kafka: `FileRecords`, `FileLogInputStream`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ottla_protocol::records::{
    BATCH_HEADER_SIZE, BatchHeader, HEADER_SIZE_UP_TO_MAGIC, RecordBatch, RecordIter, RecordsError,
};

use super::failure::DumpFailure;

/// What the records of one batch may decompress to, in bytes: far more than any broker takes, far less than what
/// a damaged or hostile batch could ask for.
const DECOMPRESSED_MAX: usize = 1 << 30;

/// An open log or snapshot file.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    path: PathBuf,
    len: u64,
}

/// One batch and where it is.
#[derive(Debug)]
pub struct FileBatch {
    /// Position in the file.
    pub position: u64,
    /// Its 61 bytes.
    pub header: BatchHeader,
    bytes: Bytes,
}

impl LogFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open(path: &Path) -> Result<Self, DumpFailure> {
        let file = File::open(path).map_err(|why| DumpFailure::open(path, &why))?;
        let len = file.metadata()?.len();
        Ok(Self { file, path: path.to_owned(), len })
    }

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The batches that lie within `size` bytes from `position`.
    ///
    /// # Errors
    /// When the position is behind the end.
    pub fn batches(&self, position: u64, size: u64) -> Result<Batches<'_>, DumpFailure> {
        if position > self.len {
            return Err(DumpFailure::thrown(
                "java.lang.IllegalArgumentException",
                format!(
                    "Slice from position {position} exceeds end position of FileRecords(size={}, file={}, \
                     start=0, end=2147483647)",
                    self.len,
                    self.path.display()
                ),
            ));
        }
        Ok(Batches { log: self, position, end: position.saturating_add(size).min(self.len) })
    }
}

/// Batches one after another; an incomplete one at the end is not among them.
#[derive(Debug)]
pub struct Batches<'a> {
    log: &'a LogFile,
    position: u64,
    end: u64,
}

impl Batches<'_> {
    /// The next batch's header and position, without its records.
    ///
    /// # Errors
    /// When what follows is no batch.
    pub fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, DumpFailure> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left <= HEADER_SIZE_UP_TO_MAGIC as u64 {
            return Ok(None);
        }
        let mut head = [0; BATCH_HEADER_SIZE];
        let wanted = head.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let head = head.get_mut(..wanted).unwrap_or_default();
        self.log.file.read_exact_at(head, position)?;
        let size = BatchHeader::peek_size(head).map_err(|why| self.corrupt(&why))? as u64;
        if size > left {
            return Ok(None);
        }
        self.position = position.saturating_add(size);
        let header = BatchHeader::parse(head).map_err(|why| self.corrupt(&why))?;
        Ok(Some((position, header)))
    }

    /// The next batch with its records.
    ///
    /// # Errors
    /// When what follows is no batch.
    pub fn next_batch(&mut self) -> Result<Option<FileBatch>, DumpFailure> {
        let Some((position, header)) = self.next_header()? else { return Ok(None) };
        // Not more than what the file has: the size was checked against it.
        let mut bytes = vec![0; header.size()];
        self.log.file.read_exact_at(&mut bytes, position)?;
        Ok(Some(FileBatch { position, header, bytes: bytes.into() }))
    }

    fn corrupt(&self, why: &RecordsError) -> DumpFailure {
        DumpFailure::corrupt(format!("{why} at position {} of {}", self.position, self.log.path.display()))
    }
}

impl FileBatch {
    /// Whether the checksum is right.
    pub fn is_valid(&self) -> bool {
        RecordBatch::parse(&self.bytes).is_ok_and(|(batch, _)| batch.verify_crc())
    }

    /// The records, decompressed.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn records(&self) -> Result<RecordIter, DumpFailure> {
        let corrupt = |why: RecordsError| DumpFailure::corrupt(why.to_string());
        let (batch, _) = RecordBatch::parse(&self.bytes).map_err(corrupt)?;
        batch.records_in(&self.bytes, DECOMPRESSED_MAX).map_err(corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::{BatchBuilder, BatchOptions};

    fn batch(base_offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..Default::default() });
        builder.append(5, None, Some(b"v"), &[]).expect("append");
        builder.build().expect("build").to_vec()
    }

    #[test]
    fn a_torn_batch_is_not_given_and_junk_is_an_error() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("00000000000000000000.log");
        let (one, two) = (batch(0), batch(1));
        let mut bytes = [one.clone(), two.clone()].concat();
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&path, &bytes).expect("write");
        let log = LogFile::open(&path).expect("open");
        let mut batches = log.batches(0, u64::MAX).expect("batches");
        let first = batches.next_batch().expect("reads").expect("one");
        assert!(first.is_valid() && first.position == 0);
        assert_eq!(first.records().expect("records").count(), 1);
        assert!(batches.next_batch().expect("reads").is_none());
        assert!(log.batches(1 << 40, 1).is_err());

        std::fs::write(&path, [one, vec![0; 100]].concat()).expect("write");
        let log = LogFile::open(&path).expect("open");
        let mut batches = log.batches(0, u64::MAX).expect("batches");
        assert!(batches.next_header().expect("reads").is_some());
        assert!(batches.next_header().is_err());
    }
}
