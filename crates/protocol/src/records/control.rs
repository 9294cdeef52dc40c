//! Control batches: what the log itself has to say between the records of its users.
//!
//! The key of a control record is two int16, version (0) and type. Its value is a message: for transaction
//! markers with a version before it (`EndTxnMarker`), for the quorum's records without
//! (`LeaderChangeMessage`, `SnapshotHeaderRecord`, `SnapshotFooterRecord`, `KRaftVersionRecord`,
//! `VotersRecord`).

use bytes::Bytes;

use super::{BatchBuilder, BatchOptions, Compression, RecordsError};

const KEY_VERSION: i16 = 0;
const END_TXN_MARKER_VERSION: i16 = 0;

/// What a control record is about (`org.apache.kafka.common.record.internal.ControlRecordType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum ControlRecordType {
    /// A transaction was aborted.
    Abort = 0,
    /// A transaction was committed.
    Commit = 1,
    /// The quorum has a new leader: `LeaderChangeMessage`.
    LeaderChange = 2,
    /// First record of a snapshot: `SnapshotHeaderRecord`.
    SnapshotHeader = 3,
    /// Last record of a snapshot: `SnapshotFooterRecord`.
    SnapshotFooter = 4,
    /// Version of the quorum's protocol: `KRaftVersionRecord`.
    KRaftVersion = 5,
    /// The voters of the quorum: `VotersRecord`.
    KRaftVoters = 6,
}

impl ControlRecordType {
    /// The type with this id; `None` for one that readers must skip.
    pub fn from_id(id: i16) -> Option<Self> {
        Some(match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KRaftVersion,
            6 => Self::KRaftVoters,
            _ => return None,
        })
    }

    /// Its id.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// The record key that means this type.
    pub fn key(self) -> [u8; 4] {
        let [v0, v1] = KEY_VERSION.to_be_bytes();
        let [t0, t1] = self.id().to_be_bytes();
        [v0, v1, t0, t1]
    }

    /// The type in a control record's key: `Ok(None)` for one that readers must skip. A newer key may be
    /// longer.
    ///
    /// # Errors
    /// [`RecordsError::InvalidRecord`] for fewer than four bytes or a negative version.
    pub fn parse(key: &[u8]) -> Result<Option<Self>, RecordsError> {
        let Some([v0, v1, t0, t1]) = key.first_chunk() else {
            return Err(RecordsError::InvalidRecord("a control record key has fewer than 4 bytes"));
        };
        if i16::from_be_bytes([*v0, *v1]) < 0 {
            return Err(RecordsError::InvalidRecord("Invalid version found for control record"));
        }
        Ok(Self::from_id(i16::from_be_bytes([*t0, *t1])))
    }
}

/// The value of a transaction marker (`EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether the transaction was committed; otherwise it was aborted.
    pub committed: bool,
    /// Epoch of the coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The type in the record's key.
    pub fn control_type(self) -> ControlRecordType {
        if self.committed { ControlRecordType::Commit } else { ControlRecordType::Abort }
    }

    /// The record's value: version (0) and coordinator epoch.
    pub fn value(self) -> [u8; 6] {
        let [v0, v1] = END_TXN_MARKER_VERSION.to_be_bytes();
        let [e0, e1, e2, e3] = self.coordinator_epoch.to_be_bytes();
        [v0, v1, e0, e1, e2, e3]
    }

    /// Reads a marker from a control record; `Ok(None)` when the record is of another type.
    ///
    /// # Errors
    /// [`RecordsError::InvalidRecord`] for a key or value that is too short or has a negative version.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Option<Self>, RecordsError> {
        let committed = match ControlRecordType::parse(key)? {
            Some(ControlRecordType::Commit) => true,
            Some(ControlRecordType::Abort) => false,
            _ => return Ok(None),
        };
        let Some([v0, v1, e0, e1, e2, e3]) = value.first_chunk() else {
            return Err(RecordsError::InvalidRecord("an end transaction marker has fewer than 6 bytes"));
        };
        if i16::from_be_bytes([*v0, *v1]) < 0 {
            return Err(RecordsError::InvalidRecord("Invalid version found for end transaction marker"));
        }
        Ok(Some(Self { committed, coordinator_epoch: i32::from_be_bytes([*e0, *e1, *e2, *e3]) }))
    }
}

