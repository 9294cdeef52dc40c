//! What the assignors work on, and what both sticky assignors have in common (`AbstractStickyAssignor`).

use std::collections::{BTreeMap, HashMap, HashSet};

use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::constrained::Constrained;
use super::general::General;
use super::racks::RackInfo;
use super::{Assignment, MemberSubscription, java};
use crate::Result;
use crate::cluster::Metadata;

/// A topic to divide.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Name.
    pub name: Str,
    /// For each partition the racks of its replicas, each once.
    pub racks: Vec<Vec<Str>>,
}

impl Topic {
    /// Its partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        (0i32..).zip(&self.racks).map(|(index, _)| TopicPartition::new(self.name.clone(), index))
    }
}

/// Members and topics, each in the order in which Java's maps of them iterate.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// Topics that someone subscribes to and that have partitions.
    pub topics: Vec<Topic>,
    /// Members by id. Everything else names them by their place here.
    pub members: Vec<(&'a Str, &'a MemberSubscription)>,
}

/// For each member its partitions.
pub type Assigned = Vec<Vec<TopicPartition>>;

/// What was assigned, and the partitions whose owner changes with the new owner, where the algorithm knows.
pub type StickyResult = (Assigned, Option<HashMap<TopicPartition, usize>>);

impl<'a> Input<'a> {
    /// From a leader's point of view.
    pub fn new(metadata: &Metadata, members: &'a [(Str, MemberSubscription)]) -> Self {
        // A member id twice: the last counts, at the place of the first.
        let mut by_id: Vec<(&Str, &MemberSubscription)> = Vec::with_capacity(members.len());
        let mut place: HashMap<&str, usize> = HashMap::new();
        for (id, subscription) in members {
            match place.get(id as &str).and_then(|at| by_id.get_mut(*at)) {
                Some(entry) => entry.1 = subscription,
                None => {
                    place.insert(id, by_id.len());
                    by_id.push((id, subscription));
                }
            }
        }
        java::sort_as_map(&mut by_id, |(id, _)| java::string_hash(id));

        let mut seen: HashSet<&str> = HashSet::new();
        let mut names: Vec<&Str> = Vec::new();
        for topic in by_id.iter().flat_map(|(_, subscription)| &subscription.topics) {
            if seen.insert(topic) {
                names.push(topic);
            }
        }
        java::sort_as_map(&mut names, |name| java::string_hash(name));
        let mut topics: Vec<Topic> = names.into_iter().filter_map(|name| topic(metadata, name)).collect();
        java::sort_as_map(&mut topics, |topic| java::string_hash(&topic.name));
        Self { topics, members: by_id }
    }

    /// How many partitions there are.
    pub fn total(&self) -> usize {
        self.topics.iter().map(|topic| topic.racks.len()).sum()
    }

    /// Members by id, each with what it got.
    pub fn result(&self, assigned: Assigned) -> BTreeMap<Str, Assignment> {
        self.members
            .iter()
            .zip(assigned)
            .map(|((id, _), partitions)| ((*id).clone(), Assignment { partitions, user_data: None }))
            .collect()
    }
}

fn topic(metadata: &Metadata, name: &Str) -> Option<Topic> {
    let topic = metadata.topic(name).filter(|t| t.error == ErrorCode::None && !t.partitions.is_empty())?;
    let racks = topic.partitions.iter().map(|partition| {
        let mut racks: Vec<Str> = Vec::new();
        for replica in &partition.replicas {
            let rack = metadata.nodes.get(replica).and_then(|node| node.rack.as_ref());
            racks.extend(rack.filter(|rack| !racks.contains(rack)).cloned());
        }
        racks
    });
    Some(Topic { name: name.clone(), racks: racks.collect() })
}

/// What a member had, by its own words.
#[derive(Clone, Debug, Default)]
pub struct MemberData {
    /// Partitions.
    pub partitions: Vec<TopicPartition>,
    /// Generation in which it had them.
    pub generation: Option<i32>,
}

