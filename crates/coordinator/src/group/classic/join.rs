//! JoinGroup (`GroupCoordinatorService.joinGroup`, `GroupMetadataManager.classicGroupJoin...`).

use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;
use ottla_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::member::{AwaitingJoin, ClassicGroupMember, member_protocols};
use super::{ClassicAction, ClassicGroup, ClassicGroupState, Env};
use crate::config::GroupCoordinatorConfig;
use crate::context::RequestContext;
use crate::group::consumer::{ClassicJoined, Topics};
use crate::group::{Group, TEXT_LENGTH_MAX};
use crate::records::owned;
use crate::reply::{JoinWaiter, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// Room for what is appended to a client id or instance id to make a member id: a hyphen and a UUID.
const MEMBER_ID_SUFFIX_LENGTH: usize = 37;
/// From this version on a new member joins twice: first to get its id (KIP-394).
const MEMBER_ID_REQUIRED_VERSION_MIN: i16 = 4;

/// A JoinGroup on its way.
pub(super) struct Join<'a> {
    pub context: &'a RequestContext,
    pub request: &'a JoinGroupRequest,
    pub rebalance_timeout_ms: i32,
    pub new_member_uuid: Uuid,
    pub waiter: JoinWaiter,
}

/// What is wrong with a JoinGroup whatever its group: checked before the group's shard is looked for.
///
/// # Errors
/// INVALID_GROUP_ID and INVALID_SESSION_TIMEOUT as Kafka; INVALID_REQUEST for texts that the group's record
/// can't hold (32 KiB), which Kafka only notices when it writes the record.
pub fn validate_join_group(
    config: &GroupCoordinatorConfig,
    context: &RequestContext,
    request: &JoinGroupRequest,
) -> Result<(), ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let timeouts_ms = config.group_min_session_timeout_ms..=config.group_max_session_timeout_ms;
    if !timeouts_ms.contains(&request.session_timeout_ms) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    let prefixes = request.group_instance_id.iter().chain([&context.client_id]);
    let texts = [&request.group_id, &request.member_id, &request.protocol_type, &context.client_host];
    let names = request.protocols.iter().map(|protocol| &protocol.name);
    let is_long = prefixes.map(|text| text.len() + MEMBER_ID_SUFFIX_LENGTH).any(|n| n > TEXT_LENGTH_MAX)
        || texts.into_iter().chain(names).any(|text| text.len() > TEXT_LENGTH_MAX);
    if is_long { Err(ErrorCode::InvalidRequest) } else { Ok(()) }
}

impl GroupCoordinatorShard {
    /// A member joins, for the first time or again. Usually the answer comes later, when all have joined.
    ///
    /// `new_member_uuid` makes the member id, should a new one be needed: pass 128 fresh random bits.
    pub fn join_group(
        &mut self,
        context: &RequestContext,
        request: &JoinGroupRequest,
        reply_id: ReplyId,
        new_member_uuid: Uuid,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let waiter = JoinWaiter { reply_id, api_version: context.api_version };
        if let Some(Group::Consumer(group)) = self.groups.get(&request.group_id)
            && !group.is_empty()
        {
            self.join_consumer_group(context, request, waiter, new_member_uuid, now_ms, &mut out);
            self.note_sight(context, &out);
            return out;
        }
        // A share group never gives way, not even when it is empty.
        let is_other_type = match self.groups.get(&request.group_id) {
            Some(Group::Share(_)) => true,
            Some(Group::Streams(group)) => !group.is_empty(),
            _ => false,
        };
        if is_other_type {
            let error = validate_join_group(&self.config, context, request).err();
            let error = error.unwrap_or(ErrorCode::InconsistentGroupProtocol);
            out.replies.push(waiter.error(Str::new(), error));
            return out;
        }
        // An empty consumer or streams group gives way to a classic one.
        let replaced = match self.groups.get(&request.group_id) {
            Some(Group::Consumer(group)) => group.tombstones(),
            Some(Group::Streams(group)) => group.tombstones().unwrap_or_default(),
            _ => Vec::new(),
        };
        let is_new_group = self.groups.get(&request.group_id).is_none() || !replaced.is_empty();
        let checked = match validate_join_group(&self.config, context, request) {
            // A member id is proof of a group that was.
            Ok(()) if is_new_group && !request.member_id.is_empty() => Err(ErrorCode::UnknownMemberId),
            checked => checked,
        };
        if let Err(error) = checked {
            out.replies.push(waiter.error(request.member_id.clone(), error));
            return out;
        }
        if is_new_group {
            self.create_classic_group(&request.group_id, now_ms);
        }
        let Some(Group::Classic(group)) = self.groups.get_mut(&request.group_id) else { return out };
        // Version 0 has one timeout for both.
        let rebalance_timeout_ms =
            if context.api_version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
        let join = Join { context, request, rebalance_timeout_ms, new_member_uuid, waiter };
        group.join(join, &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out });
        if is_new_group && out.records.is_empty() {
            // The group has to outlive this broker, or the ids that it gives out would be unknown to the
            // next.
            if let Ok(record) = group.empty_metadata_record() {
                let action = ClassicAction::GroupCreated { group_id: group.group_id.clone() };
                out.records = replaced;
                out.persist(record, action);
            }
        }
        out
    }

    fn join_consumer_group(
        &mut self,
        context: &RequestContext,
        request: &JoinGroupRequest,
        waiter: JoinWaiter,
        new_member_uuid: Uuid,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) {
        if let Err(error) = validate_join_group(&self.config, context, request) {
            out.replies.push(waiter.error(request.member_id.clone(), error));
            return;
        }
        let Some(Group::Consumer(group)) = self.groups.get_mut(&request.group_id) else { return };
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out };
        let mut topics = Topics { hashes: &mut self.topic_hashes, last_new_topics: self.last_new_topics };
        match group.classic_join(context, request, new_member_uuid, &mut topics, &mut env) {
            Ok(ClassicJoined::Joined(response)) => out.deferred.replies.push(waiter.answer(response)),
            Ok(ClassicJoined::MemberIdRequired(member_id)) => {
                out.replies.push(waiter.error(member_id, ErrorCode::MemberIdRequired));
            }
            Err(error) => {
                *out = CoordinatorResult::default();
                out.replies.push(waiter.error(Str::new(), error.code));
            }
        }
    }
}

