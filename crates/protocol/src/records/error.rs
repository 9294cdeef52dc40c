//! What can be wrong with a batch, and the error code that says so.

use super::Compression;
use crate::ErrorCode;

/// Bytes that are no batch, a batch that contradicts itself, or one that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The buffer ends before the batch does. A log or a response may end so; a request may not.
    #[error("record batch needs {needed} bytes but only {available} are left")]
    Incomplete {
        /// Bytes needed to go on: of the batch, or of its first 17 bytes while its size is unknown.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// The length field is too small for any format.
    #[error("Record size {0} is less than the minimum record overhead (14)")]
    InvalidLength(i32),
    /// The magic byte is not 0, 1 or 2.
    #[error("Invalid magic found in record: {0}")]
    InvalidMagic(i8),
    /// Magic 0 or 1: formats that Kafka stopped writing with 4.0.
    #[error("message format v{0} is not supported, only v2 is")]
    UnsupportedMagic(i8),
    /// Magic 2, but shorter than its header.
    #[error("Record batch is corrupt (the size {0} is smaller than the minimum allowed overhead 61)")]
    TooSmall(usize),
    /// The checksum does not match.
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    InvalidCrc {
        /// The batch's CRC field.
        stored: u32,
        /// What it should be.
        computed: u32,
    },
    /// One of the codec ids 5 to 7.
    #[error("Unknown compression type id: {0}")]
    UnknownCompression(u8),
    /// The records count is negative.
    #[error("Found invalid record count {0} in magic v2 batch")]
    InvalidRecordCount(i32),
    /// A record or the row of records does not have the form it must have.
    #[error("{0}")]
    InvalidRecord(&'static str),
    /// The compressed records do not decompress.
    #[error("failed to decompress {codec} records: {reason}")]
    Decompress {
        /// The codec.
        codec: Compression,
        /// What it said.
        reason: String,
    },
    /// The records decompress to more than the caller allows.
    #[error("records decompress to more than {limit} bytes")]
    DecompressedTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The records could not be compressed.
    #[error("failed to compress records with {codec}: {reason}")]
    Compress {
        /// The codec.
        codec: Compression,
        /// What it said.
        reason: String,
    },
    /// No such level.
    #[error("{codec} doesn't support given compression level: {level}")]
    InvalidLevel {
        /// The codec.
        codec: Compression,
        /// The level.
        level: i32,
    },
    /// What was to be built is no valid batch.
    #[error("{0}")]
    InvalidBuild(&'static str),
}

impl RecordsError {
    /// The code a client is told.
    ///
    /// Kafka answers a batch whose compressed part it cannot decode, and one with an unassigned codec id,
    /// with `UNKNOWN_SERVER_ERROR` and a stack trace; here the first is `INVALID_RECORD` and the second
    /// `UNSUPPORTED_COMPRESSION_TYPE`: no client retries any of the three.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Incomplete { .. }
            | Self::InvalidLength(_)
            | Self::InvalidMagic(_)
            | Self::TooSmall(_)
            | Self::InvalidCrc { .. } => ErrorCode::CorruptMessage,
            Self::UnsupportedMagic(_)
            | Self::InvalidRecordCount(_)
            | Self::InvalidRecord(_)
            | Self::Decompress { .. } => ErrorCode::InvalidRecord,
            Self::UnknownCompression(_) => ErrorCode::UnsupportedCompressionType,
            Self::DecompressedTooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::Compress { .. } | Self::InvalidLevel { .. } | Self::InvalidBuild(_) => {
                ErrorCode::UnknownServerError
            }
        }
    }
}

/// Why one record of a batch was refused (`ProduceResponse.RecordError`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Index of the record in its batch, from 0.
    pub batch_index: i32,
    /// For people.
    pub message: String,
}

/// Why a log does not take records, as the produce response tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RecordsInvalid {
    /// The code.
    pub error: ErrorCode,
    /// For people. Kafka puts it into the response only when single records were refused, see
    /// [`Self::response_message`].
    pub message: String,
    /// The records that were refused; empty when the batch as a whole was. Bounded by the size of the batch,
    /// so that a small compressed batch cannot ask for a huge answer.
    pub record_errors: Vec<RecordError>,
}

impl RecordsInvalid {
    /// A batch refused as a whole.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), record_errors: Vec::new() }
    }

    /// The `error_message` of the produce response: present only when single records were refused
    /// (`LogAppendResult.hasCustomErrorMessage`).
    pub fn response_message(&self) -> Option<&str> {
        (!self.record_errors.is_empty()).then_some(self.message.as_str())
    }
}

impl From<RecordsError> for RecordsInvalid {
    fn from(error: RecordsError) -> Self {
        Self::new(error.error_code(), error.to_string())
    }
}
