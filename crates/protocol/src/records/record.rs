//! One record inside a batch.
//!
//! Layout (`org.apache.kafka.common.record.internal.DefaultRecord`): varint length of what follows, one byte
//! of unused attributes, varlong timestamp delta, varint offset delta, key and value each behind a varint
//! length (negative: null), varint headers count, and per header a key behind a varint length and a value
//! behind one (negative: null).

use bytes::Bytes;

use super::varint::{Cursor, put_varint, put_varlong, size_of_varlong, zig_zag};
use super::{RecordsError, TimestampType};
use crate::Str;

const MALFORMED: RecordsError = RecordsError::InvalidRecord("Found invalid record structure");

/// A record with what the batch adds to it: absolute offset and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Offset in the partition.
    pub offset: i64,
    /// Unix ms; -1: none. The batch's append time when its timestamp type is
    /// [`TimestampType::LogAppendTime`].
    pub timestamp: i64,
    /// Sequence number of its idempotent producer, or -1.
    pub sequence: i32,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Headers, in order; keys may repeat.
    pub headers: Vec<Header>,
}

/// A header of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The key. Bytes that are not UTF-8 have been replaced by U+FFFD, as Kafka's clients do.
    pub key: Str,
    /// The value.
    pub value: Option<Bytes>,
}

/// A record where it lies. Its form has been checked as a whole, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Unused; Kafka writes 0.
    pub attributes: i8,
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Bytes of the record, its length field included.
    pub size: usize,
    headers_count: usize,
    headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Headers in the record.
    pub fn headers_count(&self) -> usize {
        self.headers_count
    }

    /// The headers, in order.
    pub fn headers(&self) -> HeaderRefs<'a> {
        HeaderRefs { cursor: Cursor::new(self.headers), left: self.headers_count }
    }

    /// The record's time in a batch with these header fields, Unix ms.
    pub(super) fn timestamp(
        &self,
        timestamp_type: TimestampType,
        base_timestamp: i64,
        max_timestamp: i64,
    ) -> i64 {
        match timestamp_type {
            TimestampType::CreateTime => base_timestamp.wrapping_add(self.timestamp_delta),
            TimestampType::LogAppendTime => max_timestamp,
        }
    }

    /// Takes one record off `cursor`.
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, RecordsError> {
        let before = cursor.len();
        let length = cursor.varint().ok_or(MALFORMED)?;
        let length = usize::try_from(length)
            .map_err(|_| RecordsError::InvalidRecord("Invalid negative record size"))?;
        let body = cursor.take(length).ok_or(RecordsError::InvalidRecord(
            "Invalid record size: more bytes than are left in the batch",
        ))?;
        let size = before - cursor.len();
        Self::parse_body(Cursor::new(body), size)
    }

    fn parse_body(mut body: Cursor<'a>, size: usize) -> Result<Self, RecordsError> {
        let attributes = body.byte().ok_or(MALFORMED)? as i8;
        let timestamp_delta = body.varlong().ok_or(MALFORMED)?;
        let offset_delta = body.varint().ok_or(MALFORMED)?;
        let key = body.nullable_bytes().ok_or(MALFORMED)?;
        let value = body.nullable_bytes().ok_or(MALFORMED)?;
        let headers_count = body.varint().ok_or(MALFORMED)?;
        let headers_count = usize::try_from(headers_count)
            .ok()
            .filter(|count| *count <= body.len())
            .ok_or(RecordsError::InvalidRecord("Found invalid number of record headers"))?;
        let headers = body.rest();
        for _ in 0..headers_count {
            let key_length = body.varint().ok_or(MALFORMED)?;
            let key_length = usize::try_from(key_length)
                .map_err(|_| RecordsError::InvalidRecord("Invalid negative header key size"))?;
            body.take(key_length).ok_or(MALFORMED)?;
            body.nullable_bytes().ok_or(MALFORMED)?;
        }
        if !body.is_empty() {
            return Err(RecordsError::InvalidRecord(
                "Invalid record size: bytes are left behind the last header",
            ));
        }
        Ok(Self { attributes, timestamp_delta, offset_delta, key, value, size, headers_count, headers })
    }
}

/// A header where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// The key: UTF-8 by contract, not checked.
    pub key: &'a [u8],
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a [`RecordRef`].
#[derive(Clone, Debug)]
pub struct HeaderRefs<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for HeaderRefs<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The record was checked when it was parsed; the `?`s never end the iteration early.
        let key = self.cursor.nullable_bytes()??;
        let value = self.cursor.nullable_bytes()?;
        Some(HeaderRef { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// How many headers, and the bytes of all.
#[inline]
pub(super) fn headers_size<'h>(headers: impl Iterator<Item = HeaderRef<'h>>) -> (usize, usize) {
    headers.fold((0, 0), |(count, size), header| {
        (count + 1, size + size_of_nullable(Some(header.key)) + size_of_nullable(header.value))
    })
}

/// Bytes of a record without its length field.
#[inline]
pub(super) fn body_size(
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers_count: usize,
    headers_size: usize,
) -> usize {
    1 + size_of_varlong(timestamp_delta)
        + size_of_varlong(i64::from(offset_delta))
        + size_of_nullable(key)
        + size_of_nullable(value)
        + size_of_varlong(headers_count as i64)
        + headers_size
}

/// Appends a record whose [`body_size`] is `body_size` and which has `headers_count` headers. All lengths
/// must fit an `i32`, which the caller has checked through `body_size`.
#[inline]
pub(super) fn put_record<'h>(
    out: &mut Vec<u8>,
    body_size: i32,
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers_count: usize,
    headers: impl Iterator<Item = HeaderRef<'h>>,
) {
    let mut head = Numbers::new();
    head.put(i64::from(body_size));
    head.put(0);
    head.put(timestamp_delta);
    head.put(i64::from(offset_delta));
    head.put_length(key);
    if let Some(key) = key {
        head.append_to(out);
        out.extend_from_slice(key);
        head = Numbers::new();
    }
    head.put_length(value);
    head.append_to(out);
    out.extend_from_slice(value.unwrap_or_default());
    if headers_count == 0 {
        out.push(0);
        return;
    }
    put_varlong(out, headers_count as i64);
    for header in headers {
        put_nullable(out, Some(header.key));
        put_nullable(out, header.value);
    }
}

/// Bytes of the longest 32-bit varint.
pub(super) const VARINT_MAX: usize = 5;

/// The numbers at a record's front, which are appended to a buffer together.
struct Numbers {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Numbers {
    /// For a varlong, a byte and four varints, and a power of two: an index is kept within it without a check that could fail.
    const ROOM: usize = 32;

    #[inline]
    fn new() -> Self {
        Self { bytes: [0; Self::ROOM], len: 0 }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len % Self::ROOM] = byte;
        self.len += 1;
    }

    #[inline]
    fn put(&mut self, value: i64) {
        let mut raw = zig_zag(value);
        while raw >= 0x80 {
            self.byte(raw as u8 | 0x80);
            raw >>= 7;
        }
        self.byte(raw as u8);
    }

    #[inline]
    fn put_length(&mut self, bytes: Option<&[u8]>) {
        self.put(bytes.map_or(-1, |bytes| bytes.len() as i64));
    }

    #[inline]
    fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        if out.capacity() - out.len() >= Self::ROOM {
            // A copy of a length that is known needs no call.
            out.extend_from_slice(&self.bytes);
            out.truncate(end);
        } else {
            out.extend_from_slice(self.bytes.get(..self.len).unwrap_or_default());
        }
    }
}

#[inline]
fn size_of_nullable(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_of_varlong(bytes.len() as i64) + bytes.len())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
