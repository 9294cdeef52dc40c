//! Members that leave, and members that are made to (`streamsGroupLeave`, `streamsGroupFenceMember`, and the
//! timers of members).

use ottla_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_protocol::{EncodeError, ErrorCode, Str};

use super::StreamsGroup;
use super::heartbeat::not_found;
use super::member::{MemberState, StreamsGroupMember};
use super::record::{GroupMetadata, group_tombstones, member_tombstones, metadata_record};
use super::target_assignment::unwritable;
use crate::group::{Env, Group, GroupError};
use crate::records::CoordinatorRecord;
use crate::reply::StreamsGroupHeartbeatReply;
use crate::result::{CoordinatorResult, GroupEvent};
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerKey;

/// After this time a member that could not be removed, because its tombstones were not written, is removed
/// again.
const RETRY_DELAY_MS: i64 = 500;

impl GroupCoordinatorShard {
    /// A member says that it leaves.
    pub(super) fn streams_group_leave(
        &mut self,
        request: &StreamsGroupHeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<StreamsGroupHeartbeatReply, GroupError> {
        let group_id = &request.group_id;
        let group = match self.groups.get_mut(group_id) {
            Some(Group::Streams(group)) => group,
            Some(_) => return Err(not_found(format!("Group {group_id} is not a streams group."))),
            None => return Err(not_found(format!("Group {group_id} not found."))),
        };
        if request.shutdown_application {
            group.request_shutdown(&request.member_id);
        }
        let env = &mut Env { config: &self.config, image: &self.image, now_ms, out };
        group.fence(&request.member_id, "the member left", env)?;
        let response = StreamsGroupHeartbeatResponse {
            member_id: request.member_id.clone(),
            member_epoch: request.member_epoch,
            status: Some(Vec::new()),
            ..Default::default()
        };
        Ok(StreamsGroupHeartbeatReply { response, topics_to_create: Vec::new() })
    }

    /// A member was not heard of in time.
    pub(crate) fn on_streams_session_timer(
        &mut self,
        group_id: &Str,
        member_id: &Str,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        if let Some(Group::Streams(group)) = self.groups.get(group_id) {
            let env = &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
            if group.fence(member_id, "the member session expired", env).is_ok() {
                out.schedule(session_timer(group_id, member_id), now_ms, RETRY_DELAY_MS);
            }
        }
        out
    }

    /// A member has not given up its tasks in time.
    pub(crate) fn on_streams_rebalance_timer(
        &mut self,
        group_id: &Str,
        member_id: &Str,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let Some(Group::Streams(group)) = self.groups.get(group_id) else { return out };
        // It was cancelled if the member has moved on.
        let is_late =
            group.members.get(member_id).is_some_and(|member| member.state == MemberState::UnrevokedTasks);
        let env = &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
        if is_late && group.fence(member_id, "it failed to give up its tasks in time", env).is_ok() {
            out.schedule(rebalance_timer(group_id, member_id), now_ms, RETRY_DELAY_MS);
        }
        out
    }
}

impl StreamsGroup {
    /// Arms the timers of all members: the group was loaded.
    pub fn on_loaded(&self, env: &mut Env<'_>) {
        for member in self.members.values() {
            schedule_session_timeout(env, &self.group_id, &member.member_id);
            if member.state == MemberState::UnrevokedTasks {
                schedule_rebalance_timeout(env, &self.group_id, member);
            }
        }
    }

    /// The records that remove the group, but for its offsets.
    pub fn tombstones(&self) -> Result<Vec<CoordinatorRecord>, EncodeError> {
        group_tombstones(self)
    }

    /// Whether the group may be removed.
    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// Removes a member, and asks for a new assignment.
    fn fence(&self, member_id: &Str, reason: &str, env: &mut Env<'_>) -> Result<(), GroupError> {
        if !self.members.contains_key(member_id) {
            return Err(self.unknown_member(member_id));
        }
        env.out.records.extend(member_tombstones(&self.group_id, member_id).map_err(unwritable)?);
        let metadata = GroupMetadata {
            epoch: self.group_epoch.saturating_add(1),
            metadata_hash: self.metadata_hash,
            validated_topology_epoch: self.validated_topology_epoch,
            assignment_configs: &self.last_assignment_configs,
        };
        env.out.records.push(metadata_record(&self.group_id, &metadata).map_err(unwritable)?);
        env.out.cancel(session_timer(&self.group_id, member_id));
        env.out.cancel(rebalance_timer(&self.group_id, member_id));
        env.out.events.push(GroupEvent::MemberRemoved {
            group_id: self.group_id.clone(),
            member_id: member_id.clone(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

/// The member is removed unless it is heard of in time.
pub(super) fn schedule_session_timeout(env: &mut Env<'_>, group_id: &Str, member_id: &Str) {
    let timeout_ms = env.group_config(group_id).streams_session_timeout_ms();
    env.out.schedule(session_timer(group_id, member_id), env.now_ms, timeout_ms.into());
}

/// The member is removed unless it gives up its tasks in time.
pub(super) fn schedule_rebalance_timeout(env: &mut Env<'_>, group_id: &Str, member: &StreamsGroupMember) {
    let key = rebalance_timer(group_id, &member.member_id);
    env.out.schedule(key, env.now_ms, member.rebalance_timeout_ms.into());
}

/// The member has no tasks to give up any more.
pub(super) fn cancel_rebalance_timeout(env: &mut Env<'_>, group_id: &Str, member_id: &Str) {
    env.out.cancel(rebalance_timer(group_id, member_id));
}

fn session_timer(group_id: &Str, member_id: &Str) -> TimerKey {
    TimerKey::StreamsSession { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn rebalance_timer(group_id: &Str, member_id: &Str) -> TimerKey {
    TimerKey::StreamsRebalance { group_id: group_id.clone(), member_id: member_id.clone() }
}
