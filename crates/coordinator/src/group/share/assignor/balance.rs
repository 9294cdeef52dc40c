//! Partitions shared evenly among members that all may have them.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Uuid;

/// A partition.
pub(super) type TopicIdPartition = (Uuid, i32);
/// What each member has, by its index.
pub(super) type Held = BTreeMap<usize, BTreeSet<TopicIdPartition>>;

/// Shares `targets` among `members`. `held` is what all had so far; whoever is not among the members loses it.
pub(super) fn balance(targets: &[TopicIdPartition], members: &[usize], mut held: Held) -> Held {
    // How many members a partition is to have.
    let sharing = if targets.is_empty() { 0 } else { members.len().div_ceil(targets.len()) };
    let desired = desired_counts(sharing.saturating_mul(targets.len()), members);
    let desired = |member: &usize| desired.get(member).copied().unwrap_or(0);
    let mut owners: BTreeMap<TopicIdPartition, BTreeSet<usize>> = BTreeMap::new();
    for (member, partitions) in &mut held {
        while partitions.len() > desired(member) {
            partitions.pop_first();
        }
        for partition in partitions.iter() {
            owners.entry(*partition).or_default().insert(*member);
        }
    }
    for (partition, owners) in &mut owners {
        while owners.len() > sharing {
            let Some(member) = owners.pop_first() else { break };
            if let Some(partitions) = held.get_mut(&member) {
                partitions.remove(partition);
            }
        }
    }
    for partition in targets {
        owners.entry(*partition).or_default();
    }
    assign_remaining(&owners, sharing, members, desired, &mut held);
    held
}

/// How many partitions each member is to have, `assignments` in all. Floating point, so that the remainder falls
/// to the same members as in Kafka.
fn desired_counts(assignments: usize, members: &[usize]) -> BTreeMap<usize, usize> {
    let precise = assignments as f64 / members.len() as f64;
    let up_to = |at: usize| (precise * at as f64).ceil() as usize;
    members
        .iter()
        .enumerate()
        .map(|(at, member)| (*member, up_to(at + 1).saturating_sub(up_to(at))))
        .collect()
}

/// Deals what has too few members out to the members that have too little, one after the other.
fn assign_remaining(
    owners: &BTreeMap<TopicIdPartition, BTreeSet<usize>>,
    sharing: usize,
    members: &[usize],
    desired: impl Fn(&usize) -> usize,
    held: &mut Held,
) {
    let count = |held: &Held, member: &usize| held.get(member).map_or(0, BTreeSet::len);
    let mut unfilled: Vec<usize> =
        members.iter().copied().filter(|member| count(held, member) < desired(member)).collect();
    let mut at = 0;
    let mut has_assigned = false;
    for (partition, owners) in owners {
        let mut left = sharing.saturating_sub(owners.len());
        while left > 0 {
            if at >= unfilled.len() {
                if !has_assigned {
                    break;
                }
                (at, has_assigned) = (0, false);
            }
            let Some(member) = unfilled.get(at).copied() else { break };
            at += 1;
            if owners.contains(&member) {
                continue;
            }
            held.entry(member).or_default().insert(*partition);
            left -= 1;
            has_assigned = true;
            if count(held, &member) >= desired(&member) {
                at -= 1;
                unfilled.remove(at);
            }
        }
        if unfilled.is_empty() {
            break;
        }
    }
}
