//! The sticky algorithm for members that all subscribe to the same topics: each gets `total / members` partitions, some one more.

use std::collections::{HashMap, HashSet};

use ottla_protocol::TopicPartition;

use super::balance::{Assigned, Input, Owned};
use super::java;
use super::racks::RackInfo;
use crate::{Error, Result};

/// A run of the algorithm.
pub struct Constrained<'i, 'a> {
    input: &'i Input<'a>,
    racks: &'i RackInfo<'a>,
    owned: Assigned,
    claimed_twice: HashSet<TopicPartition>,
    maybe_revoked: HashMap<TopicPartition, usize>,
    below_min: Vec<usize>,
    at_min: Vec<usize>,
    quota_min: usize,
    quota_max: usize,
    over_min_expected: usize,
    over_min: usize,
    assigned: Assigned,
    transferring: HashMap<TopicPartition, usize>,
}

impl<'i, 'a> Constrained<'i, 'a> {
    /// Begins with what members own.
    pub fn new(input: &'i Input<'a>, racks: &'i RackInfo<'a>, owned: Owned) -> Self {
        let (total, members) = (input.total(), input.members.len().max(1));
        Self {
            input,
            racks,
            assigned: vec![Vec::new(); owned.by_member.len()],
            owned: owned.by_member,
            claimed_twice: owned.claimed_twice,
            maybe_revoked: HashMap::new(),
            below_min: Vec::new(),
            at_min: Vec::new(),
            quota_min: total / members,
            quota_max: total.div_ceil(members),
            over_min_expected: total % members,
            over_min: 0,
            transferring: HashMap::new(),
        }
    }

    /// Divides.
    pub fn build(mut self) -> Result<(Assigned, HashMap<TopicPartition, usize>)> {
        self.keep_owned();
        let mut unassigned = self.unassigned();
        let by_id = |a: &usize, b: &usize| match (self.input.members.get(*a), self.input.members.get(*b)) {
            (Some((a, _)), Some((b, _))) => java::compare(a, b),
            _ => a.cmp(b),
        };
        self.below_min.sort_by(by_id);
        self.at_min.sort_by(by_id);
        self.racks.sort(&mut unassigned);
        if self.racks.is_used() {
            unassigned = self.assign_near(unassigned);
        }
        self.assign_in_turn(unassigned)?;
        self.verify()?;
        Ok((self.assigned, self.transferring))
    }

    /// Members keep what they own, up to their quota.
    fn keep_owned(&mut self) {
        for (member, partitions) in std::mem::take(&mut self.owned).into_iter().enumerate() {
            let (far, mut kept): (Vec<_>, Vec<_>) =
                partitions.into_iter().partition(|partition| self.racks.mismatch(member, partition));
            self.maybe_revoked.extend(far.into_iter().map(|partition| (partition, member)));
            kept.sort_by(|a, b| {
                a.partition.cmp(&b.partition).then_with(|| java::compare(&a.topic, &b.topic))
            });
            for twice in &self.claimed_twice {
                super::balance::remove_first(&mut kept, twice);
            }
            let surplus = if kept.len() < self.quota_min {
                self.below_min.push(member);
                Vec::new()
            } else if kept.len() >= self.quota_max && self.over_min < self.over_min_expected {
                self.over_min += 1;
                if self.over_min == self.over_min_expected {
                    self.at_min.clear();
                }
                kept.split_off(self.quota_max)
            } else {
                if self.over_min < self.over_min_expected {
                    self.at_min.push(member);
                }
                kept.split_off(self.quota_min)
            };
            self.maybe_revoked.extend(surplus.into_iter().map(|partition| (partition, member)));
            if let Some(list) = self.assigned.get_mut(member) {
                *list = kept;
            }
        }
    }

