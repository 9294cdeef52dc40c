//! What has been read of the log for a share fetch: the headers of its batches, and of its bytes the part
//! that was acquired (`ShareFetchUtils.maybeSliceFetchRecords`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ottla_coordinator::share::partition::{AcquiredRecords, FetchedBatch};
use ottla_net::read_resident;
use ottla_protocol::records::{
    BATCH_HEADER_SIZE, BatchHeader, ControlRecordType, HEADER_SIZE_UP_TO_MAGIC, RecordBatch,
};
use ottla_storage::{FileRange, Piece};

/// A control batch holds one record with a short key and value; what is longer is not looked at.
const CONTROL_BATCH_BYTES_MAX: usize = 4096;

/// A batch, and where it lies in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// What decides who gets its records.
    pub batch: FetchedBatch,
    /// Where it starts, in bytes.
    pub position: usize,
    /// Its length in bytes.
    pub size: usize,
}

/// The whole batches in what was read, up to the one with `last_offset`. Waits for the disk where it must.
///
/// # Errors
/// When a file can't be read, or the bytes are no batches.
pub fn scan(pieces: &[Piece], last_offset: i64) -> io::Result<Vec<ReadBatch>> {
    scan_with(pieces, last_offset, |file, buf, at| file.read_exact_at(buf, at))
}

/// Likewise without waiting: `None` when something is not in the page cache.
///
/// # Errors
/// As [`scan`].
pub fn scan_resident(pieces: &[Piece], last_offset: i64) -> io::Result<Option<Vec<ReadBatch>>> {
    let read = |file: &File, buf: &mut [u8], at| match read_resident(file, at, buf)? {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    };
    match scan_with(pieces, last_offset, read) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        found => found.map(Some),
    }
}

fn scan_with(
    pieces: &[Piece],
    last_offset: i64,
    read: impl Fn(&File, &mut [u8], u64) -> io::Result<()>,
) -> io::Result<Vec<ReadBatch>> {
    let mut batches = Vec::new();
    let mut cursor = Cursor { pieces, piece_start: 0, read };
    let total: usize = pieces.iter().map(Piece::len).sum();
    let mut position = 0;
    while total.saturating_sub(position) >= BATCH_HEADER_SIZE {
        let mut header = [0; BATCH_HEADER_SIZE];
        cursor.read(position, &mut header)?;
        let size = BatchHeader::peek_size(&header[..HEADER_SIZE_UP_TO_MAGIC]).map_err(corrupt)?;
        if size > total - position {
            break;
        }
        let header = BatchHeader::parse(&header).map_err(corrupt)?;
        let is_abort_marker =
            header.is_control() && size <= CONTROL_BATCH_BYTES_MAX && is_abort(&mut cursor, position, size)?;
        let batch = FetchedBatch {
            base_offset: header.base_offset(),
            last_offset: header.last_offset(),
            producer_id: header.producer_id(),
            is_transactional: header.is_transactional(),
            is_abort_marker,
        };
        batches.push(ReadBatch { batch, position, size });
        position += size;
        if batch.last_offset >= last_offset {
            break;
        }
    }
    Ok(batches)
}

/// The bytes of the batches that hold what was acquired.
pub fn slice(pieces: Vec<Piece>, batches: &[ReadBatch], acquired: &[AcquiredRecords]) -> (Vec<Piece>, usize) {
    let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else { return (Vec::new(), 0) };
    let held = batches.iter().filter(|read| {
        read.batch.last_offset >= first.first_offset && read.batch.base_offset <= last.last_offset
    });
    let (start, end) = held.fold((usize::MAX, 0), |(start, end), read| {
        (start.min(read.position), end.max(read.position + read.size))
    });
    let mut out = Vec::with_capacity(pieces.len());
    let mut at = 0;
    for piece in pieces {
        let (from, to) = (at, at + piece.len());
        at = to;
        let (from, to) = (start.max(from) - from, end.min(to).saturating_sub(from));
        if from < to {
            out.push(part(piece, from, to));
        }
    }
    (out, end.saturating_sub(start))
}

fn part(piece: Piece, from: usize, to: usize) -> Piece {
    match piece {
        Piece::Bytes(bytes) => Piece::Bytes(bytes.slice(from..to)),
        // Both lie within the range, whose length is a `u32`.
        Piece::File(range) => Piece::File(FileRange {
            file: range.file,
            position: range.position + from as u64,
            len: (to - from) as u32,
        }),
    }
}

fn is_abort<R: Fn(&File, &mut [u8], u64) -> io::Result<()>>(
    cursor: &mut Cursor<'_, R>,
    position: usize,
    size: usize,
) -> io::Result<bool> {
    let mut bytes = vec![0; size];
    cursor.read(position, &mut bytes)?;
    let (batch, _) = RecordBatch::parse(&bytes).map_err(corrupt)?;
    let first = batch.records(CONTROL_BATCH_BYTES_MAX).map_err(corrupt)?.next();
    let key = first.transpose().map_err(corrupt)?.and_then(|record| record.key).unwrap_or_default();
    Ok(matches!(ControlRecordType::parse(&key), Ok(Some(ControlRecordType::Abort))))
}

