//! ShareGroupDescribe (`GroupMetadataManager.shareGroupDescribe`), the partitions of a group for
//! DescribeShareGroupOffsets, and the group in words.

use ottla_protocol::messages::share_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use ottla_protocol::{ErrorCode, Str};

use super::ShareGroup;
use super::assignor::SIMPLE;
use super::member::ShareGroupMember;
use super::state_metadata::SharePartitions;
use crate::group::modern::TopicResolver;
use crate::group::{Group, GroupExplanation};
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Share groups in detail, as of the last commit.
    pub fn share_group_describe(&self, group_ids: &[Str]) -> Vec<DescribedGroup> {
        let describe = |group_id: &Str| match self.groups.get_committed(group_id) {
            Some(Group::Share(group)) => group.describe(&TopicResolver::new(&self.image)),
            other => {
                let what = if other.is_some() { "is not a share group" } else { "not found" };
                DescribedGroup {
                    group_id: group_id.clone(),
                    error_code: ErrorCode::GroupIdNotFound.code(),
                    error_message: Some(Str::from(format!("Group {group_id} {what}."))),
                    ..Default::default()
                }
            }
        };
        group_ids.iter().map(describe).collect()
    }

    /// The partitions of a group whose state is initialized; none when there is no such group
    /// (`initializedShareGroupPartitions`).
    pub fn initialized_share_partitions(&self, group_id: &str) -> SharePartitions {
        match self.groups.get(group_id) {
            Some(Group::Share(group)) => {
                group.state_metadata.as_ref().map(|m| m.initialized_partitions()).unwrap_or_default()
            }
            _ => SharePartitions::new(),
        }
    }
}

impl ShareGroup {
    fn describe(&self, topics: &TopicResolver<'_>) -> DescribedGroup {
        let epochs = self.base.epochs_committed();
        DescribedGroup {
            group_id: self.group_id().clone(),
            group_state: Str::from_static(self.state_committed().name()),
            group_epoch: epochs.group_epoch,
            assignment_epoch: epochs.assignment_epoch,
            assignor_name: Str::from_static(SIMPLE),
            members: self.base.members_committed().map(|(_, m)| describe_member(m, topics)).collect(),
            ..Default::default()
        }
    }

    /// The members and their session time-outs in ms.
    pub fn session_timeouts(&self, of_group: i32) -> Vec<(Str, i32)> {
        self.base.members().map(|(id, _)| (id.clone(), of_group)).collect()
    }

    /// What the group is doing, and for whom it waits.
    pub fn explain(&self) -> GroupExplanation {
        let epochs = self.base.epochs();
        let waiting =
            self.base.members().filter(|(_, member)| !member.base.is_reconciled_to(epochs.assignment_epoch));
        let metadata = self.state_metadata.as_ref();
        let initializing = metadata.map_or(0, |metadata| metadata.initializing.len());
        let mut reasons = Vec::new();
        if !self.is_empty() && epochs.group_epoch > epochs.assignment_epoch {
            reasons.push(format!(
                "members, subscriptions or topics have changed: epoch {} has no assignment yet, the last is \
                 of epoch {}",
                epochs.group_epoch, epochs.assignment_epoch
            ));
        }
        if initializing > 0 {
            reasons.push(format!("the state of {initializing} topics is being initialized"));
        }
        GroupExplanation {
            state: self.state().name(),
            since_ms: Some(epochs.assignment_timestamp_ms).filter(|at_ms| *at_ms > 0),
            generation_id: epochs.group_epoch,
            rebalance_reason: reasons.join("; "),
            waiting_for: waiting.map(|(member_id, _)| member_id.clone()).collect(),
            leader: None,
        }
    }
}

fn describe_member(member: &ShareGroupMember, topics: &TopicResolver<'_>) -> Member {
    let assigned = member.assigned_partitions.iter().filter_map(|(topic_id, partitions)| {
        Some(TopicPartitions {
            topic_id: *topic_id,
            topic_name: topics.name(*topic_id)?.clone(),
            partitions: partitions.iter().copied().collect(),
        })
    });
    Member {
        member_id: member.member_id().clone(),
        rack_id: member.base.rack_id.clone(),
        member_epoch: member.member_epoch(),
        client_id: member.base.client_id.clone(),
        client_host: member.base.client_host.clone(),
        subscribed_topic_names: member.base.subscribed_topic_names.iter().cloned().collect(),
        assignment: Assignment { topic_partitions: assigned.collect() },
    }
}
