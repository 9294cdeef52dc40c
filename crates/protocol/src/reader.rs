//! Decoding of Kafka's primitive types from one frame.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Records, Str, Uuid};

/// Most tagged fields one struct may carry (Kafka 4.4 refuses more as well).
const TAGGED_FIELDS_MAX: u32 = 10_000;

/// Why bytes are not the message they were taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends before its last field.
    #[error("the message ends {missing} bytes too early")]
    Underflow {
        /// Bytes that are missing.
        missing: usize,
    },
    /// Bytes are left after the last field.
    #[error("{0} bytes are left after the last field")]
    Trailing(usize),
    /// A string is not UTF-8.
    #[error("a string is not valid UTF-8")]
    Utf8,
    /// A variable-length integer is longer than its type.
    #[error("a variable-length integer is too long")]
    Varint,
    /// A length or count is negative, or larger than what is left could hold.
    #[error("a length of {0} can't be true")]
    Length(i64),
    /// Null where the version allows none.
    #[error("null where a value is required")]
    Null,
    /// The message does not exist in this version.
    #[error("version {0} does not exist")]
    Version(i16),
    /// An unknown kind of record.
    #[error("record type {0} is unknown")]
    RecordType(i32),
}

/// A cursor over one frame. Strings, bytes and records come out as slices of the frame.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    end: usize,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl Reader {
    /// A reader over all of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self { bytes, at: 0, end }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// What has not been read yet, as a slice of the frame.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.at..self.end)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8]> {
        let left = self.remaining();
        if n > left {
            return Err(DecodeError::Underflow { missing: n - left });
        }
        let from = self.at;
        self.at += n;
        Ok(&self.bytes[from..from + n])
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// `n` bytes as a slice of the frame.
    ///
    /// # Errors
    /// [`DecodeError::Underflow`] when fewer are left.
    pub fn slice(&mut self, n: usize) -> Result<Bytes> {
        if n == 0 {
            return Ok(Bytes::new());
        }
        let from = self.at;
        self.take(n)?;
        Ok(self.bytes.slice(from..from + n))
    }
}

/// The primitive types; every getter fails with [`DecodeError::Underflow`] at the end of the frame.
#[allow(missing_docs, clippy::missing_errors_doc)]
impl Reader {
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.array_of::<1>()?[0] != 0)
    }
    pub fn i8(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array_of()?))
    }
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array_of()?))
    }
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array_of()?))
    }
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array_of()?))
    }
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array_of()?))
    }
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array_of()?))
    }
    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_be_bytes(self.array_of()?))
    }
    pub fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid(self.array_of()?))
    }

    /// An unsigned variable-length integer of at most 5 bytes.
    pub fn uvarint(&mut self) -> Result<u32> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.array_of::<1>()?[0];
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::Varint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    /// Length of a compact field: `None` is null.
    fn compact_len(&mut self) -> Result<Option<usize>> {
        Ok(self.uvarint()?.checked_sub(1).map(|n| n as usize))
    }

    fn classic_len(len: i64) -> Result<Option<usize>> {
        match len {
            -1 => Ok(None),
            n => usize::try_from(n).map(Some).map_err(|_| DecodeError::Length(n)),
        }
    }

    fn string_len(&mut self, flexible: bool) -> Result<Option<usize>> {
        if flexible { self.compact_len() } else { Self::classic_len(self.i16()?.into()) }
    }

    fn bytes_len(&mut self, flexible: bool) -> Result<Option<usize>> {
        if flexible { self.compact_len() } else { Self::classic_len(self.i32()?.into()) }
    }

    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<Str>> {
        let Some(len) = self.string_len(flexible)? else {
            return Ok(None);
        };
        let bytes = self.slice(len)?;
        ByteString::try_from(bytes).map(Some).map_err(|_| DecodeError::Utf8)
    }

    pub fn string(&mut self, flexible: bool) -> Result<Str> {
        self.nullable_string(flexible)?.ok_or(DecodeError::Null)
    }

    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>> {
        match self.bytes_len(flexible)? {
            None => Ok(None),
            Some(len) => self.slice(len).map(Some),
        }
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes> {
        self.nullable_bytes(flexible)?.ok_or(DecodeError::Null)
    }

    pub fn nullable_records(&mut self, flexible: bool) -> Result<Option<Records>> {
        Ok(self.nullable_bytes(flexible)?.map(Records::Bytes))
    }

    pub fn records(&mut self, flexible: bool) -> Result<Records> {
        Ok(Records::Bytes(self.bytes(flexible)?))
    }

    /// An array whose elements take at least `min_size` bytes each on the wire.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        min_size: usize,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(len) = self.bytes_len(flexible)? else {
            return Ok(None);
        };
        if len.saturating_mul(min_size.max(1)) > self.remaining() {
            return Err(DecodeError::Length(len as i64));
        }
        // An element may be much larger in memory than on the wire: memory follows what has been decoded.
        let mut out = Vec::with_capacity(len.min(1024));
        for _ in 0..len {
            out.push(element(self)?);
        }
        Ok(Some(out))
    }

    pub fn array<T>(
        &mut self,
        flexible: bool,
        min_size: usize,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.nullable_array(flexible, min_size, element)?.ok_or(DecodeError::Null)
    }

    /// A struct behind a presence byte.
    pub fn nullable_struct<T>(&mut self, decode: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.i8()? < 0 { Ok(None) } else { decode(self).map(Some) }
    }

    /// A struct in a tagged field: there, what stands before it is an unsigned variable-length integer.
    pub fn tagged_nullable_struct<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.uvarint()? == 0 { Ok(None) } else { decode(self).map(Some) }
    }

    /// Number of tagged fields that follow.
    pub fn tag_count(&mut self) -> Result<u32> {
        let count = self.uvarint()?;
        if count > TAGGED_FIELDS_MAX || count as usize > self.remaining() / 2 {
            return Err(DecodeError::Length(count.into()));
        }
        Ok(count)
    }

    /// Enters the next tagged field: its tag, and the end to give to [`Self::leave_tag`].
    pub fn enter_tag(&mut self) -> Result<(u32, usize)> {
        let tag = self.uvarint()?;
        let size = self.uvarint()? as usize;
        if size > self.remaining() {
            return Err(DecodeError::Underflow { missing: size - self.remaining() });
        }
        Ok((tag, std::mem::replace(&mut self.end, self.at + size)))
    }

    /// Leaves a tagged field; a known one must have been read to its end.
    pub fn leave_tag(&mut self, outer_end: usize, known: bool) -> Result<()> {
        if known {
            self.finish()?;
        }
        self.at = self.end;
        self.end = outer_end;
        Ok(())
    }
}
