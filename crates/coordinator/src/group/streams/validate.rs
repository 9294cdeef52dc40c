//! What a StreamsGroupHeartbeat must look like, whatever the group
//! (`GroupCoordinatorService.streamsGroupHeartbeat`).

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::StreamsGroupHeartbeatRequest;
use ottla_protocol::messages::streams_group_heartbeat_request::{TaskIds, Topology};

use crate::group::GroupError;

/// The member leaves.
pub(super) const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// A static member leaves for a while.
pub(super) const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// Checks a request before it goes to a shard.
///
/// # Errors
/// INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY, in Kafka's words.
pub fn validate_streams_group_heartbeat(request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    validate_features(request)?;
    let is_blank = |text: &str| text.chars().all(|c| c <= ' ');
    refuse_if(is_blank(&request.member_id), "MemberId can't be empty.")?;
    refuse_if(is_blank(&request.group_id), "GroupId can't be empty.")?;
    refuse_if(request.rack_id.as_ref().is_some_and(|rack| is_blank(rack)), "RackId can't be empty.")?;
    match request.member_epoch {
        0 => validate_join(request)?,
        LEAVE_GROUP_STATIC_MEMBER_EPOCH => {
            refuse_if(request.instance_id.is_none(), "InstanceId can't be null.")?;
        }
        epoch if epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH => {
            let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
            return Err(invalid(message));
        }
        _ => {}
    }
    let tasks = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    let is_partial = tasks.iter().any(|tasks| tasks.is_some()) && tasks.iter().any(|tasks| tasks.is_none());
    refuse_if(is_partial, "If one task-type is non-null, all must be non-null.")?;
    let has_topology = request.member_epoch != 0 && request.topology.is_some();
    refuse_if(has_topology, "Topology can only be provided when (re-)joining.")
}

fn validate_features(request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    refuse_if(request.instance_id.is_some(), "Static membership is not yet supported.")?;
    refuse_if(request.task_offsets.is_some(), "TaskOffsets are not supported yet.")?;
    refuse_if(request.task_end_offsets.is_some(), "TaskEndOffsets are not supported yet.")?;
    let has_warmup = request.warmup_tasks.as_ref().is_some_and(|tasks| !tasks.is_empty());
    refuse_if(has_warmup, "WarmupTasks are not supported yet.")?;
    let mut subtopologies = request.topology.iter().flat_map(|topology| &topology.subtopologies);
    let has_regex = subtopologies.any(|subtopology| !subtopology.source_topic_regex.is_empty());
    refuse_if(has_regex, "Regular expressions for source topics are not supported yet.")
}

fn validate_join(request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    let not_provided = request.rebalance_timeout_ms == -1;
    refuse_if(not_provided, "RebalanceTimeoutMs must be provided in first request.")?;
    let is_not_empty = |tasks: &Option<Vec<TaskIds>>| !tasks.as_ref().is_some_and(Vec::is_empty);
    refuse_if(is_not_empty(&request.active_tasks), "ActiveTasks must be empty when (re-)joining.")?;
    refuse_if(is_not_empty(&request.standby_tasks), "StandbyTasks must be empty when (re-)joining.")?;
    refuse_if(is_not_empty(&request.warmup_tasks), "WarmupTasks must be empty when (re-)joining.")?;
    match &request.topology {
        Some(topology) => validate_topology(topology),
        None => Err(invalid("Topology must be non-null when (re-)joining.".into())),
    }
}

fn validate_topology(topology: &Topology) -> Result<(), GroupError> {
    let mut changelogs = topology.subtopologies.iter().flat_map(|s| &s.state_changelog_topics);
    match changelogs.find(|topic| topic.partitions != 0) {
        None => Ok(()),
        Some(topic) => Err(GroupError::new(
            ErrorCode::StreamsInvalidTopology,
            format!(
                "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                topic.name, topic.partitions
            ),
        )),
    }
}

fn refuse_if(is_wrong: bool, message: &str) -> Result<(), GroupError> {
    if is_wrong { Err(invalid(message.into())) } else { Ok(()) }
}

fn invalid(message: String) -> GroupError {
    GroupError::new(ErrorCode::InvalidRequest, message)
}
