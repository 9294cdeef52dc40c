//! ShareGroupHeartbeat (`GroupCoordinatorService.shareGroupHeartbeat`, `GroupMetadataManager.shareGroupHeartbeat`).

use ottla_protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str};

use super::member::ShareGroupMember;
use super::update::MemberUpdate;
use super::{LEAVE_GROUP_MEMBER_EPOCH, ShareGroup};
use crate::context::RequestContext;
use crate::errors::coordinator_error;
use crate::group::modern::{self, TopicHashes, owned_topic_partitions};
use crate::group::{Env, Group, GroupError};
use crate::records::owned;
use crate::reply::{Reply, ReplyId, ShareGroupHeartbeatReply};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// What is wrong with a heartbeat whatever its group: checked before the group's shard is looked for.
///
/// # Errors
/// INVALID_REQUEST as Kafka.
pub fn validate_share_group_heartbeat(request: &ShareGroupHeartbeatRequest) -> Result<(), GroupError> {
    let invalid = |message: &str| Err(GroupError::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &Str| text.trim().is_empty();
    if is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(is_blank) {
        return invalid("RackId can't be empty.");
    }
    if request.member_epoch == 0 {
        if request.subscribed_topic_names.as_ref().is_none_or(Vec::is_empty) {
            return invalid("SubscribedTopicNames must be set in first request.");
        }
    } else if request.member_epoch < LEAVE_GROUP_MEMBER_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    Ok(())
}

/// ShareGroupHeartbeat's answer when there is nothing but an error to tell.
pub fn share_group_heartbeat_error(error: &GroupError) -> ShareGroupHeartbeatResponse {
    ShareGroupHeartbeatResponse {
        error_code: coordinator_error(error.code).code(),
        error_message: error.text(),
        ..Default::default()
    }
}

impl GroupCoordinatorShard {
    /// A member joins, is alive or leaves; and learns what it is to have.
    pub fn share_group_heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ShareGroupHeartbeatRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let mut out = CoordinatorResult::default();
        let answered = validate_share_group_heartbeat(request).and_then(|()| match request.member_epoch {
            LEAVE_GROUP_MEMBER_EPOCH => self.share_group_leave(request, now_ms, &mut out),
            _ => self.share_heartbeat(context, request, now_ms, &mut out),
        });
        match answered {
            Ok(reply) => out.reply_after_commit(reply_id, Reply::ShareGroupHeartbeat(reply)),
            Err(error) => {
                out = CoordinatorResult::default();
                let response = share_group_heartbeat_error(&error);
                let reply = ShareGroupHeartbeatReply { response, initialize: None };
                out.reply(reply_id, Reply::ShareGroupHeartbeat(reply));
            }
        }
        out
    }

    fn share_heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ShareGroupHeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<ShareGroupHeartbeatReply, GroupError> {
        let group_id = owned(&request.group_id);
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out };
        let hashes = &mut self.topic_hashes;
        match self.groups.get_mut(&group_id) {
            Some(Group::Share(group)) => group.heartbeat(context, request, hashes, &mut env),
            None if request.member_epoch == 0 => {
                let mut group = ShareGroup::new(group_id, self.high_watermark);
                group.heartbeat(context, request, hashes, &mut env)
            }
            None => {
                let message = format!("Share group {group_id} not found.");
                Err(GroupError::new(ErrorCode::GroupIdNotFound, message))
            }
            Some(_) => Err(not_a_share_group(&group_id)),
        }
    }
}

/// The error for a group of another type.
pub(super) fn not_a_share_group(group_id: &str) -> GroupError {
    GroupError::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} is not a share group."))
}

impl ShareGroup {
    fn heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ShareGroupHeartbeatRequest,
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<ShareGroupHeartbeatReply, GroupError> {
        let member_id = owned(&request.member_id);
        self.check_not_full(&member_id, env)?;
        let member = self.member_for_heartbeat(&member_id, request.member_epoch)?;
        let mut updated = member.clone();
        if let Some(rack_id) = &request.rack_id {
            updated.base.rack_id = Some(owned(rack_id));
        }
        if let Some(names) = &request.subscribed_topic_names {
            updated.base.subscribed_topic_names = names.iter().map(owned).collect();
        }
        updated.base.client_id = owned(&context.client_id);
        updated.base.client_host = owned(&context.client_host);
        let update = MemberUpdate { member, updated };
        let outcome = self.update_subscription(&update, hashes, env)?;
        let target = self.update_target(&update.updated, &outcome, env)?;
        let MemberUpdate { member, updated } = update;
        let updated = self.reconcile(updated, &target, outcome.has_epoch_changed, env)?;
        let config = env.group_config(self.group_id());
        let (session_ms, interval_ms) =
            (config.share_session_timeout_ms(), config.share_heartbeat_interval_ms());
        env.out.schedule(self.session_key(&member_id), env.now_ms, session_ms.into());
        let shows_assignment = request.member_epoch == 0
            || request.subscribed_topic_names.is_some()
            || member.assigned_partitions != updated.assigned_partitions;
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(updated.member_id().clone()),
            member_epoch: updated.member_epoch(),
            heartbeat_interval_ms: interval_ms,
            assignment: shows_assignment.then(|| to_response(&updated.assigned_partitions)),
            ..Default::default()
        };
        let initialize = self.initialize_subscribed(outcome.group_epoch, outcome.topics.names(), env)?;
        Ok(ShareGroupHeartbeatReply { response, initialize })
    }

    fn check_not_full(&self, member_id: &str, env: &Env<'_>) -> Result<(), GroupError> {
        let max_size = env.config.share.max_size;
        let is_full = self.base.members_len() >= usize::try_from(max_size).unwrap_or(0);
        if is_full && self.base.member(member_id).is_none() {
            let message = format!("The share group has reached its maximum capacity of {max_size} members.");
            return Err(GroupError::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    fn member_for_heartbeat(&self, member_id: &Str, epoch: i32) -> Result<ShareGroupMember, GroupError> {
        let member = match self.base.member(member_id) {
            Some(member) => ShareGroupMember::clone(member),
            None if epoch == 0 => return Ok(ShareGroupMember::new(member_id.clone())),
            None => return Err(self.unknown_member(member_id)),
        };
        let (known, previous) = (member.member_epoch(), member.base.previous_member_epoch);
        let message = if epoch == 0 || epoch == known || (epoch < known && epoch == previous) {
            return Ok(member);
        } else if epoch > known {
            format!(
                "The share group member has a greater member epoch ({epoch}) than the one known by the group \
                 coordinator ({known}). The member must abandon all its partitions and rejoin."
            )
        } else {
            format!(
                "The share group member has a smaller member epoch ({epoch}) than the one known by the group \
                 coordinator ({known}), and it does not match the previous member epoch ({previous}). The \
                 member must abandon all its partitions and rejoin."
            )
        };
        Err(GroupError::new(ErrorCode::FencedMemberEpoch, message))
    }

    pub(super) fn unknown_member(&self, member_id: &str) -> GroupError {
        let message = format!("Member {member_id} is not a member of group {}.", self.group_id());
        GroupError::new(ErrorCode::UnknownMemberId, message)
    }
}

fn to_response(assignment: &modern::Assignment) -> Assignment {
    let make = |topic_id, partitions| TopicPartitions { topic_id, partitions };
    Assignment { topic_partitions: owned_topic_partitions(assignment, make) }
}
