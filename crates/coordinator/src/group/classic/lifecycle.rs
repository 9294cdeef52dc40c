//! A classic group comes to this broker, or leaves it.

use ottla_protocol::ErrorCode;

use super::{ClassicGroup, ClassicGroupState, Env};
use crate::result::CoordinatorResult;

impl ClassicGroup {
    /// The group was read from the log: its members have a session's time to be heard of.
    pub fn on_loaded(&mut self, env: &mut Env<'_>) {
        for member_id in self.member_ids() {
            self.reschedule_heartbeat(&member_id, env.now_ms, env.out);
        }
        if self.members.len() > env.config.max_size() {
            let reason = "the freshly loaded group has more members than group.max.size allows";
            self.prepare_rebalance(reason, env);
        }
    }

    /// A consumer group takes the group's place: whoever waits joins that.
    pub fn give_way(&mut self, env: &mut Env<'_>) {
        self.fail_joins(ErrorCode::RebalanceInProgress, env);
        self.answer_syncs(ErrorCode::RebalanceInProgress, env);
        self.cancel_timers(env.out);
    }

    /// The group goes.
    pub fn cancel_timers(&self, out: &mut CoordinatorResult) {
        for member_id in self.members.keys().chain(&self.pending_join_members) {
            out.cancel(self.heartbeat_key(member_id));
        }
        out.cancel(self.join_key());
        out.cancel(self.sync_key());
    }

    /// The group's partition is served by another broker now, or not at all. Whoever waits goes there.
    pub fn on_unloaded(&mut self, env: &mut Env<'_>) {
        self.fail_joins(ErrorCode::NotCoordinator, env);
        self.reset_assignments(ErrorCode::NotCoordinator, env);
        self.transition_to(ClassicGroupState::Dead, env.now_ms);
    }
}