/// A control batch of records with these types and encoded values, one after another from the base offset on.
/// Control batches are never compressed; `is_control` and `compression` of `options` do not count.
/// `timestamp` is Unix ms.
///
/// # Errors
/// As [`BatchBuilder::append`] and [`BatchBuilder::build`].
pub fn control_batch(
    options: &BatchOptions,
    timestamp: i64,
    records: &[(ControlRecordType, &[u8])],
) -> Result<Bytes, RecordsError> {
    let mut builder =
        BatchBuilder::new(BatchOptions { is_control: true, compression: Compression::None, ..*options });
    for (control_type, value) in records {
        builder.append(timestamp, Some(&control_type.key()), Some(value), &[])?;
    }
    builder.build()
}

/// The batch that ends a transaction of a producer in a partition (`MemoryRecords.withEndTransactionMarker`).
/// Base offset and leader epoch are left to the leader. `timestamp` is Unix ms.
///
/// # Errors
/// [`RecordsError::InvalidBuild`] for a negative producer id, epoch or timestamp.
pub fn end_transaction_batch(
    producer_id: i64,
    producer_epoch: i16,
    timestamp: i64,
    marker: EndTransactionMarker,
) -> Result<Bytes, RecordsError> {
    let options = BatchOptions { producer_id, producer_epoch, is_transactional: true, ..Default::default() };
    control_batch(&options, timestamp, &[(marker.control_type(), &marker.value())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RecordBatch;

    #[test]
    fn markers_round_trip() {
        for committed in [true, false] {
            let marker = EndTransactionMarker { committed, coordinator_epoch: 7 };
            let bytes = end_transaction_batch(5, 2, 1000, marker).unwrap();
            // Kafka's own size for a marker: `EndTransactionMarker.endTxnMarkerValueSize` plus the header.
            assert_eq!(bytes.len(), 61 + 17);
            let (batch, rest) = RecordBatch::parse(&bytes).unwrap();
            assert!(rest.is_empty() && batch.verify_crc());
            assert!(batch.is_control() && batch.is_transactional());
            assert_eq!((batch.base_sequence(), batch.last_sequence()), (-1, -1));
            let record = batch.records(1024).unwrap().next().unwrap().unwrap();
            let (key, value) = (record.key.unwrap(), record.value.unwrap());
            assert_eq!(EndTransactionMarker::parse(&key, &value), Ok(Some(marker)));
        }
    }

    #[test]
    fn unknown_types_are_skipped_and_short_keys_refused() {
        assert_eq!(ControlRecordType::parse(&[0, 0, 0, 99]), Ok(None));
        assert_eq!(ControlRecordType::parse(&[0, 9, 0, 2, 1]), Ok(Some(ControlRecordType::LeaderChange)));
        assert!(ControlRecordType::parse(&[0, 0, 0]).is_err());
        assert!(ControlRecordType::parse(&[0xff, 0xff, 0, 0]).is_err());
        assert!(EndTransactionMarker::parse(&[0, 0, 0, 1], &[0, 0, 0]).is_err());
        assert_eq!(EndTransactionMarker::parse(&[0, 0, 0, 3], &[]), Ok(None));
        for id in 0..7 {
            assert_eq!(ControlRecordType::from_id(id).map(ControlRecordType::id), Some(id));
        }
    }

    #[test]
    fn a_marker_needs_a_producer() {
        let marker = EndTransactionMarker { committed: true, coordinator_epoch: 0 };
        assert!(end_transaction_batch(-1, 0, 0, marker).is_err());
        assert!(end_transaction_batch(1, -1, 0, marker).is_err());
    }
}
