//! Records of streams groups applied (the `replay` methods of `GroupMetadataManager`).

use std::sync::Arc;

use ottla_protocol::Str;
use ottla_protocol::messages::StreamsGroupMetadataValue;

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use super::record::{StreamsGroupChange, StreamsGroupRecord};
use super::record_value::assignment_configs;
use super::tasks::{TasksTuple, TasksTupleWithEpochs};
use super::topology::StreamsTopology;
use crate::group::Group;
use crate::shard::GroupCoordinatorShard;

/// The epoch of a member that has left (`LEAVE_GROUP_MEMBER_EPOCH`).
const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// The epoch of a target assignment that was removed.
const NO_ASSIGNMENT_EPOCH: i32 = -1;

impl GroupCoordinatorShard {
    /// Applies a record at `offset`. The group before it stays readable until the record is committed; what
    /// large the two have in common is shared.
    pub(crate) fn replay_streams_group(&mut self, offset: i64, record: StreamsGroupRecord) {
        let StreamsGroupRecord { group_id, change } = record;
        let mut group = match self.groups.get(&group_id) {
            Some(Group::Streams(group)) => group.clone(),
            // Tombstones of a group that is gone, or came back as another kind, say nothing new.
            _ if change.is_tombstone() => return,
            // No group, or one that held nothing but offsets until now.
            _ => StreamsGroup::new(group_id.clone()),
        };
        if let StreamsGroupChange::Metadata(None) = change {
            self.groups.remove(offset, &group_id);
            self.delayed_rebalances.forget(&group_id);
            return;
        }
        group.replay(change);
        self.groups.insert(offset, group_id, Group::Streams(group));
    }
}

impl StreamsGroup {
    fn replay(&mut self, change: StreamsGroupChange) {
        match change {
            StreamsGroupChange::Metadata(value) => self.replay_metadata(value),
            StreamsGroupChange::Member(member_id, Some(value)) => {
                let member = self.member_or_new(&member_id).with_metadata(&value);
                self.put_member(member);
            }
            StreamsGroupChange::Member(member_id, None) => self.remove_member(&member_id),
            StreamsGroupChange::TargetAssignmentMetadata(Some(value)) => {
                self.assignment_epoch = value.assignment_epoch;
                self.assignment_timestamp_ms = value.assignment_timestamp;
            }
            StreamsGroupChange::TargetAssignmentMetadata(None) => {
                self.assignment_epoch = NO_ASSIGNMENT_EPOCH;
                self.assignment_timestamp_ms = 0;
            }
            StreamsGroupChange::TargetAssignment(member_id, Some(value)) => {
                self.target_assignment.insert_mut(member_id, Arc::new(TasksTuple::from_record(&value)));
            }
            StreamsGroupChange::TargetAssignment(member_id, None) => {
                self.target_assignment.remove_mut(&member_id);
            }
            StreamsGroupChange::CurrentAssignment(member_id, Some(value)) => {
                let member = self.member_or_new(&member_id).with_current_assignment(&value);
                self.put_member(member);
            }
            StreamsGroupChange::CurrentAssignment(member_id, None) => self.replay_left(&member_id),
            StreamsGroupChange::Topology(value) => {
                self.topology = value.map(|value| Arc::new(StreamsTopology::from_record(&value)));
            }
        }
    }

    fn replay_metadata(&mut self, value: Option<StreamsGroupMetadataValue>) {
        let Some(value) = value else { return };
        self.group_epoch = value.epoch;
        self.metadata_hash = value.metadata_hash;
        self.validated_topology_epoch = value.validated_topology_epoch;
        self.last_assignment_configs = Arc::new(assignment_configs(&value));
    }

    /// The first of a leaving member's tombstones: it owns nothing from now on.
    fn replay_left(&mut self, member_id: &Str) {
        if let Some(member) = self.members.get(member_id) {
            let member = StreamsGroupMember {
                member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
                previous_member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
                assigned_tasks: TasksTupleWithEpochs::default(),
                tasks_pending_revocation: TasksTupleWithEpochs::default(),
                ..(**member).clone()
            };
            self.put_member(member);
        }
    }

    fn member_or_new(&self, member_id: &Str) -> StreamsGroupMember {
        match self.members.get(member_id) {
            Some(member) => (**member).clone(),
            None => StreamsGroupMember::new(member_id.clone()),
        }
    }

    fn put_member(&mut self, member: StreamsGroupMember) {
        let member_id = member.member_id.clone();
        self.owners.replace(self.members.get(&member_id).map(|member| &**member), Some(&member));
        self.endpoints.remove_mut(&member_id);
        self.members.insert_mut(member_id, Arc::new(member));
    }

    fn remove_member(&mut self, member_id: &Str) {
        self.owners.replace(self.members.get(member_id).map(|member| &**member), None);
        self.endpoints.remove_mut(member_id);
        self.members.remove_mut(member_id);
        if self.members.is_empty() {
            self.shutdown_request_member_id = None;
        }
    }
}
