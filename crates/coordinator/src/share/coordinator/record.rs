//! The records of `__share_group_state` (`ShareCoordinatorRecordHelpers`).
//!
//! | key | what | value version | written by |
//! | --- | --- | --- | --- |
//! | 0 `ShareSnapshotKey` | all that is known of a share partition; null: it is removed | 0 | every operation that changes something, and time |
//! | 1 `ShareUpdateKey` | what has changed since the last snapshot | 0 | Write, Read with a new leader epoch |

use bytes::Bytes;
use ottla_protocol::messages::{
    ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue, share_snapshot_value,
    share_update_value,
};
use ottla_protocol::{DecodeError, Message, Reader, Str, Uuid, decode_versioned};

use super::partition_state::PartitionState;
use crate::records::{Written, owned, record, tombstone};
use crate::share::partition::StateBatch;

const SHARE_SNAPSHOT: i16 = 0;
const SHARE_UPDATE: i16 = 1;

/// Names a share partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SharePartitionKey {
    /// The group.
    pub group_id: Str,
    /// The topic.
    pub topic_id: Uuid,
    /// The partition of the topic.
    pub partition: i32,
}

impl SharePartitionKey {
    /// As FindCoordinator names it, from which its shard follows: `group:topicId:partition`
    /// (`SharePartitionKey.asCoordinatorKey`).
    pub fn coordinator_key(&self) -> String {
        format!("{}:{}:{}", self.group_id, self.topic_id, self.partition)
    }
}

/// What a record says.
#[derive(Debug)]
pub(super) enum ShareRecord {
    Snapshot(SharePartitionKey, Option<PartitionState>),
    Update(SharePartitionKey, PartitionState),
    Other(i16),
}

pub(super) fn snapshot_record(key: &SharePartitionKey, state: &PartitionState) -> Written {
    let value = ShareSnapshotValue {
        snapshot_epoch: state.snapshot_epoch,
        state_epoch: state.state_epoch,
        leader_epoch: state.leader_epoch,
        start_offset: state.start_offset,
        delivery_complete_count: state.delivery_complete_count,
        create_timestamp: state.create_timestamp_ms,
        write_timestamp: state.write_timestamp_ms,
        state_batches: state.state_batches.iter().map(to_snapshot_batch).collect(),
    };
    record(&snapshot_key(key), SHARE_SNAPSHOT, &value)
}

pub(super) fn update_record(key: &SharePartitionKey, state: &PartitionState) -> Written {
    let value = ShareUpdateValue {
        snapshot_epoch: state.snapshot_epoch,
        leader_epoch: state.leader_epoch,
        start_offset: state.start_offset,
        delivery_complete_count: state.delivery_complete_count,
        state_batches: state.state_batches.iter().map(to_update_batch).collect(),
    };
    let key =
        ShareUpdateKey { group_id: key.group_id.clone(), topic_id: key.topic_id, partition: key.partition };
    record(&key, SHARE_UPDATE, &value)
}

pub(super) fn snapshot_tombstone(key: &SharePartitionKey) -> Written {
    tombstone(&snapshot_key(key), SHARE_SNAPSHOT)
}

pub(super) fn decode_share_record(key: &Bytes, value: Option<&Bytes>) -> Result<ShareRecord, DecodeError> {
    let mut reader = Reader::new(key.clone());
    match reader.i16()? {
        SHARE_SNAPSHOT => {
            let ShareSnapshotKey { group_id, topic_id, partition } =
                ShareSnapshotKey::decode(&mut reader, 0)?;
            let key = SharePartitionKey { group_id: owned(&group_id), topic_id, partition };
            let Some(value) = value else { return Ok(ShareRecord::Snapshot(key, None)) };
            let (_, value) = decode_versioned::<ShareSnapshotValue>(value.clone())?;
            Ok(ShareRecord::Snapshot(key, Some(from_snapshot(&value))))
        }
        SHARE_UPDATE => {
            let ShareUpdateKey { group_id, topic_id, partition } = ShareUpdateKey::decode(&mut reader, 0)?;
            let key = SharePartitionKey { group_id: owned(&group_id), topic_id, partition };
            // Updates are never removed one by one.
            let Some(value) = value else { return Ok(ShareRecord::Other(SHARE_UPDATE)) };
            let (_, value) = decode_versioned::<ShareUpdateValue>(value.clone())?;
            Ok(ShareRecord::Update(key, from_update(&value)))
        }
        record_type => Ok(ShareRecord::Other(record_type)),
    }
}

fn snapshot_key(key: &SharePartitionKey) -> ShareSnapshotKey {
    ShareSnapshotKey { group_id: key.group_id.clone(), topic_id: key.topic_id, partition: key.partition }
}

fn from_snapshot(value: &ShareSnapshotValue) -> PartitionState {
    PartitionState {
        snapshot_epoch: value.snapshot_epoch,
        state_epoch: value.state_epoch,
        leader_epoch: value.leader_epoch,
        start_offset: value.start_offset,
        delivery_complete_count: value.delivery_complete_count,
        create_timestamp_ms: value.create_timestamp,
        write_timestamp_ms: value.write_timestamp,
        state_batches: value
            .state_batches
            .iter()
            .map(|batch| StateBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                delivery_state: batch.delivery_state,
                delivery_count: batch.delivery_count,
            })
            .collect(),
    }
}

fn from_update(value: &ShareUpdateValue) -> PartitionState {
    PartitionState {
        snapshot_epoch: value.snapshot_epoch,
        state_epoch: 0,
        leader_epoch: value.leader_epoch,
        start_offset: value.start_offset,
        delivery_complete_count: value.delivery_complete_count,
        create_timestamp_ms: 0,
        write_timestamp_ms: 0,
        state_batches: value
            .state_batches
            .iter()
            .map(|batch| StateBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                delivery_state: batch.delivery_state,
                delivery_count: batch.delivery_count,
            })
            .collect(),
    }
}

fn to_snapshot_batch(batch: &StateBatch) -> share_snapshot_value::StateBatch {
    share_snapshot_value::StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    }
}

fn to_update_batch(batch: &StateBatch) -> share_update_value::StateBatch {
    share_update_value::StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    }
}
