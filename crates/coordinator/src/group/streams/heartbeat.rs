//! StreamsGroupHeartbeat (`GroupMetadataManager.streamsGroupHeartbeat`): a member says that it lives, what it
//! is and what it owns; the answer says what it is to own.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_protocol::messages::StreamsGroupHeartbeatRequest;
use ottla_protocol::messages::streams_group_heartbeat_request::TaskIds;
use ottla_protocol::messages::streams_group_heartbeat_response::Status;
use ottla_protocol::{ErrorCode, Str};

use super::StreamsGroup;
use super::current_assignment::CurrentAssignment;
use super::epochs::{validate_epoch, validate_tasks};
use super::member::{MemberState, StreamsGroupMember};
use super::membership::{cancel_rebalance_timeout, schedule_rebalance_timeout, schedule_session_timeout};
use super::rebalance::DelayedRebalances;
use super::record::{
    GroupMetadata, current_assignment_record, member_record, metadata_record, topology_record,
};
use super::respond::{ASSIGNMENT_DELAYED, Respond, STALE_TOPOLOGY, status};
use super::target_assignment::{NUM_STANDBY_REPLICAS, TargetAssignment, unwritable};
use super::tasks::{Tasks, TasksTuple};
use super::topics::{ConfiguredTopology, configure_topics};
use super::topology::StreamsTopology;
use super::validate::{LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use crate::context::RequestContext;
use crate::errors::streams_group_heartbeat_error;
use crate::group::modern::{TopicHashes, can_compute_next};
use crate::group::{Env, Group, GroupError};
use crate::records::owned;
use crate::reply::{Reply, ReplyId, StreamsGroupHeartbeatReply};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// A heartbeat that is served.
struct Heartbeat<'a, 'e> {
    request: &'a StreamsGroupHeartbeatRequest,
    context: &'a RequestContext,
    env: &'a mut Env<'e>,
    hashes: &'a mut TopicHashes,
    delayed: &'a mut DelayedRebalances,
    /// Whether the group existed before.
    is_known_group: bool,
    status: Vec<Status>,
}

impl GroupCoordinatorShard {
    /// Serves a heartbeat, which [`validate_streams_group_heartbeat`](crate::validate_streams_group_heartbeat)
    /// has let through. The answer waits for the commit of the records, and names topics to create.
    pub fn streams_group_heartbeat(
        &mut self,
        context: &RequestContext,
        request: &StreamsGroupHeartbeatRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let is_leaving =
            matches!(request.member_epoch, LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH);
        let outcome = match is_leaving {
            true => self.streams_group_leave(request, now_ms, &mut out),
            false => self.streams_group_live(context, request, now_ms, &mut out),
        };
        match outcome {
            Ok(reply) => out.reply_after_commit(reply_id, Reply::StreamsGroupHeartbeat(reply)),
            Err(error) => {
                out = CoordinatorResult::default();
                let response = streams_group_heartbeat_error(&error);
                let reply = StreamsGroupHeartbeatReply { response, topics_to_create: Vec::new() };
                out.reply(reply_id, Reply::StreamsGroupHeartbeat(reply));
            }
        }
        out
    }

    fn streams_group_live(
        &mut self,
        context: &RequestContext,
        request: &StreamsGroupHeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<StreamsGroupHeartbeatReply, GroupError> {
        let group_id = &request.group_id;
        let is_joining = request.member_epoch == 0;
        if let (true, Some(Group::Classic(group))) = (is_joining, self.groups.get(group_id))
            && group.is_empty()
        {
            out.records.push(crate::records::group_metadata_tombstone(group_id).map_err(unwritable)?);
        }
        let is_known_group = self.groups.get(group_id).is_some();
        let mut created;
        let group = match self.groups.get_mut(group_id) {
            Some(Group::Streams(group)) => group,
            None if is_joining => {
                created = StreamsGroup::new(owned(group_id));
                &mut created
            }
            None => return Err(not_found(format!("Streams group {group_id} not found."))),
            Some(Group::Classic(group)) if is_joining && group.is_empty() => {
                created = StreamsGroup::new(owned(group_id));
                &mut created
            }
            Some(_) => return Err(not_found(format!("Group {group_id} is not a streams group."))),
        };
        let env = &mut Env { config: &self.config, image: &self.image, now_ms, out };
        let heartbeat = Heartbeat {
            request,
            context,
            env,
            hashes: &mut self.topic_hashes,
            delayed: &mut self.delayed_rebalances,
            is_known_group,
            status: Vec::new(),
        };
        heartbeat.run(group)
    }
}

impl Heartbeat<'_, '_> {
    fn run(mut self, group: &mut StreamsGroup) -> Result<StreamsGroupHeartbeatReply, GroupError> {
        let member = self.member(group)?;
        let mut updated = member.updated_by(self.request, &self.context.client_id, &self.context.client_host);
        let mut bump = updated != member;
        if bump {
            let record = member_record(&group.group_id, &updated).map_err(unwritable)?;
            self.env.out.records.push(record);
        }
        let topology = self.topology(group)?;
        self.report_stale_topology(group, &updated);
        let (configured, metadata_hash) = self.configured_topology(group, &topology, &mut bump)?;
        let validated_topology_epoch = match configured.ready() {
            Some(subtopologies) => {
                validate_tasks(subtopologies, self.request)?;
                topology.epoch
            }
            None => -1,
        };
        let assignment_configs = assignment_configs(self.env, &group.group_id);
        bump |= validated_topology_epoch != group.validated_topology_epoch
            || assignment_configs != *group.last_assignment_configs;
        let mut group_epoch = group.group_epoch;
        if bump {
            group_epoch = group_epoch.saturating_add(1);
            let metadata = GroupMetadata {
                epoch: group_epoch,
                metadata_hash,
                validated_topology_epoch,
                assignment_configs: &assignment_configs,
            };
            let record = metadata_record(&group.group_id, &metadata).map_err(unwritable)?;
            self.env.out.records.push(record);
            group.metadata_refresh.epoch = group_epoch;
        }
        self.delayed.begin(group, self.env);
        let (target_epoch, target) =
            self.target(group, group_epoch, &updated, &configured, &assignment_configs)?;
        updated = self.reconcile(group, updated, target_epoch, &target)?;
        schedule_session_timeout(self.env, &group.group_id, &updated.member_id);
        if self.request.shutdown_application {
            group.request_shutdown(&updated.member_id);
        }
        Ok(Respond {
            request: self.request,
            env: self.env,
            is_known_group: self.is_known_group,
            old: &member,
            new: &updated,
            topology: &configured,
        }
        .respond(group, self.status))
    }

    /// The member as it is, or one that has yet to be.
    fn member(&self, group: &StreamsGroup) -> Result<StreamsGroupMember, GroupError> {
        let member_id = &self.request.member_id;
        let is_joining = self.request.member_epoch == 0;
        let size_max = usize::try_from(self.env.config.streams.max_size).unwrap_or(0);
        if is_joining && group.members.size() >= size_max {
            return Err(GroupError::new(
                ErrorCode::GroupMaxSizeReached,
                format!("The streams group has reached its maximum capacity of {size_max} members."),
            ));
        }
        let member = match group.members.get(member_id) {
            Some(member) => (**member).clone(),
            None if is_joining => StreamsGroupMember::new(owned(member_id)),
            None => return Err(group.unknown_member(member_id)),
        };
        validate_epoch(&member, self.request)?;
        Ok(member)
    }

    /// The group's topology. The first member brings it; it can't be changed yet.
    fn topology(&mut self, group: &StreamsGroup) -> Result<Arc<StreamsTopology>, GroupError> {
        match (&group.topology, &self.request.topology) {
            (None, None) => Err(GroupError::from(ErrorCode::UnknownServerError)),
            (Some(known), None) => Ok(known.clone()),
            (None, Some(topology)) => {
                let topology = StreamsTopology::from_request(topology)?;
                let record = topology_record(&group.group_id, &topology).map_err(unwritable)?;
                self.env.out.records.push(record);
                Ok(Arc::new(topology))
            }
            (Some(known), Some(topology)) => {
                let topology = StreamsTopology::from_request(topology)?;
                if topology.epoch >= known.epoch && topology != **known {
                    let message = "Topology updates are not supported yet.";
                    return Err(GroupError::new(ErrorCode::InvalidRequest, message));
                }
                Ok(known.clone())
            }
        }
    }

    fn report_stale_topology(&mut self, group: &StreamsGroup, member: &StreamsGroupMember) {
        if let Some(topology) = &group.topology
            && member.topology_epoch < topology.epoch
        {
            let detail = format!(
                "The member's topology epoch {} is behind the group's topology epoch {}.",
                member.topology_epoch, topology.epoch
            );
            self.status.push(status(STALE_TOPOLOGY, detail));
        }
    }

    /// The topology with the topics that there are, and their hash. `bump` is set when the topics are not
    /// those of the last time.
    fn configured_topology(
        &mut self,
        group: &mut StreamsGroup,
        topology: &Arc<StreamsTopology>,
        bump: &mut bool,
    ) -> Result<(Arc<ConfiguredTopology>, i64), GroupError> {
        let mut metadata_hash = group.metadata_hash;
        let known = match (&group.topology, &group.configured_topology) {
            (Some(_), Some(known)) => Some(known.clone()),
            _ => None,
        };
        if let Some(known) = &known
            && !group.has_metadata_expired(self.env.image)
        {
            return Ok((known.clone(), metadata_hash));
        }
        let hash = self.hashes.group_hash(topology.required_topics(), self.env.image);
        let has_changed = hash != group.metadata_hash;
        *bump |= has_changed;
        metadata_hash = hash;
        group.metadata_refresh.image = Arc::downgrade(self.env.image);
        if let (Some(known), false) = (known, has_changed) {
            return Ok((known, metadata_hash));
        }
        let image = self.env.image;
        let partitions = |topic: &str| {
            let topic = image.topics.topic(topic)?;
            Some(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
        };
        let configured = Arc::new(configure_topics(topology, metadata_hash, &partitions)?);
        group.configured_topology = Some(configured.clone());
        // What the endpoints answer for depends on what the subtopologies read.
        group.endpoints = Default::default();
        Ok((configured, metadata_hash))
    }

    /// The epoch of the target assignment, and what the member is to own; assigned anew if that is due.
    fn target(
        &mut self,
        group: &StreamsGroup,
        group_epoch: i32,
        updated: &StreamsGroupMember,
        topology: &ConfiguredTopology,
        assignment_configs: &BTreeMap<Str, Str>,
    ) -> Result<(i32, Arc<TasksTuple>), GroupError> {
        if self.delayed.contains(&group.group_id) {
            let detail = "Assignment delayed due to the configured initial rebalance delay.";
            self.status.push(status(ASSIGNMENT_DELAYED, detail.into()));
            return Ok((group.assignment_epoch, Arc::default()));
        }
        let last = || {
            let tasks = group.target_assignment.get(&updated.member_id).cloned().unwrap_or_default();
            Ok((group.assignment_epoch, tasks))
        };
        if group.assignment_epoch >= group_epoch {
            return last();
        }
        let interval_ms = self.env.group_config(&group.group_id).streams_assignment_interval_ms();
        if !can_compute_next(group.assignment_timestamp_ms, interval_ms, self.env.now_ms) {
            let detail = "Assignment delayed due to the configured assignment interval.";
            self.status.push(status(ASSIGNMENT_DELAYED, detail.into()));
            return last();
        }
        let target = TargetAssignment {
            group,
            group_epoch,
            updated_member: Some(updated),
            topology,
            assignment_configs,
        };
        let mut assignment = target.build(self.env.now_ms, &mut self.env.out.records)?;
        Ok((group_epoch, Arc::new(assignment.remove(&updated.member_id).unwrap_or_default())))
    }

    /// The member after its next step towards the target assignment.
    fn reconcile(
        &mut self,
        group: &StreamsGroup,
        member: StreamsGroupMember,
        target_assignment_epoch: i32,
        target_assignment: &TasksTuple,
    ) -> Result<StreamsGroupMember, GroupError> {
        if member.is_reconciled_to(target_assignment_epoch) {
            return Ok(member);
        }
        let owned_tasks = owned_tasks(self.request);
        let reconciled = CurrentAssignment {
            member: &member,
            target_assignment_epoch,
            target_assignment,
            owners: &group.owners,
            owned_tasks: owned_tasks.as_ref(),
        }
        .build()?;
        if reconciled != member {
            let record = current_assignment_record(&group.group_id, &reconciled).map_err(unwritable)?;
            self.env.out.records.push(record);
            if reconciled.state == MemberState::UnrevokedTasks {
                schedule_rebalance_timeout(self.env, &group.group_id, &reconciled);
            } else {
                cancel_rebalance_timeout(self.env, &group.group_id, &reconciled.member_id);
            }
        }
        Ok(reconciled)
    }
}

/// What the member says that it owns, if it says so.
fn owned_tasks(request: &StreamsGroupHeartbeatRequest) -> Option<TasksTuple> {
    let tasks = |ids: &Option<Vec<TaskIds>>| -> Option<Tasks> {
        let mut tasks = Tasks::new();
        for ids in ids.as_ref()? {
            tasks.entry(ids.subtopology_id.clone()).or_default().extend(&ids.partitions);
        }
        Some(tasks)
    };
    Some(TasksTuple {
        active: tasks(&request.active_tasks)?,
        standby: tasks(&request.standby_tasks)?,
        warmup: tasks(&request.warmup_tasks)?,
    })
}

/// The assignor's settings.
fn assignment_configs(env: &Env<'_>, group_id: &str) -> BTreeMap<Str, Str> {
    let replicas = env.group_config(group_id).streams_num_standby_replicas();
    BTreeMap::from([(Str::from_static(NUM_STANDBY_REPLICAS), Str::from(replicas.to_string()))])
}

pub(super) fn not_found(message: String) -> GroupError {
    GroupError::new(ErrorCode::GroupIdNotFound, message)
}
