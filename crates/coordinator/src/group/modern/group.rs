//! What consumer and share groups have in common (`ModernGroup`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_protocol::Str;

use super::assignor::{Assignment, InvertedAssignment};
use super::member::ModernGroupMember;
use super::subscription::{SubscribedTopics, SubscriptionType};
use crate::timeline::{TimelineCell, TimelineMap};

/// The epochs of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epochs {
    pub group_epoch: i32,
    /// For which group epoch the target assignment was computed.
    pub assignment_epoch: i32,
    /// When, Unix ms; 0 when that was not recorded, or there is none.
    pub assignment_timestamp_ms: i64,
}

/// Until when what is known of the topics is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RefreshDeadline {
    at_ms: i64,
    /// The group epoch that it was set with. Should that not have been written, the deadline does not hold.
    epoch: i32,
}

/// How long what is known of the topics stays good unless they change: for ever, in effect.
const METADATA_REFRESH_INTERVAL_MS: i64 = i32::MAX as i64;

/// The common part of a group. It changes in `replay` only, but for the refresh deadline.
#[derive(Clone, Debug)]
pub(crate) struct ModernGroup<M> {
    pub group_id: Str,
    members: TimelineMap<Str, Arc<M>>,
    epochs: TimelineCell<Epochs>,
    target_assignment: TimelineMap<Str, Arc<Assignment>>,
    inverted_target_assignment: InvertedAssignment,
    pub subscribed_topics: SubscribedTopics,
    pub metadata_hash: i64,
    pub subscription_type: SubscriptionType,
    refresh_deadline: RefreshDeadline,
}

impl<M: ModernGroupMember> ModernGroup<M> {
    /// A group without members, of which everything below `high_watermark` is committed.
    pub fn new(group_id: Str, high_watermark: i64) -> Self {
        Self {
            group_id,
            members: TimelineMap::committed_to(high_watermark),
            epochs: TimelineCell::committed_to(
                high_watermark,
                Epochs { group_epoch: 1, assignment_epoch: 0, assignment_timestamp_ms: 0 },
            ),
            target_assignment: TimelineMap::committed_to(high_watermark),
            inverted_target_assignment: BTreeMap::new(),
            subscribed_topics: SubscribedTopics::default(),
            metadata_hash: 0,
            subscription_type: SubscriptionType::Homogeneous,
            refresh_deadline: RefreshDeadline::default(),
        }
    }

    /// The latest epochs.
    pub fn epochs(&self) -> Epochs {
        *self.epochs.get()
    }

    /// The committed epochs.
    pub fn epochs_committed(&self) -> Epochs {
        *self.epochs.get_committed()
    }

    pub fn member(&self, member_id: &str) -> Option<&Arc<M>> {
        self.members.get(member_id)
    }

    pub fn member_committed(&self, member_id: &str) -> Option<&Arc<M>> {
        self.members.get_committed(member_id)
    }

    /// In order of their ids.
    pub fn members(&self) -> impl Iterator<Item = (&Str, &Arc<M>)> {
        self.members.iter()
    }

    /// In order of their ids, as of the last commit.
    pub fn members_committed(&self) -> impl Iterator<Item = (&Str, &Arc<M>)> {
        self.members.range_committed(..)
    }

    pub fn members_len(&self) -> usize {
        self.members.len()
    }

    /// The target assignment of a member, if it has one, be it an empty one.
    pub fn target_assignment(&self, member_id: &str) -> Option<&Arc<Assignment>> {
        self.target_assignment.get(member_id)
    }

    pub fn target_assignment_committed(&self, member_id: &str) -> Option<&Arc<Assignment>> {
        self.target_assignment.get_committed(member_id)
    }

    pub fn inverted_target_assignment(&self) -> &InvertedAssignment {
        &self.inverted_target_assignment
    }

    /// Whether the topics have to be looked at again.
    pub fn has_metadata_expired(&self, now_ms: i64) -> bool {
        now_ms >= self.refresh_deadline.at_ms || self.epochs().group_epoch < self.refresh_deadline.epoch
    }

