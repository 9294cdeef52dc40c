//! The records of a batch, one after another.

use bytes::Bytes;

use super::varint::Cursor;
use super::{BatchHeader, Header, NO_SEQUENCE, Record, RecordRef, RecordsError, increment_sequence};
use crate::Str;

/// Yields each record of a batch where it lies. Ends after the first error.
///
/// As in Kafka, the records must fill the payload: bytes behind the last one are an error, and so is a
/// payload that ends before the header's count is reached. A batch with count 0 has no records whatever its
/// payload is.
#[derive(Clone, Debug)]
pub struct RecordRefs<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> RecordRefs<'a> {
    pub(super) fn new(header: &BatchHeader, payload: &'a [u8]) -> Result<Self, RecordsError> {
        let left = u32::try_from(header.records_count)
            .map_err(|_| RecordsError::InvalidRecordCount(header.records_count))?;
        Ok(Self { cursor: Cursor::new(payload), left })
    }

    fn parse_next(&mut self) -> Result<RecordRef<'a>, RecordsError> {
        if self.cursor.is_empty() {
            return Err(RecordsError::InvalidRecord("Incorrect declared batch size, premature EOF reached"));
        }
        let record = RecordRef::parse(&mut self.cursor)?;
        if self.left == 0 && !self.cursor.is_empty() {
            return Err(RecordsError::InvalidRecord(
                "Incorrect declared batch size, records still remaining in file",
            ));
        }
        Ok(record)
    }
}

impl<'a> Iterator for RecordRefs<'a> {
    type Item = Result<RecordRef<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.parse_next();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

impl std::iter::FusedIterator for RecordRefs<'_> {}

/// Yields each record of a batch as an owned [`Record`] that shares one buffer with the others. Ends after
/// the first error; see [`RecordRefs`] for what is one.
#[derive(Clone, Debug)]
pub struct RecordIter {
    header: BatchHeader,
    payload: Bytes,
    position: usize,
    left: u32,
}

impl RecordIter {
    pub(super) fn new(header: &BatchHeader, payload: Bytes) -> Result<Self, RecordsError> {
        let left = RecordRefs::new(header, &payload)?.left;
        Ok(Self { header: *header, payload, position: 0, left })
    }

    /// The next record where it lies, for whoever makes something else of it than a [`Record`]. Ends after the first
    /// error, as the iterator does.
    #[inline]
    pub fn next_view(&mut self) -> Option<Result<RecordView<'_>, RecordsError>> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.payload.get(self.position..).unwrap_or_default();
        let mut refs = RecordRefs { cursor: Cursor::new(rest), left: self.left };
        match refs.parse_next() {
            Ok(record) => {
                self.position += record.size;
                Some(Ok(RecordView { header: &self.header, payload: &self.payload, record }))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

/// A record of a [`RecordIter`], and what makes an owned one of it: keys, values and headers are slices of the
/// iterator's buffer.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    header: &'a BatchHeader,
    payload: &'a Bytes,
    record: RecordRef<'a>,
}

impl RecordView<'_> {
    /// Offset in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.header.base_offset.wrapping_add(i64::from(self.record.offset_delta))
    }

    /// Unix ms; -1: none.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        let header = self.header;
        self.record.timestamp(header.timestamp_type(), header.base_timestamp, header.max_timestamp)
    }

    /// Sequence number of its idempotent producer, or -1.
    pub fn sequence(&self) -> i32 {
        if self.header.base_sequence >= 0 {
            increment_sequence(self.header.base_sequence, self.record.offset_delta)
        } else {
            NO_SEQUENCE
        }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> Option<Bytes> {
        self.record.key.map(|key| self.payload.slice_ref(key))
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Option<Bytes> {
        self.record.value.map(|value| self.payload.slice_ref(value))
    }

    /// How many headers there are.
    #[inline]
    pub fn headers_count(&self) -> usize {
        self.record.headers_count()
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = Header> + '_ {
        let own = |bytes: &[u8]| self.payload.slice_ref(bytes);
        self.record
            .headers()
            .map(move |header| Header { key: header_key(own(header.key)), value: header.value.map(own) })
    }

    fn to_record(self) -> Record {
        Record {
            offset: self.offset(),
            timestamp: self.timestamp(),
            sequence: self.sequence(),
            key: self.key(),
            value: self.value(),
            headers: if self.headers_count() == 0 { Vec::new() } else { self.headers().collect() },
        }
    }
}

fn header_key(bytes: Bytes) -> Str {
    match std::str::from_utf8(&bytes) {
        Ok(_) => Str::try_from(bytes).unwrap_or_default(),
        Err(_) => Str::from(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Bytes of the smallest record: seven numbers of one byte.
const RECORD_BYTES_MIN: usize = 7;

impl Iterator for RecordIter {
    type Item = Result<Record, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_view()?.map(RecordView::to_record))
    }

    /// No more than the bytes that are left can hold, whatever count the header has; an error counts as one.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = (self.payload.len() - self.position) / RECORD_BYTES_MIN + 1;
        (0, usize::try_from(self.left).ok().map(|left| left.min(held)))
    }
}

impl std::iter::FusedIterator for RecordIter {}
