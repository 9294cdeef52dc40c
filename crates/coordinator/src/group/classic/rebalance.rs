//! From "someone joined or left" to "all have joined".
//!
//! A rebalance begins when a member joins, rejoins with other metadata, leaves or falls silent. Its join
//! phase ends when all members have joined, or after the rebalance timeout without those that have not. A
//! group that was empty waits for `group.initial.rebalance.delay.ms` whatever happens, and longer in such
//! steps (up to the rebalance timeout) as long as members keep coming: a deployment starts many at once.

use ottla_protocol::{ErrorCode, Str};

use super::member::AwaitingJoin;
use super::{ClassicAction, ClassicGroup, ClassicGroupState, Env, JoinTimer};
use crate::result::GroupEvent;

/// Shortest time between two attempts to end a join phase in which nobody has joined. Members may ask for a
/// rebalance timeout of 0, with which Kafka would try without pause.
const POSTPONED_JOIN_DELAY_MS_MIN: i32 = 500;

impl ClassicGroup {
    /// Begins a rebalance; if one is under way already, ends its join phase should all have joined.
    pub(super) fn prepare_rebalance_or_complete_join(&mut self, reason: &str, env: &mut Env<'_>) {
        if ClassicGroupState::PreparingRebalance.may_follow(self.state) {
            self.prepare_rebalance(reason, env);
        } else {
            self.complete_join_if_possible(env);
        }
    }

    /// Begins a rebalance.
    pub(crate) fn prepare_rebalance(&mut self, reason: &str, env: &mut Env<'_>) {
        // Those who wait for the assignment have to join again.
        if self.state == ClassicGroupState::CompletingRebalance {
            self.reset_assignments(ErrorCode::RebalanceInProgress, env);
        }
        self.pending_sync_members.clear();
        env.out.cancel(self.sync_key());

        let was_empty = self.is_empty();
        self.transition_to(ClassicGroupState::PreparingRebalance, env.now_ms);
        self.rebalance_reason = reason.to_owned();
        env.out.events.push(GroupEvent::PreparingRebalance {
            group_id: self.group_id.clone(),
            generation_id: self.generation_id,
            reason: reason.to_owned(),
        });
        if was_empty {
            let delay_ms = env.config.group_initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
            self.schedule_join(JoinTimer::InitialDelay { delay_ms, remaining_ms }, delay_ms, env);
        } else if self.has_all_members_joined() {
            self.complete_join(env);
        } else {
            self.schedule_join(JoinTimer::Complete, self.rebalance_timeout_ms(), env);
        }
    }

