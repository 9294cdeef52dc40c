//! `range`: of each topic every member gets a range of partitions, the same in topics of equal size, so that
//! what is keyed alike comes to the same member (`RangeAssignor`).

use std::collections::BTreeMap;

use ottla_protocol::{Str, Uuid};

use crate::group::modern::{
    Assignment, GroupAssignment, GroupSpec, MemberSpec, PartitionAssignor, PartitionAssignorError,
    TopicResolver,
};

pub(super) struct RangeAssignor;

/// How far a topic is assigned.
struct TopicRanges {
    partitions: i32,
    members: i32,
    next: i32,
    given: i32,
}

impl TopicRanges {
    /// The range of the next member: the first ones get one more when it does not come out even.
    fn next_range(&mut self) -> std::ops::Range<i32> {
        let has_extra = self.given < self.partitions % self.members.max(1);
        let quota = self.partitions / self.members.max(1) + i32::from(has_extra);
        let start = self.next;
        self.given += 1;
        self.next = start.saturating_add(quota).min(self.partitions);
        start..self.next
    }
}

impl PartitionAssignor for RangeAssignor {
    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicResolver<'_>,
    ) -> Result<GroupAssignment, PartitionAssignorError> {
        let mut members: Vec<(&Str, &MemberSpec)> = group.members.iter().collect();
        // Static members first, so that they keep their ranges however their member ids change.
        members.sort_by_key(|(member_id, member)| {
            (member.instance_id.is_none(), member.instance_id.as_ref().unwrap_or(member_id))
        });
        let mut ranges: BTreeMap<Uuid, TopicRanges> = BTreeMap::new();
        for topic_id in members.iter().flat_map(|(_, member)| member.subscribed_topic_ids.iter()) {
            if let Some(ranges) = ranges.get_mut(topic_id) {
                ranges.members += 1;
                continue;
            }
            let partitions = topics.num_partitions(*topic_id).ok_or_else(|| {
                PartitionAssignorError("Member is subscribed to a non-existent topic".to_owned())
            })?;
            ranges.insert(*topic_id, TopicRanges { partitions, members: 1, next: 0, given: 0 });
        }
        let assigned = members.into_iter().map(|(member_id, member)| {
            let mut assignment = Assignment::new();
            for topic_id in member.subscribed_topic_ids.iter() {
                let range = ranges.get_mut(topic_id).map_or(0..0, TopicRanges::next_range);
                if !range.is_empty() {
                    assignment.insert(*topic_id, range.collect());
                }
            }
            (member_id.clone(), assignment)
        });
        Ok(assigned.collect())
    }
}
