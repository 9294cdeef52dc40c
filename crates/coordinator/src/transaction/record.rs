//! The records of `__transaction_state` (`TransactionLog`).
//!
//! | key | what | value version written | written by |
//! | --- | --- | --- | --- |
//! | 0 `TransactionLogKey` | a transactional id; null: forgotten | 1 from `transaction.version` 1 on, else 0 | every change |

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::transaction_log_value::PartitionsSchema;
use ottla_protocol::messages::{TransactionLogKey, TransactionLogValue};
use ottla_protocol::{
    DecodeError, EncodeError, Message, Reader, Str, TopicPartition, decode_versioned, encode_key,
    encode_versioned,
};

use super::metadata::{NO_PRODUCER_EPOCH, TransactionMetadata};
use super::state::TransactionState;
use crate::records::{CoordinatorRecord, owned};

const TRANSACTION_LOG: i16 = 0;

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TransactionRecord {
    Transaction(Str, Option<Box<TransactionMetadata>>),
    /// A key or a value of a version that this coordinator does not know: left over from an upgrade that was
    /// taken back.
    Other(i16),
}

/// The record of a transactional id. `transaction_version` is that of the cluster.
pub(super) fn transaction_record(
    transactional_id: &Str,
    metadata: &TransactionMetadata,
    transaction_version: i16,
) -> Result<CoordinatorRecord, EncodeError> {
    let version = i16::from(transaction_version >= 1);
    let mut value = TransactionLogValue {
        producer_id: metadata.producer_id,
        producer_epoch: metadata.producer_epoch,
        transaction_timeout_ms: metadata.txn_timeout_ms,
        transaction_status: metadata.state.id(),
        transaction_partitions: (metadata.state != TransactionState::Empty).then(|| by_topic(metadata)),
        transaction_last_update_timestamp_ms: metadata.txn_last_update_timestamp_ms,
        transaction_start_timestamp_ms: metadata.txn_start_timestamp_ms,
        ..Default::default()
    };
    if version >= 1 {
        value.previous_producer_id = metadata.prev_producer_id;
        value.next_producer_id = metadata.next_producer_id;
        value.client_transaction_version = metadata.client_transaction_version;
    }
    let value = encode_versioned(&value, version)?;
    Ok(CoordinatorRecord { key: transaction_key(transactional_id)?, value: Some(value) })
}

/// The record that a transactional id is forgotten.
pub(super) fn transaction_tombstone(transactional_id: &Str) -> Result<CoordinatorRecord, EncodeError> {
    Ok(CoordinatorRecord { key: transaction_key(transactional_id)?, value: None })
}

/// Reads a record back.
pub(super) fn decode_record(key: &Bytes, value: Option<&Bytes>) -> Result<TransactionRecord, DecodeError> {
    let mut reader = Reader::new(key.clone());
    match reader.i16()? {
        TRANSACTION_LOG => {}
        other => return Ok(TransactionRecord::Other(other)),
    }
    let key = TransactionLogKey::decode(&mut reader, 0)?;
    let transactional_id = owned(&key.transactional_id);
    let Some(value) = value else { return Ok(TransactionRecord::Transaction(transactional_id, None)) };
    let version = Reader::new(value.clone()).i16()?;
    if !(TransactionLogValue::MIN_VERSION..=TransactionLogValue::MAX_VERSION).contains(&version) {
        return Ok(TransactionRecord::Other(version));
    }
    let (_, value) = decode_versioned::<TransactionLogValue>(value.clone())?;
    Ok(TransactionRecord::Transaction(transactional_id, Some(Box::new(metadata_of(value)?))))
}

