//! The records of consumer groups (`GroupCoordinatorRecordHelpers`).
//!
//! | key | what |
//! | --- | --- |
//! | 3 `ConsumerGroupMetadataKey` | the group's epoch and metadata hash |
//! | 4 `ConsumerGroupPartitionMetadataKey` | topics as of Kafka before 4.1; only removed |
//! | 5 `ConsumerGroupMemberMetadataKey` | what a member said of itself |
//! | 6 `ConsumerGroupTargetAssignmentMetadataKey` | the target assignment's epoch |
//! | 7 `ConsumerGroupTargetAssignmentMemberKey` | what a member is to have |
//! | 8 `ConsumerGroupCurrentMemberAssignmentKey` | what a member has |
//! | 16 `ConsumerGroupRegularExpressionKey` | the topics that an expression matches |

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_protocol::messages::consumer_group_target_assignment_member_value::TopicPartition;
use ottla_protocol::messages::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey, ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
};
use ottla_protocol::{DecodeError, EncodeError, Message, Reader, Str};

use super::member::ConsumerGroupMember;
use super::regex::ResolvedRegex;
use crate::group::modern::{Assignment, owned_topic_partitions};
use crate::records::{CoordinatorRecord, Written, decode_value, owned, record, tombstone};

const METADATA: i16 = 3;
const PARTITION_METADATA: i16 = 4;
const MEMBER_METADATA: i16 = 5;
const TARGET_ASSIGNMENT_METADATA: i16 = 6;
const TARGET_ASSIGNMENT_MEMBER: i16 = 7;
const CURRENT_MEMBER_ASSIGNMENT: i16 = 8;
const REGULAR_EXPRESSION: i16 = 16;

/// What a record of a consumer group says. Without a value it removes its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsumerGroupRecord {
    pub group_id: Str,
    pub change: ConsumerGroupChange,
}

/// The change that a record makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConsumerGroupChange {
    Metadata(Option<ConsumerGroupMetadataValue>),
    /// Whether there is such a record.
    PartitionMetadata(bool),
    Member(Str, Option<ConsumerGroupMemberMetadataValue>),
    TargetMetadata(Option<ConsumerGroupTargetAssignmentMetadataValue>),
    TargetMember(Str, Option<ConsumerGroupTargetAssignmentMemberValue>),
    CurrentAssignment(Str, Option<ConsumerGroupCurrentMemberAssignmentValue>),
    Regex(Str, Option<ConsumerGroupRegularExpressionValue>),
}

impl ConsumerGroupChange {
    /// Whether the record brings something; the others remove something.
    pub fn has_value(&self) -> bool {
        match self {
            Self::Metadata(value) => value.is_some(),
            Self::PartitionMetadata(exists) => *exists,
            Self::Member(_, value) => value.is_some(),
            Self::TargetMetadata(value) => value.is_some(),
            Self::TargetMember(_, value) => value.is_some(),
            Self::CurrentAssignment(_, value) => value.is_some(),
            Self::Regex(_, value) => value.is_some(),
        }
    }
}

/// Reads a record; `None` when it is none of a consumer group. The reader stands behind the type.
pub(crate) fn decode(
    record_type: i16,
    key: &mut Reader,
    value: Option<&Bytes>,
) -> Result<Option<ConsumerGroupRecord>, DecodeError> {
    let (group_id, change) = match record_type {
        METADATA => {
            let key = ConsumerGroupMetadataKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::Metadata(decode_value(value)?))
        }
        PARTITION_METADATA => {
            let key = ConsumerGroupPartitionMetadataKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::PartitionMetadata(value.is_some()))
        }
        MEMBER_METADATA => {
            let key = ConsumerGroupMemberMetadataKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::Member(owned(&key.member_id), decode_value(value)?))
        }
        TARGET_ASSIGNMENT_METADATA => {
            let key = ConsumerGroupTargetAssignmentMetadataKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::TargetMetadata(decode_value(value)?))
        }
        TARGET_ASSIGNMENT_MEMBER => {
            let key = ConsumerGroupTargetAssignmentMemberKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::TargetMember(owned(&key.member_id), decode_value(value)?))
        }
        CURRENT_MEMBER_ASSIGNMENT => {
            let key = ConsumerGroupCurrentMemberAssignmentKey::decode(key, 0)?;
            let change = ConsumerGroupChange::CurrentAssignment(owned(&key.member_id), decode_value(value)?);
            (key.group_id, change)
        }
        REGULAR_EXPRESSION => {
            let key = ConsumerGroupRegularExpressionKey::decode(key, 0)?;
            (key.group_id, ConsumerGroupChange::Regex(owned(&key.regular_expression), decode_value(value)?))
        }
        _ => return Ok(None),
    };
    Ok(Some(ConsumerGroupRecord { group_id: owned(&group_id), change }))
}

