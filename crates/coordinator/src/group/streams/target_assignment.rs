//! A new target assignment (`TargetAssignmentBuilder`).

use std::collections::BTreeMap;

use ottla_protocol::{ErrorCode, Str};

use super::StreamsGroup;
use super::assignor::{self, GroupSpec, MemberSpec, SubtopologySpec};
use super::member::StreamsGroupMember;
use super::record::{target_assignment_metadata_record, target_assignment_record};
use super::tasks::TasksTuple;
use super::topics::ConfiguredTopology;
use crate::group::GroupError;
use crate::records::CoordinatorRecord;

/// The setting of the assignor.
pub(super) const NUM_STANDBY_REPLICAS: &str = "num.standby.replicas";

/// What is assigned, and to whom.
pub(super) struct TargetAssignment<'a> {
    pub group: &'a StreamsGroup,
    /// The epoch that the assignment is for.
    pub group_epoch: i32,
    /// The member whose heartbeat this is, as it is from now on.
    pub updated_member: Option<&'a StreamsGroupMember>,
    pub topology: &'a ConfiguredTopology,
    pub assignment_configs: &'a BTreeMap<Str, Str>,
}

impl TargetAssignment<'_> {
    /// Assigns all tasks anew. Writes what has changed to `records`, and returns what all members get.
    ///
    /// # Errors
    /// UNKNOWN_SERVER_ERROR when there is nobody to assign tasks to.
    pub fn build(
        &self,
        now_ms: i64,
        records: &mut Vec<CoordinatorRecord>,
    ) -> Result<BTreeMap<Str, TasksTuple>, GroupError> {
        let assignment = self.assign()?;
        let group_id = &self.group.group_id;
        for (member_id, tasks) in &assignment {
            let old = self.group.target_assignment.get(member_id);
            if old.is_none_or(|old| **old != *tasks) {
                records.push(target_assignment_record(group_id, member_id, tasks).map_err(unwritable)?);
            }
        }
        let record = target_assignment_metadata_record(group_id, self.group_epoch, now_ms);
        records.push(record.map_err(unwritable)?);
        Ok(assignment)
    }

    fn assign(&self) -> Result<BTreeMap<Str, TasksTuple>, GroupError> {
        let members = self.group.members.iter().map(|(id, member)| (id, &**member));
        let mut members: BTreeMap<&Str, &StreamsGroupMember> = members.collect();
        if let Some(member) = self.updated_member {
            members.insert(&member.member_id, member);
        }
        let Some(subtopologies) = self.topology.ready() else {
            return Ok(members.into_keys().map(|id| (id.clone(), TasksTuple::default())).collect());
        };
        let none = TasksTuple::default();
        let members = members.into_iter().map(|(id, member)| {
            let target_assignment = self.group.target_assignment.get(id).map_or(&none, |tasks| &**tasks);
            (id, MemberSpec { process_id: &member.process_id, target_assignment })
        });
        let replicas = self.assignment_configs.get(NUM_STANDBY_REPLICAS);
        let spec = GroupSpec {
            members: members.collect(),
            num_standby_replicas: replicas.and_then(|replicas| replicas.parse().ok()).unwrap_or(0),
            subtopologies: subtopologies
                .iter()
                .map(|(id, subtopology)| SubtopologySpec {
                    id,
                    number_of_tasks: subtopology.number_of_tasks,
                    is_stateful: subtopology.is_stateful(),
                })
                .collect(),
        };
        assignor::assign(&spec).map_err(|error| {
            GroupError::new(
                ErrorCode::UnknownServerError,
                format!("Failed to compute a new target assignment for epoch {}: {error}", self.group_epoch),
            )
        })
    }
}

/// A record can't be encoded: an id is longer than a record can carry.
pub(super) fn unwritable(_: ottla_protocol::EncodeError) -> GroupError {
    GroupError::from(ErrorCode::UnknownServerError)
}
