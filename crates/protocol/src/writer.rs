//! Encoding of Kafka's primitive types.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Records, Str, Uuid};

/// Records from this size on are not copied into the head of the frame.
const RECORDS_INLINE_MAX: usize = 1024;

/// Why a message has no encoding in a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field holds a value that the version can't carry.
    #[error("version {version} has no field {field}, which holds a value that must not be dropped")]
    Unsupported {
        /// Name of the field.
        field: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// Null where the version allows none.
    #[error("field {0} is null, which this version does not allow")]
    Null(&'static str),
    /// The message does not exist in this version.
    #[error("version {0} does not exist")]
    Version(i16),
    /// A length does not fit its type.
    #[error("a length of {0} is too long for the wire")]
    Length(usize),
}

/// What stands in the frame at a position, without having been copied into its head.
#[derive(Clone, Debug)]
pub enum Insert {
    /// Bytes that are sent as they are.
    Bytes(Bytes),
    /// The placeholder's number: whoever made the [`Records::External`] knows what it stands for.
    External(u32),
}

/// An encoded message: the head, and what stands between its bytes.
#[derive(Debug, Default)]
pub struct Writer {
    head: BytesMut,
    inserts: Vec<(usize, Insert)>,
    /// Sum of the inserts' lengths.
    inserted: usize,
}

type Result<T> = std::result::Result<T, EncodeError>;

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that appends to a buffer.
    pub fn with_buffer(head: BytesMut) -> Self {
        Self { head, inserts: Vec::new(), inserted: 0 }
    }

    /// Bytes of the whole message, inserts included.
    pub fn len(&self) -> usize {
        self.head.len() + self.inserted
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The head and the inserts with their positions in it, in order.
    pub fn into_parts(self) -> (BytesMut, Vec<(usize, Insert)>) {
        (self.head, self.inserts)
    }

    /// The whole message in one buffer. External records are left out: for messages that have none.
    pub fn into_bytes(self) -> Bytes {
        if self.inserts.is_empty() {
            return self.head.freeze();
        }
        let mut out = BytesMut::with_capacity(self.len());
        let mut at = 0;
        for (position, insert) in &self.inserts {
            out.extend_from_slice(&self.head[at..*position]);
            at = *position;
            if let Insert::Bytes(bytes) = insert {
                out.extend_from_slice(bytes);
            }
        }
        out.extend_from_slice(&self.head[at..]);
        out.freeze()
    }

    /// Overwrites four bytes at `position` of the head, which must have been written before.
    pub fn patch_i32(&mut self, position: usize, value: i32) {
        self.head[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// Appends bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.head.put_slice(bytes);
    }
}

/// The primitive types.
#[allow(missing_docs, clippy::missing_errors_doc)]
impl Writer {
    pub fn bool(&mut self, v: bool) {
        self.head.put_u8(u8::from(v));
    }
    pub fn i8(&mut self, v: i8) {
        self.head.put_i8(v);
    }
    pub fn i16(&mut self, v: i16) {
        self.head.put_i16(v);
    }
    pub fn u16(&mut self, v: u16) {
        self.head.put_u16(v);
    }
    pub fn i32(&mut self, v: i32) {
        self.head.put_i32(v);
    }
    pub fn u32(&mut self, v: u32) {
        self.head.put_u32(v);
    }
    pub fn i64(&mut self, v: i64) {
        self.head.put_i64(v);
    }
    pub fn f64(&mut self, v: f64) {
        self.head.put_f64(v);
    }
    pub fn uuid(&mut self, v: Uuid) {
        self.head.put_slice(&v.0);
    }

    pub fn uvarint(&mut self, mut v: u32) {
        while v >= 0x80 {
            self.head.put_u8((v as u8 & 0x7f) | 0x80);
            v >>= 7;
        }
        self.head.put_u8(v as u8);
    }

    fn compact_len(&mut self, len: Option<usize>) -> Result<()> {
        let Some(len) = len else {
            self.uvarint(0);
            return Ok(());
        };
        let len = u32::try_from(len).ok().filter(|n| *n < i32::MAX as u32).ok_or(EncodeError::Length(len))?;
        self.uvarint(len + 1);
        Ok(())
    }

    fn bytes_len(&mut self, len: Option<usize>, flexible: bool) -> Result<()> {
        if flexible {
            return self.compact_len(len);
        }
        let len = len.map_or(Ok(-1), |n| i32::try_from(n).map_err(|_| EncodeError::Length(n)))?;
        self.i32(len);
        Ok(())
    }

    pub fn nullable_string(&mut self, v: Option<&Str>, flexible: bool) -> Result<()> {
        let len = v.map(|s| s.len());
        if flexible {
            self.compact_len(len)?;
        } else {
            let len = len.map_or(Ok(-1), |n| i16::try_from(n).map_err(|_| EncodeError::Length(n)))?;
            self.i16(len);
        }
        self.head.put_slice(v.map_or(&[], |s| s.as_bytes()));
        Ok(())
    }

    pub fn string(&mut self, v: &Str, flexible: bool) -> Result<()> {
        self.nullable_string(Some(v), flexible)
    }

    pub fn nullable_bytes(&mut self, v: Option<&Bytes>, flexible: bool) -> Result<()> {
        self.bytes_len(v.map(Bytes::len), flexible)?;
        self.head.put_slice(v.map_or(&[], |b| b));
        Ok(())
    }

    pub fn bytes(&mut self, v: &Bytes, flexible: bool) -> Result<()> {
        self.nullable_bytes(Some(v), flexible)
    }

    pub fn nullable_records(&mut self, v: Option<&Records>, flexible: bool) -> Result<()> {
        self.bytes_len(v.map(Records::len), flexible)?;
        match v {
            None => {}
            Some(Records::Bytes(bytes)) if bytes.len() < RECORDS_INLINE_MAX => self.head.put_slice(bytes),
            Some(Records::Bytes(bytes)) => self.insert(Insert::Bytes(bytes.clone()), bytes.len()),
            Some(Records::External(external)) => {
                self.insert(Insert::External(external.id), external.len as usize)
            }
        }
        Ok(())
    }

    fn insert(&mut self, insert: Insert, len: usize) {
        self.inserts.push((self.head.len(), insert));
        self.inserted += len;
    }

    pub fn records(&mut self, v: &Records, flexible: bool) -> Result<()> {
        self.nullable_records(Some(v), flexible)
    }

    pub fn nullable_array<T>(
        &mut self,
        v: Option<&Vec<T>>,
        flexible: bool,
        mut element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.bytes_len(v.map(Vec::len), flexible)?;
        for x in v.into_iter().flatten() {
            element(self, x)?;
        }
        Ok(())
    }

    pub fn array<T>(
        &mut self,
        v: &Vec<T>,
        flexible: bool,
        element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.nullable_array(Some(v), flexible, element)
    }

    pub fn nullable_struct<T>(
        &mut self,
        v: Option<&T>,
        encode: impl FnOnce(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        match v {
            None => {
                self.i8(-1);
                Ok(())
            }
            Some(x) => {
                self.i8(1);
                encode(self, x)
            }
        }
    }

    /// A struct in a tagged field: there, what stands before it is an unsigned variable-length integer.
    pub fn tagged_nullable_struct<T>(
        &mut self,
        v: Option<&T>,
        encode: impl FnOnce(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.uvarint(u32::from(v.is_some()));
        v.map_or(Ok(()), |x| encode(self, x))
    }

    /// One tagged field: number, size, content.
    pub fn tagged(&mut self, tag: u32, content: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.uvarint(tag);
        let start = self.head.len();
        content(self)?;
        let end = self.head.len();
        let size = u32::try_from(end - start).map_err(|_| EncodeError::Length(end - start))?;
        self.uvarint(size);
        // The size stands behind the content now; rotate it to the front.
        let width = self.head.len() - end;
        self.head[start..].rotate_right(width);
        Ok(())
    }
}
