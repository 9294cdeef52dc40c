//! A batch as it goes into the log.

use bytes::{Bytes, BytesMut};

use super::{BATCH_HEADER_SIZE, BatchHeader, Compression};

/// One batch that has passed validation, with its offsets assigned: a header of its own, and records that are
/// a slice of the request unless they had to be rebuilt. Write both with one vectored write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedRecords {
    pub(super) header: BatchHeader,
    pub(super) header_bytes: [u8; BATCH_HEADER_SIZE],
    pub(super) payload: Bytes,
    /// The codec the records came with.
    pub source_compression: Compression,
    /// Whether the records were rebuilt, so that the size may have changed.
    pub rebuilt: bool,
    /// When the batch was appended (Unix ms), if that is what its timestamps mean; otherwise -1.
    pub log_append_time_ms: i64,
}

impl ValidatedRecords {
    /// The header, decoded.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The header, encoded. The rest of the batch is [`Self::payload`].
    pub fn header_bytes(&self) -> &[u8; BATCH_HEADER_SIZE] {
        &self.header_bytes
    }

    /// What follows the header.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Both parts, in the order in which they are to be written.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.header_bytes, &self.payload]
    }

    /// Bytes of both parts.
    pub fn size(&self) -> usize {
        BATCH_HEADER_SIZE + self.payload.len()
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset()
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }

    /// Latest timestamp of the batch, Unix ms; -1: none.
    pub fn max_timestamp(&self) -> i64 {
        self.header.max_timestamp()
    }

    /// What the time index is to say about [`Self::max_timestamp`]: the last offset of the batch, since Kafka
    /// looks for it no deeper than in the header; -1 when there is no timestamp.
    pub fn offset_of_max_timestamp(&self) -> i64 {
        if self.max_timestamp() == super::NO_TIMESTAMP { -1 } else { self.last_offset() }
    }

    /// Records in the batch.
    pub fn records_count(&self) -> i32 {
        self.header.records_count()
    }

    /// The codec of the batch as it is written.
    pub fn target_compression(&self) -> Compression {
        // Checked by the validation.
        self.header.compression().unwrap_or_default()
    }

    /// The batch in one piece; copies it.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.size());
        bytes.extend_from_slice(&self.header_bytes);
        bytes.extend_from_slice(&self.payload);
        bytes.freeze()
    }
}
