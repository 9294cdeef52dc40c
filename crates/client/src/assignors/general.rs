//! The sticky algorithm for members with different subscriptions: keep what is owned, give out the rest to those who
//! have least, then move partitions one by one while that makes the assignment more even.

use std::collections::{BTreeSet, HashMap, HashSet};

use ottla_protocol::TopicPartition;

use super::balance::{Assigned, DEFAULT_GENERATION, Input, MemberData, remove_first};
use super::java;
use super::movements::Movements;
use super::racks::RackInfo;

/// A run of the algorithm.
pub struct General<'i, 'a> {
    input: &'i Input<'a>,
    racks: &'i RackInfo<'a>,
    /// Topic to those who may have it.
    candidates: HashMap<&'i str, Vec<usize>>,
    /// Number of partitions by topic.
    counts: HashMap<&'i str, usize>,
    /// Member to the topics that it may have.
    topics: Vec<Vec<&'i str>>,
    /// Place of a member's id among all.
    rank: Vec<usize>,
    current: Assigned,
    owner: HashMap<TopicPartition, usize>,
    /// Members still taking part, those with fewest partitions first: number of partitions, rank, member.
    order: BTreeSet<(usize, usize, usize)>,
    /// Members whose partitions can't change.
    fixed: HashSet<usize>,
    movements: Movements,
    revocation_required: bool,
    /// Partitions of members of older generations, with the newest of them.
    previous: HashMap<TopicPartition, (usize, i32)>,
}

impl<'i, 'a> General<'i, 'a> {
    /// Begins with what members own.
    pub fn new(input: &'i Input<'a>, racks: &'i RackInfo<'a>, owned: Assigned) -> Self {
        let counts: HashMap<&str, usize> =
            input.topics.iter().map(|topic| (&*topic.name, topic.racks.len())).collect();
        let mut candidates: HashMap<&str, Vec<usize>> =
            counts.keys().map(|name| (*name, Vec::new())).collect();
        let mut topics = Vec::with_capacity(input.members.len());
        for (member, (_, subscription)) in input.members.iter().enumerate() {
            let names = subscription.topics.iter().map(|name| &**name);
            let names: Vec<&str> = names.filter(|name| counts.contains_key(name)).collect();
            for name in &names {
                candidates.entry(name).or_default().push(member);
            }
            topics.push(names);
        }
        let mut by_id: Vec<usize> = (0..input.members.len()).collect();
        by_id.sort_by(|a, b| match (input.members.get(*a), input.members.get(*b)) {
            (Some((a, _)), Some((b, _))) => java::compare(a, b),
            _ => a.cmp(b),
        });
        let mut rank = vec![0; by_id.len()];
        for (place, member) in by_id.into_iter().enumerate() {
            if let Some(slot) = rank.get_mut(member) {
                *slot = place;
            }
        }
        let owner =
            (0..).zip(&owned).flat_map(|(m, list)| list.iter().map(move |p| (p.clone(), m))).collect();
        Self {
            input,
            racks,
            candidates,
            counts,
            topics,
            rank,
            current: owned,
            owner,
            order: BTreeSet::new(),
            fixed: HashSet::new(),
            movements: Movements::default(),
            revocation_required: false,
            previous: HashMap::new(),
        }
    }

    /// Divides.
    pub fn build(mut self, data: &[MemberData], max_generation: i32) -> Assigned {
        self.remember_previous(data, max_generation);
        let kept = self.keep_owned();
        let all = self.all_partitions();
        let unassigned = self.without(&all, kept);
        for member in 0..self.current.len() {
            self.order.insert(self.key(member));
        }
        self.balance(all, unassigned);
        self.current
    }

    fn remember_previous(&mut self, data: &[MemberData], max_generation: i32) {
        for (member, data) in data.iter().enumerate() {
            let generation = match data.generation {
                Some(generation) if generation < max_generation => generation,
                None if max_generation > DEFAULT_GENERATION => DEFAULT_GENERATION,
                _ => continue,
            };
            for partition in &data.partitions {
                let known = self.previous.get(partition);
                if known.is_none_or(|(_, known)| generation > *known) {
                    self.previous.insert(partition.clone(), (member, generation));
                }
            }
        }
    }

