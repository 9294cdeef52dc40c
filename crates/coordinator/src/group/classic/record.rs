//! A classic group as a record, and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::GroupMetadataValue;
use ottla_protocol::{EncodeError, Str};

use super::member::ClassicGroupMember;
use super::{ClassicGroup, ClassicGroupState};
use crate::records::{CoordinatorRecord, group_metadata_record, owned};

impl ClassicGroup {
    /// The group with these assignments (`GroupCoordinatorRecordHelpers.newGroupMetadataRecord`).
    pub(super) fn metadata_record(
        &self,
        assignments: &BTreeMap<Str, Bytes>,
    ) -> Result<CoordinatorRecord, EncodeError> {
        let members = self.members.values().map(|member| {
            let assignment = assignments.get(&member.member_id).cloned().unwrap_or_default();
            member.to_record(self.protocol_name.as_ref(), assignment)
        });
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation_id,
            protocol: self.protocol_name.clone(),
            leader: self.leader_id.clone(),
            current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
            members: members.collect(),
        };
        group_metadata_record(&self.group_id, &value)
    }

    /// A group that exists and nothing more (`newEmptyGroupMetadataRecord`).
    pub(super) fn empty_metadata_record(&self) -> Result<CoordinatorRecord, EncodeError> {
        let value = GroupMetadataValue {
            protocol_type: Str::new(),
            generation: 0,
            protocol: None,
            leader: None,
            current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
            members: Vec::new(),
        };
        group_metadata_record(&self.group_id, &value)
    }

    /// What the last record says, as far as it is so. `None` while a rebalance is under way.
    pub fn persistent(&self) -> Option<GroupMetadataValue> {
        if !matches!(self.state, ClassicGroupState::Empty | ClassicGroupState::Stable) {
            return None;
        }
        let members = (self.members.values())
            .map(|member| member.to_record(self.protocol_name.as_ref(), member.assignment.clone()));
        Some(GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation_id,
            protocol: self.protocol_name.clone(),
            leader: self.leader_id.clone(),
            current_state_timestamp: -1,
            members: members.collect(),
        })
    }

    /// The group of a record (`GroupMetadataManager.replay(GroupMetadataKey, GroupMetadataValue)`). It is
    /// stable if it has members: a rebalance that was under way begins anew when they notice.
    pub fn from_record(group_id: Str, value: &GroupMetadataValue) -> Self {
        let timestamp_ms = (value.current_state_timestamp != -1).then_some(value.current_state_timestamp);
        let mut group = ClassicGroup::new(group_id, timestamp_ms);
        group.generation_id = value.generation;
        group.protocol_type = Some(&value.protocol_type).filter(|name| !name.is_empty()).map(owned);
        group.protocol_name = value.protocol.as_ref().map(owned);
        group.leader_id = value.leader.as_ref().map(owned);
        // A group with members has a protocol; nothing but damage makes it otherwise.
        let protocol_name = group.protocol_name.clone().unwrap_or_default();
        for member in &value.members {
            let member = ClassicGroupMember::from_record(member, &protocol_name);
            let is_known = group.members.contains_key(&member.member_id)
                || member.group_instance_id.as_ref().is_some_and(|id| group.static_members.contains_key(id));
            if !is_known {
                group.add(member);
            }
        }
        if !group.members.is_empty() {
            group.state = ClassicGroupState::Stable;
        }
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }
}