fn corrupt(why: ottla_protocol::records::RecordsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Reads across pieces, which need not end where batches do. Positions must not go back.
struct Cursor<'a, R> {
    pieces: &'a [Piece],
    /// Where the first of `pieces` starts.
    piece_start: usize,
    /// Fills a buffer from a position of a file.
    read: R,
}

impl<R: Fn(&File, &mut [u8], u64) -> io::Result<()>> Cursor<'_, R> {
    fn read(&mut self, position: usize, buf: &mut [u8]) -> io::Result<()> {
        while let Some((first, rest)) = self.pieces.split_first()
            && self.piece_start + first.len() <= position
        {
            self.piece_start += first.len();
            self.pieces = rest;
        }
        let (mut left, mut skip) = (buf, position.saturating_sub(self.piece_start));
        for piece in self.pieces {
            if left.is_empty() {
                break;
            }
            let len = piece.len().saturating_sub(skip).min(left.len());
            let (now, later) = left.split_at_mut(len);
            match piece {
                Piece::Bytes(bytes) => now.copy_from_slice(&bytes[skip..skip + len]),
                Piece::File(range) => (self.read)(&range.file, now, range.position + skip as u64)?,
            }
            (left, skip) = (later, 0);
        }
        if left.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ottla_protocol::records::{BatchBuilder, BatchOptions, EndTransactionMarker, end_transaction_batch};

    use super::*;

    fn batch(base_offset: i64, records: i64) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..Default::default() });
        for _ in 0..records {
            builder.append(1, None, Some(b"value"), &[]).expect("fits");
        }
        builder.build().expect("builds")
    }

    fn three() -> (Vec<u8>, [usize; 3]) {
        let marker = EndTransactionMarker { committed: false, coordinator_epoch: 0 };
        let marker = end_transaction_batch(7, 0, 1, marker).expect("builds");
        let batches = [batch(0, 3), batch(3, 2), marker];
        (batches.concat(), batches.map(|batch| batch.len()))
    }

    #[test]
    fn batches_are_found_wherever_pieces_end() {
        let (bytes, sizes) = three();
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("f");
        std::fs::write(&path, &bytes).expect("written");
        let file = std::sync::Arc::new(std::fs::File::open(&path).expect("opens"));
        for cut in [1, 21, 61, 100, sizes[0], sizes[0] + 61, bytes.len() - 1] {
            let piece = |from: usize, to: usize| Piece::Bytes(Bytes::copy_from_slice(&bytes[from..to]));
            let len = (bytes.len() - cut) as u32;
            let end = Piece::File(FileRange { file: file.clone(), position: cut as u64, len });
            for pieces in [vec![piece(0, cut), piece(cut, bytes.len())], vec![piece(0, cut), end]] {
                let found = scan(&pieces, i64::MAX).expect("scans");
                let (position, size) = (sizes[0], sizes[1]);
                assert_eq!(found.len(), 3);
                assert_eq!(
                    (found[1].position, found[1].size, found[1].batch.last_offset),
                    (position, size, 4)
                );
                assert_eq!(
                    found.iter().map(|read| read.batch.is_abort_marker).collect::<Vec<_>>(),
                    [false, false, true]
                );
            }
        }
        let torn = [Piece::Bytes(Bytes::copy_from_slice(&bytes[..bytes.len() - 1]))];
        assert_eq!(scan(&torn, i64::MAX).expect("scans").len(), 2, "a batch that is not whole is left out");
        assert!(scan(&[Piece::Bytes(Bytes::from(vec![0; 100]))], i64::MAX).is_err());
    }

    #[test]
    fn only_batches_with_acquired_records_are_sent() {
        let (bytes, sizes) = three();
        let cut = 30;
        let pieces = vec![
            Piece::Bytes(Bytes::copy_from_slice(&bytes[..cut])),
            Piece::Bytes(Bytes::copy_from_slice(&bytes[cut..])),
        ];
        let batches = scan(&pieces, i64::MAX).expect("scans");
        let sent = |first_offset, last_offset| {
            let acquired = [AcquiredRecords { first_offset, last_offset, delivery_count: 1 }];
            let (pieces, size) = slice(pieces.clone(), &batches[..2], &acquired);
            let sent: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_bytes().expect("bytes")).collect();
            assert_eq!(sent.len(), size);
            sent
        };
        assert_eq!(sent(1, 2), bytes[..sizes[0]]);
        assert_eq!(sent(3, 3), bytes[sizes[0]..sizes[0] + sizes[1]]);
        assert_eq!(sent(2, 3), bytes[..sizes[0] + sizes[1]]);
    }
}
