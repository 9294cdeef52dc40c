//! What the handlers of the share coordinator's APIs share.

use ottla_coordinator::share::coordinator::SharePartitionKey;
use ottla_protocol::{Str, Uuid};

use crate::broker::Broker;
use crate::internal_topics::SHARE_GROUP_STATE;

/// The key of a share partition.
pub fn share_partition(group_id: &Str, topic_id: Uuid, partition: i32) -> SharePartitionKey {
    SharePartitionKey { group_id: Str::from(&**group_id), topic_id, partition }
}

/// Number of partitions of the topic with the state; 0 while it does not exist.
pub fn state_partitions(broker: &Broker) -> i32 {
    broker.partitions_of(SHARE_GROUP_STATE)
}

/// The text of an error as an answer carries it.
pub fn text(message: String) -> Option<Str> {
    Some(Str::from(message))
}
