//! `uniform` when members read different topics (`UniformHeterogeneousAssignmentBuilder`).
//!
//! Members keep what they have. What nobody has goes, topic by topic, to the least loaded of the topic's
//! subscribers; then, topic by topic, the most loaded subscribers give to the least loaded until a round
//! over all topics moves nothing, or often enough was tried. Topics with many partitions per subscriber come
//! first: they leave the least choice.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::{Str, Uuid};

use super::homogeneous::missing;
use super::load::Balancer;
use crate::group::modern::{Assignment, GroupAssignment, GroupSpec, PartitionAssignorError, TopicResolver};

/// Most rounds over all topics.
const ROUNDS_MAX: usize = 16;

pub(super) fn assign(
    group: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
) -> Result<GroupAssignment, PartitionAssignorError> {
    let mut builder = Builder::new(group, topics)?;
    if builder.topics.is_empty() {
        return Ok(GroupAssignment::new());
    }
    builder.keep();
    builder.assign_the_rest();
    builder.balance();
    Ok(builder.finish())
}

/// A subscribed topic.
struct Topic {
    /// Indexes of the members that read it, in order.
    subscribers: Vec<usize>,
    /// For each partition, the index of the member that gets it.
    owners: Vec<Option<usize>>,
}

struct Builder<'a> {
    group: &'a GroupSpec<'a>,
    member_ids: Vec<&'a Str>,
    topics: BTreeMap<Uuid, Topic>,
    /// The topics in the order in which they are served.
    order: Vec<Uuid>,
    assigned: Vec<Assignment>,
    /// Numbers of partitions by member.
    loads: Vec<i64>,
    balancer: Balancer,
}

impl<'a> Builder<'a> {
    fn new(group: &'a GroupSpec<'a>, resolver: &TopicResolver<'_>) -> Result<Self, PartitionAssignorError> {
        let mut topics: BTreeMap<Uuid, Topic> = BTreeMap::new();
        for (index, member) in group.members.values().enumerate() {
            for topic_id in member.subscribed_topic_ids.iter() {
                if let Some(topic) = topics.get_mut(topic_id) {
                    topic.subscribers.push(index);
                    continue;
                }
                let partitions = resolver.num_partitions(*topic_id).ok_or_else(|| missing(*topic_id))?;
                let owners = vec![None; usize::try_from(partitions).unwrap_or(0)];
                topics.insert(*topic_id, Topic { subscribers: vec![index], owners });
            }
        }
        let mut order: Vec<(&Uuid, &Topic)> = topics.iter().collect();
        order.sort_by(|(a_id, a), (b_id, b)| {
            // More partitions per subscriber first: compared as fractions.
            let a_per_b = a.owners.len() * b.subscribers.len();
            let b_per_a = b.owners.len() * a.subscribers.len();
            b_per_a
                .cmp(&a_per_b)
                .then(a.subscribers.len().cmp(&b.subscribers.len()))
                .then_with(|| as_java_compares(**a_id).cmp(&as_java_compares(**b_id)))
        });
        let order = order.into_iter().map(|(topic_id, _)| *topic_id).collect();
        let members = group.members.len();
        Ok(Self {
            group,
            member_ids: group.members.keys().collect(),
            topics,
            order,
            assigned: vec![Assignment::new(); members],
            loads: vec![0; members],
            balancer: Balancer::default(),
        })
    }

    /// Members keep what they have of topics that they still read.
    fn keep(&mut self) {
        for (index, member) in self.group.members.values().enumerate() {
            for (topic_id, partitions) in member.assignment.iter() {
                if member.subscribed_topic_ids.contains(topic_id) {
                    for partition in partitions {
                        self.give(*topic_id, *partition, index);
                    }
                }
            }
        }
    }