fn metadata_of(value: TransactionLogValue) -> Result<TransactionMetadata, DecodeError> {
    let state = TransactionState::from_id(value.transaction_status)
        .ok_or(DecodeError::RecordType(i32::from(value.transaction_status)))?;
    let topics = match state {
        TransactionState::Empty => Vec::new(),
        _ => value.transaction_partitions.ok_or(DecodeError::Null)?,
    };
    let mut partitions = std::collections::BTreeSet::new();
    for topic in topics {
        let name = owned(&topic.topic);
        partitions.extend(topic.partition_ids.iter().map(|at| TopicPartition::new(name.clone(), *at)));
    }
    Ok(TransactionMetadata {
        producer_id: value.producer_id,
        prev_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        producer_epoch: value.producer_epoch,
        last_producer_epoch: NO_PRODUCER_EPOCH,
        txn_timeout_ms: value.transaction_timeout_ms,
        state,
        partitions,
        txn_start_timestamp_ms: value.transaction_start_timestamp_ms,
        txn_last_update_timestamp_ms: value.transaction_last_update_timestamp_ms,
        client_transaction_version: value.client_transaction_version,
    })
}

fn by_topic(metadata: &TransactionMetadata) -> Vec<PartitionsSchema> {
    let mut topics: BTreeMap<&Str, Vec<i32>> = BTreeMap::new();
    for partition in &metadata.partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    topics
        .into_iter()
        .map(|(topic, partition_ids)| PartitionsSchema { topic: topic.clone(), partition_ids })
        .collect()
}

fn transaction_key(transactional_id: &Str) -> Result<Bytes, EncodeError> {
    encode_key(&TransactionLogKey { transactional_id: transactional_id.clone() }, TRANSACTION_LOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(state: TransactionState) -> TransactionMetadata {
        let mut metadata = TransactionMetadata::new(7, 60_000, 1_000);
        metadata.producer_epoch = 3;
        metadata.prev_producer_id = 6;
        metadata.next_producer_id = 9;
        metadata.state = state;
        metadata.client_transaction_version = 2;
        if state != TransactionState::Empty {
            metadata.partitions.extend([
                TopicPartition::new("b", 1),
                TopicPartition::new("a", 0),
                TopicPartition::new("b", 0),
            ]);
            metadata.txn_start_timestamp_ms = 900;
        }
        metadata
    }

    #[test]
    fn records_round_trip() {
        for state in [TransactionState::Empty, TransactionState::Ongoing, TransactionState::PrepareCommit] {
            let metadata = sample(state);
            let record = transaction_record(&"t".into(), &metadata, 2).unwrap();
            let decoded = decode_record(&record.key, record.value.as_ref()).unwrap();
            assert_eq!(decoded, TransactionRecord::Transaction("t".into(), Some(Box::new(metadata))));
        }
    }

    #[test]
    fn the_old_format_has_no_room_for_what_came_with_newer_versions() {
        let record = transaction_record(&"t".into(), &sample(TransactionState::Ongoing), 0).unwrap();
        let decoded = decode_record(&record.key, record.value.as_ref()).unwrap();
        let TransactionRecord::Transaction(_, Some(metadata)) = decoded else { unreachable!() };
        let lost =
            (metadata.prev_producer_id, metadata.next_producer_id, metadata.client_transaction_version);
        assert_eq!(lost, (-1, -1, 0));
    }

    #[test]
    fn tombstones_and_strangers() {
        let record = transaction_tombstone(&"t".into()).unwrap();
        let decoded = decode_record(&record.key, None).unwrap();
        assert_eq!(decoded, TransactionRecord::Transaction("t".into(), None));
        let newer = Bytes::from_static(&[0, 9, 1]);
        assert_eq!(decode_record(&record.key, Some(&newer)), Ok(TransactionRecord::Other(9)));
        assert_eq!(decode_record(&newer, None), Ok(TransactionRecord::Other(9)));
    }

    #[test]
    fn no_bytes_bring_it_down() {
        let record = transaction_record(&"t".into(), &sample(TransactionState::Ongoing), 2).unwrap();
        let value = record.value.unwrap();
        for len in 0..value.len() {
            let _ = decode_record(&record.key, Some(&value.slice(..len)));
            let mut broken = value.to_vec();
            broken[len] ^= 0xff;
            let _ = decode_record(&record.key, Some(&broken.into()));
        }
        assert!(decode_record(&Bytes::new(), None).is_err());
    }
}