    /// What no member kept, by topic and partition.
    fn unassigned(&self) -> Vec<TopicPartition> {
        let mut taken: Vec<&TopicPartition> = self.assigned.iter().flatten().collect();
        taken.sort_by(|a, b| java::compare(&a.topic, &b.topic).then(a.partition.cmp(&b.partition)));
        let mut topics: Vec<_> = self.input.topics.iter().collect();
        topics.sort_by(|a, b| java::compare(&a.name, &b.name));
        let mut taken = taken.into_iter().peekable();
        let all = topics.into_iter().flat_map(|topic| topic.partitions());
        all.filter(|partition| taken.next_if(|taken| *taken == partition).is_none()).collect()
    }

    /// Gives partitions to members near them, in turn; what is left has no such member with room.
    fn assign_near(&mut self, unassigned: Vec<TopicPartition>) -> Vec<TopicPartition> {
        let mut left = Vec::new();
        let mut next = 0;
        for partition in unassigned {
            let mut chosen = None;
            if let Some(mut at) = self.racks.next_near(&partition, &self.below_min, next) {
                chosen = self.below_min.get(at).copied();
                let count = chosen.and_then(|member| self.assigned.get(member)).map_or(0, Vec::len) + 1;
                if count >= self.quota_min {
                    let member = self.below_min.remove(at);
                    if count < self.quota_max && self.over_min < self.over_min_expected {
                        self.at_min.push(member);
                    }
                } else {
                    at += 1;
                }
                next = at.checked_rem(self.below_min.len()).unwrap_or(0);
            } else if let Some(at) = self.racks.next_near(&partition, &self.at_min, 0) {
                chosen = self.at_min.get(at).copied();
                let count = chosen.and_then(|member| self.assigned.get(member)).map_or(0, Vec::len) + 1;
                if count == self.quota_max {
                    self.at_min.remove(at);
                    self.over_min += 1;
                    if self.over_min == self.over_min_expected {
                        self.at_min.clear();
                    }
                }
            }
            match chosen {
                Some(member) => {
                    self.give(partition, member);
                }
                None => left.push(partition),
            }
        }
        left
    }

    /// Gives the rest to members below their quota in turn, then to those that may have one more.
    fn assign_in_turn(&mut self, unassigned: Vec<TopicPartition>) -> Result<()> {
        let mut next = 0;
        for partition in unassigned {
            if next >= self.below_min.len() {
                next = 0;
            }
            let member = match self.below_min.get(next) {
                Some(member) => {
                    next += 1;
                    *member
                }
                None if self.at_min.is_empty() => {
                    return Err(contradiction("no member has room for a partition"));
                }
                None => self.at_min.remove(0),
            };
            let count = self.give(partition, member);
            if count == self.quota_min {
                if next > 0 && next <= self.below_min.len() {
                    next -= 1;
                    self.below_min.remove(next);
                }
                self.at_min.push(member);
            } else if count == self.quota_max {
                self.over_min += 1;
            }
        }
        Ok(())
    }

    fn give(&mut self, partition: TopicPartition, member: usize) -> usize {
        let moved = self.maybe_revoked.get(&partition).is_some_and(|before| *before != member);
        if moved || self.claimed_twice.contains(&partition) {
            self.transferring.insert(partition.clone(), member);
        }
        let Some(list) = self.assigned.get_mut(member) else { return 0 };
        list.push(partition);
        list.len()
    }

    fn verify(&self) -> Result<()> {
        if self.below_min.is_empty() {
            return Ok(());
        }
        if self.over_min != self.over_min_expected {
            return Err(contradiction("members with one partition more than others are too few"));
        }
        let short = |member: &usize| self.assigned.get(*member).map_or(0, Vec::len) != self.quota_min;
        if self.below_min.iter().any(short) {
            return Err(contradiction("a member has less than its quota and no partition is left"));
        }
        Ok(())
    }
}

fn contradiction(what: &str) -> Error {
    Error::Illegal(format!("the sticky assignor can't divide the partitions: {what}"))
}
