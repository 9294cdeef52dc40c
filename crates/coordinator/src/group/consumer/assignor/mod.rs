//! The assignors of the coordinator: `uniform` and `range` (Kafka's package `assignor`).

mod heterogeneous;
mod homogeneous;
mod load;
mod range;

use ottla_protocol::Str;

use self::range::RangeAssignor;
use crate::group::modern::{
    GroupAssignment, GroupSpec, PartitionAssignor, PartitionAssignorError, SubscriptionType, TopicResolver,
};

/// The assignor of a name; `uniform` for a name that is not known, which a request can't bring.
pub(super) fn assignor(name: Option<&Str>) -> &'static dyn PartitionAssignor {
    match name {
        Some(name) if *name == "range" => &RangeAssignor,
        _ => &UniformAssignor,
    }
}

/// Balances partitions over members, and moves as few as it can (`UniformAssignor`).
struct UniformAssignor;

impl PartitionAssignor for UniformAssignor {
    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicResolver<'_>,
    ) -> Result<GroupAssignment, PartitionAssignorError> {
        match group.subscription_type {
            _ if group.members.is_empty() => Ok(GroupAssignment::new()),
            SubscriptionType::Homogeneous => homogeneous::assign(group, topics),
            SubscriptionType::Heterogeneous => heterogeneous::assign(group, topics),
        }
    }
}

#[cfg(test)]
#[path = "assignor_test.rs"]
mod tests;
