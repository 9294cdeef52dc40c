//! The range assignor: of each topic, members in order get a run of partitions. With racks (KIP-881), members first get
//! partitions that have a replica near them; topics with equal numbers of partitions and the same members are
//! treated alike, so that partitions of one number stay together.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use ottla_protocol::{Str, TopicPartition};

use super::balance::{Assigned, Input, Topic};
use super::racks::needs_racks;
use super::{Assignment, Assignor, MemberSubscription, java};
use crate::Result;
use crate::cluster::Metadata;

/// `range` (`RangeAssignor`).
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(
        &mut self,
        metadata: &Metadata,
        members: &[(Str, MemberSubscription)],
    ) -> Result<BTreeMap<Str, Assignment>> {
        let input = Input::new(metadata, members);
        let assigned = range(&input);
        Ok(input.result(assigned))
    }
}

/// Static members by instance id, then the others by member id (`MemberInfo`).
pub fn sorted_members(input: &Input<'_>, members: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut members: Vec<usize> = members.collect();
    members.sort_by(|a, b| {
        let (Some((id_a, a)), Some((id_b, b))) = (input.members.get(*a), input.members.get(*b)) else {
            return a.cmp(b);
        };
        match (&a.group_instance_id, &b.group_instance_id) {
            (Some(a), Some(b)) => java::compare(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => java::compare(id_a, id_b),
        }
    });
    members
}

fn range(input: &Input<'_>) -> Assigned {
    let mut assigned: Assigned = vec![Vec::new(); input.members.len()];
    let mut topics: Vec<State<'_>> = input.topics.iter().map(|topic| State::new(input, topic)).collect();
    let with_racks = topics.iter().any(|topic| topic.needs_racks);
    if with_racks {
        assign_near(&mut topics, &mut assigned);
    }
    for topic in &mut topics {
        topic.assign_ranges(false, &mut assigned);
    }
    if with_racks {
        for list in &mut assigned {
            list.sort_by(|a, b| java::compare(&a.topic, &b.topic).then(a.partition.cmp(&b.partition)));
        }
    }
    assigned
}

/// Members of a topic, each with its rack.
type MemberRacks<'a> = Vec<(usize, Option<&'a str>)>;

/// Groups topics that have the same members and number of partitions, and serves members near partitions.
fn assign_near(topics: &mut [State<'_>], assigned: &mut Assigned) {
    let mut groups: BTreeMap<(MemberRacks<'_>, usize), Vec<usize>> = BTreeMap::new();
    for (at, topic) in topics.iter().enumerate() {
        // As sets: equal members are in equal order anyway. Without racks of members the number of partitions counts as none.
        let partitions = if topic.has_member_racks { topic.topic.racks.len() } else { 0 };
        let mut members = topic.members.clone();
        members.sort_unstable();
        groups.entry((members, partitions)).or_default().push(at);
    }
    for ((_, partitions), group) in groups {
        if let [at] = group.as_slice() {
            if let Some(topic) = topics.get_mut(*at).filter(|topic| topic.needs_racks) {
                topic.assign_ranges(true, assigned);
            }
        } else {
            assign_together(topics, &group, partitions, assigned);
        }
    }
}

/// For each number of partition, the first member that is near to it in all topics and has room in all gets it in all.
fn assign_together(topics: &mut [State<'_>], group: &[usize], partitions: usize, assigned: &mut Assigned) {
    let Some(first) = group.first().and_then(|at| topics.get(*at)) else { return };
    let mut left: Vec<usize> = first.members.iter().map(|(member, _)| *member).collect();
    for index in 0..partitions {
        let all = |test: &dyn Fn(&State<'_>) -> bool| group.iter().filter_map(|at| topics.get(*at)).all(test);
        let found = left.iter().copied().find(|member| {
            all(&|topic: &State<'_>| topic.is_near(*member, index) && topic.room(*member) > 0)
        });
        let Some(member) = found else { continue };
        for at in group {
            if let Some(topic) = topics.get_mut(*at) {
                topic.assign(member, vec![index], assigned);
            }
        }
        if group.iter().filter_map(|at| topics.get(*at)).all(|topic| topic.room(member) == 0) {
            left.retain(|other| *other != member);
            if left.is_empty() {
                return;
            }
        }
    }
}

/// A topic in work.
struct State<'a> {
    topic: &'a Topic,
    /// Members in order, each with its rack.
    members: MemberRacks<'a>,
    has_member_racks: bool,
    needs_racks: bool,
    unassigned: Vec<usize>,
    counts: Vec<usize>,
    share: usize,
    /// Members that may still get one more than their share.
    extra: usize,
}

impl<'a> State<'a> {
    fn new(input: &'a Input<'a>, topic: &'a Topic) -> Self {
        let subscribed = |member: &usize| {
            input
                .members
                .get(*member)
                .is_some_and(|(_, subscription)| subscription.topics.contains(&topic.name))
        };
        let members = sorted_members(input, (0..input.members.len()).filter(subscribed));
        let rack_of = |member: usize| {
            let rack = input.members.get(member)?.1.rack_id.as_deref();
            rack.filter(|rack| !rack.is_empty())
        };
        let members: Vec<(usize, Option<&str>)> =
            members.into_iter().map(|member| (member, rack_of(member))).collect();
        let racks: HashSet<&str> = members.iter().filter_map(|(_, rack)| *rack).collect();
        let partitions = topic.racks.len();
        Self {
            topic,
            has_member_racks: !racks.is_empty(),
            needs_racks: needs_racks(&racks, topic.racks.iter()),
            unassigned: (0..partitions).collect(),
            counts: vec![0; input.members.len()],
            share: partitions.checked_div(members.len()).unwrap_or(0),
            extra: partitions.checked_rem(members.len()).unwrap_or(0),
            members,
        }
    }

    fn is_near(&self, member: usize, index: usize) -> bool {
        match self.members.iter().find(|(other, _)| *other == member) {
            Some((_, Some(rack))) => {
                // Racks of partitions are looked up only where members have any.
                self.topic.racks.get(index).is_some_and(|racks| racks.iter().any(|other| **other == **rack))
            }
            _ => true,
        }
    }

    fn room(&self, member: usize) -> usize {
        let count = self.counts.get(member).copied().unwrap_or(0);
        (self.share + usize::from(self.extra > 0)).saturating_sub(count)
    }

    fn assign_ranges(&mut self, near: bool, assigned: &mut Assigned) {
        for at in 0..self.members.len() {
            if self.unassigned.is_empty() {
                return;
            }
            let Some((member, _)) = self.members.get(at).copied() else { return };
            let candidates = self.unassigned.iter().copied();
            let candidates = candidates.filter(|index| !near || self.is_near(member, *index));
            let chosen: Vec<usize> = candidates.take(self.room(member)).collect();
            if !chosen.is_empty() {
                self.assign(member, chosen, assigned);
            }
        }
    }

    fn assign(&mut self, member: usize, indexes: Vec<usize>, assigned: &mut Assigned) {
        if let Some(count) = self.counts.get_mut(member) {
            *count += indexes.len();
            if *count > self.share {
                self.extra = self.extra.saturating_sub(1);
            }
        }
        self.unassigned.retain(|index| !indexes.contains(index));
        if let Some(list) = assigned.get_mut(member) {
            let partitions = indexes.into_iter().filter_map(|index| i32::try_from(index).ok());
            list.extend(partitions.map(|index| TopicPartition::new(self.topic.name.clone(), index)));
        }
    }
}
