//! Who belongs to a classic group, and who of them waits for an answer.

use ottla_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use ottla_protocol::{ErrorCode, Str};

use super::ClassicGroup;
use super::member::{AwaitingJoin, ClassicGroupMember, MemberProtocol};
use crate::reply::{JoinWaiter, Reply};
use crate::result::CoordinatorResult;

impl ClassicGroup {
    /// Adds a member. The first of an empty group sets the protocol type, and leads.
    pub(super) fn add(&mut self, member: ClassicGroupMember) {
        let member_id = member.member_id.clone();
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
        }
        self.count_protocols(&member);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.leader_id.get_or_insert_with(|| member_id.clone());
        self.pending_join_members.remove(&member_id);
        self.members.insert(member_id, member);
    }

    /// Removes a member, or an id that was given out. Another member leads if the leader goes. Whatever the
    /// member waits for is answered with UNKNOWN_MEMBER_ID, so that it joins anew if it is still there.
    pub(super) fn remove(&mut self, member_id: &Str, out: &mut CoordinatorResult) {
        self.answer_join_error(member_id, Str::new(), ErrorCode::UnknownMemberId, out);
        self.answer_sync(member_id, sync_error(ErrorCode::UnknownMemberId), out);
        out.cancel(self.heartbeat_key(member_id));
        if let Some(member) = self.members.remove(member_id) {
            self.uncount_protocols(&member);
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        self.pending_join_members.remove(member_id);
        self.pending_sync_members.remove(member_id);
    }

    /// Gives a static member a new id; all else stays as it was. Whoever waits under the old id is fenced.
    pub(super) fn replace_static_member(
        &mut self,
        old_member_id: &Str,
        new_member_id: &Str,
        out: &mut CoordinatorResult,
    ) {
        let fenced = ErrorCode::FencedInstanceId;
        self.answer_join_error(old_member_id, old_member_id.clone(), fenced, out);
        self.answer_sync(old_member_id, sync_error(fenced), out);
        out.cancel(self.heartbeat_key(old_member_id));
        let Some(mut member) = self.members.remove(old_member_id) else { return };
        member.is_new = false;
        member.member_id = new_member_id.clone();
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), new_member_id.clone());
        }
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.clone());
        }
        // Kafka leaves the old id there, and rebalances when that has not sent SyncGroup in time.
        if self.pending_sync_members.remove(old_member_id) {
            self.pending_sync_members.insert(new_member_id.clone());
        }
        self.members.insert(new_member_id.clone(), member);
    }

    /// Takes over what a member says of itself when it joins again, and lets it wait, if `waiter` is given.
    pub(super) fn update_member(
        &mut self,
        member_id: &Str,
        protocols: Vec<MemberProtocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
        waiter: Option<JoinWaiter>,
        out: &mut CoordinatorResult,
    ) {
        let Some(mut member) = self.members.remove(member_id) else { return };
        self.uncount_protocols(&member);
        member.protocols = protocols;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        self.count_protocols(&member);
        self.awaiting_join -= usize::from(member.is_awaiting_join());
        if let Some(AwaitingJoin::Waiting(stale)) = member.awaiting_join.take() {
            // The client has sent the request again, on another connection. Kafka never answers the first.
            let (id, reply) = stale.error(member_id.clone(), ErrorCode::RebalanceInProgress);
            out.reply(id, reply);
        }
        member.awaiting_join = waiter.map(AwaitingJoin::Waiting);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.members.insert(member.member_id.clone(), member);
    }

    /// Keeps the leader if it has joined, or makes another member that has joined the leader. False when the
    /// group is empty, or none has joined.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let Some(leader_id) = &self.leader_id else { return false };
        if self.members.get(leader_id).is_some_and(ClassicGroupMember::is_awaiting_join) {
            return true;
        }
        match self.members.values().find(|member| member.is_awaiting_join()) {
            Some(member) => {
                self.leader_id = Some(member.member_id.clone());
                true
            }
            None => false,
        }
    }

    /// Whether every member has joined, and every id that was given out has come back.
    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_join_members.is_empty()
    }

    /// Answers the JoinGroup of a member, if it waits. The member no longer counts as joined.
    pub(super) fn answer_join(
        &mut self,
        member_id: &Str,
        response: JoinGroupResponse,
        out: &mut CoordinatorResult,
    ) {
        let Some(awaiting) = self.members.get_mut(member_id).and_then(|member| member.awaiting_join.take())
        else {
            return;
        };
        self.awaiting_join -= 1;
        if let AwaitingJoin::Waiting(waiter) = awaiting {
            let (id, reply) = waiter.answer(response);
            out.reply(id, reply);
        }
    }

    /// As [`Self::answer_join`], with an error that carries `answered_id` as the member id.
    pub(super) fn answer_join_error(
        &mut self,
        member_id: &Str,
        answered_id: Str,
        error: ErrorCode,
        out: &mut CoordinatorResult,
    ) {
        let response = JoinGroupResponse {
            member_id: answered_id,
            error_code: error.code(),
            protocol_name: None,
            ..Default::default()
        };
        self.answer_join(member_id, response, out);
    }

    /// Answers the SyncGroup of a member, if it waits; whether it did.
    pub(super) fn answer_sync(
        &mut self,
        member_id: &Str,
        response: SyncGroupResponse,
        out: &mut CoordinatorResult,
    ) -> bool {
        match self.members.get_mut(member_id).and_then(|member| member.awaiting_sync.take()) {
            Some(reply_id) => {
                out.reply(reply_id, Reply::SyncGroup(response));
                true
            }
            None => false,
        }
    }

    /// The ids of the members.
    pub(super) fn member_ids(&self) -> Vec<Str> {
        self.members.keys().cloned().collect()
    }
}

/// A SyncGroup response that is nothing but an error.
pub(super) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..Default::default() }
}