    /// Takes from members what they may not have any more; gives what they keep.
    fn keep_owned(&mut self) -> Vec<TopicPartition> {
        let mut kept = Vec::new();
        for (member, list) in self.current.iter_mut().enumerate() {
            let subscribed = self.topics.get(member).map_or(&[][..], Vec::as_slice);
            list.retain(|partition| {
                let keep = subscribed.contains(&&*partition.topic) && !self.racks.mismatch(member, partition);
                self.revocation_required |= !keep;
                keep
            });
            kept.extend(list.iter().cloned());
        }
        kept
    }

    /// All partitions, those with fewest candidates first.
    fn all_partitions(&self) -> Vec<TopicPartition> {
        let mut topics: Vec<_> = self.input.topics.iter().collect();
        topics.sort_by(|a, b| {
            let (of_a, of_b) = (self.candidate_count(&a.name), self.candidate_count(&b.name));
            of_a.cmp(&of_b).then_with(|| java::compare(&a.name, &b.name))
        });
        topics.into_iter().flat_map(|topic| topic.partitions()).collect()
    }

    fn candidate_count(&self, topic: &str) -> usize {
        self.candidates.get(topic).map_or(0, Vec::len)
    }

    fn without(&self, all: &[TopicPartition], mut kept: Vec<TopicPartition>) -> Vec<TopicPartition> {
        kept.sort_by(|a, b| {
            let (of_a, of_b) = (self.candidate_count(&a.topic), self.candidate_count(&b.topic));
            of_a.cmp(&of_b)
                .then_with(|| java::compare(&a.topic, &b.topic))
                .then(a.partition.cmp(&b.partition))
        });
        let mut kept = kept.iter().peekable();
        all.iter().filter(|p| kept.next_if(|kept| kept == p).is_none()).cloned().collect()
    }

    fn balance(&mut self, mut all: Vec<TopicPartition>, mut unassigned: Vec<TopicPartition>) {
        let initializing = self.order.last().is_none_or(|(size, ..)| *size == 0);
        let mut rest = unassigned.clone();
        if self.racks.is_used() {
            rest.retain(|partition| !self.assign(partition, true));
        }
        for partition in &rest {
            self.assign(partition, false);
        }
        let contested = |topic: &str| self.candidate_count(topic) >= 2;
        all.retain(|partition| contested(&partition.topic));
        unassigned.retain(|partition| contested(&partition.topic));
        for member in 0..self.current.len() {
            if !self.takes_part(member) {
                self.order.remove(&self.key(member));
                self.fixed.insert(member);
            }
        }
        let before = (self.current.clone(), self.owner.clone());
        if !self.revocation_required {
            self.reassign_all(&unassigned);
        }
        let changed = self.reassign_all(&all);
        if !initializing && changed && self.score(&self.current) >= self.score(&before.0) {
            (self.current, self.owner) = before;
        }
    }

    /// Gives a partition to the candidate with fewest.
    fn assign(&mut self, partition: &TopicPartition, near: bool) -> bool {
        let chosen = self.order.iter().map(|(.., member)| *member).find(|member| {
            self.may_have(*member, &partition.topic) && !(near && self.racks.mismatch(*member, partition))
        });
        let Some(member) = chosen else { return false };
        self.order.remove(&self.key(member));
        if let Some(list) = self.current.get_mut(member) {
            list.push(partition.clone());
        }
        self.owner.insert(partition.clone(), member);
        self.order.insert(self.key(member));
        true
    }

    fn may_have(&self, member: usize, topic: &str) -> bool {
        self.topics.get(member).is_some_and(|topics| topics.contains(&topic))
    }

    fn size(&self, member: usize) -> usize {
        self.current.get(member).map_or(0, Vec::len)
    }

    fn key(&self, member: usize) -> (usize, usize, usize) {
        (self.size(member), self.rank.get(member).copied().unwrap_or(member), member)
    }

    /// Whether a member could get more, or could lose something.
    fn takes_part(&self, member: usize) -> bool {
        self.size(member) < self.size_max(member)
            || self.current.get(member).is_some_and(|partitions| {
                partitions.iter().any(|partition| self.candidate_count(&partition.topic) >= 2)
            })
    }

