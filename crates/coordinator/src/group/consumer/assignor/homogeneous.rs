//! `uniform` when all members read the same topics (`UniformHomogeneousAssignmentBuilder`).
//!
//! Every member gets the same number of partitions, some one more. Members keep what they have up to that
//! number; what they have too much of, and what nobody has, goes to those that have too little.

use ottla_protocol::{Str, Uuid};

use crate::group::modern::{Assignment, GroupAssignment, GroupSpec, PartitionAssignorError, TopicResolver};

pub(super) fn assign(
    group: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
) -> Result<GroupAssignment, PartitionAssignorError> {
    let Some(first) = group.members.values().next() else { return Ok(GroupAssignment::new()) };
    let subscribed = &*first.subscribed_topic_ids;
    if subscribed.is_empty() {
        return Ok(GroupAssignment::new());
    }
    let mut unassigned: Vec<(Uuid, i32)> = Vec::new();
    let mut total = 0usize;
    for topic_id in subscribed {
        let partitions = topics.num_partitions(*topic_id).ok_or_else(|| missing(*topic_id))?;
        unassigned.extend(
            (0..partitions)
                .filter(|partition| !group.is_partition_assigned(*topic_id, *partition))
                .map(|partition| (*topic_id, partition)),
        );
        total += usize::try_from(partitions).unwrap_or(0);
    }
    let members = group.members.len();
    let mut with_extra = total % members;
    let mut assigned = GroupAssignment::new();
    // Members that have too little, and how much.
    let mut unfilled: Vec<(&Str, usize)> = Vec::new();
    for (index, (member_id, member)) in group.members.iter().enumerate() {
        let mut gets_extra = with_extra > 0;
        let mut quota = total / members + usize::from(gets_extra);
        let mut kept = Assignment::new();
        for (topic_id, partitions) in member.assignment.iter().filter(|(id, _)| subscribed.contains(*id)) {
            for partition in partitions {
                if quota > 0 {
                    quota -= 1;
                    kept.entry(*topic_id).or_default().insert(*partition);
                } else {
                    unassigned.push((*topic_id, *partition));
                }
            }
        }
        // As long as there are enough members left for the extra partitions, one that does not have more
        // already gets none.
        if quota > 0 && gets_extra && members - index > with_extra {
            quota -= 1;
            gets_extra = false;
        }
        if quota > 0 {
            unfilled.push((member_id, quota));
        }
        with_extra -= usize::from(gets_extra);
        assigned.insert(member_id.clone(), kept);
    }
    let mut unassigned = unassigned.into_iter();
    for (member_id, quota) in unfilled {
        let assignment = assigned.entry(member_id.clone()).or_default();
        for (topic_id, partition) in unassigned.by_ref().take(quota) {
            assignment.entry(topic_id).or_default().insert(partition);
        }
    }
    match unassigned.next() {
        Some(_) => Err(PartitionAssignorError("Partitions were left unassigned".to_owned())),
        None => Ok(assigned),
    }
}

pub(super) fn missing(topic_id: Uuid) -> PartitionAssignorError {
    PartitionAssignorError(format!(
        "Members are subscribed to topic {topic_id} which doesn't exist in the topic metadata."
    ))
}
