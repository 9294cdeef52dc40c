//! From the assignment in effect to the one that the broker wants.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::{TopicPartition, Uuid};

use super::super::{Action, Callback, MemberState};
use super::{EpochMembership, Local};
use crate::Result;

/// One on its way, and the answer that it waits for.
#[derive(Debug)]
pub struct Reconciliation {
    id: u64,
    stage: Stage,
    resolved: Local,
    partitions: BTreeSet<TopicPartition>,
    /// The member joined anew meanwhile: nothing of this takes effect.
    pub is_aborted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Commit,
    Revoke,
    Assign,
}

impl EpochMembership {
    pub(super) fn is_reconciled(&self) -> bool {
        self.current == self.target
    }

    /// A target came with a heartbeat.
    pub(super) fn target_received(&mut self, partitions: BTreeMap<Uuid, BTreeSet<i32>>) {
        if self.target.is_none() || self.target.partitions != partitions {
            self.target = Local { epoch: self.target.epoch + 1, partitions };
            self.ask_at_ms = None;
            self.want_topics();
        }
        if !self.is_reconciled() {
            self.state = MemberState::Reconciling;
        } else if matches!(self.state, MemberState::Reconciling | MemberState::Joining) {
            self.state = MemberState::Stable;
        }
    }

    /// Begins, if there is something to do and the time is right: for consumers inside `poll`, where positions are safe to
    /// commit and no record is on its way to the application.
    pub(super) fn reconcile(&mut self, now_ms: i64) {
        let may_begin = self.is_share() || (self.in_poll && !self.is_halted);
        if self.state != MemberState::Reconciling
            || self.is_reconciled()
            || self.reconciliation.is_some()
            || !may_begin
        {
            return;
        }
        let (resolved, partitions) = self.resolve_target(now_ms);
        if !self.current.is_none() && resolved.partitions == self.current.partitions {
            // The same partitions in a new round: the broker waits for the acknowledgement.
            self.current = resolved;
            self.state = MemberState::Acknowledging;
            return;
        }
        if resolved.partitions.is_empty() && !self.target.partitions.is_empty() && self.current.is_none() {
            // No topic is known by name yet, and there is nothing to give up.
            return;
        }
        let revoked: Vec<_> = self.assigned.difference(&partitions).cloned().collect();
        if !revoked.is_empty() {
            self.out.push(Action::PauseFetching(revoked));
        }
        let reconciliation =
            Reconciliation { id: 0, stage: Stage::Commit, resolved, partitions, is_aborted: false };
        if self.config.auto_commit && !self.assigned.is_empty() {
            let id = self.out.id();
            let deadline_ms = now_ms.saturating_add(i64::from(self.config.max_poll_interval_ms));
            self.out.push(Action::Commit { id, deadline_ms });
            self.reconciliation = Some(Reconciliation { id, ..reconciliation });
        } else {
            self.revoke(reconciliation);
        }
    }

    /// The part of the target whose topics are known by name; asks for the others.
    fn resolve_target(&mut self, now_ms: i64) -> (Local, BTreeSet<TopicPartition>) {
        let mut resolved = Local { epoch: self.target.epoch, partitions: BTreeMap::new() };
        let mut partitions = BTreeSet::new();
        let mut is_unknown = false;
        for (id, indexes) in &self.target.partitions {
            let known = self.metadata.as_ref().and_then(|metadata| metadata.topic_by_id(*id));
            let name = known.map(|topic| &topic.name).or_else(|| self.names.get(id)).cloned();
            let Some(name) = name else {
                is_unknown = true;
                continue;
            };
            partitions.extend(indexes.iter().map(|index| TopicPartition::new(name.clone(), *index)));
            resolved.partitions.insert(*id, indexes.clone());
            self.names.insert(*id, name);
        }
        if !is_unknown {
            self.ask_at_ms = None;
        } else if self.ask_at_ms.is_none_or(|at_ms| at_ms <= now_ms) {
            let id = self.out.id();
            self.out.push(Action::RefreshMetadata { id });
            self.ask_at_ms = Some(now_ms.saturating_add(self.config.retry_backoff_max_ms.max(1)));
        }
        (resolved, partitions)
    }

    pub(super) fn reconciliation_committed(&mut self, id: u64) {
        // Whether the commit succeeded does not matter: the broker does not wait for ever.
        if let Some(reconciliation) = self.take_reconciliation(id, Stage::Commit) {
            self.revoke(reconciliation);
        }
    }

    fn take_reconciliation(&mut self, id: u64, stage: Stage) -> Option<Reconciliation> {
        let reconciliation = self.reconciliation.take_if(|r| r.id == id && r.stage == stage)?;
        let goes_on = self.state == MemberState::Reconciling && !reconciliation.is_aborted;
        goes_on.then_some(reconciliation)
    }

    fn revoke(&mut self, reconciliation: Reconciliation) {
        let revoked: Vec<_> = self.assigned.difference(&reconciliation.partitions).cloned().collect();
        if revoked.is_empty() || self.is_share() {
            self.take_over(reconciliation);
            return;
        }
        let id = self.out.call(Callback::Revoked, revoked);
        self.reconciliation = Some(Reconciliation { id, stage: Stage::Revoke, ..reconciliation });
    }

    fn take_over(&mut self, reconciliation: Reconciliation) {
        let added = reconciliation.partitions.difference(&self.assigned).cloned().collect();
        self.assign(reconciliation.partitions.clone());
        self.names.retain(|id, _| reconciliation.resolved.partitions.contains_key(id));
        if self.is_share() {
            self.complete(reconciliation);
            return;
        }
        let id = self.out.call(Callback::Assigned, added);
        self.reconciliation = Some(Reconciliation { id, stage: Stage::Assign, ..reconciliation });
    }

    fn complete(&mut self, reconciliation: Reconciliation) {
        self.current = reconciliation.resolved;
        if self.config.auto_commit {
            self.out.push(Action::ResetAutoCommit);
        }
        self.state = MemberState::Acknowledging;
    }

    /// A callback of a reconciliation returned. After an error, which is the driver's to report, the member stays where it is; the next `poll` tries again,
    /// until the broker loses patience.
    pub(super) fn reconciliation_called(&mut self, id: u64, result: &Result<()>) {
        if let Some(reconciliation) = self.take_reconciliation(id, Stage::Revoke) {
            match result {
                Ok(()) => self.take_over(reconciliation),
                Err(_) => self.is_halted = true,
            }
        } else if let Some(reconciliation) = self.take_reconciliation(id, Stage::Assign) {
            match result {
                Ok(()) => self.complete(reconciliation),
                Err(_) => self.is_halted = true,
            }
        }
    }
}
