//! The assignor `simple` (`SimpleAssignor`): a partition may have many members, and when there are more members
//! than partitions each gets one all the same.
//!
//! Members that read the same topics share all their partitions evenly; else each topic is shared evenly among
//! those that read it. What a member has it keeps where it may. Where Kafka follows the order of a hash map, it
//! is that of the ids here.

mod balance;

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::{Str, Uuid};

use self::balance::{Held, TopicIdPartition, balance};
use crate::group::modern::{
    Assignment, GroupAssignment, GroupSpec, PartitionAssignor, PartitionAssignorError, SubscriptionType,
    TopicResolver,
};

/// Its name.
pub(super) const SIMPLE: &str = "simple";

/// The assignor.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimpleAssignor;

impl PartitionAssignor for SimpleAssignor {
    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicResolver<'_>,
    ) -> Result<GroupAssignment, PartitionAssignorError> {
        match group.subscription_type {
            SubscriptionType::Homogeneous => homogeneous(group, topics),
            SubscriptionType::Heterogeneous => heterogeneous(group, topics),
        }
    }
}

/// `SimpleHomogeneousAssignmentBuilder`
fn homogeneous(
    group: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
) -> Result<GroupAssignment, PartitionAssignorError> {
    let Some(first) = group.members.values().next() else { return Ok(GroupAssignment::new()) };
    let mut targets = Vec::new();
    for topic_id in first.subscribed_topic_ids.iter() {
        targets.extend(target_partitions(group, topics, *topic_id)?);
    }
    if first.subscribed_topic_ids.is_empty() {
        return Ok(GroupAssignment::new());
    }
    let members: Vec<usize> = (0..group.members.len()).collect();
    let held = group.members.values().enumerate().map(|(index, member)| {
        let topics = member.assignment.iter().filter(|(id, _)| first.subscribed_topic_ids.contains(*id));
        let held: BTreeSet<TopicIdPartition> = topics
            .flat_map(|(id, partitions)| partitions.iter().map(|partition| (*id, *partition)))
            .collect();
        (index, held)
    });
    let shared = balance(&targets, &members, held.collect());
    Ok(group.members.keys().cloned().zip(shared.into_values().map(by_topic)).collect())
}

/// `SimpleHeterogeneousAssignmentBuilder`
fn heterogeneous(
    group: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
) -> Result<GroupAssignment, PartitionAssignorError> {
    let subscribed: BTreeSet<Uuid> =
        group.members.values().flat_map(|member| member.subscribed_topic_ids.iter().copied()).collect();
    let member_ids: Vec<&Str> = group.members.keys().collect();
    let mut new: BTreeMap<usize, Assignment> = BTreeMap::new();
    for (index, member) in group.members.values().enumerate() {
        new.insert(index, Assignment::clone(&member.assignment));
    }
    for topic_id in subscribed {
        let targets: Vec<TopicIdPartition> = target_partitions(group, topics, topic_id)?.collect();
        let mut members = Vec::new();
        let mut held = Held::new();
        for (index, member) in group.members.values().enumerate() {
            if member.subscribed_topic_ids.contains(&topic_id) {
                members.push(index);
            }
            let partitions = member.assignment.get(&topic_id).into_iter().flatten();
            let partitions: BTreeSet<_> = partitions.map(|partition| (topic_id, *partition)).collect();
            held.insert(index, partitions);
        }
        for (index, partitions) in balance(&targets, &members, held) {
            let assignment = new.entry(index).or_default();
            assignment.remove(&topic_id);
            assignment.extend(by_topic(partitions));
        }
    }
    let named = new.into_iter().filter_map(|(index, assignment)| {
        let member_id = member_ids.get(index)?;
        Some(((*member_id).clone(), assignment))
    });
    Ok(named.collect())
}

fn target_partitions(
    group: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
    topic_id: Uuid,
) -> Result<impl Iterator<Item = TopicIdPartition>, PartitionAssignorError> {
    let count = topics.num_partitions(topic_id).ok_or_else(|| {
        PartitionAssignorError(format!(
            "Members are subscribed to topic {topic_id} which doesn't exist in the topic metadata."
        ))
    })?;
    Ok((0..count)
        .filter(move |partition| group.is_partition_assignable(topic_id, *partition))
        .map(move |partition| (topic_id, partition)))
}

fn by_topic(partitions: BTreeSet<TopicIdPartition>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic_id, partition) in partitions {
        assignment.entry(topic_id).or_default().insert(partition);
    }
    assignment
}

#[cfg(test)]
mod assignor_test;
