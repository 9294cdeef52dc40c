//! After SyncGroup: the new assignment takes effect (`onJoinComplete`).

use std::collections::BTreeSet;

use ottla_protocol::TopicPartition;

use super::super::{Action, Callback, MemberState, Membership, Subscription};
use super::leader::invalid_protocol;
use super::{ClassicMembership, Step};
use crate::assignors::{Assignment, RebalanceProtocol, decode_assignment};
use crate::{Error, Result};

/// An assignment on its way to take effect.
#[derive(Debug)]
pub struct Takeover {
    assignment: Assignment,
    partitions: BTreeSet<TopicPartition>,
}

impl ClassicMembership {
    pub(super) fn take_over(&mut self) {
        let Step::Synced(bytes, generation) = std::mem::replace(&mut self.step, Step::Idle) else { return };
        if self.generation != generation || self.state != MemberState::Stable {
            self.reset(
                "rebalance failed since the generation/state was modified by heartbeat before the rebalance callback \
                 triggered",
                true,
            );
            return;
        }
        if !self.is_leader {
            self.assignment_snapshot = None;
        }
        let assignment = match self.read(bytes) {
            Ok(assignment) => assignment,
            Err(error) => {
                self.request_rejoin("the assignment can't be read");
                self.needs_prepare = true;
                self.fail(error);
                return;
            }
        };
        let partitions: BTreeSet<TopicPartition> = assignment.partitions.iter().cloned().collect();
        if !partitions.iter().all(|partition| self.is_subscribed(partition)) {
            self.request_rejoin("received assignment does not match the current subscription");
            self.needs_prepare = true;
            return;
        }
        let revoked: Vec<_> = self.assigned.difference(&partitions).cloned().collect();
        let takeover = Takeover { assignment, partitions };
        if self.protocol == RebalanceProtocol::Cooperative && !revoked.is_empty() {
            let id = self.out.call(Callback::Revoked, revoked);
            self.step = Step::Revoking(id, Box::new(takeover));
            self.request_rejoin("need to revoke partitions and re-join");
        } else {
            self.revoked(takeover);
        }
    }

    fn read(&self, bytes: bytes::Bytes) -> Result<Assignment> {
        let name = self.generation.protocol.as_deref().unwrap_or_default();
        if !self.assignors.iter().any(|assignor| assignor.name() == name) {
            return Err(invalid_protocol(name));
        }
        if bytes.len() < 2 {
            return Err(Error::Protocol(format!(
                "There are insufficient bytes available to read assignment from the sync-group response (actual byte \
                 size {}): the leader's assignor gave this member none",
                bytes.len()
            )));
        }
        decode_assignment(bytes)
    }

    fn is_subscribed(&self, partition: &TopicPartition) -> bool {
        match &self.subscription {
            Some(Subscription::Pattern(matches)) => {
                let known = self.metadata.as_ref().and_then(|metadata| metadata.topic(&partition.topic));
                matches(&partition.topic, known.is_some_and(|topic| topic.is_internal))
            }
            _ => self.topics.contains(&partition.topic),
        }
    }

    pub(super) fn revoked(&mut self, takeover: Takeover) {
        let Takeover { assignment, partitions } = takeover;
        if let Some(Subscription::Pattern(_)) = self.subscription {
            // The leader may know topics that match and that this member has not heard of yet.
            let topics: BTreeSet<_> = partitions.iter().map(|partition| partition.topic.clone()).collect();
            self.topics.extend(topics.iter().cloned());
            if let Some(joined) = &mut self.joined_topics {
                joined.extend(topics);
            }
        }
        let group = self.group_metadata();
        let name = self.generation.protocol.clone().unwrap_or_default();
        if let Some(assignor) = self.assignors.iter_mut().find(|assignor| assignor.name() == &*name) {
            assignor.on_assignment(&assignment, &group);
        }
        if self.config.auto_commit {
            self.out.push(Action::ResetAutoCommit);
        }
        let added = partitions.difference(&self.assigned).cloned().collect();
        self.assign(partitions);
        let id = self.out.call(Callback::Assigned, added);
        self.step = Step::Assigning(id);
    }
}
