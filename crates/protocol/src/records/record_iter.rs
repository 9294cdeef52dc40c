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

    fn parse_next(&mut self) -> Result<Record, RecordsError> {
        let rest = self.payload.get(self.position..).unwrap_or_default();
        let mut refs = RecordRefs { cursor: Cursor::new(rest), left: self.left };
        let record = refs.parse_next()?;
        self.position = self.payload.len() - refs.cursor.len();
        Ok(self.to_owned(&record))
    }

    fn to_owned(&self, record: &RecordRef<'_>) -> Record {
        let header = &self.header;
        let own = |bytes: &[u8]| self.payload.slice_ref(bytes);
        Record {
            offset: header.base_offset.wrapping_add(i64::from(record.offset_delta)),
            timestamp: record.timestamp(header.timestamp_type(), header.base_timestamp, header.max_timestamp),
            sequence: if header.base_sequence >= 0 {
                increment_sequence(header.base_sequence, record.offset_delta)
            } else {
                NO_SEQUENCE
            },
            key: record.key.map(own),
            value: record.value.map(own),
            headers: record
                .headers()
                .map(|header| Header { key: header_key(own(header.key)), value: header.value.map(own) })
                .collect(),
        }
    }
}

fn header_key(bytes: Bytes) -> Str {
    match std::str::from_utf8(&bytes) {
        Ok(_) => Str::try_from(bytes).unwrap_or_default(),
        Err(_) => Str::from(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

impl Iterator for RecordIter {
    type Item = Result<Record, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.parse_next();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

impl std::iter::FusedIterator for RecordIter {}
