//! The round robin assignor: partitions of all topics in order, to members in turn, leaving out those not subscribed.

use std::collections::BTreeMap;

use ottla_protocol::Str;

use super::balance::{Assigned, Input};
use super::range::sorted_members;
use super::{Assignment, Assignor, MemberSubscription, java};
use crate::Result;
use crate::cluster::Metadata;

/// `roundrobin` (`RoundRobinAssignor`).
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(
        &mut self,
        metadata: &Metadata,
        members: &[(Str, MemberSubscription)],
    ) -> Result<BTreeMap<Str, Assignment>> {
        let input = Input::new(metadata, members);
        let assigned = round_robin(&input);
        Ok(input.result(assigned))
    }
}

fn round_robin(input: &Input<'_>) -> Assigned {
    let mut assigned: Assigned = vec![Vec::new(); input.members.len()];
    let members = sorted_members(input, 0..input.members.len());
    let mut topics: Vec<_> = input.topics.iter().collect();
    topics.sort_by(|a, b| java::compare(&a.name, &b.name));
    let mut next = 0;
    for topic in topics {
        let subscribed = |member: &usize| {
            input
                .members
                .get(*member)
                .is_some_and(|(_, subscription)| subscription.topics.contains(&topic.name))
        };
        for partition in topic.partitions() {
            let mut turn = (0..members.len()).map(|i| (next + i) % members.len());
            let found = turn.find(|at| members.get(*at).is_some_and(subscribed));
            let Some(at) = found else { break };
            if let Some(list) = members.get(at).and_then(|member| assigned.get_mut(*member)) {
                list.push(partition);
            }
            next = at + 1;
        }
    }
    assigned
}
