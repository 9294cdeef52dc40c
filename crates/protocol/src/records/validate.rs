//! What a leader checks and changes before it appends a batch (`LogValidator`).
//!
//! Kafka decodes every record of every batch here, and decompresses it for that. Ottla looks at the header
//! and the CRC, and at the records only where the header cannot answer: the topic is compacted, it has a
//! codec of its own, it limits how far timestamps may lie in the past, or the header's own timestamps are out
//! of bounds or contradict each other. A producer that sends a header which is right and records which are
//! not thus gets them stored, and its consumers cannot read them.

use std::fmt::Display;

use bytes::Bytes;

use super::analyze::{AnalyzeOptions, check_batch};
use super::validated::ValidatedRecords;
use super::walk::{self, Walked};
use super::{
    BatchIter, Compression, CompressionLevel, NO_TIMESTAMP, RecordBatch, RecordsError, RecordsInvalid,
    TimestampType, rebuild,
};
use crate::ErrorCode;

/// Who appends (`org.apache.kafka.storage.internals.log.AppendOrigin`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppendOrigin {
    /// A client, which is believed nothing.
    #[default]
    Client,
    /// The group or transaction coordinator of this broker: may write control batches.
    Coordinator,
    /// The leader of the metadata quorum, which has set offsets and leader epoch itself: Kafka only analyzes
    /// what it appends ([`super::analyze`]). Validation with this origin checks the epoch and sets offsets.
    RaftLeader,
    /// The partition's leader, through replication.
    Replication,
}

/// How a leader validates.
#[derive(Clone, Copy)]
pub struct ValidateOptions<'a> {
    /// Name of the partition, for messages.
    pub partition: &'a dyn Display,
    /// `compression.type`; `None` means `producer`.
    pub topic_compression: Option<Compression>,
    /// Level for `topic_compression`.
    pub level: CompressionLevel,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie in the past. Anything but `i64::MAX`
    /// makes every batch be decoded.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` has `compact`: every record needs a key then.
    pub is_compacted: bool,
    /// `max.message.bytes`; `None`: no limit.
    pub max_message_bytes: Option<usize>,
    /// The time, Unix ms.
    pub now_ms: i64,
    /// Who appends.
    pub origin: AppendOrigin,
    /// Most bytes that a batch may decompress to where it has to be decompressed at all. Kafka has no such
    /// limit.
    pub decompressed_max_bytes: usize,
}

impl Default for ValidateOptions<'_> {
    /// Kafka's defaults for a topic, at time 0.
    fn default() -> Self {
        Self {
            partition: &"",
            topic_compression: None,
            level: CompressionLevel::DEFAULT,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            is_compacted: false,
            max_message_bytes: Some(1_048_588),
            now_ms: 0,
            origin: AppendOrigin::Client,
            decompressed_max_bytes: 128 << 20,
        }
    }
}