/// Generation of a member that was in none.
pub const DEFAULT_GENERATION: i32 = -1;

/// What members own, and claims that contradict each other.
#[derive(Debug, Default)]
pub struct Owned {
    /// For each member the partitions that it owns by right, of topics that still exist.
    pub by_member: Assigned,
    /// Partitions that two members of the same generation claim: both lose them.
    pub claimed_twice: HashSet<TopicPartition>,
}

/// Divides, keeping members' partitions with them as far as balance allows. `max_generation` is the highest ever seen.
///
/// # Errors
/// When the algorithm contradicts itself (Java throws there too).
pub fn assign_sticky(
    input: &Input<'_>,
    member_data: impl Fn(&MemberSubscription) -> MemberData,
    max_generation: &mut i32,
) -> Result<StickyResult> {
    let data: Vec<MemberData> = input.members.iter().map(|(_, member)| member_data(member)).collect();
    let racks = RackInfo::new(input);
    let (equal, owned) = ownership(input, &data, max_generation);
    if equal {
        let (assigned, transferring) = Constrained::new(input, &racks, owned).build()?;
        return Ok((assigned, Some(transferring)));
    }
    Ok((General::new(input, &racks, owned.by_member).build(&data, *max_generation), None))
}

/// Whether all subscribe to the same topics, and who owns what.
fn ownership(input: &Input<'_>, data: &[MemberData], max_generation: &mut i32) -> (bool, Owned) {
    let topics: HashSet<&str> = input.topics.iter().map(|topic| &*topic.name).collect();
    let mut equal = true;
    let mut subscribed: HashSet<&str> = HashSet::new();
    let mut owner: HashMap<TopicPartition, usize> = HashMap::new();
    let mut owned = Owned { by_member: vec![Vec::new(); data.len()], claimed_twice: HashSet::new() };
    for (member, ((_, subscription), data)) in input.members.iter().zip(data).enumerate() {
        if subscribed.is_empty() {
            subscribed.extend(subscription.topics.iter().map(|t| &**t));
        } else if subscription.topics.len() != subscribed.len()
            || !subscription.topics.iter().all(|topic| subscribed.contains(&**topic))
        {
            equal = false;
        }
        let generation = data.generation.unwrap_or(DEFAULT_GENERATION);
        *max_generation = generation.max(*max_generation);
        for partition in data.partitions.iter().filter(|p| topics.contains(&*p.topic)) {
            claim(input, &mut owned, &mut owner, partition, member, generation);
        }
    }
    (equal, owned)
}

/// A member says that it owns a partition: the newer generation wins, and of two of the same generation none.
fn claim(
    input: &Input<'_>,
    owned: &mut Owned,
    owner: &mut HashMap<TopicPartition, usize>,
    partition: &TopicPartition,
    member: usize,
    generation: i32,
) {
    let other = owner.get(partition).copied();
    let other_generation = other
        .and_then(|other| input.members.get(other))
        .map(|(_, subscription)| subscription.generation_id.unwrap_or(DEFAULT_GENERATION));
    if let (Some(other), Some(other_generation)) = (other, other_generation) {
        if generation < other_generation {
            return;
        }
        if let Some(list) = owned.by_member.get_mut(other) {
            remove_first(list, partition);
        }
        if generation == other_generation {
            owned.claimed_twice.insert(partition.clone());
            owner.insert(partition.clone(), member);
            return;
        }
    }
    if let Some(list) = owned.by_member.get_mut(member) {
        list.push(partition.clone());
    }
    owner.insert(partition.clone(), member);
}

/// Takes the first occurrence out of a list.
pub fn remove_first(list: &mut Vec<TopicPartition>, partition: &TopicPartition) {
    if let Some(at) = list.iter().position(|other| other == partition) {
        list.remove(at);
    }
}
