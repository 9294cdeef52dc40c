//! A classic group comes to this broker, or leaves it.

use ottla_protocol::ErrorCode;

use super::{ClassicGroup, ClassicGroupState, Env};

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

    /// The group's partition is served by another broker now, or not at all. Whoever waits goes there.
    pub fn on_unloaded(&mut self, env: &mut Env<'_>) {
        self.fail_joins(ErrorCode::NotCoordinator, env);
        self.reset_assignments(ErrorCode::NotCoordinator, env);
        self.transition_to(ClassicGroupState::Dead, env.now_ms);
    }
}
