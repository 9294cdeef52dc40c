//! A view over the bytes of one batch.

use std::ops::Deref;

use bytes::Bytes;

use super::{BATCH_HEADER_SIZE, BatchHeader, RecordIter, RecordRefs, RecordsError, crc32c};

/// Where the CRC field ends and what it covers begins.
pub(super) const CRC_END: usize = 21;

/// One whole batch in a buffer, not copied. Dereferences to its [`BatchHeader`] for all that the header says.
#[derive(Clone, Copy, Debug)]
pub struct RecordBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> RecordBatch<'a> {
    /// The batch at the start of `buf`, and what comes behind it. Checks length and magic, not the CRC.
    ///
    /// # Errors
    /// [`RecordsError::Incomplete`] when `buf` ends too early, otherwise what is wrong with length or magic.
    pub fn parse(buf: &'a [u8]) -> Result<(RecordBatch<'a>, &'a [u8]), RecordsError> {
        let size = BatchHeader::peek_size(buf)?;
        let Some((bytes, rest)) = buf.split_at_checked(size) else {
            return Err(RecordsError::Incomplete { needed: size, available: buf.len() });
        };
        Ok((Self { header: BatchHeader::parse(bytes)?, bytes }, rest))
    }

    /// What the header says.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the records, compressed as the attributes say.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(BATCH_HEADER_SIZE..).unwrap_or_default()
    }

    /// Whether the stored checksum is that of the bytes.
    pub fn verify_crc(&self) -> bool {
        self.crc() == self.computed_crc()
    }

    /// Like [`Self::verify_crc`], with an error that names both sums.
    ///
    /// # Errors
    /// [`RecordsError::InvalidCrc`].
    pub fn check_crc(&self) -> Result<(), RecordsError> {
        let (stored, computed) = (self.crc(), self.computed_crc());
        if stored == computed { Ok(()) } else { Err(RecordsError::InvalidCrc { stored, computed }) }
    }

    /// The records, owned. Copies or decompresses the payload once; keys, values and headers are slices of
    /// that copy.
    ///
    /// `limit` is the most bytes the records may decompress to.
    ///
    /// # Errors
    /// An unknown codec, data that do not decompress or are more than `limit`, a negative records count.
    pub fn records(&self, limit: usize) -> Result<RecordIter, RecordsError> {
        RecordIter::new(&self.header, self.payload_bytes(None, limit)?)
    }

    /// Like [`Self::records`], but records that are not compressed are slices of `frame`, which must be the
    /// buffer the batch was parsed from; nothing is copied.
    ///
    /// # Errors
    /// As [`Self::records`].
    pub fn records_in(&self, frame: &Bytes, limit: usize) -> Result<RecordIter, RecordsError> {
        RecordIter::new(&self.header, self.payload_bytes(Some(frame), limit)?)
    }

    /// The records of `payload`, which is this batch's decompressed payload: [`Self::payload`] as it is when
    /// the batch is not compressed, otherwise what [`super::decompress`] made of it. Borrows; allocates
    /// nothing.
    ///
    /// # Errors
    /// [`RecordsError::InvalidRecordCount`].
    pub fn record_refs<'p>(&self, payload: &'p [u8]) -> Result<RecordRefs<'p>, RecordsError> {
        RecordRefs::new(&self.header, payload)
    }

    fn payload_bytes(&self, frame: Option<&Bytes>, limit: usize) -> Result<Bytes, RecordsError> {
        let codec = self.compression()?;
        if codec != super::Compression::None {
            return Ok(super::decompress(codec, self.payload(), limit)?.into());
        }
        let payload = self.payload();
        if payload.len() > limit {
            return Err(RecordsError::DecompressedTooLarge { limit });
        }
        let within = frame.filter(|frame| {
            let (outer, inner) = (frame.as_ptr_range(), payload.as_ptr_range());
            outer.start <= inner.start && inner.end <= outer.end
        });
        Ok(match within {
            Some(frame) => frame.slice_ref(payload),
            None => Bytes::copy_from_slice(payload),
        })
    }

    fn computed_crc(&self) -> u32 {
        crc32c(self.bytes.get(CRC_END..).unwrap_or_default())
    }
}

impl Deref for RecordBatch<'_> {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}
