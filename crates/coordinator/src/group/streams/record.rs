//! The records of streams groups in `__consumer_offsets` (`StreamsCoordinatorRecordHelpers`).
//!
//! | key | what | written when |
//! | --- | --- | --- |
//! | 17 `StreamsGroupMetadataKey` | the group's epoch, and what it was bumped for | the epoch is bumped |
//! | 19 `StreamsGroupMemberMetadataKey` | what a member says of itself | it joins, or says something new |
//! | 20 `StreamsGroupTargetAssignmentMetadataKey` | the epoch of the target assignment | it was computed |
//! | 21 `StreamsGroupTargetAssignmentMemberKey` | what a member is to own | that has changed |
//! | 22 `StreamsGroupCurrentMemberAssignmentKey` | what a member owns, and its epoch | that has changed |
//! | 23 `StreamsGroupTopologyKey` | the topology | the first member joins |
//!
//! Values are of version 0. A null value: the group or the member is gone.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
};
use ottla_protocol::{DecodeError, EncodeError, Message, Reader, Str};

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use super::record_value::{current_assignment_value, member_metadata_value, target_assignment_value};
use super::tasks::TasksTuple;
use super::topology::StreamsTopology;
use crate::records::{CoordinatorRecord, Written, decode_value, owned, record, tombstone};

const GROUP_METADATA: i16 = 17;
const MEMBER_METADATA: i16 = 19;
const TARGET_ASSIGNMENT_METADATA: i16 = 20;
const TARGET_ASSIGNMENT_MEMBER: i16 = 21;
const CURRENT_MEMBER_ASSIGNMENT: i16 = 22;
const TOPOLOGY: i16 = 23;

/// A record of a streams group. `None` as its value: a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamsGroupRecord {
    pub group_id: Str,
    pub change: StreamsGroupChange,
}

/// What a record says of its group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StreamsGroupChange {
    Metadata(Option<StreamsGroupMetadataValue>),
    Member(Str, Option<StreamsGroupMemberMetadataValue>),
    TargetAssignmentMetadata(Option<StreamsGroupTargetAssignmentMetadataValue>),
    TargetAssignment(Str, Option<StreamsGroupTargetAssignmentMemberValue>),
    CurrentAssignment(Str, Option<StreamsGroupCurrentMemberAssignmentValue>),
    Topology(Option<StreamsGroupTopologyValue>),
}

impl StreamsGroupChange {
    /// Whether the record removes something.
    pub fn is_tombstone(&self) -> bool {
        match self {
            StreamsGroupChange::Metadata(value) => value.is_none(),
            StreamsGroupChange::Member(_, value) => value.is_none(),
            StreamsGroupChange::TargetAssignmentMetadata(value) => value.is_none(),
            StreamsGroupChange::TargetAssignment(_, value) => value.is_none(),
            StreamsGroupChange::CurrentAssignment(_, value) => value.is_none(),
            StreamsGroupChange::Topology(value) => value.is_none(),
        }
    }
}

/// Reads a record of a streams group; `None` when the type is another. `reader` stands behind the type.
pub(crate) fn decode_record(
    record_type: i16,
    reader: &mut Reader,
    value: Option<&Bytes>,
) -> Result<Option<StreamsGroupRecord>, DecodeError> {
    let (group_id, change) = match record_type {
        GROUP_METADATA => {
            let key = StreamsGroupMetadataKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::Metadata(decode_value(value)?))
        }
        MEMBER_METADATA => {
            let key = StreamsGroupMemberMetadataKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::Member(owned(&key.member_id), decode_value(value)?))
        }
        TARGET_ASSIGNMENT_METADATA => {
            let key = StreamsGroupTargetAssignmentMetadataKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::TargetAssignmentMetadata(decode_value(value)?))
        }
        TARGET_ASSIGNMENT_MEMBER => {
            let key = StreamsGroupTargetAssignmentMemberKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::TargetAssignment(owned(&key.member_id), decode_value(value)?))
        }
        CURRENT_MEMBER_ASSIGNMENT => {
            let key = StreamsGroupCurrentMemberAssignmentKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::CurrentAssignment(owned(&key.member_id), decode_value(value)?))
        }
        TOPOLOGY => {
            let key = StreamsGroupTopologyKey::decode(reader, 0)?;
            (key.group_id, StreamsGroupChange::Topology(decode_value(value)?))
        }
        _ => return Ok(None),
    };
    Ok(Some(StreamsGroupRecord { group_id: owned(&group_id), change }))
}

