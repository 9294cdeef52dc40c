//! What the records of a share group change.

use ottla_protocol::Str;

use super::member::ShareGroupMember;
use super::record::{ShareGroupChange, ShareGroupRecord};
use super::state_metadata::ShareStateMetadata;
use super::{LEAVE_GROUP_MEMBER_EPOCH, ShareGroup};
use crate::group::Group;
use crate::group::modern::Assignment;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Applies a record at `offset`.
    pub(crate) fn replay_share_group(&mut self, offset: i64, record: ShareGroupRecord) {
        let ShareGroupRecord { group_id, change } = record;
        if !matches!(self.groups.get(&group_id), Some(Group::Share(_))) {
            if !change.has_value() {
                return;
            }
            let group = ShareGroup::new(group_id.clone(), self.high_watermark);
            self.groups.insert(offset, group_id.clone(), Group::Share(group));
        }
        let Some(Group::Share(group)) = self.groups.get_mut(&group_id) else { return };
        if change == ShareGroupChange::Metadata(None) {
            self.groups.remove(offset, &group_id);
            return;
        }
        group.replay(offset, change, self.share_clock_ms);
        if offset >= self.high_watermark {
            self.uncommitted_groups.insert(group_id);
        }
    }
}

impl ShareGroup {
    fn replay(&mut self, offset: i64, change: ShareGroupChange, now_ms: i64) {
        match change {
            ShareGroupChange::Metadata(Some(value)) => {
                self.base.replay_epoch(offset, value.epoch, value.metadata_hash);
            }
            ShareGroupChange::Metadata(None) => {}
            ShareGroupChange::Member(member_id, Some(value)) => {
                let mut member = self.member_or_new(&member_id);
                member.update_with_metadata(&value);
                self.replay_member(offset, member);
            }
            ShareGroupChange::Member(member_id, None) => {
                self.base.replay_member_removed(offset, &member_id);
                self.update_subscription_type();
            }
            ShareGroupChange::TargetMetadata(value) => {
                let (epoch, timestamp_ms) =
                    value.map_or((-1, 0), |value| (value.assignment_epoch, value.assignment_timestamp));
                self.base.replay_assignment_epoch(offset, epoch, timestamp_ms);
            }
            ShareGroupChange::TargetMember(member_id, value) => {
                let assignment = value.map(|value| {
                    let topics = value.topic_partitions.into_iter();
                    let topics = topics.filter(|topic| !topic.partitions.is_empty());
                    topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect()))
                });
                let assignment = assignment.map(|topics| topics.collect::<Assignment>());
                self.base.replay_target_assignment(offset, &member_id, assignment);
            }
            ShareGroupChange::CurrentAssignment(member_id, Some(value)) => {
                let mut member = self.member_or_new(&member_id);
                member.update_with_assignment(&value);
                self.replay_member(offset, member);
            }
            ShareGroupChange::CurrentAssignment(member_id, None) => {
                if let Some(member) = self.base.member(&member_id) {
                    let mut member = ShareGroupMember::clone(member);
                    member.base.member_epoch = LEAVE_GROUP_MEMBER_EPOCH;
                    member.base.previous_member_epoch = LEAVE_GROUP_MEMBER_EPOCH;
                    member.assigned_partitions.clear();
                    self.replay_member(offset, member);
                }
            }
            ShareGroupChange::StatePartitions(value) => {
                self.state_metadata = value.map(|value| ShareStateMetadata::from_record(&value, now_ms));
            }
        }
    }

    fn member_or_new(&self, member_id: &Str) -> ShareGroupMember {
        match self.base.member(member_id) {
            Some(member) => ShareGroupMember::clone(member),
            None => ShareGroupMember::new(member_id.clone()),
        }
    }

    fn replay_member(&mut self, offset: i64, member: ShareGroupMember) {
        self.base.replay_member(offset, member);
        self.update_subscription_type();
    }

    fn update_subscription_type(&mut self) {
        self.base.subscription_type = self.base.subscribed_topics.subscription_type(self.base.members_len());
    }
}
