//! What every log checks before it appends, on a leader and on a follower
//! (`UnifiedLog.analyzeAndValidateRecords`).

use std::fmt::Display;

use super::{
    AppendOrigin, BatchIter, Compression, NO_PARTITION_LEADER_EPOCH, NO_TIMESTAMP, RecordBatch,
    RecordsInvalid,
};
use crate::ErrorCode;

/// How records are analyzed.
#[derive(Clone, Copy)]
pub struct AnalyzeOptions<'a> {
    /// Name of the partition, for messages.
    pub partition: &'a dyn Display,
    /// Who appends.
    pub origin: AppendOrigin,
    /// The largest batch, in bytes; `None`: any (followers, and a coordinator's batches that must not fail).
    pub max_message_bytes: Option<usize>,
    /// Epoch of the leader that appends, or the epoch of the fetch through which the records came.
    pub leader_epoch: i32,
    /// Whether last offsets must grow from batch to batch: on followers, which take offsets as they come.
    pub require_offsets_monotonic: bool,
}

/// What [`analyze`] found (`LogAppendInfo`). Offsets are -1 when there is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Offset of the last record of the first batch.
    pub last_offset_of_first_batch: i64,
    /// Leader epoch of the last batch, if it has one.
    pub last_leader_epoch: Option<i32>,
    /// Latest timestamp that a header claims, Unix ms; -1: none.
    pub max_timestamp: i64,
    /// Last offset of the first batch that has `max_timestamp`; -1: none.
    pub offset_of_max_timestamp: i64,
    /// The codec of the last compressed batch.
    pub source_compression: Compression,
    /// Bytes of whole batches that may be appended. What follows is to be dropped: a cut-off batch, or (on
    /// followers) batches of a leader epoch after the one that was asked for.
    pub valid_bytes: usize,
    /// Batches in those bytes.
    pub batches_count: usize,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            first_offset: -1,
            last_offset: -1,
            last_offset_of_first_batch: -1,
            last_leader_epoch: None,
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: -1,
            source_compression: Compression::None,
            valid_bytes: 0,
            batches_count: 0,
        }
    }
}

/// Checks each whole batch of `records`: form, size, CRC, and by origin base offset or leader epoch.
///
/// # Errors
/// `CORRUPT_MESSAGE` for bytes that are no batch and for a wrong CRC; `MESSAGE_TOO_LARGE`; `INVALID_RECORD`
/// for a base offset other than 0 from a client, a leader epoch other than the leader's from the quorum
/// leader, and magic 0 or 1; `UNSUPPORTED_COMPRESSION_TYPE` for an unassigned codec; `UNKNOWN_SERVER_ERROR`
/// for offsets that do not grow.
pub fn analyze(records: &[u8], options: &AnalyzeOptions<'_>) -> Result<Analysis, RecordsInvalid> {
    let mut found = Analysis::default();
    for batch in BatchIter::new(records) {
        let batch = batch?;
        check_origin(&batch, options)?;
        // A leader that has just been deposed may still send batches of its successor's epoch; a follower
        // takes only what belongs to the epoch it asked for (KAFKA-18723).
        let epoch = batch.partition_leader_epoch();
        if options.origin == AppendOrigin::Replication
            && epoch != NO_PARTITION_LEADER_EPOCH
            && epoch > options.leader_epoch
        {
            break;
        }
        let in_order = found.last_offset < batch.last_offset();
        if options.require_offsets_monotonic && !in_order {
            return Err(RecordsInvalid::new(
                ErrorCode::UnknownServerError,
                format!(
                    "Out of order offsets found in append to {}: {} follows {}",
                    options.partition,
                    batch.last_offset(),
                    found.last_offset
                ),
            ));
        }
        check_size_and_crc(&batch, options)?;
        found.add(&batch)?;
    }
    Ok(found)
}

/// The checks of one batch that a leader needs.
pub(super) fn check_batch(
    batch: &RecordBatch<'_>,
    options: &AnalyzeOptions<'_>,
) -> Result<(), RecordsInvalid> {
    check_origin(batch, options)?;
    check_size_and_crc(batch, options)
}

impl Analysis {
    fn add(&mut self, batch: &RecordBatch<'_>) -> Result<(), RecordsInvalid> {
        if self.batches_count == 0 {
            self.first_offset = batch.base_offset();
            self.last_offset_of_first_batch = batch.last_offset();
        }
        self.last_offset = batch.last_offset();
        let epoch = batch.partition_leader_epoch();
        self.last_leader_epoch = (epoch != NO_PARTITION_LEADER_EPOCH).then_some(epoch);
        if batch.max_timestamp() > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp();
            self.offset_of_max_timestamp = batch.last_offset();
        }
        match batch.compression()? {
            Compression::None => {}
            codec => self.source_compression = codec,
        }
        self.valid_bytes += batch.size();
        self.batches_count += 1;
        Ok(())
    }
}

fn check_origin(batch: &RecordBatch<'_>, options: &AnalyzeOptions<'_>) -> Result<(), RecordsInvalid> {
    match options.origin {
        AppendOrigin::RaftLeader if batch.partition_leader_epoch() != options.leader_epoch => {
            Err(RecordsInvalid::new(
                ErrorCode::InvalidRecord,
                format!(
                    "Append from Raft leader did not set the batch epoch correctly, expected {} but the batch has {}",
                    options.leader_epoch,
                    batch.partition_leader_epoch()
                ),
            ))
        }
        AppendOrigin::Client if batch.base_offset() != 0 => Err(RecordsInvalid::new(
            ErrorCode::InvalidRecord,
            format!(
                "The baseOffset of the record batch in the append to {} should be 0, but it is {}",
                options.partition,
                batch.base_offset()
            ),
        )),
        _ => Ok(()),
    }
}

fn check_size_and_crc(batch: &RecordBatch<'_>, options: &AnalyzeOptions<'_>) -> Result<(), RecordsInvalid> {
    if let Some(max) = options.max_message_bytes.filter(|max| batch.size() > *max) {
        return Err(RecordsInvalid::new(
            ErrorCode::MessageTooLarge,
            format!(
                "The record batch size in the append to {} is {} bytes which exceeds the maximum configured value of {max}",
                options.partition,
                batch.size(),
            ),
        ));
    }
    if !batch.verify_crc() {
        return Err(RecordsInvalid::new(
            ErrorCode::CorruptMessage,
            format!(
                "Record is corrupt (stored crc = {}) in topic partition {}",
                batch.crc(),
                options.partition
            ),
        ));
    }
    Ok(())
}
