//! LeaveGroup (`GroupMetadataManager.classicGroupLeave`): by the members themselves, or by an administrator
//! for a batch of static members (KIP-345).

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::leave_group_response::MemberResponse;
use ottla_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::{ClassicGroup, ClassicGroupState, Env};
use crate::context::RequestContext;
use crate::errors::leave_group_error;
use crate::group::Group;
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

const BATCH_VERSION_MIN: i16 = 3;

impl GroupCoordinatorShard {
    /// Members leave. Each is answered for itself; up to version 2 there is one, and its error is the
    /// response's.
    pub fn leave_group(
        &mut self,
        context: &RequestContext,
        request: &LeaveGroupRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let outcome = match self.groups.get_mut(&request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some(Group::Classic(group)) => {
                let members = members_of(context.api_version, request);
                group.leave(
                    &members,
                    &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out },
                )
            }
            Some(Group::Consumer(group)) => {
                let members = members_of(context.api_version, request);
                let mut env = Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
                group.classic_leave(&members, &mut self.topic_hashes, &mut env).map_err(|error| error.code)
            }
            Some(Group::Share(_) | Group::Streams(_)) | None => Err(ErrorCode::UnknownMemberId),
        };
        match outcome {
            Ok(members) => {
                let response = respond(context.api_version, members);
                out.reply_after_commit(reply_id, Reply::LeaveGroup(response));
            }
            Err(error) => {
                let response = leave_group_error(context.api_version, request, error);
                out.reply(reply_id, Reply::LeaveGroup(response));
            }
        }
        out
    }
}

impl ClassicGroup {
    fn leave(
        &mut self,
        members: &[MemberIdentity],
        env: &mut Env<'_>,
    ) -> Result<Vec<MemberResponse>, ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let mut left: Vec<&str> = Vec::new();
        let mut responses = Vec::with_capacity(members.len());
        for member in members {
            let outcome = self.leave_one(member, env);
            if outcome.is_ok() {
                left.push(&member.member_id);
            }
            responses.push(MemberResponse {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                error_code: outcome.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        if !left.is_empty() {
            match self.state {
                ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                    let reason = format!("explicit LeaveGroup request for ({}) members", left.join(", "));
                    self.prepare_rebalance(&reason, env);
                }
                ClassicGroupState::PreparingRebalance => self.complete_join_if_possible(env),
                ClassicGroupState::Empty | ClassicGroupState::Dead => {}
            }
        }
        Ok(responses)
    }

    fn leave_one(&mut self, member: &MemberIdentity, env: &mut Env<'_>) -> Result<(), ErrorCode> {
        let member_id = match &member.group_instance_id {
            // An administrator knows the instance only.
            Some(instance_id) if member.member_id.is_empty() => {
                self.static_members.get(instance_id).cloned().ok_or(ErrorCode::UnknownMemberId)?
            }
            _ if self.pending_join_members.contains(&member.member_id) => member.member_id.clone(),
            instance_id => {
                self.validate_member(&member.member_id, instance_id.as_ref())?;
                member.member_id.clone()
            }
        };
        self.remove(&member_id, env.out);
        let reason = member.reason.as_deref().unwrap_or("not provided");
        self.note_removal(&member_id, format!("explicit LeaveGroup request; client reason: {reason}"), env);
        Ok(())
    }
}

/// The members of a request. Up to version 2 there is one, in a field of its own.
pub(crate) fn members_of(api_version: i16, request: &LeaveGroupRequest) -> Vec<MemberIdentity> {
    if api_version >= BATCH_VERSION_MIN {
        return request.members.clone();
    }
    vec![MemberIdentity { member_id: request.member_id.clone(), ..Default::default() }]
}

/// The response to a request for these members.
pub(crate) fn respond(api_version: i16, members: Vec<MemberResponse>) -> LeaveGroupResponse {
    if api_version >= BATCH_VERSION_MIN {
        return LeaveGroupResponse { members, ..Default::default() };
    }
    let error_code = members.first().map_or(0, |member| member.error_code);
    LeaveGroupResponse { error_code, ..Default::default() }
}

#[cfg(test)]
#[path = "leave_test.rs"]
mod tests;