    /// Ends the join phase if all have joined, but not that of an initial rebalance.
    pub(super) fn complete_join_if_possible(&mut self, env: &mut Env<'_>) {
        if self.state == ClassicGroupState::PreparingRebalance
            && self.previous_state != ClassicGroupState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(env);
        }
    }

    /// Ends the join phase, without the members that have not joined: dynamic ones are removed, static ones
    /// keep their place until their session ends.
    fn complete_join(&mut self, env: &mut Env<'_>) {
        env.out.cancel(self.join_key());
        let absent = self.members.values().filter(|member| !member.is_awaiting_join() && !member.is_static());
        let absent: Vec<Str> = absent.map(|member| member.member_id.clone()).collect();
        for member_id in &absent {
            self.remove(member_id, env.out);
            self.note_removal(member_id, "it has not rejoined in time", env);
        }
        if self.state == ClassicGroupState::Dead {
            return;
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, and none has joined. Go on when one does, or when their sessions
            // have ended.
            let delay_ms = self.rebalance_timeout_ms().max(POSTPONED_JOIN_DELAY_MS_MIN);
            self.schedule_join(JoinTimer::Complete, delay_ms, env);
            return;
        }
        self.init_next_generation(env.now_ms);
        if self.is_empty() {
            self.persist_empty(env);
        } else {
            self.answer_joined(env);
        }
    }

    /// `ClassicGroup.initNextGeneration`
    fn init_next_generation(&mut self, now_ms: i64) {
        self.generation_id = self.generation_id.wrapping_add(1);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        let next = match self.members.is_empty() {
            true => ClassicGroupState::Empty,
            false => ClassicGroupState::CompletingRebalance,
        };
        self.transition_to(next, now_ms);
        self.pending_sync_members.clear();
    }

    fn persist_empty(&mut self, env: &mut Env<'_>) {
        let (group_id, generation_id) = (self.group_id.clone(), self.generation_id);
        if let Ok(record) = self.metadata_record(&Default::default()) {
            env.out.persist(record, ClassicAction::GroupEmptied { group_id: group_id.clone() });
        }
        env.out.events.push(GroupEvent::Emptied { group_id, generation_id });
    }

    /// Tells all members who leads, and the leader who the members are; from now on SyncGroup is awaited.
    fn answer_joined(&mut self, env: &mut Env<'_>) {
        env.out.events.push(GroupEvent::Stabilized {
            group_id: self.group_id.clone(),
            generation_id: self.generation_id,
            members: self.members.len(),
        });
        for member_id in self.member_ids() {
            let response = self.join_response(&member_id);
            self.answer_join(&member_id, response, env.out);
            self.reschedule_heartbeat(&member_id, env.now_ms, env.out);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_sync_members.insert(member_id);
        }
        self.sync_timer_generation_id = self.generation_id;
        env.out.schedule(self.sync_key(), env.now_ms, self.rebalance_timeout_ms().into());
    }

    fn schedule_join(&mut self, timer: JoinTimer, delay_ms: i32, env: &mut Env<'_>) {
        self.join_timer = timer;
        env.out.schedule(self.join_key(), env.now_ms, delay_ms.into());
    }

    /// The time for joining is over, or a round of the initial delay.
    pub fn on_join_timer(&mut self, env: &mut Env<'_>) {
        if self.state != ClassicGroupState::PreparingRebalance {
            return;
        }
        match self.join_timer {
            JoinTimer::InitialDelay { delay_ms, remaining_ms }
                if self.new_member_added && remaining_ms != 0 =>
            {
                self.new_member_added = false;
                let next_delay_ms = env.config.group_initial_rebalance_delay_ms.min(remaining_ms);
                let remaining_ms = remaining_ms.saturating_sub(delay_ms).max(0);
                let timer = JoinTimer::InitialDelay { delay_ms: next_delay_ms, remaining_ms };
                self.schedule_join(timer, next_delay_ms, env);
            }
            JoinTimer::InitialDelay { .. } | JoinTimer::Complete => self.complete_join(env),
        }
    }

    /// The time for SyncGroup is over: those who have not sent it are removed.
    pub fn on_sync_timer(&mut self, env: &mut Env<'_>) {
        let is_awaited =
            matches!(self.state, ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable);
        let is_current = self.sync_timer_generation_id == self.generation_id;
        if !is_awaited || !is_current || self.pending_sync_members.is_empty() {
            return;
        }
        let absent = std::mem::take(&mut self.pending_sync_members);
        for member_id in &absent {
            self.remove(member_id, env.out);
            self.note_removal(member_id, "it has not sent SyncGroup in time", env);
        }
        let ids: Vec<&str> = absent.iter().map(|member_id| &**member_id).collect();
        self.prepare_rebalance(&format!("no SyncGroup came in time from {}", ids.join(", ")), env);
    }

    /// The session of a member has ended, or the time in which an id that was given out had to come back.
    pub fn on_heartbeat_timer(&mut self, member_id: &Str, env: &mut Env<'_>) {
        if self.state == ClassicGroupState::Dead {
            return;
        }
        if self.pending_join_members.contains(member_id) {
            self.remove(member_id, env.out);
            self.note_removal(member_id, "it has not joined with its new member id in time", env);
            self.complete_join_of_any_rebalance(env);
            return;
        }
        match self.members.get(member_id) {
            Some(member) if !member.has_satisfied_heartbeat() => {}
            _ => return,
        }
        self.remove(member_id, env.out);
        self.note_removal(member_id, "its session has timed out", env);
        match self.state {
            ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                self.prepare_rebalance(&format!("removing member {member_id} on heartbeat expiration"), env);
            }
            _ => self.complete_join_of_any_rebalance(env),
        }
    }

    /// Ends the join phase if all that are left have joined, even that of an initial rebalance.
    fn complete_join_of_any_rebalance(&mut self, env: &mut Env<'_>) {
        if self.state == ClassicGroupState::PreparingRebalance && self.has_all_members_joined() {
            self.complete_join(env);
        }
    }

    /// The group could not be written: whoever waits for the end of the join phase is told. Its timers go on.
    pub(super) fn fail_joins(&mut self, error: ErrorCode, env: &mut Env<'_>) {
        for member in self.members.values_mut() {
            let Some(awaiting) = &mut member.awaiting_join else { continue };
            if let AwaitingJoin::Waiting(waiter) = std::mem::replace(awaiting, AwaitingJoin::Answered) {
                env.out.replies.push(waiter.error(member.member_id.clone(), error));
            }
        }
    }
}

#[cfg(test)]
#[path = "rebalance_test.rs"]
mod tests;