impl ClassicGroup {
    fn join(&mut self, join: Join<'_>, env: &mut Env<'_>) {
        let member_id = &join.request.member_id;
        if !self.accepts(member_id, env.config) {
            self.remove(member_id, env.out);
            env.out.replies.push(join.waiter.error(Str::new(), ErrorCode::GroupMaxSizeReached));
        } else if member_id.is_empty() {
            self.join_new_member(join, env);
        } else {
            self.join_known_member(join, env);
        }
    }

    fn join_new_member(&mut self, join: Join<'_>, env: &mut Env<'_>) {
        if let Err(error) = self.validate_join(&join) {
            env.out.replies.push(join.waiter.error(Str::new(), error));
            return;
        }
        let prefix = join.request.group_instance_id.as_ref().unwrap_or(&join.context.client_id);
        let new_member_id = Str::from(format!("{prefix}-{}", join.new_member_uuid.to_hyphenated()));
        if let Some(instance_id) = &join.request.group_instance_id {
            match self.static_members.get(instance_id).cloned() {
                Some(old_member_id) => self.join_replacing(join, &old_member_id, new_member_id, env),
                None => self.join_adding(join, new_member_id, env),
            }
        } else if join.context.api_version >= MEMBER_ID_REQUIRED_VERSION_MIN {
            self.pending_join_members.insert(new_member_id.clone());
            let timeout_ms = join.request.session_timeout_ms.into();
            env.out.schedule(self.heartbeat_key(&new_member_id), env.now_ms, timeout_ms);
            env.out.replies.push(join.waiter.error(new_member_id, ErrorCode::MemberIdRequired));
        } else {
            self.join_adding(join, new_member_id, env);
        }
    }

