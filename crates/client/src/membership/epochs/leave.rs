//! Leaving: because the application wants to, or because it does not poll.

use super::super::{Action, Callback, CloseOperation, MemberState};
use super::EpochMembership;

/// Epoch of a member that leaves.
const LEAVE_EPOCH: i32 = -1;
/// Epoch of a static member that will be back.
const LEAVE_STATIC_EPOCH: i32 = -2;

/// A leave that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Leave {
    operation: CloseOperation,
    /// The callback that is waited for.
    pub callback: Option<u64>,
    /// The heartbeat that leaves, once sent.
    pub heartbeat: Option<u64>,
}

impl EpochMembership {
    /// `unsubscribe` or `close`.
    pub(super) fn leave(&mut self, now_ms: i64, operation: CloseOperation) {
        self.is_halted = false;
        self.is_subscription_new = false;
        if self.is_outside() {
            self.releasing = None;
            self.rejoins_when_released = false;
            if self.state != MemberState::Fatal {
                self.state = MemberState::Unsubscribed;
            }
            self.unsubscribe();
            // A leave before this one may still wait for its answer; then that one tells.
            if self.leaving.is_none() {
                self.out.push(Action::Left);
            }
            return;
        }
        if let Some(leave) = &mut self.leaving {
            leave.operation = operation;
            return;
        }
        self.state = MemberState::PrepareLeaving;
        self.reconciliation = None;
        let callback = (!self.assigned.is_empty() && !self.is_share()).then(|| {
            let partitions: Vec<_> = self.assigned.iter().cloned().collect();
            self.out.push(Action::PauseFetching(partitions.clone()));
            let callback = if self.epoch > 0 { Callback::Revoked } else { Callback::Lost };
            self.out.call(callback, partitions)
        });
        self.leaving = Some(Leave { operation, callback, heartbeat: None });
        if callback.is_none() {
            self.send_leave(now_ms);
        }
    }

    fn unsubscribe(&mut self) {
        self.subscription = None;
        self.resolve();
        self.want_topics();
        self.clear_assignment();
    }

    /// The partitions are given up: the heartbeat that leaves goes out, once.
    pub(super) fn send_leave(&mut self, now_ms: i64) {
        let operation = self.leaving.map_or(CloseOperation::Default, |leave| leave.operation);
        self.unsubscribe();
        self.heartbeat.in_flight = None;
        let is_static = self.config.group_instance_id.is_some();
        if self.state != MemberState::PrepareLeaving
            || (operation == CloseOperation::RemainInGroup && !is_static)
        {
            // Not a member any more, or one that stays until its session ends.
            self.epoch = 0;
            if self.state != MemberState::Fatal {
                self.state = MemberState::Unsubscribed;
            }
            self.left();
            return;
        }
        self.epoch = self.leave_epoch(operation);
        self.state = MemberState::Leaving;
        let id = self.send_heartbeat(now_ms);
        if let Some(leave) = &mut self.leaving {
            leave.callback = None;
            leave.heartbeat = Some(id);
        }
        self.state = MemberState::Unsubscribed;
    }

    fn leave_epoch(&self, operation: CloseOperation) -> i32 {
        let will_be_back = self.config.group_instance_id.is_some() && operation != CloseOperation::LeaveGroup;
        if will_be_back { LEAVE_STATIC_EPOCH } else { LEAVE_EPOCH }
    }

    pub(super) fn left(&mut self) {
        if self.leaving.take().is_some() {
            self.out.push(Action::Left);
        }
    }

    /// No `poll` for too long: leave at once, give the partitions up as lost, join again with the next `poll`.
    pub(super) fn leave_as_stale(&mut self) {
        self.epoch = self.leave_epoch(CloseOperation::Default);
        self.current = super::Local::none();
        self.state = MemberState::Leaving;
        // Nobody waits for the answer.
        self.send_heartbeat(0);
        self.heartbeat.reset();
        self.heartbeat.next_ms = i64::MIN;
        self.heartbeat.forget_sent();
        self.state = MemberState::Stale;
        if let Some(reconciliation) = &mut self.reconciliation {
            reconciliation.is_aborted = true;
        }
        self.release(false);
    }
}
