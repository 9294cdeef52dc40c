//! What an assignor is given, and gives (`GroupSpec`, `MemberAssignment`, `PartitionAssignor`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_protocol::{Str, Uuid};

use super::SubscriptionType;
use super::topics::TopicResolver;

/// Partitions by topic. No topic is without partitions.
pub(crate) type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// Assignments by member id.
pub(crate) type GroupAssignment = BTreeMap<Str, Assignment>;

/// Member ids by topic and partition.
pub(crate) type InvertedAssignment = BTreeMap<Uuid, BTreeMap<i32, Str>>;

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct MemberSpec {
    /// Not used by the assignors of Kafka 4.3, as there.
    #[allow(dead_code)]
    pub rack_id: Option<Str>,
    pub instance_id: Option<Str>,
    /// Topics that exist. Members with equal subscriptions share it.
    pub subscribed_topic_ids: Arc<BTreeSet<Uuid>>,
    /// The member's current target assignment.
    pub assignment: Arc<Assignment>,
}

/// A group as an assignor sees it.
#[derive(Debug)]
pub(crate) struct GroupSpec<'a> {
    /// In order of their ids, which is the order in which assignors look at them. (Kafka's order is that of
    /// a hash map.)
    pub members: BTreeMap<Str, MemberSpec>,
    pub subscription_type: SubscriptionType,
    /// The current target assignment by partition.
    pub inverted_assignment: &'a InvertedAssignment,
    /// Partitions that may be assigned; `None`: all.
    pub assignable_partitions: Option<&'a Assignment>,
}

impl GroupSpec<'_> {
    /// Whether a member has the partition in its target assignment.
    pub fn is_partition_assigned(&self, topic_id: Uuid, partition: i32) -> bool {
        self.inverted_assignment.get(&topic_id).is_some_and(|owners| owners.contains_key(&partition))
    }

    /// Whether the partition may be assigned.
    pub fn is_partition_assignable(&self, topic_id: Uuid, partition: i32) -> bool {
        self.assignable_partitions
            .is_none_or(|all| all.get(&topic_id).is_some_and(|partitions| partitions.contains(&partition)))
    }
}

/// Why an assignor gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PartitionAssignorError(pub String);

/// Distributes partitions among members.
pub(crate) trait PartitionAssignor {
    /// Assigns. Members that get nothing may be left out.
    ///
    /// # Errors
    /// When a subscribed topic does not exist.
    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicResolver<'_>,
    ) -> Result<GroupAssignment, PartitionAssignorError>;
}

/// Topics and partitions as messages list them, topics in the order of their ids.
pub(crate) fn owned_topic_partitions<T>(
    assignment: &Assignment,
    make: impl Fn(Uuid, Vec<i32>) -> T,
) -> Vec<T> {
    assignment
        .iter()
        .map(|(topic_id, partitions)| make(*topic_id, partitions.iter().copied().collect()))
        .collect()
}
