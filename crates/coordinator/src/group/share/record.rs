//! The records of share groups (`GroupCoordinatorRecordHelpers`).
//!
//! | key | what |
//! | --- | --- |
//! | 10 `ShareGroupMemberMetadataKey` | what a member said of itself |
//! | 11 `ShareGroupMetadataKey` | the group's epoch and metadata hash |
//! | 12 `ShareGroupTargetAssignmentMetadataKey` | the target assignment's epoch |
//! | 13 `ShareGroupTargetAssignmentMemberKey` | what a member is to have |
//! | 14 `ShareGroupCurrentMemberAssignmentKey` | what a member has |
//! | 15 `ShareGroupStatePartitionMetadataKey` | for which partitions the share coordinator keeps state |

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_protocol::messages::share_group_target_assignment_member_value::TopicPartition;
use ottla_protocol::messages::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue,
};
use ottla_protocol::{DecodeError, EncodeError, Message, Reader, Str};

use super::member::ShareGroupMember;
use super::state_metadata::ShareStateMetadata;
use crate::group::modern::{Assignment, owned_topic_partitions};
use crate::records::{CoordinatorRecord, Written, decode_value, owned, record, tombstone};

const MEMBER_METADATA: i16 = 10;
const METADATA: i16 = 11;
const TARGET_ASSIGNMENT_METADATA: i16 = 12;
const TARGET_ASSIGNMENT_MEMBER: i16 = 13;
const CURRENT_MEMBER_ASSIGNMENT: i16 = 14;
const STATE_PARTITION_METADATA: i16 = 15;

/// What a record of a share group says. Without a value it removes its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShareGroupRecord {
    pub group_id: Str,
    pub change: ShareGroupChange,
}

/// The change that a record makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShareGroupChange {
    Metadata(Option<ShareGroupMetadataValue>),
    Member(Str, Option<ShareGroupMemberMetadataValue>),
    TargetMetadata(Option<ShareGroupTargetAssignmentMetadataValue>),
    TargetMember(Str, Option<ShareGroupTargetAssignmentMemberValue>),
    CurrentAssignment(Str, Option<ShareGroupCurrentMemberAssignmentValue>),
    StatePartitions(Option<ShareGroupStatePartitionMetadataValue>),
}

impl ShareGroupChange {
    /// Whether the record brings something; the others remove something.
    pub fn has_value(&self) -> bool {
        match self {
            Self::Metadata(value) => value.is_some(),
            Self::Member(_, value) => value.is_some(),
            Self::TargetMetadata(value) => value.is_some(),
            Self::TargetMember(_, value) => value.is_some(),
            Self::CurrentAssignment(_, value) => value.is_some(),
            Self::StatePartitions(value) => value.is_some(),
        }
    }
}

/// Reads a record; `None` when it is none of a share group. The reader stands behind the type.
pub(crate) fn decode(
    record_type: i16,
    key: &mut Reader,
    value: Option<&Bytes>,
) -> Result<Option<ShareGroupRecord>, DecodeError> {
    let (group_id, change) = match record_type {
        METADATA => {
            let key = ShareGroupMetadataKey::decode(key, 0)?;
            (key.group_id, ShareGroupChange::Metadata(decode_value(value)?))
        }
        MEMBER_METADATA => {
            let key = ShareGroupMemberMetadataKey::decode(key, 0)?;
            (key.group_id, ShareGroupChange::Member(owned(&key.member_id), decode_value(value)?))
        }
        TARGET_ASSIGNMENT_METADATA => {
            let key = ShareGroupTargetAssignmentMetadataKey::decode(key, 0)?;
            (key.group_id, ShareGroupChange::TargetMetadata(decode_value(value)?))
        }
        TARGET_ASSIGNMENT_MEMBER => {
            let key = ShareGroupTargetAssignmentMemberKey::decode(key, 0)?;
            (key.group_id, ShareGroupChange::TargetMember(owned(&key.member_id), decode_value(value)?))
        }
        CURRENT_MEMBER_ASSIGNMENT => {
            let key = ShareGroupCurrentMemberAssignmentKey::decode(key, 0)?;
            let change = ShareGroupChange::CurrentAssignment(owned(&key.member_id), decode_value(value)?);
            (key.group_id, change)
        }
        STATE_PARTITION_METADATA => {
            let key = ShareGroupStatePartitionMetadataKey::decode(key, 0)?;
            (key.group_id, ShareGroupChange::StatePartitions(decode_value(value)?))
        }
        _ => return Ok(None),
    };
    Ok(Some(ShareGroupRecord { group_id: owned(&group_id), change }))
}

