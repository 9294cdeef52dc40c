//! SyncGroup (`GroupMetadataManager.classicGroupSync`).

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use ottla_protocol::{ErrorCode, Str};

use super::membership::sync_error;
use super::{ClassicAction, ClassicGroup, ClassicGroupState, Env};
use crate::context::RequestContext;
use crate::group::Group;
use crate::records::{owned, owned_bytes};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// From this version on a member has to say which protocol it takes the group to use (KIP-559).
const PROTOCOL_REQUIRED_VERSION_MIN: i16 = 5;

/// What is wrong with a SyncGroup whatever its group: checked before the group's shard is looked for.
///
/// # Errors
/// INVALID_GROUP_ID; INCONSISTENT_GROUP_PROTOCOL when version 5 comes without protocol type and name.
pub fn validate_sync_group(context: &RequestContext, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
    let has_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.api_version >= PROTOCOL_REQUIRED_VERSION_MIN && !has_protocol {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}

impl GroupCoordinatorShard {
    /// A member asks for its assignment; the leader brings those of all. The answer comes when the
    /// leader's are committed.
    pub fn sync_group(
        &mut self,
        context: &RequestContext,
        request: &SyncGroupRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        if let Err(error) = validate_sync_group(context, request) {
            out.reply(reply_id, Reply::SyncGroup(sync_error(error)));
            return out;
        }
        match self.groups.get_mut(&request.group_id) {
            Some(Group::Classic(group)) if !group.is_empty() => {
                group.sync(
                    request,
                    reply_id,
                    &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out },
                );
            }
            Some(Group::Consumer(group)) if !group.is_empty() => {
                let mut env = Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
                match group.classic_sync(request, &mut env) {
                    Ok(response) => out.reply_after_commit(reply_id, Reply::SyncGroup(response)),
                    Err(error) => out.reply(reply_id, Reply::SyncGroup(sync_error(error))),
                }
            }
            _ => out.reply(reply_id, Reply::SyncGroup(sync_error(ErrorCode::UnknownMemberId))),
        }
        out
    }
}

impl ClassicGroup {
    fn sync(&mut self, request: &SyncGroupRequest, reply_id: ReplyId, env: &mut Env<'_>) {
        let member_id = &request.member_id;
        if let Err(error) = self.validate_sync(request) {
            env.out.reply(reply_id, Reply::SyncGroup(sync_error(error)));
            return;
        }
        self.pending_sync_members.remove(member_id);
        if self.pending_sync_members.is_empty() {
            env.out.cancel(self.sync_key());
        }
        let Some(member) = self.members.get_mut(member_id) else { return };
        if self.state == ClassicGroupState::Stable {
            let response = SyncGroupResponse {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol_name.clone(),
                assignment: member.assignment.clone(),
                ..Default::default()
            };
            env.out.reply(reply_id, Reply::SyncGroup(response));
            return;
        }
        if let Some(stale) = member.awaiting_sync.replace(reply_id) {
            // The client has sent the request again, on another connection. Kafka never answers the first.
            env.out.reply(stale, Reply::SyncGroup(sync_error(ErrorCode::RebalanceInProgress)));
        }
        if self.is_leader(member_id) {
            self.persist_assignments(request, env);
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |theirs: &Option<Str>, ours: &Option<Str>| match (theirs, ours) {
            (Some(theirs), Some(ours)) => theirs != ours,
            _ => false,
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if self.state == ClassicGroupState::PreparingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Writes the leader's assignments. Members that it forgot get an empty one.
    fn persist_assignments(&mut self, request: &SyncGroupRequest, env: &mut Env<'_>) {
        let given = request.assignments.iter().filter(|given| self.members.contains_key(&given.member_id));
        let assignments: BTreeMap<Str, Bytes> =
            given.map(|given| (owned(&given.member_id), owned_bytes(&given.assignment))).collect();
        let (group_id, generation_id) = (self.group_id.clone(), self.generation_id);
        match self.metadata_record(&assignments) {
            Ok(record) => {
                env.out.persist(record, ClassicAction::Assigned { group_id, generation_id, assignments });
            }
            Err(_) => self.assigning_failed(generation_id, ErrorCode::UnknownServerError, env),
        }
    }

    /// The assignments are committed: the group is stable, unless it has gone on to another generation
    /// meanwhile.
    pub(super) fn assigned(
        &mut self,
        generation_id: i32,
        mut assignments: BTreeMap<Str, Bytes>,
        env: &mut Env<'_>,
    ) {
        if self.state != ClassicGroupState::CompletingRebalance || generation_id != self.generation_id {
            return;
        }
        for (member_id, member) in &mut self.members {
            member.assignment = assignments.remove(member_id).unwrap_or_default();
        }
        self.answer_syncs(ErrorCode::None, env);
        self.transition_to(ClassicGroupState::Stable, env.now_ms);
    }

    /// The assignments are not written: whoever waits for them is told, and all have to join again.
    pub(super) fn assigning_failed(&mut self, generation_id: i32, error: ErrorCode, env: &mut Env<'_>) {
        if self.state != ClassicGroupState::CompletingRebalance || generation_id != self.generation_id {
            return;
        }
        self.reset_assignments(error, env);
        let reason = format!("error {} when storing the group's assignment", error.name());
        self.prepare_rebalance_or_complete_join(&reason, env);
    }

    /// Takes back all assignments, and tells whoever waits for one why.
    pub(super) fn reset_assignments(&mut self, error: ErrorCode, env: &mut Env<'_>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(error, env);
    }

    pub(super) fn answer_syncs(&mut self, error: ErrorCode, env: &mut Env<'_>) {
        let is_error = error != ErrorCode::None;
        for member_id in self.member_ids() {
            let Some(member) = self.members.get(&member_id) else { continue };
            let response = SyncGroupResponse {
                error_code: error.code(),
                protocol_type: self.protocol_type.clone().filter(|_| !is_error),
                protocol_name: self.protocol_name.clone().filter(|_| !is_error),
                assignment: member.assignment.clone(),
                ..Default::default()
            };
            if self.answer_sync(&member_id, response, env.out) {
                // A session that ended while the member waited was let pass, and nothing is armed since.
                self.reschedule_heartbeat(&member_id, env.now_ms, env.out);
            }
        }
    }
}

#[cfg(test)]
#[path = "sync_test.rs"]
mod tests;