/// The epoch of a group, and why it was bumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupMetadata<'a> {
    pub epoch: i32,
    pub metadata_hash: i64,
    /// Epoch of the topology that can be run, or -1.
    pub validated_topology_epoch: i32,
    pub assignment_configs: &'a BTreeMap<Str, Str>,
}

pub(super) fn metadata_record(group_id: &Str, metadata: &GroupMetadata<'_>) -> Written {
    let value = super::record_value::metadata_value(metadata);
    record(&StreamsGroupMetadataKey { group_id: group_id.clone() }, GROUP_METADATA, &value)
}

pub(super) fn member_record(group_id: &Str, member: &StreamsGroupMember) -> Written {
    let key =
        StreamsGroupMemberMetadataKey { group_id: group_id.clone(), member_id: member.member_id.clone() };
    record(&key, MEMBER_METADATA, &member_metadata_value(member))
}

pub(super) fn target_assignment_metadata_record(
    group_id: &Str,
    assignment_epoch: i32,
    assignment_timestamp: i64,
) -> Written {
    let value = StreamsGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    let key = StreamsGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    record(&key, TARGET_ASSIGNMENT_METADATA, &value)
}

pub(super) fn target_assignment_record(group_id: &Str, member_id: &Str, assignment: &TasksTuple) -> Written {
    let key =
        StreamsGroupTargetAssignmentMemberKey { group_id: group_id.clone(), member_id: member_id.clone() };
    record(&key, TARGET_ASSIGNMENT_MEMBER, &target_assignment_value(assignment))
}

pub(super) fn current_assignment_record(group_id: &Str, member: &StreamsGroupMember) -> Written {
    let key = StreamsGroupCurrentMemberAssignmentKey {
        group_id: group_id.clone(),
        member_id: member.member_id.clone(),
    };
    record(&key, CURRENT_MEMBER_ASSIGNMENT, &current_assignment_value(member))
}

pub(super) fn topology_record(group_id: &Str, topology: &StreamsTopology) -> Written {
    record(&StreamsGroupTopologyKey { group_id: group_id.clone() }, TOPOLOGY, &topology.to_record())
}

/// The tombstones of a member.
pub(super) fn member_tombstones(
    group_id: &Str,
    member_id: &Str,
) -> Result<[CoordinatorRecord; 3], EncodeError> {
    Ok([
        current_assignment_tombstone(group_id, member_id)?,
        target_assignment_tombstone(group_id, member_id)?,
        member_tombstone(group_id, member_id)?,
    ])
}

/// The tombstones of a group, in the order in which they may be replayed.
pub(super) fn group_tombstones(group: &StreamsGroup) -> Result<Vec<CoordinatorRecord>, EncodeError> {
    let group_id = &group.group_id;
    let mut records = Vec::new();
    for tombstone in [current_assignment_tombstone, target_assignment_tombstone] {
        for member_id in group.members.keys() {
            records.push(tombstone(group_id, member_id)?);
        }
    }
    let key = StreamsGroupTargetAssignmentMetadataKey { group_id: group_id.clone() };
    records.push(tombstone(&key, TARGET_ASSIGNMENT_METADATA)?);
    for member_id in group.members.keys() {
        records.push(member_tombstone(group_id, member_id)?);
    }
    let key = StreamsGroupMetadataKey { group_id: group_id.clone() };
    records.push(tombstone(&key, GROUP_METADATA)?);
    let key = StreamsGroupTopologyKey { group_id: group_id.clone() };
    records.push(tombstone(&key, TOPOLOGY)?);
    Ok(records)
}

fn current_assignment_tombstone(group_id: &Str, member_id: &Str) -> Written {
    let key =
        StreamsGroupCurrentMemberAssignmentKey { group_id: group_id.clone(), member_id: member_id.clone() };
    tombstone(&key, CURRENT_MEMBER_ASSIGNMENT)
}

fn target_assignment_tombstone(group_id: &Str, member_id: &Str) -> Written {
    let key =
        StreamsGroupTargetAssignmentMemberKey { group_id: group_id.clone(), member_id: member_id.clone() };
    tombstone(&key, TARGET_ASSIGNMENT_MEMBER)
}

fn member_tombstone(group_id: &Str, member_id: &Str) -> Written {
    let key = StreamsGroupMemberMetadataKey { group_id: group_id.clone(), member_id: member_id.clone() };
    tombstone(&key, MEMBER_METADATA)
}