pub(super) fn epoch(group_id: &Str, epoch: i32, metadata_hash: i64) -> Written {
    let value = ShareGroupMetadataValue { epoch, metadata_hash };
    record(&ShareGroupMetadataKey { group_id: group_id.clone() }, METADATA, &value)
}

pub(super) fn member(group_id: &Str, member: &ShareGroupMember) -> Written {
    record(&member_key(group_id, member.member_id()), MEMBER_METADATA, &member.to_metadata())
}

pub(super) fn target(group_id: &Str, member_id: &Str, assignment: &Assignment) -> Written {
    let make = |topic_id, partitions| TopicPartition { topic_id, partitions };
    let value =
        ShareGroupTargetAssignmentMemberValue { topic_partitions: owned_topic_partitions(assignment, make) };
    record(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER, &value)
}

pub(super) fn target_metadata(group_id: &Str, assignment_epoch: i32, timestamp_ms: i64) -> Written {
    let value =
        ShareGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp: timestamp_ms };
    let key = ShareGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    record(&key, TARGET_ASSIGNMENT_METADATA, &value)
}

pub(super) fn current_assignment(group_id: &Str, member: &ShareGroupMember) -> Written {
    let key = current_key(group_id, member.member_id());
    record(&key, CURRENT_MEMBER_ASSIGNMENT, &member.to_assignment())
}

pub(super) fn state_partitions(group_id: &Str, metadata: &ShareStateMetadata) -> Written {
    record(&state_key(group_id), STATE_PARTITION_METADATA, &metadata.to_record())
}

/// A member goes.
pub(super) fn member_tombstones(group_id: &Str, member_id: &Str) -> [Written; 3] {
    [
        tombstone(&current_key(group_id, member_id), CURRENT_MEMBER_ASSIGNMENT),
        tombstone(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER),
        tombstone(&member_key(group_id, member_id), MEMBER_METADATA),
    ]
}

/// A group goes, with these members.
pub(super) fn group_tombstones(
    group_id: &Str,
    member_ids: &BTreeSet<Str>,
) -> Result<Vec<CoordinatorRecord>, EncodeError> {
    let mut records = Vec::new();
    for member_id in member_ids {
        records.push(tombstone(&current_key(group_id, member_id), CURRENT_MEMBER_ASSIGNMENT)?);
    }
    for member_id in member_ids {
        records.push(tombstone(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER)?);
    }
    let key = ShareGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    records.push(tombstone(&key, TARGET_ASSIGNMENT_METADATA)?);
    for member_id in member_ids {
        records.push(tombstone(&member_key(group_id, member_id), MEMBER_METADATA)?);
    }
    records.push(tombstone(&state_key(group_id), STATE_PARTITION_METADATA)?);
    records.push(tombstone(&ShareGroupMetadataKey { group_id: group_id.clone() }, METADATA)?);
    Ok(records)
}

fn member_key(group_id: &Str, member_id: &Str) -> ShareGroupMemberMetadataKey {
    ShareGroupMemberMetadataKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn target_key(group_id: &Str, member_id: &Str) -> ShareGroupTargetAssignmentMemberKey {
    ShareGroupTargetAssignmentMemberKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn current_key(group_id: &Str, member_id: &Str) -> ShareGroupCurrentMemberAssignmentKey {
    ShareGroupCurrentMemberAssignmentKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn state_key(group_id: &Str) -> ShareGroupStatePartitionMetadataKey {
    ShareGroupStatePartitionMetadataKey { group_id: group_id.clone() }
}
