//! A static member comes back without its member id (KIP-345, KIP-814).

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::messages::JoinGroupResponse;
use ottla_protocol::{ErrorCode, Str};

use super::join::Join;
use super::member::{AwaitingJoin, MemberProtocol, member_protocols};
use super::{ClassicAction, ClassicGroup, ClassicGroupState, Env};
use crate::errors::append_error;

/// From this version on a leader that comes back is told that it leads but need not assign.
const SKIP_ASSIGNMENT_VERSION_MIN: i16 = 9;

/// A static member whose new id is being written. Holds what is needed to go back.
#[derive(Debug)]
pub struct StaticReplacement {
    old_member_id: Str,
    new_member_id: Str,
    old_protocols: Vec<MemberProtocol>,
    old_rebalance_timeout_ms: i32,
    old_session_timeout_ms: i32,
    /// Who led when the member came back; its own old id if it led itself.
    old_leader_id: Option<Str>,
}

impl ClassicGroup {
    /// Gives the member a new id. A stable group whose protocol stays the same is not rebalanced: the member
    /// gets its old assignment.
    pub(super) fn join_replacing(
        &mut self,
        join: Join<'_>,
        old_member_id: &Str,
        new_member_id: Str,
        env: &mut Env<'_>,
    ) {
        let reason = format!("client reason: {}", join.client_reason());
        let old_leader_id = self.leader_id.clone();
        self.replace_static_member(old_member_id, &new_member_id, env.out);
        let Some(member) = self.members.get(&new_member_id) else { return };
        let replacement = StaticReplacement {
            old_member_id: old_member_id.clone(),
            new_member_id: new_member_id.clone(),
            old_protocols: member.protocols.clone(),
            old_rebalance_timeout_ms: member.rebalance_timeout_ms,
            old_session_timeout_ms: member.session_timeout_ms,
            old_leader_id,
        };
        self.reschedule_heartbeat(&new_member_id, env.now_ms, env.out);
        self.update_member(
            &new_member_id,
            member_protocols(&join.request.protocols),
            join.rebalance_timeout_ms,
            join.request.session_timeout_ms,
            Some(join.waiter),
            env.out,
        );
        match self.state {
            ClassicGroupState::Stable if self.select_protocol() == self.protocol_name => {
                self.persist_replacement(replacement, env);
            }
            ClassicGroupState::Stable => {
                let what =
                    format!("static member {new_member_id} joined with a change of the protocol; {reason}");
                self.prepare_rebalance_or_complete_join(&what, env);
            }
            // The leader may have been told the old id, and would assign to that.
            ClassicGroupState::CompletingRebalance => {
                let what = format!("updating metadata of static member {new_member_id}; {reason}");
                self.prepare_rebalance(&what, env);
            }
            _ => self.complete_join_if_possible(env),
        }
    }

    fn persist_replacement(&mut self, replacement: StaticReplacement, env: &mut Env<'_>) {
        let assignments: BTreeMap<Str, Bytes> = self
            .members
            .values()
            .map(|member| (member.member_id.clone(), member.assignment.clone()))
            .collect();
        match self.metadata_record(&assignments) {
            Ok(record) => {
                let group_id = self.group_id.clone();
                env.out.persist(record, ClassicAction::StaticMemberReplaced { group_id, replacement });
            }
            Err(_) => self.replacement_failed(replacement, ErrorCode::UnknownServerError, env),
        }
    }

    /// The new id is written: the member may know it.
    pub(super) fn replacement_committed(&mut self, replacement: StaticReplacement, env: &mut Env<'_>) {
        // If a rebalance has begun meanwhile, the member takes part in that and is answered at its end.
        if self.state != ClassicGroupState::Stable {
            return;
        }
        let member_id = &replacement.new_member_id;
        let api_version = match self.members.get(member_id).and_then(|member| member.awaiting_join.as_ref()) {
            Some(AwaitingJoin::Waiting(waiter)) => waiter.api_version,
            _ => return,
        };
        let response = match api_version >= SKIP_ASSIGNMENT_VERSION_MIN {
            true => JoinGroupResponse {
                skip_assignment: self.is_leader(member_id),
                ..self.join_response(member_id)
            },
            // Told that someone else leads, an old client does not assign. What it would assign, a stable
            // group would not take.
            false => JoinGroupResponse {
                leader: replacement.old_leader_id.unwrap_or_default(),
                members: Vec::new(),
                ..self.join_response(member_id)
            },
        };
        self.answer_join(member_id, response, env.out);
    }

    /// The new id is not written: the member keeps the old one.
    pub(super) fn replacement_failed(
        &mut self,
        replacement: StaticReplacement,
        error: ErrorCode,
        env: &mut Env<'_>,
    ) {
        let member_id = &replacement.new_member_id;
        if !self.members.contains_key(member_id) {
            return;
        }
        let response = JoinGroupResponse {
            error_code: append_error(error).code(),
            leader: replacement.old_leader_id.clone().unwrap_or_default(),
            member_id: Str::new(),
            members: Vec::new(),
            ..self.join_response(member_id)
        };
        self.answer_join(member_id, response, env.out);
        self.update_member(
            member_id,
            replacement.old_protocols,
            replacement.old_rebalance_timeout_ms,
            replacement.old_session_timeout_ms,
            None,
            env.out,
        );
        self.replace_static_member(member_id, &replacement.old_member_id, env.out);
        self.reschedule_heartbeat(&replacement.old_member_id, env.now_ms, env.out);
    }
}

#[cfg(test)]
#[path = "static_member_test.rs"]
mod tests;