pub(super) fn epoch(group_id: &Str, epoch: i32, metadata_hash: i64) -> Written {
    let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
    record(&ConsumerGroupMetadataKey { group_id: group_id.clone() }, METADATA, &value)
}

pub(super) fn member(group_id: &Str, member: &ConsumerGroupMember) -> Written {
    let key = member_key(group_id, member.member_id());
    record(&key, MEMBER_METADATA, &member.to_metadata())
}

pub(super) fn target(group_id: &Str, member_id: &Str, assignment: &Assignment) -> Written {
    let make = |topic_id, partitions| TopicPartition { topic_id, partitions };
    let value = ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: owned_topic_partitions(assignment, make),
    };
    record(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER, &value)
}

pub(super) fn target_metadata(group_id: &Str, assignment_epoch: i32, timestamp_ms: i64) -> Written {
    let value =
        ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp: timestamp_ms };
    let key = ConsumerGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    record(&key, TARGET_ASSIGNMENT_METADATA, &value)
}

pub(super) fn current_assignment(group_id: &Str, member: &ConsumerGroupMember) -> Written {
    let key = current_key(group_id, member.member_id());
    record(&key, CURRENT_MEMBER_ASSIGNMENT, &member.to_assignment())
}

pub(super) fn regex(group_id: &Str, regex: &Str, resolved: &ResolvedRegex) -> Written {
    let value = ConsumerGroupRegularExpressionValue {
        topics: resolved.topics.iter().cloned().collect(),
        version: resolved.version,
        timestamp: resolved.timestamp_ms,
    };
    record(&regex_key(group_id, regex), REGULAR_EXPRESSION, &value)
}

pub(super) fn regex_tombstone(group_id: &Str, regex: &Str) -> Written {
    tombstone(&regex_key(group_id, regex), REGULAR_EXPRESSION)
}

pub(super) fn partition_metadata_tombstone(group_id: &Str) -> Written {
    tombstone(&ConsumerGroupPartitionMetadataKey { group_id: group_id.clone() }, PARTITION_METADATA)
}

/// A member goes.
pub(super) fn member_tombstones(group_id: &Str, member_id: &Str) -> [Written; 3] {
    [
        tombstone(&current_key(group_id, member_id), CURRENT_MEMBER_ASSIGNMENT),
        tombstone(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER),
        tombstone(&member_key(group_id, member_id), MEMBER_METADATA),
    ]
}

/// A group goes, with these members and expressions.
pub(super) fn group_tombstones(
    group_id: &Str,
    member_ids: &BTreeSet<Str>,
    regexes: &[Str],
) -> Result<Vec<CoordinatorRecord>, EncodeError> {
    let mut records = Vec::new();
    for member_id in member_ids {
        records.push(tombstone(&current_key(group_id, member_id), CURRENT_MEMBER_ASSIGNMENT)?);
    }
    for member_id in member_ids {
        records.push(tombstone(&target_key(group_id, member_id), TARGET_ASSIGNMENT_MEMBER)?);
    }
    let key = ConsumerGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    records.push(tombstone(&key, TARGET_ASSIGNMENT_METADATA)?);
    for member_id in member_ids {
        records.push(tombstone(&member_key(group_id, member_id), MEMBER_METADATA)?);
    }
    for regex in regexes {
        records.push(regex_tombstone(group_id, regex)?);
    }
    records.push(partition_metadata_tombstone(group_id)?);
    records.push(tombstone(&ConsumerGroupMetadataKey { group_id: group_id.clone() }, METADATA)?);
    Ok(records)
}

fn member_key(group_id: &Str, member_id: &Str) -> ConsumerGroupMemberMetadataKey {
    ConsumerGroupMemberMetadataKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn target_key(group_id: &Str, member_id: &Str) -> ConsumerGroupTargetAssignmentMemberKey {
    ConsumerGroupTargetAssignmentMemberKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn current_key(group_id: &Str, member_id: &Str) -> ConsumerGroupCurrentMemberAssignmentKey {
    ConsumerGroupCurrentMemberAssignmentKey { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn regex_key(group_id: &Str, regex: &Str) -> ConsumerGroupRegularExpressionKey {
    ConsumerGroupRegularExpressionKey { group_id: group_id.clone(), regular_expression: regex.clone() }
}