    /// How many partitions a member could have.
    fn size_max(&self, member: usize) -> usize {
        let Some(topics) = self.topics.get(member) else { return 0 };
        if topics.len() == self.counts.len() {
            return self.input.total();
        }
        topics.iter().filter_map(|topic| self.counts.get(topic)).sum()
    }

    /// Sum of the differences between any two.
    fn score(&self, assigned: &Assigned) -> usize {
        let taking_part = (0..).zip(assigned).filter(|(member, _)| !self.fixed.contains(member));
        let sizes: Vec<usize> = taking_part.map(|(_, list)| list.len()).collect();
        let pairs = sizes.iter().enumerate();
        pairs.map(|(i, a)| sizes.iter().skip(i + 1).map(|b| a.abs_diff(*b)).sum::<usize>()).sum()
    }

    /// Moves partitions until nothing gets better. Tells whether any moved.
    fn reassign_all(&mut self, partitions: &[TopicPartition]) -> bool {
        let mut performed = false;
        loop {
            let mut modified = false;
            for partition in partitions {
                if self.is_balanced() {
                    break;
                }
                modified |= self.reassign(partition);
            }
            performed |= modified;
            if !modified {
                return performed;
            }
        }
    }

    fn reassign(&mut self, partition: &TopicPartition) -> bool {
        let Some(owner) = self.owner.get(partition).copied() else { return false };
        let size = self.size(owner);
        let previous = self.previous.get(partition).map(|(member, _)| *member);
        if let Some(previous) = previous.filter(|member| !self.fixed.contains(member))
            && size > self.size(previous) + 1
        {
            self.move_towards(partition, owner, previous);
            return true;
        }
        let candidates = self.candidates.get(&*partition.topic).map_or(&[][..], Vec::as_slice);
        if !candidates.iter().any(|other| size > self.size(*other) + 1) {
            return false;
        }
        let mut order = self.order.iter().map(|(.., member)| *member);
        let Some(target) = order.find(|member| self.may_have(*member, &partition.topic)) else {
            return false;
        };
        self.move_towards(partition, owner, target);
        true
    }

    /// Moves the partition, or another of its topic that came the other way before.
    fn move_towards(&mut self, partition: &TopicPartition, owner: usize, target: usize) {
        let partition = self.movements.instead_of(partition, owner, target);
        let Some(owner) = self.owner.get(&partition).copied() else { return };
        self.order.remove(&self.key(owner));
        self.order.remove(&self.key(target));
        self.movements.record(&partition, owner, target);
        if let Some(list) = self.current.get_mut(owner) {
            remove_first(list, &partition);
        }
        if let Some(list) = self.current.get_mut(target) {
            list.push(partition.clone());
        }
        self.owner.insert(partition, target);
        self.order.insert(self.key(target));
        self.order.insert(self.key(owner));
    }

    /// Whether a member has a partition; where claims contradict each other more than one may.
    fn has(&self, member: usize, topic: &str, index: i32) -> bool {
        let list = self.current.get(member).map_or(&[][..], Vec::as_slice);
        list.iter().any(|partition| partition.partition == index && &*partition.topic == topic)
    }

    /// Whether no member can get a partition from one that has at least two more.
    fn is_balanced(&self) -> bool {
        let (Some((least, ..)), Some((most, ..))) = (self.order.first(), self.order.last()) else {
            return true;
        };
        if *most <= least + 1 {
            return true;
        }
        let mut owners: HashMap<(&str, i32), usize> = HashMap::new();
        for (member, list) in self.current.iter().enumerate().filter(|(m, _)| !self.fixed.contains(m)) {
            owners.extend(list.iter().map(|partition| ((&*partition.topic, partition.partition), member)));
        }
        self.order.iter().all(|(size, _, member)| {
            *size == self.size_max(*member)
                || self.topics.get(*member).is_none_or(|topics| {
                    topics.iter().all(|topic| {
                        let count = self.counts.get(topic).copied().unwrap_or(0);
                        (0i32..).take(count).all(|index| match owners.get(&(*topic, index)) {
                            Some(other) => {
                                other == member
                                    || size + 1 >= self.size(*other)
                                    || self.has(*member, topic, index)
                            }
                            None => true,
                        })
                    })
                })
        })
    }
}
