//! The checks of a leader that need the records themselves (`LogValidator.validateRecord`).

use std::borrow::Cow;

use super::{
    Compression, NO_TIMESTAMP, RecordBatch, RecordError, RecordRef, RecordsError, RecordsInvalid,
    TimestampType, ValidateOptions, decompress,
};
use crate::ErrorCode;

/// Record errors that any batch may be answered with.
const RECORD_ERRORS_MIN: usize = 128;

/// Bytes of a batch per further record error: about the smallest record. Kafka has no bound, so that a
/// hundred bytes of zstd can ask for an answer of gigabytes.
const BYTES_PER_RECORD_ERROR: usize = 8;

/// What the records of a batch are like.
pub(super) struct Walked {
    /// The latest timestamp of all, Unix ms; -1: none.
    pub(super) max_timestamp: i64,
    /// Whether offset deltas are 0, 1, 2, ...
    pub(super) offsets_in_order: bool,
}

/// The records of a batch, decompressed.
pub(super) fn payload<'a>(batch: &RecordBatch<'a>, limit: usize) -> Result<Cow<'a, [u8]>, RecordsError> {
    match batch.compression()? {
        Compression::None => Ok(Cow::Borrowed(batch.payload())),
        codec => decompress(codec, batch.payload(), limit).map(Cow::Owned),
    }
}

/// Checks form, key and timestamp of every record.
pub(super) fn check_records(
    batch: &RecordBatch<'_>,
    payload: &[u8],
    options: &ValidateOptions<'_>,
) -> Result<Walked, RecordsInvalid> {
    let mut walked = Walked { max_timestamp: NO_TIMESTAMP, offsets_in_order: true };
    let mut refused = Refused::new(batch.size());
    for (index, record) in batch.record_refs(payload)?.enumerate() {
        let record = record?;
        let timestamp = record_timestamp(batch, &record);
        if options.is_compacted && record.key.is_none() {
            refused.add(index, ErrorCode::InvalidRecord, || {
                format!(
                    "Compacted topic cannot accept message without key in topic partition {}",
                    options.partition
                )
            });
        } else {
            check_timestamp(batch, &record, timestamp, index, options, &mut refused);
        }
        walked.max_timestamp = walked.max_timestamp.max(timestamp);
        walked.offsets_in_order &= i64::from(record.offset_delta) == index as i64;
    }
    refused.into_result(walked)
}

/// The time of a record, Unix ms.
pub(super) fn record_timestamp(batch: &RecordBatch<'_>, record: &RecordRef<'_>) -> i64 {
    record.timestamp(batch.timestamp_type(), batch.base_timestamp(), batch.max_timestamp())
}

/// Whether a timestamp lies too far in the past or in the future. Wraps where Java's arithmetic wraps.
pub(super) fn timestamp_out_of_range(timestamp: i64, options: &ValidateOptions<'_>) -> bool {
    let age = options.now_ms.wrapping_sub(timestamp);
    age > options.timestamp_before_max_ms || age.wrapping_neg() > options.timestamp_after_max_ms
}

fn check_timestamp(
    batch: &RecordBatch<'_>,
    record: &RecordRef<'_>,
    timestamp: i64,
    index: usize,
    options: &ValidateOptions<'_>,
    refused: &mut Refused,
) {
    let offset = batch.base_offset().wrapping_add(i64::from(record.offset_delta));
    if options.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        if timestamp_out_of_range(timestamp, options) {
            refused.add(index, ErrorCode::InvalidTimestamp, || {
                let earliest = options.now_ms.wrapping_sub(options.timestamp_before_max_ms);
                let latest = options.now_ms.wrapping_add(options.timestamp_after_max_ms);
                format!(
                    "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be \
                     within [{earliest}, {latest}]"
                )
            });
        }
    } else if batch.timestamp_type() == TimestampType::LogAppendTime {
        refused.add(index, ErrorCode::InvalidTimestamp, || {
            format!(
                "Invalid timestamp type in message with offset {offset} and timestamp {timestamp}. Producer should not \
                 set timestamp type to LogAppendTime."
            )
        });
    }
}

/// The records that were refused so far.
struct Refused {
    errors: Vec<RecordError>,
    errors_max: usize,
    total: usize,
    any_timestamp: bool,
}

impl Refused {
    fn new(batch_size: usize) -> Self {
        let errors_max = RECORD_ERRORS_MIN + batch_size / BYTES_PER_RECORD_ERROR;
        Self { errors: Vec::new(), errors_max, total: 0, any_timestamp: false }
    }

    fn add(&mut self, index: usize, code: ErrorCode, message: impl FnOnce() -> String) {
        self.total += 1;
        self.any_timestamp |= code == ErrorCode::InvalidTimestamp;
        if self.errors.len() < self.errors_max {
            // A batch has no more records than an `i32` counts.
            self.errors.push(RecordError { batch_index: index as i32, message: message() });
        }
    }

    fn into_result(self, walked: Walked) -> Result<Walked, RecordsInvalid> {
        if self.errors.is_empty() {
            return Ok(walked);
        }
        let (error, message) = if self.any_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            (ErrorCode::InvalidTimestamp, message)
        } else {
            let first: Vec<String> = self
                .errors
                .iter()
                .take(3)
                .map(|e| format!("RecordError(batchIndex={}, message='{}')", e.batch_index, e.message))
                .collect();
            let message = format!(
                "One or more records have been rejected due to {} record errors in total, and only showing the first \
                 three errors at most: [{}]",
                self.total,
                first.join(", ")
            );
            (ErrorCode::InvalidRecord, message)
        };
        Err(RecordsInvalid { error, message, record_errors: self.errors })
    }
}
