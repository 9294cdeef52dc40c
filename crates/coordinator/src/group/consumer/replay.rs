//! What the records of a consumer group change.

use ottla_protocol::Str;

use super::member::{AssignmentWithEpochs, ConsumerGroupMember};
use super::record::ConsumerGroupChange;
use super::regex::ResolvedRegex;
use super::{ConsumerGroup, LEAVE_GROUP_MEMBER_EPOCH, count, subscription_type};
use crate::group::modern::Assignment;
use crate::records::owned;

/// What is to become of a group after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    /// It goes on.
    Stays,
    /// It is gone.
    Goes,
}

impl ConsumerGroup {
    /// Applies a record.
    pub fn replay(&mut self, offset: i64, change: ConsumerGroupChange) -> Remains {
        match change {
            ConsumerGroupChange::Metadata(Some(value)) => {
                self.base.replay_epoch(offset, value.epoch, value.metadata_hash);
            }
            ConsumerGroupChange::Metadata(None) => return Remains::Goes,
            ConsumerGroupChange::PartitionMetadata(exists) => self.has_partition_metadata_record = exists,
            ConsumerGroupChange::Member(member_id, Some(value)) => {
                let mut member = self.member_or_new(&member_id);
                member.update_with_metadata(&value);
                self.replay_member(offset, member);
            }
            ConsumerGroupChange::Member(member_id, None) => self.replay_member_removed(offset, &member_id),
            ConsumerGroupChange::TargetMetadata(value) => {
                let (epoch, timestamp_ms) =
                    value.map_or((-1, 0), |value| (value.assignment_epoch, value.assignment_timestamp));
                self.base.replay_assignment_epoch(offset, epoch, timestamp_ms);
            }
            ConsumerGroupChange::TargetMember(member_id, value) => {
                let assignment = value.map(|value| {
                    let topics = value.topic_partitions.into_iter();
                    topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect()))
                });
                let assignment = assignment.map(|topics| topics.collect::<Assignment>());
                self.base.replay_target_assignment(offset, &member_id, assignment);
            }
            ConsumerGroupChange::CurrentAssignment(member_id, Some(value)) => {
                let mut member = self.member_or_new(&member_id);
                member.update_with_assignment(&value);
                self.replay_member(offset, member);
            }
            ConsumerGroupChange::CurrentAssignment(member_id, None) => {
                if let Some(member) = self.base.member(&member_id) {
                    let mut member = ConsumerGroupMember::clone(member);
                    member.base.member_epoch = LEAVE_GROUP_MEMBER_EPOCH;
                    member.base.previous_member_epoch = LEAVE_GROUP_MEMBER_EPOCH;
                    member.assigned_partitions.clear();
                    member.partitions_pending_revocation.clear();
                    self.replay_member(offset, member);
                }
            }
            ConsumerGroupChange::Regex(regex, value) => {
                let resolved = value.map(|value| ResolvedRegex {
                    topics: value.topics.iter().map(owned).collect(),
                    version: value.version,
                    timestamp_ms: value.timestamp,
                });
                self.replay_regex(regex, resolved);
            }
        }
        Remains::Stays
    }

    fn member_or_new(&self, member_id: &Str) -> ConsumerGroupMember {
        match self.base.member(member_id) {
            Some(member) => ConsumerGroupMember::clone(member),
            None => ConsumerGroupMember::new(member_id.clone()),
        }
    }

    fn replay_member(&mut self, offset: i64, member: ConsumerGroupMember) {
        if let Some(instance_id) = &member.base.instance_id {
            self.static_members.insert(instance_id.clone(), member.member_id().clone());
        }
        let member_id = member.member_id().clone();
        let old = self.base.replay_member(offset, member);
        if let Some(old) = &old {
            self.remove_partition_epochs(old);
            self.count_member(old, false);
        }
        if let Some(new) = self.base.member(&member_id).cloned() {
            self.add_partition_epochs(&new.assigned_partitions, new.member_epoch());
            self.add_partition_epochs(&new.partitions_pending_revocation, new.member_epoch());
            self.count_member(&new, true);
        }
        self.update_subscription_type();
    }

    fn replay_member_removed(&mut self, offset: i64, member_id: &Str) {
        let Some(old) = self.base.replay_member_removed(offset, member_id) else { return };
        self.awaiting_rejoin.remove(member_id);
        self.remove_partition_epochs(&old);
        self.count_member(&old, false);
        if let Some(instance_id) = &old.base.instance_id
            && self.static_members.get(instance_id) == Some(member_id)
        {
            self.static_members.remove(instance_id);
        }
        self.update_subscription_type();
    }

    fn replay_regex(&mut self, regex: Str, resolved: Option<ResolvedRegex>) {
        let old = self.resolved_regexes.remove(&regex);
        self.base.subscribed_topics.update_regex(
            old.as_ref().map(|old| &old.topics),
            resolved.as_ref().map(|resolved| &resolved.topics),
        );
        if let Some(resolved) = resolved {
            self.resolved_regexes.insert(regex, resolved);
        }
        self.update_subscription_type();
    }

    fn update_subscription_type(&mut self) {
        self.base.subscription_type = subscription_type(
            &self.subscribed_regexes,
            &self.base.subscribed_topics,
            self.base.members_len(),
        );
    }

    fn count_member(&mut self, member: &ConsumerGroupMember, adds: bool) {
        if let Some(assignor) = &member.server_assignor {
            count(&mut self.server_assignors, assignor, adds);
        }
        if let Some(regex) = member.regex() {
            count(&mut self.subscribed_regexes, regex, adds);
        }
        if let Some(classic) = &member.classic {
            self.classic_members =
                if adds { self.classic_members + 1 } else { self.classic_members.saturating_sub(1) };
            for protocol in &classic.protocols {
                count(&mut self.classic_protocols, &protocol.name, adds);
            }
        }
    }

    fn add_partition_epochs(&mut self, assignment: &AssignmentWithEpochs, member_epoch: i32) {
        for (topic_id, partitions) in assignment {
            let epochs = self.partition_epochs.entry(*topic_id).or_default();
            for partition in partitions.keys() {
                let epoch = epochs.entry(*partition).or_insert(member_epoch);
                *epoch = member_epoch.max(*epoch);
            }
        }
    }

    /// Removes what is still the member's: a partition may have been given to another member in a later
    /// epoch by records that come first.
    fn remove_partition_epochs(&mut self, member: &ConsumerGroupMember) {
        for (topic_id, partitions) in
            member.assigned_partitions.iter().chain(&member.partitions_pending_revocation)
        {
            let Some(epochs) = self.partition_epochs.get_mut(topic_id) else { continue };
            for partition in partitions.keys() {
                if epochs.get(partition) == Some(&member.member_epoch()) {
                    epochs.remove(partition);
                }
            }
            if epochs.is_empty() {
                self.partition_epochs.remove(topic_id);
            }
        }
    }
}
