//! The timers of a consumer group: sessions, and how long members may take.

use std::collections::BTreeSet;

use ottla_protocol::Str;

use super::member::ConsumerGroupMember;
use super::{ConsumerGroup, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use crate::group::Env;
use crate::group::modern::{MemberState, TopicHashes};
use crate::result::CoordinatorResult;
use crate::timers::TimerKey;

impl ConsumerGroup {
    /// The group was read from the log: its members have a session's time to be heard of.
    pub fn on_loaded(&self, env: &mut Env<'_>) {
        let session_ms = env.group_config(self.group_id()).consumer_session_timeout_ms();
        for (member_id, member) in self.base.members() {
            env.out.schedule(self.session_key(member_id), env.now_ms, session_ms.into());
            if member.base.state == MemberState::UnrevokedPartitions {
                self.schedule_rebalance(member, env);
            }
        }
    }

    /// A timer of a member has fired: removes the member, if that is still due.
    pub fn on_member_timer(&self, key: &TimerKey, hashes: &mut TopicHashes, env: &mut Env<'_>) {
        let (member_id, reason) = match key {
            TimerKey::ConsumerSession { member_id, .. } => (member_id, "its session has timed out"),
            TimerKey::ConsumerJoin { member_id, .. } => {
                (member_id, "it has not rejoined within its rebalance timeout")
            }
            TimerKey::ConsumerSync { member_id, .. } => (member_id, "it has not sent SyncGroup in time"),
            TimerKey::ConsumerRebalance { member_id, .. } => {
                (member_id, "it has not given up partitions within its rebalance timeout")
            }
            _ => return,
        };
        let Some(member) = self.base.member(member_id) else { return };
        // The timer is cancelled when the member leaves the state, but not when it goes for a while.
        let is_rebalance = matches!(key, TimerKey::ConsumerRebalance { .. });
        if is_rebalance
            && (member.base.state != MemberState::UnrevokedPartitions
                || member.member_epoch() == LEAVE_GROUP_STATIC_MEMBER_EPOCH)
        {
            return;
        }
        let leaving = BTreeSet::from([member_id.clone()]);
        if self.fence(&leaving, reason, hashes, env).is_err() {
            // Half of it is worse than nothing.
            env.out.records.clear();
        }
    }

    /// The timer of a member's session.
    pub(super) fn session_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ConsumerSession { group_id: self.group_id().clone(), member_id: member_id.clone() }
    }

    pub(super) fn rebalance_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ConsumerRebalance { group_id: self.group_id().clone(), member_id: member_id.clone() }
    }

    pub(super) fn join_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ConsumerJoin { group_id: self.group_id().clone(), member_id: member_id.clone() }
    }

    pub(super) fn sync_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ConsumerSync { group_id: self.group_id().clone(), member_id: member_id.clone() }
    }

    /// Gives a member its rebalance timeout to let go of partitions.
    pub(super) fn schedule_rebalance(&self, member: &ConsumerGroupMember, env: &mut Env<'_>) {
        let timeout_ms = member.rebalance_timeout_ms.into();
        env.out.schedule(self.rebalance_key(member.member_id()), env.now_ms, timeout_ms);
    }

    pub(super) fn cancel_member_timers(&self, member_id: &Str, out: &mut CoordinatorResult) {
        out.cancel(self.session_key(member_id));
        out.cancel(self.rebalance_key(member_id));
        out.cancel(self.join_key(member_id));
        out.cancel(self.sync_key(member_id));
    }

    /// The group goes.
    pub fn cancel_timers(&self, out: &mut CoordinatorResult) {
        for (member_id, _) in self.base.members() {
            self.cancel_member_timers(member_id, out);
        }
        out.cancel(self.regex_key());
    }
}
