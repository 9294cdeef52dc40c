//! Racks of members and partitions, for the sticky assignors.

use std::collections::{HashMap, HashSet};

use ottla_protocol::{Str, TopicPartition};

use super::balance::Input;

/// Who is near what. Empty where racks can't make a difference.
#[derive(Debug, Default)]
pub struct RackInfo<'a> {
    members: HashMap<usize, &'a str>,
    partitions: HashMap<TopicPartition, Vec<Str>>,
    /// How many members are near a partition; also known where racks are not used.
    near: HashMap<TopicPartition, usize>,
}

impl<'a> RackInfo<'a> {
    /// Of members and topics.
    pub fn new(input: &Input<'a>) -> Self {
        let mut members: HashMap<usize, &'a str> = HashMap::new();
        let mut by_rack: HashMap<&str, usize> = HashMap::new();
        for (member, (_, subscription)) in input.members.iter().enumerate() {
            let subscription: &'a super::MemberSubscription = subscription;
            if let Some(rack) = subscription.rack_id.as_deref().filter(|rack| !rack.is_empty()) {
                members.insert(member, rack);
                *by_rack.entry(rack).or_default() += 1;
            }
        }
        if members.is_empty() {
            return Self::default();
        }
        let mut partitions: HashMap<TopicPartition, Vec<Str>> = HashMap::new();
        for topic in &input.topics {
            partitions.extend(topic.partitions().zip(topic.racks.iter().cloned()));
        }
        let near = partitions
            .iter()
            .map(|(partition, racks)| {
                (partition.clone(), racks.iter().filter_map(|rack| by_rack.get(&**rack)).sum())
            })
            .collect();
        let used = needs_racks(&by_rack.keys().copied().collect(), partitions.values());
        if used { Self { members, partitions, near } } else { Self { near, ..Self::default() } }
    }

    /// Whether racks are to be regarded.
    pub fn is_used(&self) -> bool {
        !self.members.is_empty()
    }

    /// Whether a member has a rack, and the partition has no replica in it.
    pub fn mismatch(&self, member: usize, partition: &TopicPartition) -> bool {
        self.members.get(&member).is_some_and(|rack| !self.is_in(partition, rack))
    }

    /// Whether a member has a rack, and the partition has a replica in it.
    pub fn matches(&self, member: usize, partition: &TopicPartition) -> bool {
        self.members.get(&member).is_some_and(|rack| self.is_in(partition, rack))
    }

    fn is_in(&self, partition: &TopicPartition, rack: &str) -> bool {
        self.partitions.get(partition).is_some_and(|racks| racks.iter().any(|other| **other == *rack))
    }

    /// Those that fewest members are near to, first.
    pub fn sort(&self, partitions: &mut [TopicPartition]) {
        if !self.near.is_empty() {
            partitions.sort_by_key(|partition| self.near.get(partition).copied().unwrap_or(0));
        }
    }

    /// Place of the next member near a partition, going round from `first`.
    pub fn next_near(&self, partition: &TopicPartition, members: &[usize], first: usize) -> Option<usize> {
        (0..members.len())
            .map(|i| (first + i) % members.len())
            .find(|at| members.get(*at).is_some_and(|member| self.matches(*member, partition)))
    }
}

/// Whether racks can make a difference: some member's rack holds replicas, and not every partition has some in all racks.
pub fn needs_racks<'r>(members: &HashSet<&str>, partitions: impl Iterator<Item = &'r Vec<Str>>) -> bool {
    let partitions: Vec<HashSet<&str>> =
        partitions.map(|racks| racks.iter().map(|rack| &**rack).collect()).collect();
    let all: HashSet<&str> = partitions.iter().flatten().copied().collect();
    !members.is_empty() && !members.is_disjoint(&all) && partitions.iter().any(|racks| *racks != all)
}
