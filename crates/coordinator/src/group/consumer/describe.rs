//! ConsumerGroupDescribe (`GroupMetadataManager.consumerGroupDescribe`), and the group in words.

use ottla_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use ottla_protocol::{ErrorCode, Str};

use super::member::{AssignmentWithEpochs, ConsumerGroupMember, without_epochs};
use super::{ConsumerGroup, ConsumerGroupState};
use crate::group::modern::{self, TopicResolver};
use crate::group::{Group, GroupExplanation};
use crate::shard::GroupCoordinatorShard;

/// `MemberType` of a member that speaks the classic protocol, and of one that speaks the new one.
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl GroupCoordinatorShard {
    /// Consumer groups in detail, as of the last commit.
    pub fn consumer_group_describe(&self, group_ids: &[Str]) -> Vec<DescribedGroup> {
        let describe = |group_id: &Str| match self.groups.get_committed(group_id) {
            Some(Group::Consumer(group)) => {
                let default = self.config.consumer.assignors.first().cloned().unwrap_or_default();
                group.describe(default, &TopicResolver::new(&self.image))
            }
            other => {
                let what = if other.is_some() { "is not a consumer group" } else { "not found" };
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
}

impl ConsumerGroup {
    fn describe(&self, default_assignor: Str, topics: &TopicResolver<'_>) -> DescribedGroup {
        let epochs = self.base.epochs_committed();
        let mut assignors = std::collections::BTreeMap::new();
        for (_, member) in self.base.members_committed() {
            if let Some(assignor) = &member.server_assignor {
                *assignors.entry(assignor).or_insert(0) += 1;
            }
        }
        let preferred = assignors.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone());
        let members = self.base.members_committed().map(|(member_id, member)| {
            let target = self.base.target_assignment_committed(member_id);
            describe_member(member, target.map(|target| &**target), topics)
        });
        DescribedGroup {
            group_id: self.group_id().clone(),
            group_state: Str::from_static(self.state_committed().name()),
            group_epoch: epochs.group_epoch,
            assignment_epoch: epochs.assignment_epoch,
            assignor_name: preferred.unwrap_or(default_assignor),
            members: members.collect(),
            ..Default::default()
        }
    }

    /// The members and their session time-outs in ms: `of_group`, but for those of the classic protocol.
    pub fn session_timeouts(&self, of_group: i32) -> Vec<(Str, i32)> {
        let own = |member: &ConsumerGroupMember| member.classic.as_ref().map(|it| it.session_timeout_ms);
        self.base.members().map(|(id, member)| (id.clone(), own(member).unwrap_or(of_group))).collect()
    }

    /// What the group is doing, and for whom it waits.
    pub fn explain(&self) -> GroupExplanation {
        let epochs = self.base.epochs();
        let state = self.state();
        let waiting = self.base.members().filter(|(_, member)| {
            state == ConsumerGroupState::Reconciling && !member.base.is_reconciled_to(epochs.assignment_epoch)
        });
        let reason = match state {
            ConsumerGroupState::Assigning => format!(
                "members, subscriptions or topics have changed: epoch {} has no assignment yet, the last is \
                 of epoch {}",
                epochs.group_epoch, epochs.assignment_epoch
            ),
            ConsumerGroupState::Reconciling => {
                format!("members are on their way to the assignment of epoch {}", epochs.assignment_epoch)
            }
            _ => String::new(),
        };
        GroupExplanation {
            state: state.name(),
            since_ms: Some(epochs.assignment_timestamp_ms).filter(|at_ms| *at_ms > 0),
            generation_id: epochs.group_epoch,
            rebalance_reason: reason,
            waiting_for: waiting.map(|(member_id, _)| member_id.clone()).collect(),
            leader: None,
        }
    }
}

fn describe_member(
    member: &ConsumerGroupMember,
    target: Option<&modern::Assignment>,
    topics: &TopicResolver<'_>,
) -> Member {
    let mut held: AssignmentWithEpochs = member.assigned_partitions.clone();
    for (topic_id, partitions) in &member.partitions_pending_revocation {
        held.entry(*topic_id).or_default().extend(partitions);
    }
    Member {
        member_id: member.member_id().clone(),
        instance_id: member.base.instance_id.clone(),
        rack_id: member.base.rack_id.clone(),
        member_epoch: member.member_epoch(),
        client_id: member.base.client_id.clone(),
        client_host: member.base.client_host.clone(),
        subscribed_topic_names: member.base.subscribed_topic_names.iter().cloned().collect(),
        subscribed_topic_regex: Some(member.subscribed_topic_regex.clone()),
        assignment: describe_assignment(&without_epochs(&held), topics),
        target_assignment: target.map(|target| describe_assignment(target, topics)).unwrap_or_default(),
        member_type: if member.uses_classic_protocol() { CLASSIC_MEMBER } else { CONSUMER_MEMBER },
    }
}

fn describe_assignment(assignment: &modern::Assignment, topics: &TopicResolver<'_>) -> Assignment {
    let described = assignment.iter().filter_map(|(topic_id, partitions)| {
        Some(TopicPartitions {
            topic_id: *topic_id,
            topic_name: topics.name(*topic_id)?.clone(),
            partitions: partitions.iter().copied().collect(),
        })
    });
    Assignment { topic_partitions: described.collect() }
}
