//! The sticky assignor: as even as can be, and members keep what they have. Members tell in their user data what that was.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::{Str, TopicPartition};

use super::balance::{DEFAULT_GENERATION, Input, assign_sticky};
use super::{Assignment, Assignor, MemberSubscription, user_data};
use crate::Result;
use crate::cluster::Metadata;
use crate::consumer::ConsumerGroupMetadata;

/// `sticky` (`StickyAssignor`).
#[derive(Clone, Debug)]
pub struct StickyAssignor {
    assigned: Option<Vec<TopicPartition>>,
    generation: i32,
    max_generation: i32,
}

impl Default for StickyAssignor {
    fn default() -> Self {
        Self { assigned: None, generation: DEFAULT_GENERATION, max_generation: DEFAULT_GENERATION }
    }
}

impl Assignor for StickyAssignor {
    fn name(&self) -> &str {
        "sticky"
    }

    fn subscription_user_data(&mut self, _topics: &[Str]) -> Option<Bytes> {
        user_data::encode_partitions(self.assigned.as_deref()?, self.generation)
    }

    fn assign(
        &mut self,
        metadata: &Metadata,
        members: &[(Str, MemberSubscription)],
    ) -> Result<BTreeMap<Str, Assignment>> {
        let input = Input::new(metadata, members);
        let data = |member: &MemberSubscription| user_data::decode_partitions(member.user_data.as_ref());
        let (assigned, _) = assign_sticky(&input, data, &mut self.max_generation)?;
        Ok(input.result(assigned))
    }

    fn on_assignment(&mut self, assignment: &Assignment, group: &ConsumerGroupMetadata) {
        self.assigned = Some(assignment.partitions.clone());
        self.generation = group.generation_id;
    }
}
