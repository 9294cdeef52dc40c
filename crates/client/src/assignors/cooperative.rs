//! The cooperative sticky assignor (KIP-429): as the sticky one, but partitions that change their owner are given to nobody
//! at first. Their owners give them up, and the rebalance that follows hands them out.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use ottla_protocol::{Str, TopicPartition};

use super::balance::{Assigned, DEFAULT_GENERATION, Input, MemberData, assign_sticky, remove_first};
use super::{Assignment, Assignor, MemberSubscription, RebalanceProtocol, user_data};
use crate::Result;
use crate::cluster::Metadata;
use crate::consumer::ConsumerGroupMetadata;

/// `cooperative-sticky` (`CooperativeStickyAssignor`).
#[derive(Clone, Debug)]
pub struct CooperativeStickyAssignor {
    generation: i32,
    max_generation: i32,
}

impl Default for CooperativeStickyAssignor {
    fn default() -> Self {
        Self { generation: DEFAULT_GENERATION, max_generation: DEFAULT_GENERATION }
    }
}

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Cooperative, RebalanceProtocol::Eager]
    }

    fn subscription_user_data(&mut self, _topics: &[Str]) -> Option<Bytes> {
        Some(user_data::encode_generation(self.generation))
    }

    fn assign(
        &mut self,
        metadata: &Metadata,
        members: &[(Str, MemberSubscription)],
    ) -> Result<BTreeMap<Str, Assignment>> {
        let input = Input::new(metadata, members);
        let (mut assigned, transferring) = assign_sticky(&input, member_data, &mut self.max_generation)?;
        let transferring = transferring.unwrap_or_else(|| moving(&input, &assigned));
        for (partition, member) in &transferring {
            if let Some(list) = assigned.get_mut(*member) {
                remove_first(list, partition);
            }
        }
        Ok(input.result(assigned))
    }

    fn on_assignment(&mut self, _assignment: &Assignment, group: &ConsumerGroupMetadata) {
        self.generation = group.generation_id;
    }
}

/// Newer members say their generation in the subscription, older ones in the user data.
fn member_data(member: &MemberSubscription) -> MemberData {
    let generation = member.generation_id.or_else(|| user_data::decode_generation(member.user_data.as_ref()));
    MemberData { partitions: member.owned_partitions.clone(), generation }
}

/// Partitions that one member gets and another still owns, with who gets them.
fn moving(input: &Input<'_>, assigned: &Assigned) -> HashMap<TopicPartition, usize> {
    let mut added = HashMap::new();
    let mut revoked = HashSet::new();
    for (member, ((_, subscription), assigned)) in input.members.iter().zip(assigned).enumerate() {
        let before: HashSet<&TopicPartition> = subscription.owned_partitions.iter().collect();
        let after: HashSet<&TopicPartition> = assigned.iter().collect();
        added.extend(after.difference(&before).map(|partition| ((*partition).clone(), member)));
        revoked.extend(before.difference(&after).copied());
    }
    added.retain(|partition, _| revoked.contains(partition));
    added
}
