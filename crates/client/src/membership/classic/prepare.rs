//! Before joining: is there a reason to, then commit and give up partitions (`onJoinPrepare`).

use std::collections::BTreeSet;

use super::super::{Action, Callback, MemberState, Subscription};
use super::{ClassicMembership, Step};
use crate::Result;
use crate::assignors::RebalanceProtocol;

impl ClassicMembership {
    /// Takes the next step of a rebalance, if one is due and nothing is waited for.
    pub(super) fn advance(&mut self, now_ms: i64) {
        if let Step::Learning(super::Learning::Again(at_ms), _) = &self.step
            && now_ms >= *at_ms
        {
            self.learn_again();
        }
        if !self.in_poll || self.is_halted {
            return;
        }
        if let Step::Waiting(until_ms) = self.step
            && now_ms >= until_ms
        {
            self.step = Step::Idle;
        }
        if let Step::Synced(..) = self.step {
            self.take_over();
        }
        if let Step::Idle = self.step
            && self.must_rejoin()
        {
            self.begin(now_ms);
        }
    }

    /// Also looks whether what the last assignment was made from has changed.
    fn must_rejoin(&mut self) -> bool {
        if self.subscription.is_none() {
            return false;
        }
        if !self.rejoin_needed && self.assignment_snapshot.as_ref().is_some_and(|s| *s != self.snapshot()) {
            self.request_rejoin("cached metadata has changed");
        }
        if !self.rejoin_needed && self.joined_topics.as_ref().is_some_and(|joined| *joined != self.topics) {
            self.request_rejoin("subscription has changed");
        }
        self.rejoin_needed
    }

    fn begin(&mut self, now_ms: i64) {
        if let Some(Subscription::Pattern(_)) = self.subscription {
            let id = self.out.id();
            self.out.push(Action::RefreshMetadata { id });
            self.step = Step::Refreshing(id);
        } else {
            self.prepare(now_ms);
        }
    }

    /// Metadata came, or could not be had.
    pub(super) fn refreshed(&mut self, now_ms: i64, id: u64, result: Result<()>) {
        match &self.step {
            Step::Refreshing(waiting) if *waiting == id => match result {
                Ok(()) => self.prepare(now_ms),
                Err(_) => self.retry(now_ms),
            },
            Step::Learning(super::Learning::Asked(waiting), _) if *waiting == id => match result {
                Ok(()) => self.lead(now_ms),
                Err(_) => self.learn_later(now_ms),
            },
            _ => {}
        }
    }

    fn prepare(&mut self, now_ms: i64) {
        if !self.needs_prepare {
            self.join(now_ms);
            return;
        }
        self.needs_prepare = false;
        // Outside of a generation no commit would be accepted.
        let can_commit = self.state == MemberState::Stable && !self.generation.is_outside();
        if !self.config.auto_commit || self.assigned.is_empty() || !can_commit {
            self.give_up(now_ms);
            return;
        }
        if self.protocol == RebalanceProtocol::Eager {
            self.out.push(Action::PauseFetching(self.assigned.iter().cloned().collect()));
        }
        let id = self.out.id();
        let deadline_ms = now_ms.saturating_add(i64::from(self.config.max_poll_interval_ms));
        self.out.push(Action::Commit { id, deadline_ms });
        self.step = Step::Committing(id);
    }

    /// The commit before a rebalance ended; how does not matter, the rebalance can't wait.
    pub(super) fn committed(&mut self, now_ms: i64, id: u64) {
        if let Step::Committing(waiting) = self.step
            && waiting == id
        {
            self.give_up(now_ms);
        }
    }

    fn give_up(&mut self, now_ms: i64) {
        let outside = self.generation.is_outside();
        let (callback, kept) = if outside {
            (Callback::Lost, BTreeSet::new())
        } else if self.protocol == RebalanceProtocol::Eager {
            (Callback::Revoked, BTreeSet::new())
        } else {
            let kept = self.assigned.iter().filter(|partition| self.topics.contains(&partition.topic));
            (Callback::Revoked, kept.cloned().collect())
        };
        let given: Vec<_> = self.assigned.difference(&kept).cloned().collect();
        let is_eager = self.protocol == RebalanceProtocol::Eager && !outside;
        if given.is_empty() && !is_eager {
            self.prepared(now_ms);
            return;
        }
        let id = self.out.call(callback, given);
        self.step = Step::GivingUp(id, kept);
    }

    pub(super) fn prepared(&mut self, now_ms: i64) {
        self.is_leader = false;
        self.group_topics.clear();
        self.want_topics();
        self.join(now_ms);
    }

    /// A callback returned. Its error is the driver's to report; the rebalance goes on with the next `poll`.
    pub(super) fn called(&mut self, now_ms: i64, id: u64, result: Result<()>) {
        let is_waited_for = match &self.step {
            Step::GivingUp(waiting, _)
            | Step::Revoking(waiting, _)
            | Step::Assigning(waiting)
            | Step::Leaving(waiting, _) => *waiting == id,
            _ => false,
        };
        if !is_waited_for {
            return;
        }
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::GivingUp(_, kept) => {
                self.assign(kept);
                match result {
                    Ok(()) => self.prepared(now_ms),
                    Err(_) => self.is_halted = true,
                }
            }
            Step::Revoking(_, takeover) => self.revoked(*takeover),
            Step::Assigning(_) => {
                self.needs_prepare = true;
                self.is_halted |= result.is_err();
            }
            Step::Leaving(_, leave) => self.finish_leaving(leave),
            other => self.step = other,
        }
    }
}