    fn join_known_member(&mut self, join: Join<'_>, env: &mut Env<'_>) {
        let Join { request, .. } = join;
        let member_id = &request.member_id;
        let is_pending = self.pending_join_members.contains(member_id);
        let checked =
            self.validate_join(&join).and_then(|()| match (is_pending, &request.group_instance_id) {
                // An id that waits for its owner was never given to a static member.
                (true, Some(_)) => Err(ErrorCode::UnknownServerError),
                (true, None) => Ok(()),
                (false, instance_id) => self.validate_member(member_id, instance_id.as_ref()),
            });
        if let Err(error) = checked {
            env.out.replies.push(join.waiter.error(member_id.clone(), error));
            return;
        }
        if is_pending {
            let member_id = owned(member_id);
            self.join_adding(join, member_id, env);
            return;
        }
        let is_unchanged =
            self.members.get(member_id).is_some_and(|member| member.matches(&request.protocols));
        match self.state {
            ClassicGroupState::PreparingRebalance => self.join_updating(join, "is joining", env),
            // The first answer was lost; the generation is still the same.
            ClassicGroupState::CompletingRebalance if is_unchanged => self.join_repeated(join, env),
            // The leader may want a new assignment for reasons that its metadata does not show.
            ClassicGroupState::Stable if self.is_leader(member_id) => {
                self.join_updating(join, "is leader and re-joining", env);
            }
            ClassicGroupState::Stable if is_unchanged => self.join_repeated(join, env),
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.join_updating(join, "is updating its metadata", env);
            }
            ClassicGroupState::Empty | ClassicGroupState::Dead => {
                env.out.replies.push(join.waiter.error(member_id.clone(), ErrorCode::UnknownMemberId));
            }
        }
    }

    fn validate_join(&self, join: &Join<'_>) -> Result<(), ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if !self.supports(&join.request.protocol_type, &join.request.protocols) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// Adds a member and rebalances.
    fn join_adding(&mut self, join: Join<'_>, member_id: Str, env: &mut Env<'_>) {
        let reason = format!(
            "adding new member {member_id}{}; client reason: {}",
            join.instance_note(),
            join.client_reason()
        );
        if self.state == ClassicGroupState::PreparingRebalance
            && self.previous_state == ClassicGroupState::Empty
        {
            self.new_member_added = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(owned(&join.request.protocol_type));
        }
        self.add(ClassicGroupMember {
            member_id: member_id.clone(),
            group_instance_id: join.request.group_instance_id.as_ref().map(owned),
            client_id: owned(&join.context.client_id),
            client_host: owned(&join.context.client_host),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.request.session_timeout_ms,
            protocols: member_protocols(&join.request.protocols),
            assignment: Default::default(),
            awaiting_join: Some(AwaitingJoin::Waiting(join.waiter)),
            awaiting_sync: None,
            is_new: true,
        });
        // The member does not know its id and can't send heartbeats; and whether its client has given up
        // waiting is not to be seen either. So that nobody waits for it for ever, it has to ask again after
        // this time.
        let timeout_ms = env.config.group_new_member_join_timeout_ms.into();
        env.out.schedule(self.heartbeat_key(&member_id), env.now_ms, timeout_ms);
        self.prepare_rebalance_or_complete_join(&reason, env);
    }

    /// A member joins again: rebalances.
    fn join_updating(&mut self, join: Join<'_>, what: &str, env: &mut Env<'_>) {
        let reason = format!(
            "member {} {what} during {}; client reason: {}",
            join.request.member_id,
            self.state.name(),
            join.client_reason()
        );
        self.update_member(
            &join.request.member_id,
            member_protocols(&join.request.protocols),
            join.rebalance_timeout_ms,
            join.request.session_timeout_ms,
            Some(join.waiter),
            env.out,
        );
        self.prepare_rebalance_or_complete_join(&reason, env);
    }

    /// A member asks again for what it was told: tells it again. The member list is for a leader that has not
    /// assigned yet.
    fn join_repeated(&self, join: Join<'_>, env: &mut Env<'_>) {
        let response = self.join_response(&join.request.member_id);
        env.out.replies.push(join.waiter.answer(response));
    }

    /// The outcome of the join phase for a member. The leader is told who the members are.
    pub(super) fn join_response(&self, member_id: &Str) -> JoinGroupResponse {
        let members = if self.is_leader(member_id) { self.join_response_members() } else { Vec::new() };
        JoinGroupResponse {
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader_id.clone().unwrap_or_default(),
            member_id: member_id.clone(),
            members,
            ..Default::default()
        }
    }

    fn join_response_members(&self) -> Vec<JoinGroupResponseMember> {
        let protocol_name = self.protocol_name.clone().unwrap_or_default();
        let members = self.members.values().map(|member| JoinGroupResponseMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(&protocol_name).cloned().unwrap_or_default(),
        });
        members.collect()
    }
}

impl Join<'_> {
    /// Why the client says it joins (KIP-800).
    pub fn client_reason(&self) -> &str {
        self.request.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("not provided")
    }

    fn instance_note(&self) -> String {
        match &self.request.group_instance_id {
            Some(instance_id) => format!(" with group instance id {instance_id}"),
            None => String::new(),
        }
    }
}

#[cfg(test)]
#[path = "join_test.rs"]
mod tests;
