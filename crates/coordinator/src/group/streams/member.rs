//! A member of a streams group (`StreamsGroupMember`): one thread of an application, which with others shares
//! a process.

use std::collections::BTreeMap;

use ottla_protocol::Str;
use ottla_protocol::messages::streams_group_heartbeat_request::StreamsGroupHeartbeatRequest;

use super::tasks::TasksTupleWithEpochs;
use crate::records::owned;

/// How far a member has come towards its target assignment (`MemberState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It owns what it is to own in its epoch.
    Stable,
    /// It has tasks to give up before it can go on.
    UnrevokedTasks,
    /// Tasks that it is to own are still another's.
    UnreleasedTasks,
    /// Written by a version that knows more states.
    Unknown,
}

impl MemberState {
    /// As records carry it.
    pub fn code(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::UnrevokedTasks => 2,
            MemberState::UnreleasedTasks => 3,
            MemberState::Unknown => 127,
        }
    }

    /// From a record.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => MemberState::Stable,
            2 => MemberState::UnrevokedTasks,
            3 => MemberState::UnreleasedTasks,
            _ => MemberState::Unknown,
        }
    }
}

/// Where a process answers interactive queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserEndpoint {
    pub host: Str,
    pub port: u16,
}

/// A member. Everything is persisted: what the client says of itself in one record, where it stands in
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamsGroupMember {
    pub member_id: Str,
    /// The epoch that the member was told last; -1 when it has left.
    pub member_epoch: i32,
    /// The one before. A member that did not get the answer comes back with it.
    pub previous_member_epoch: i32,
    pub state: MemberState,
    pub instance_id: Option<Str>,
    pub rack_id: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    /// How long it may take to give up tasks; -1 when never told.
    pub rebalance_timeout_ms: i32,
    /// Epoch of the topology that the member runs; -1 when never told.
    pub topology_epoch: i32,
    /// Members of one process share its disks and its memory.
    pub process_id: Str,
    pub user_endpoint: Option<UserEndpoint>,
    pub client_tags: BTreeMap<Str, Str>,
    pub assigned_tasks: TasksTupleWithEpochs,
    pub tasks_pending_revocation: TasksTupleWithEpochs,
}

impl StreamsGroupMember {
    /// A member that has yet to say anything of itself.
    pub fn new(member_id: Str) -> Self {
        Self {
            member_id,
            member_epoch: 0,
            previous_member_epoch: 0,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            client_id: Str::new(),
            client_host: Str::new(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: Str::new(),
            user_endpoint: None,
            client_tags: BTreeMap::new(),
            assigned_tasks: TasksTupleWithEpochs::default(),
            tasks_pending_revocation: TasksTupleWithEpochs::default(),
        }
    }

    /// Whether the member owns what the target assignment of this epoch gives it.
    pub fn is_reconciled_to(&self, target_assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == target_assignment_epoch
    }

    /// The member with what a heartbeat says of it. What the heartbeat leaves out stays.
    pub fn updated_by(
        &self,
        request: &StreamsGroupHeartbeatRequest,
        client_id: &Str,
        client_host: &Str,
    ) -> Self {
        let mut member = self.clone();
        if let Some(rack_id) = &request.rack_id {
            member.rack_id = Some(owned(rack_id));
        }
        if request.rebalance_timeout_ms != -1 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        if let Some(topology) = &request.topology {
            member.topology_epoch = topology.epoch;
        }
        member.client_id = owned(client_id);
        member.client_host = owned(client_host);
        if let Some(process_id) = &request.process_id {
            member.process_id = owned(process_id);
        }
        if let Some(tags) = &request.client_tags {
            member.client_tags = tags.iter().map(|tag| (owned(&tag.key), owned(&tag.value))).collect();
        }
        if let Some(endpoint) = &request.user_endpoint {
            member.user_endpoint = Some(UserEndpoint { host: owned(&endpoint.host), port: endpoint.port });
        }
        member
    }

    /// The member in a new epoch. The one it leaves becomes its previous one.
    pub fn with_epoch(&self, member_epoch: i32) -> Self {
        Self { member_epoch, previous_member_epoch: self.member_epoch, ..self.clone() }
    }
}
