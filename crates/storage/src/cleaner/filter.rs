//! What of a batch is kept (Kafka: `Cleaner.cleanInto`, `MemoryRecords.filterTo`).
//!
//! A record goes when a later one has its key, when it has no key, or when its transaction was aborted. Tombstones
//! and transaction markers go in two steps: the cleaning that first finds nothing more to do for them writes the
//! *delete horizon* into their batch (`delete.retention.ms` from then on), in place of its base timestamp; the first
//! cleaning after that time removes them. So who reads from the log's start sees them if it is done in time.
//!
//! A batch may have to stay although its records go: the last one of a producer, so that its sequence numbers and its
//! epoch are found again, and the last one of the cleaning, so that it is known up to which offset there was a log. An
//! empty batch, a header alone, is left then. Batches that lose nothing are copied byte for byte.

use std::borrow::Cow;
use std::collections::HashMap;

use ottla_protocol::records::{
    BatchBuilder, BatchHeader, BatchOptions, Compression, CompressionLevel, RecordBatch, RecordRef,
    RecordsError, TimestampType, decompress, empty_batch,
};

use super::offset_map::OffsetMap;

/// Most bytes that the records of a batch may decompress to.
const DECOMPRESSED_MAX: usize = 256 << 20;

/// The last trace that an active producer has left in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    /// Offset of its last record; none when it has only left a marker.
    pub last_data_offset: Option<i64>,
    /// Its newest epoch.
    pub producer_epoch: i16,
}

/// What happens to a batch that loses all of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// It goes, and nobody need look at its records.
    Delete,
    /// Its header stays.
    RetainEmpty,
    /// It goes.
    DeleteEmpty,
}

/// What is decided about a batch before its records are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens without records.
    pub retention: Retention,
    /// Whether all records go.
    pub discards_records: bool,
    /// Whether it is a marker of a transaction of which nothing is left.
    pub is_marker_of_nothing: bool,
}

/// One cleaning of one log.
#[derive(Debug)]
pub struct Filter<'a> {
    /// The newest offsets of the keys.
    pub map: &'a OffsetMap,
    /// The producers whose state must survive.
    pub last_records: &'a HashMap<i64, LastRecord>,
    /// The end of what is cleaned in this round.
    pub round_end_offset: i64,
    /// When the cleaning began, Unix ms.
    pub now_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

/// How much of a batch there was and is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Records that were looked at.
    pub records_read: u64,
    /// Records that stay.
    pub records_kept: u64,
}