    fn assign_the_rest(&mut self) {
        for topic_id in self.order.clone() {
            let Some(topic) = self.topics.get(&topic_id) else { continue };
            let unassigned = (0..).zip(&topic.owners).filter(|(_, owner)| owner.is_none());
            let unassigned: Vec<i32> = unassigned.map(|(partition, _)| partition).collect();
            if unassigned.is_empty() {
                continue;
            }
            self.balancer.begin(&topic.subscribers, &self.loads);
            for partition in unassigned {
                if let Some(member) = self.balancer.next_least_loaded(&self.loads) {
                    self.give(topic_id, partition, member);
                }
            }
        }
    }

    fn balance(&mut self) {
        let has_choice = |topic: &Topic| topic.subscribers.len() >= 2;
        let order: Vec<Uuid> =
            self.order.iter().copied().filter(|id| self.topics.get(id).is_some_and(has_choice)).collect();
        let mut last_moved = None;
        for _ in 0..ROUNDS_MAX {
            for topic_id in &order {
                // All others were looked at since, and nothing has changed.
                if last_moved == Some(*topic_id) {
                    return;
                }
                let moved = self.balance_topic(*topic_id);
                if moved > 0 || last_moved.is_none() {
                    last_moved = Some(*topic_id);
                }
            }
        }
    }

    /// Moves partitions from the most loaded to the least loaded; how many.
    fn balance_topic(&mut self, topic_id: Uuid) -> usize {
        let Some(topic) = self.topics.get(&topic_id) else { return 0 };
        if self.balancer.begin(&topic.subscribers, &self.loads) <= 1 {
            return 0;
        }
        // What each member has at the beginning; it gives the last first.
        let mut held: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for (partition, owner) in (0..).zip(&topic.owners) {
            if let Some(owner) = owner {
                held.entry(*owner).or_default().push(partition);
            }
        }
        let mut moved = 0;
        while !self.balancer.is_balanced() {
            let Some(partition) = self.next_to_give(&mut held) else { break };
            let Some(member) = self.balancer.next_least_loaded(&self.loads) else { break };
            if self.balancer.is_balanced() {
                break;
            }
            self.give(topic_id, partition, member);
            moved += 1;
        }
        moved
    }

    /// A partition of the most loaded member that has one to give.
    fn next_to_give(&mut self, held: &mut BTreeMap<usize, Vec<i32>>) -> Option<i32> {
        loop {
            let member = self.balancer.next_most_loaded(&self.loads)?;
            match held.get_mut(&member).and_then(Vec::pop) {
                Some(partition) => return Some(partition),
                None => self.balancer.exclude_most_loaded(),
            }
        }
    }

    /// Gives a partition to a member, and takes it from whoever has it.
    fn give(&mut self, topic_id: Uuid, partition: i32, member: usize) {
        let Some(topic) = self.topics.get_mut(&topic_id) else { return };
        let Some(owner) = usize::try_from(partition).ok().and_then(|at| topic.owners.get_mut(at)) else {
            return;
        };
        if let Some(old) = owner.replace(member) {
            self.change(old, topic_id, |partitions| partitions.remove(&partition), -1);
        }
        self.change(member, topic_id, |partitions| partitions.insert(partition), 1);
    }

    fn change(
        &mut self,
        member: usize,
        topic_id: Uuid,
        change: impl FnOnce(&mut BTreeSet<i32>) -> bool,
        by: i64,
    ) {
        if let (Some(assigned), Some(load)) = (self.assigned.get_mut(member), self.loads.get_mut(member)) {
            let partitions = assigned.entry(topic_id).or_default();
            if change(partitions) {
                *load += by;
            }
            if partitions.is_empty() {
                assigned.remove(&topic_id);
            }
        }
    }

    fn finish(self) -> GroupAssignment {
        self.member_ids.into_iter().cloned().zip(self.assigned).collect()
    }
}

/// Java compares ids as two signed numbers.
fn as_java_compares(id: Uuid) -> (i64, i64) {
    let bits = u128::from_be_bytes(id.0);
    ((bits >> 64) as i64, bits as i64)
}
