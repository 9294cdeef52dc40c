//! The answer to StreamsGroupHeartbeat.

use ottla_protocol::Str;
use ottla_protocol::messages::StreamsGroupHeartbeatRequest;
use ottla_protocol::messages::streams_group_heartbeat_response::{
    Status, StreamsGroupHeartbeatResponse, TaskIds,
};

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use super::tasks::{Tasks, TasksWithEpochs};
use super::topics::ConfiguredTopology;
use crate::group::Env;
use crate::reply::StreamsGroupHeartbeatReply;

/// The member runs an old topology.
pub(super) const STALE_TOPOLOGY: i8 = 0;
/// A member wants the whole application to stop.
const SHUTDOWN_APPLICATION: i8 = 4;
/// The group waits before it assigns.
pub(super) const ASSIGNMENT_DELAYED: i8 = 5;

/// What an answer is made of.
pub(super) struct Respond<'a, 'e> {
    pub request: &'a StreamsGroupHeartbeatRequest,
    pub env: &'a Env<'e>,
    pub is_known_group: bool,
    pub old: &'a StreamsGroupMember,
    pub new: &'a StreamsGroupMember,
    pub topology: &'a ConfiguredTopology,
}

impl Respond<'_, '_> {
    /// The answer, with the status so far.
    pub fn respond(self, group: &mut StreamsGroup, mut statuses: Vec<Status>) -> StreamsGroupHeartbeatReply {
        let member = self.new;
        let mut response = StreamsGroupHeartbeatResponse {
            member_id: member.member_id.clone(),
            member_epoch: member.member_epoch,
            heartbeat_interval_ms: self.env.group_config(&group.group_id).streams_heartbeat_interval_ms(),
            ..Default::default()
        };
        if self.request.member_epoch == 0 || self.old.assigned_tasks != member.assigned_tasks {
            response.active_tasks = Some(active_task_ids(&member.assigned_tasks.active));
            response.standby_tasks = Some(task_ids(&member.assigned_tasks.standby));
            response.warmup_tasks = Some(task_ids(&member.assigned_tasks.warmup));
            group.endpoint_changed(member);
        }
        if group.endpoint_information_epoch != self.request.endpoint_information_epoch {
            let endpoints = group.endpoint_to_partitions(member, self.topology, self.env.image);
            response.partitions_by_user_endpoint = Some(endpoints);
        }
        if self.is_known_group {
            // A group that is new forgets the epoch.
            response.endpoint_information_epoch = group.endpoint_information_epoch;
        }
        if let Some(problem) = &self.topology.problem {
            statuses.push(status(problem.status.code(), problem.detail.clone()));
        }
        if let Some(requester) = &group.shutdown_request_member_id {
            let detail = format!(
                "Streams group member {requester} encountered a fatal error and requested a shutdown for the \
                 entire application."
            );
            statuses.push(status(SHUTDOWN_APPLICATION, detail));
        }
        response.status = Some(statuses);
        let topics_to_create = match self.topology.problem {
            Some(_) => self.topology.internal_topics_to_create.clone(),
            None => Vec::new(),
        };
        StreamsGroupHeartbeatReply { response, topics_to_create }
    }
}

/// A status with Kafka's words.
pub(super) fn status(code: i8, detail: String) -> Status {
    Status { status_code: code, status_detail: Str::from(detail) }
}

fn task_ids(tasks: &Tasks) -> Vec<TaskIds> {
    let ids = tasks.iter().map(|(id, partitions)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
    });
    ids.collect()
}

fn active_task_ids(tasks: &TasksWithEpochs) -> Vec<TaskIds> {
    let ids = tasks.iter().map(|(id, partitions)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.keys().copied().collect(),
    });
    ids.collect()
}