impl Filter<'_> {
    /// Decides about a batch. `can_discard`: its transaction was aborted, or nothing is left of the one it ends.
    pub fn decide(&self, batch: &BatchHeader, can_discard: bool) -> Decision {
        let is_past_horizon = batch.delete_horizon_ms().is_some_and(|horizon| horizon <= self.now_ms);
        let discards_records = can_discard && (!batch.is_control() || is_past_horizon);
        let retention = if self.is_last_of_producer(batch) || batch.next_offset() == self.round_end_offset {
            Retention::RetainEmpty
        } else if discards_records {
            Retention::Delete
        } else {
            Retention::DeleteEmpty
        };
        let is_marker_of_nothing = can_discard && batch.is_control();
        Decision { retention, discards_records, is_marker_of_nothing }
    }

    fn is_last_of_producer(&self, batch: &BatchHeader) -> bool {
        if !batch.has_producer_id() {
            return false;
        }
        match self.last_records.get(&batch.producer_id()) {
            Some(LastRecord { last_data_offset: Some(offset), .. }) => batch.last_offset() == *offset,
            Some(last) => batch.is_control() && batch.producer_epoch() == last.producer_epoch,
            None => false,
        }
    }

    /// Writes to `out` what stays of a batch.
    ///
    /// # Errors
    /// When the records cannot be read, or not be written again.
    pub fn apply(
        &self,
        batch: &RecordBatch<'_>,
        decision: Decision,
        out: &mut Vec<u8>,
    ) -> Result<Kept, RecordsError> {
        if decision.retention == Retention::Delete {
            return Ok(Kept::default());
        }
        let payload = payload(batch)?;
        let mut kept = Kept::default();
        let mut has_tombstones = false;
        let mut retained = Vec::new();
        for record in batch.record_refs(&payload)? {
            let record = record?;
            kept.records_read += 1;
            if !decision.discards_records && self.retains(batch, &record) {
                has_tombstones |= record.value.is_none();
                retained.push(record);
            }
        }
        kept.records_kept = retained.len() as u64;
        let sets_horizon =
            (has_tombstones || decision.is_marker_of_nothing) && batch.delete_horizon_ms().is_none();
        if retained.is_empty() {
            if decision.retention == Retention::RetainEmpty {
                let empty = empty_batch(&options(batch)?, batch.last_offset(), batch.max_timestamp())?;
                out.extend_from_slice(&empty);
            }
        } else if kept.records_kept == kept.records_read && !sets_horizon {
            out.extend_from_slice(batch.bytes());
        } else {
            let horizon = sets_horizon.then(|| self.now_ms.saturating_add(self.delete_retention_ms));
            rebuild(batch, &retained, horizon, out)?;
        }
        Ok(kept)
    }

    fn retains(&self, batch: &BatchHeader, record: &RecordRef<'_>) -> bool {
        let offset = batch.base_offset().wrapping_add(i64::from(record.offset_delta));
        if batch.is_control() || offset > self.map.latest_offset() {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_past_horizon = batch.delete_horizon_ms().is_some_and(|horizon| self.now_ms >= horizon);
        offset >= self.map.get(key) && (record.value.is_some() || !is_past_horizon)
    }
}

/// The records of a batch, decompressed.
///
/// # Errors
/// When they do not decompress.
pub fn payload<'a>(batch: &RecordBatch<'a>) -> Result<Cow<'a, [u8]>, RecordsError> {
    match batch.compression()? {
        // An empty batch has no compressed block either.
        _ if batch.records_count() == 0 => Ok(Cow::Borrowed(&[])),
        Compression::None => Ok(Cow::Borrowed(batch.payload())),
        codec => decompress(codec, batch.payload(), DECOMPRESSED_MAX).map(Cow::Owned),
    }
}

/// All that a batch is beside its records.
fn options(batch: &BatchHeader) -> Result<BatchOptions, RecordsError> {
    Ok(BatchOptions {
        compression: batch.compression()?,
        level: CompressionLevel::DEFAULT,
        timestamp_type: batch.timestamp_type(),
        log_append_time_ms: batch.max_timestamp(),
        base_offset: batch.base_offset(),
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        is_transactional: batch.is_transactional(),
        is_control: batch.is_control(),
        partition_leader_epoch: batch.partition_leader_epoch(),
        delete_horizon_ms: batch.delete_horizon_ms().filter(|horizon| *horizon >= 0),
        ..Default::default()
    })
}

/// Writes the batch anew with fewer records, or with a delete horizon. It still covers the same offsets: its last
/// sequence number follows from its last offset.
fn rebuild(
    batch: &RecordBatch<'_>,
    records: &[RecordRef<'_>],
    delete_horizon_ms: Option<i64>,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let mut options = options(batch)?;
    options.delete_horizon_ms = delete_horizon_ms.or(options.delete_horizon_ms);
    let mut builder = BatchBuilder::new(options);
    builder.reserve(records.iter().map(|record| record.size).sum());
    for record in records {
        let timestamp = match batch.timestamp_type() {
            TimestampType::CreateTime => batch.base_timestamp().wrapping_add(record.timestamp_delta),
            TimestampType::LogAppendTime => batch.max_timestamp(),
        };
        let offset = batch.base_offset().wrapping_add(i64::from(record.offset_delta));
        builder.append_with_offset(offset, timestamp, record.key, record.value, record.headers())?;
    }
    out.extend_from_slice(&builder.build_with_last_offset(batch.last_offset())?);
    Ok(())
}
