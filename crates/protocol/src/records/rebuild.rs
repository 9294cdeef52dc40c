//! Building a batch anew from the records of another, because the topic has a codec of its own
//! (`LogValidator.buildRecordsAndAssignOffsets`).

use super::validated::ValidatedRecords;
use super::{
    BATCH_HEADER_SIZE, BatchBuilder, BatchHeader, BatchOptions, Compression, CompressionLevel, NO_TIMESTAMP,
    RecordBatch, RecordsError, RecordsInvalid, TimestampType, ValidateOptions, walk,
};
use crate::ErrorCode;

/// A batch of codec `target` with the records of `batch`, whose decompressed payload is `payload`, and
/// consecutive offsets.
pub(super) fn rebuild(
    batch: &RecordBatch<'_>,
    payload: &[u8],
    source: Compression,
    target: Compression,
    base_offset: i64,
    leader_epoch: i32,
    options: &ValidateOptions<'_>,
) -> Result<ValidatedRecords, RecordsInvalid> {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression: target,
        level: options.topic_compression.map_or(CompressionLevel::DEFAULT, |_| options.level),
        timestamp_type: options.timestamp_type,
        log_append_time_ms: options.now_ms,
        base_offset,
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        is_transactional: batch.is_transactional(),
        is_control: batch.is_control(),
        partition_leader_epoch: leader_epoch,
        ..Default::default()
    });
    builder.reserve(payload.len());
    for record in batch.record_refs(payload)? {
        let record = record?;
        let timestamp = walk::record_timestamp(batch, &record);
        if timestamp < NO_TIMESTAMP {
            return Err(RecordsInvalid::new(
                ErrorCode::InvalidTimestamp,
                format!("Invalid negative timestamp {timestamp}"),
            ));
        }
        let offset = builder.next_offset();
        builder.append_with_offset(offset, timestamp, record.key, record.value, record.headers())?;
    }
    let mut bytes = builder.build()?;
    if let Some(max) = options.max_message_bytes.filter(|max| bytes.len() > *max) {
        return Err(RecordsInvalid::new(
            ErrorCode::MessageTooLarge,
            format!(
                "Message batch size is {} bytes in append to partition {} which exceeds the maximum configured size of {max}",
                bytes.len(),
                options.partition,
            ),
        ));
    }
    let header = BatchHeader::parse(&bytes)?;
    let header_bytes = bytes
        .first_chunk::<BATCH_HEADER_SIZE>()
        .copied()
        .ok_or(RecordsError::InvalidBuild("a batch is shorter than its header"))?;
    Ok(ValidatedRecords {
        header,
        header_bytes,
        payload: bytes.split_off(BATCH_HEADER_SIZE),
        source_compression: source,
        rebuilt: true,
        log_append_time_ms: match options.timestamp_type {
            TimestampType::CreateTime => NO_TIMESTAMP,
            TimestampType::LogAppendTime => options.now_ms,
        },
    })
}