/// Checks what a Produce request of this `version` may contain in one partition
/// (`ProduceRequest.validateRecords`): exactly one batch, of magic 2, and zstd only from version 7 on. Does
/// not look further than the headers.
///
/// # Errors
/// `INVALID_RECORD`, `UNSUPPORTED_COMPRESSION_TYPE`, or `CORRUPT_MESSAGE` for bytes that are no batch.
pub fn validate_produce_records(version: i16, records: &[u8]) -> Result<(), RecordsInvalid> {
    let invalid = |what: &str| {
        let message = format!("Produce requests with version {version} {what}");
        Err(RecordsInvalid::new(ErrorCode::InvalidRecord, message))
    };
    let mut batches = BatchIter::new(records);
    let batch = match batches.next() {
        None => return invalid("must have at least one record batch per partition"),
        Some(Err(RecordsError::UnsupportedMagic(_))) => {
            return invalid("are only allowed to contain record batches with magic version 2");
        }
        Some(batch) => batch?,
    };
    if version < 7 && batch.compression() == Ok(Compression::Zstd) {
        return Err(RecordsInvalid::new(
            ErrorCode::UnsupportedCompressionType,
            format!("Produce requests with version {version} are not allowed to use ZStandard compression"),
        ));
    }
    match batches.next() {
        None => Ok(()),
        Some(Ok(_) | Err(RecordsError::UnsupportedMagic(_))) => {
            invalid("are only allowed to contain exactly one record batch per partition")
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// Validates the one batch in `records` and gives it offsets from `base_offset` on, and `leader_epoch`. A
/// cut-off batch behind it is dropped, as Kafka does.
///
/// The batch's own bytes are kept where that is possible: with the producer's codec nothing is decompressed,
/// copied or decoded. [`TimestampType::LogAppendTime`] changes the header and its CRC, nothing more.
///
/// # Errors
/// What Kafka answers: `CORRUPT_MESSAGE` (no batch, wrong CRC), `MESSAGE_TOO_LARGE`, `INVALID_RECORD`,
/// `INVALID_TIMESTAMP`, `UNSUPPORTED_COMPRESSION_TYPE`; see [`RecordsError::error_code`] for where Ottla
/// answers more clearly.
pub fn validate_and_assign(
    records: &Bytes,
    base_offset: i64,
    leader_epoch: i32,
    options: &ValidateOptions<'_>,
) -> Result<ValidatedRecords, RecordsInvalid> {
    let batch = single_batch(records)?;
    let analyze = AnalyzeOptions {
        partition: options.partition,
        origin: options.origin,
        max_message_bytes: options.max_message_bytes,
        leader_epoch,
        require_offsets_monotonic: false,
    };
    check_batch(&batch, &analyze)?;
    let source = batch.compression()?;
    check_header(&batch, options)?;

    let target = match options.topic_compression {
        // Control records stay as they are unless they came compressed.
        Some(_) if source == Compression::None && batch.is_control() => source,
        Some(target) => target,
        None => source,
    };
    if target == source && !needs_walk(&batch, options) {
        let assigned = Assigned { base_offset, leader_epoch, max_timestamp: batch.max_timestamp() };
        return in_place(&batch, records, source, assigned, options);
    }

    let payload = walk::payload(&batch, options.decompressed_max_bytes)?;
    let Walked { max_timestamp, offsets_in_order } = walk::check_records(&batch, &payload, options)?;
    if target != source {
        return rebuild::rebuild(&batch, &payload, source, target, base_offset, leader_epoch, options);
    }
    if !offsets_in_order && source != Compression::None {
        // Kafka would rebuild the batch, as it did for old formats, and then fails with UNKNOWN_SERVER_ERROR
        // because it has not kept the records. Without compression it lets them pass.
        return Err(RecordsInvalid::new(
            ErrorCode::InvalidRecord,
            format!("Records have no consecutive offsets in topic partition {}", options.partition),
        ));
    }
    in_place(&batch, records, source, Assigned { base_offset, leader_epoch, max_timestamp }, options)
}

/// The one batch of `records`: format v2 never has more in one append.
fn single_batch(records: &Bytes) -> Result<RecordBatch<'_>, RecordsInvalid> {
    let invalid = |message| Err(RecordsInvalid::new(ErrorCode::InvalidRecord, message));
    let mut batches = BatchIter::new(records);
    let Some(batch) = batches.next() else {
        return invalid("Record batch has no batches at all");
    };
    let batch = batch?;
    match batches.next() {
        None => Ok(batch),
        Some(Ok(_) | Err(RecordsError::UnsupportedMagic(_))) => {
            invalid("Compressed outer record has more than one batch")
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// `LogValidator.validateBatch`. Count and offsets must agree for every origin here, not only for clients:
/// they are what offsets are assigned from.
fn check_header(batch: &RecordBatch<'_>, options: &ValidateOptions<'_>) -> Result<(), RecordsInvalid> {
    let partition = options.partition;
    let invalid = |message: String| Err(RecordsInvalid::new(ErrorCode::InvalidRecord, message));
    let (base, last) = (batch.base_offset(), batch.last_offset());
    if batch.last_offset_delta() < 0 {
        return invalid(format!(
            "Batch has an invalid offset range: [{base}, {last}] in topic partition {partition}"
        ));
    }
    let count = batch.records_count();
    if count <= 0 {
        return invalid(format!(
            "Invalid reported count for record batch: {count} in topic partition {partition}"
        ));
    }
    if i64::from(count) != i64::from(batch.last_offset_delta()) + 1 {
        return invalid(format!(
            "Inconsistent batch offset range [{base}, {last}] and count of records {count} in topic partition {partition}"
        ));
    }
    if options.origin != AppendOrigin::Client {
        return Ok(());
    }
    if batch.is_control() {
        return invalid(format!(
            "Clients are not allowed to write control records in topic partition {partition}"
        ));
    }
    if batch.has_producer_id() && batch.base_sequence() < 0 {
        return invalid(format!(
            "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
            batch.base_sequence(),
            batch.producer_id()
        ));
    }
    Ok(())
}

/// Whether the header is not enough to know that all records are valid.
fn needs_walk(batch: &RecordBatch<'_>, options: &ValidateOptions<'_>) -> bool {
    if options.is_compacted {
        return true;
    }
    let (base, max) = (batch.base_timestamp(), batch.max_timestamp());
    match (options.timestamp_type, batch.timestamp_type()) {
        // Refused, record by record.
        (TimestampType::LogAppendTime, TimestampType::LogAppendTime) => true,
        (TimestampType::LogAppendTime, TimestampType::CreateTime) => false,
        // All records have the max timestamp, whatever they say themselves.
        (TimestampType::CreateTime, TimestampType::LogAppendTime) => {
            max == NO_TIMESTAMP || walk::timestamp_out_of_range(max, options)
        }
        (TimestampType::CreateTime, TimestampType::CreateTime) => {
            options.timestamp_before_max_ms != i64::MAX
                || max > options.now_ms.saturating_add(options.timestamp_after_max_ms)
                // A max timestamp below the first one is wrong, and one of -1 is only right when no record
                // has a timestamp. Kafka corrects it, and so does the walk.
                || max < base
                || max <= NO_TIMESTAMP
                || base < NO_TIMESTAMP
        }
    }
}

/// What a header gets.
struct Assigned {
    base_offset: i64,
    leader_epoch: i32,
    max_timestamp: i64,
}

/// Keeps the records and changes the header, whose CRC stays what it is unless time or its meaning change.
fn in_place(
    batch: &RecordBatch<'_>,
    frame: &Bytes,
    source: Compression,
    assigned: Assigned,
    options: &ValidateOptions<'_>,
) -> Result<ValidatedRecords, RecordsInvalid> {
    let mut header = *batch.header();
    header.base_offset = assigned.base_offset;
    header.partition_leader_epoch = assigned.leader_epoch;
    let (max_timestamp, log_append_time_ms) = match options.timestamp_type {
        TimestampType::CreateTime => (assigned.max_timestamp, NO_TIMESTAMP),
        TimestampType::LogAppendTime => (options.now_ms, options.now_ms),
    };
    let unchanged =
        header.max_timestamp == max_timestamp && header.timestamp_type() == options.timestamp_type;
    let payload = frame.slice_ref(batch.payload());
    let header_bytes = if unchanged {
        header.to_bytes()
    } else {
        header.max_timestamp = max_timestamp;
        header.attributes =
            header.attributes.with_timestamp_type(options.timestamp_type).without_unused_bits();
        header.seal(&payload)?
    };
    Ok(ValidatedRecords {
        header,
        header_bytes,
        payload,
        source_compression: source,
        rebuilt: false,
        log_append_time_ms,
    })
}
