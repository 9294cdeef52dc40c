//! One member's next step to the target assignment (`CurrentAssignmentBuilder`).
//!
//! A member first gives up what it is no longer to have: it is told the rest, and stays in its epoch until
//! its heartbeat shows that it has let go. Only then it goes to the epoch of the target assignment, and gets
//! what is free of it; what others still have follows when they have let go.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::{ErrorCode, Uuid};

use super::member::{AssignmentWithEpochs, ConsumerGroupMember};
use crate::group::GroupError;
use crate::group::modern::{Assignment, MemberState};

/// What a member's next step depends on.
pub(super) struct Reconciliation<'a> {
    pub target_epoch: i32,
    pub target: &'a Assignment,
    pub has_subscription_changed: bool,
    /// The topics that the member reads now.
    pub subscribed_topic_ids: BTreeSet<Uuid>,
    /// Whether some member has a partition, or has to give it up.
    pub is_owned: &'a dyn Fn(Uuid, i32) -> bool,
    /// What the member says it has; `None` when it does not say.
    pub owned_partitions: Option<&'a [TopicPartitions]>,
}

impl Reconciliation<'_> {
    /// The member after its next step.
    ///
    /// # Errors
    /// FENCED_MEMBER_EPOCH when the member is in a state that is not known here.
    pub fn step(&self, member: &ConsumerGroupMember) -> Result<ConsumerGroupMember, GroupError> {
        match member.base.state {
            MemberState::Stable if member.member_epoch() != self.target_epoch => {
                Ok(self.next(member, member.member_epoch()))
            }
            MemberState::Stable if self.has_subscription_changed => Ok(self.shrink(member)),
            MemberState::Stable => Ok(member.clone()),
            MemberState::UnrevokedPartitions if self.owns_any(&member.partitions_pending_revocation) => {
                if self.has_subscription_changed {
                    Ok(self.shrink(member))
                } else {
                    Ok(member.clone())
                }
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.next(member, member.member_epoch()))
            }
            MemberState::Unknown if self.owned_partitions.is_some_and(<[_]>::is_empty) => {
                Ok(self.next(member, self.target_epoch))
            }
            MemberState::Unknown => Err(GroupError::new(
                ErrorCode::FencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its \
                 partitions and rejoin.",
            )),
        }
    }

    /// Whether the member says, or leaves open, that it has one of these.
    fn owns_any(&self, partitions: &AssignmentWithEpochs) -> bool {
        let Some(owned) = self.owned_partitions else { return true };
        owned.iter().any(|topic| {
            let pending = partitions.get(&topic.topic_id);
            pending.is_some_and(|pending| topic.partitions.iter().any(|p| pending.contains_key(p)))
        })
    }

    /// Takes away the topics that the member does not read any more, and stays in its epoch.
    fn shrink(&self, member: &ConsumerGroupMember) -> ConsumerGroupMember {
        let mut assigned = member.assigned_partitions.clone();
        let mut pending = member.partitions_pending_revocation.clone();
        for (topic_id, partitions) in &member.assigned_partitions {
            if !self.subscribed_topic_ids.contains(topic_id) {
                assigned.remove(topic_id);
                pending.entry(*topic_id).or_default().extend(partitions);
            }
        }
        let mut shrunk = member.clone();
        if assigned == member.assigned_partitions {
            return shrunk;
        }
        shrunk.base.update_epoch(member.member_epoch());
        shrunk.assigned_partitions = assigned;
        if !pending.is_empty() && self.owns_any(&pending) {
            shrunk.base.state = MemberState::UnrevokedPartitions;
            shrunk.partitions_pending_revocation = pending;
        }
        shrunk
    }

    /// A step to the target assignment. `member_epoch` is kept while there is something to give up.
    fn next(&self, member: &ConsumerGroupMember, member_epoch: i32) -> ConsumerGroupMember {
        let mut assigned = AssignmentWithEpochs::new();
        let mut revoked = AssignmentWithEpochs::new();
        let mut free: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        let mut has_unreleased = false;
        let topic_ids: BTreeSet<&Uuid> =
            self.target.keys().chain(member.assigned_partitions.keys()).collect();
        for topic_id in topic_ids {
            let is_subscribed = self.subscribed_topic_ids.contains(topic_id);
            let target = self.target.get(topic_id).filter(|_| is_subscribed);
            let is_target = |partition: &i32| target.is_some_and(|target| target.contains(partition));
            let current = member.assigned_partitions.get(topic_id);
            for (partition, epoch) in current.into_iter().flatten() {
                let goes_to = if is_target(partition) { &mut assigned } else { &mut revoked };
                goes_to.entry(*topic_id).or_default().insert(*partition, *epoch);
            }
            for partition in target.into_iter().flatten() {
                if current.is_some_and(|current| current.contains_key(partition)) {
                    continue;
                }
                let is_own = member
                    .partitions_pending_revocation
                    .get(topic_id)
                    .is_some_and(|pending| pending.contains_key(partition));
                if (self.is_owned)(*topic_id, *partition) && !is_own {
                    has_unreleased = true;
                } else {
                    free.entry(*topic_id).or_default().insert(*partition);
                }
            }
        }
        let mut next = member.clone();
        if !revoked.is_empty() && self.owns_any(&revoked) {
            next.base.state = MemberState::UnrevokedPartitions;
            next.base.update_epoch(member_epoch);
            next.assigned_partitions = assigned;
            next.partitions_pending_revocation = revoked;
            return next;
        }
        for (topic_id, partitions) in free {
            let with_epoch = partitions.into_iter().map(|partition| (partition, self.target_epoch));
            assigned.entry(topic_id).or_default().extend(with_epoch);
        }
        next.base.state =
            if has_unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        next.base.update_epoch(self.target_epoch);
        next.assigned_partitions = assigned;
        next.partitions_pending_revocation = AssignmentWithEpochs::new();
        next
    }
}