    /// The topics were looked at, with a group epoch that is about to be written.
    pub fn set_metadata_refreshed(&mut self, now_ms: i64, epoch: i32) {
        let at_ms = now_ms.saturating_add(METADATA_REFRESH_INTERVAL_MS);
        self.refresh_deadline = RefreshDeadline { at_ms, epoch };
    }

    /// Topics have changed.
    pub fn request_metadata_refresh(&mut self) {
        self.refresh_deadline = RefreshDeadline::default();
    }

    /// A record was replayed: the group's epoch and metadata hash.
    pub fn replay_epoch(&mut self, offset: i64, group_epoch: i32, metadata_hash: i64) {
        self.epochs.set(offset, Epochs { group_epoch, ..self.epochs() });
        self.metadata_hash = metadata_hash;
    }

    /// A record was replayed: the epoch of the target assignment. -1 and 0: it was removed.
    pub fn replay_assignment_epoch(&mut self, offset: i64, assignment_epoch: i32, timestamp_ms: i64) {
        let epochs = Epochs { assignment_epoch, assignment_timestamp_ms: timestamp_ms, ..self.epochs() };
        self.epochs.set(offset, epochs);
    }

    /// A record was replayed: a member's target assignment; `None`: it was removed.
    pub fn replay_target_assignment(&mut self, offset: i64, member_id: &Str, new: Option<Assignment>) {
        let old = self.target_assignment.get(member_id).cloned();
        self.invert(member_id, old.as_deref(), new.as_ref());
        match new {
            Some(new) => self.target_assignment.insert(offset, member_id.clone(), Arc::new(new)),
            None => {
                self.target_assignment.remove(offset, member_id);
            }
        }
    }

    /// A record was replayed: a member is there, or has changed; what it was before.
    pub fn replay_member(&mut self, offset: i64, member: M) -> Option<Arc<M>> {
        let member_id = member.modern().member_id.clone();
        let old = self.members.get(&member_id).cloned();
        self.subscribed_topics.update_names(
            old.as_ref().map(|old| &old.modern().subscribed_topic_names),
            Some(&member.modern().subscribed_topic_names),
        );
        self.members.insert(offset, member_id, Arc::new(member));
        old
    }

    /// A record was replayed: a member is gone; what it was.
    pub fn replay_member_removed(&mut self, offset: i64, member_id: &str) -> Option<Arc<M>> {
        let old = self.members.get(member_id).cloned()?;
        self.subscribed_topics.update_names(Some(&old.modern().subscribed_topic_names), None);
        self.members.remove(offset, member_id);
        Some(old)
    }

    /// Everything below `high_watermark` is committed; whether there is something that is not.
    pub fn commit(&mut self, high_watermark: i64) -> bool {
        self.members.commit(high_watermark);
        self.epochs.commit(high_watermark);
        self.target_assignment.commit(high_watermark);
        self.members.has_uncommitted()
            || self.epochs.has_uncommitted()
            || self.target_assignment.has_uncommitted()
    }

    fn invert(&mut self, member_id: &Str, old: Option<&Assignment>, new: Option<&Assignment>) {
        for (topic_id, partitions) in old.into_iter().flatten() {
            let Some(owners) = self.inverted_target_assignment.get_mut(topic_id) else { continue };
            for partition in partitions {
                // A partition that another member was given meanwhile is that member's.
                if owners.get(partition) == Some(member_id) {
                    owners.remove(partition);
                }
            }
            if owners.is_empty() {
                self.inverted_target_assignment.remove(topic_id);
            }
        }
        for (topic_id, partitions) in new.into_iter().flatten() {
            if partitions.is_empty() {
                continue;
            }
            let owners = self.inverted_target_assignment.entry(*topic_id).or_default();
            let kept = old.and_then(|old| old.get(topic_id));
            for partition in partitions {
                let was_taken = kept.is_some_and(|kept| kept.contains(partition))
                    && owners.get(partition).is_some_and(|owner| owner != member_id);
                if !was_taken {
                    owners.insert(*partition, member_id.clone());
                }
            }
        }
    }
}
