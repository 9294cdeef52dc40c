//! Whether a heartbeat comes from where the member stands
//! (`throwIfStreamsGroupMemberEpochIsInvalid`, `throwIfRequestContainsInvalidTasks`).

use std::collections::BTreeMap;

use ottla_protocol::messages::StreamsGroupHeartbeatRequest;
use ottla_protocol::messages::streams_group_heartbeat_request::TaskIds;
use ottla_protocol::{ErrorCode, Str};

use super::member::StreamsGroupMember;
use super::tasks::Tasks;
use super::topics::ConfiguredSubtopology;
use crate::group::GroupError;

/// The member's epoch must be the one that it was told, or the one before if it has nothing that it was not
/// given: then it did not get the last answer.
pub(super) fn validate_epoch(
    member: &StreamsGroupMember,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<(), GroupError> {
    let received = request.member_epoch;
    if received == 0 || received == member.member_epoch {
        return Ok(());
    }
    let comparison = if received > member.member_epoch { "greater" } else { "smaller" };
    let assigned = &member.assigned_tasks;
    let active = |id: &str, partition: i32| assigned.active_epoch(id, partition).is_some();
    let is_retry = received < member.member_epoch
        && received == member.previous_member_epoch
        && are_contained(&request.active_tasks, |id| assigned.active.contains_key(id), active)
        && are_tasks_of(&request.standby_tasks, &assigned.standby)
        && are_tasks_of(&request.warmup_tasks, &assigned.warmup);
    if is_retry {
        return Ok(());
    }
    Err(GroupError::new(
        ErrorCode::FencedMemberEpoch,
        format!(
            "The streams group member has a {comparison} member epoch ({received}) than the one known by the \
             group coordinator ({}). The member must abandon all its partitions and rejoin.",
            member.member_epoch
        ),
    ))
}

/// The tasks that a member says it owns must exist.
pub(super) fn validate_tasks(
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<(), GroupError> {
    let tasks = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    for tasks in tasks.into_iter().flatten().flatten() {
        let id = &tasks.subtopology_id;
        let Some(subtopology) = subtopologies.get(id) else {
            return Err(GroupError::new(
                ErrorCode::InvalidRequest,
                format!("Subtopology {id} does not exist in the topology."),
            ));
        };
        let number_of_tasks = subtopology.number_of_tasks;
        if let Some(partition) = tasks.partitions.iter().find(|p| !(0..number_of_tasks).contains(*p)) {
            return Err(GroupError::new(
                ErrorCode::InvalidRequest,
                format!(
                    "Task {partition} for subtopology {id} is invalid. Number of tasks for this subtopology: \
                     {number_of_tasks}"
                ),
            ));
        }
    }
    Ok(())
}

fn are_tasks_of(owned: &Option<Vec<TaskIds>>, assigned: &Tasks) -> bool {
    let contains =
        |id: &str, partition: i32| assigned.get(id).is_some_and(|tasks| tasks.contains(&partition));
    are_contained(owned, |id| assigned.contains_key(id), contains)
}

fn are_contained(
    owned: &Option<Vec<TaskIds>>,
    has_subtopology: impl Fn(&str) -> bool,
    contains: impl Fn(&str, i32) -> bool,
) -> bool {
    owned.as_ref().is_some_and(|owned| {
        owned.iter().all(|tasks| {
            let id = &tasks.subtopology_id;
            has_subtopology(id) && tasks.partitions.iter().all(|partition| contains(id, *partition))
        })
    })
}
