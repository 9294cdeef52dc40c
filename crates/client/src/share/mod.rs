//! Share groups (KIP-932): records are handed out one by one to whoever of the group is there, with a lock that ends, and
//! each is acknowledged by itself.
//!
//! [`ShareConsumer`] is the driver. What it decides by is pure: `in_flight` (records with the application), `requests` (what
//! to send to which node, and what answers mean), `session` (what a node knows already), `completed` (records out of
//! an answer), and [`crate::membership`].

mod acknowledge;
mod answers;
mod completed;
mod config;
mod consumer;
#[cfg(test)]
mod consumer_test;
mod in_flight;
mod metrics;
mod requests;
#[cfg(test)]
mod requests_test;
mod session;

use ottla_protocol::{Str, Uuid};

pub use self::acknowledge::{AcknowledgeType, AcknowledgementCommitCallback};
pub use self::config::{AcknowledgementMode, AcquireMode, ShareConsumerConfig};
pub use self::consumer::{CommitResults, ShareConsumer};

/// A partition of a topic in one life of the topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// Id of the topic.
    pub topic_id: Uuid,
    /// Number of the partition.
    pub partition: i32,
    /// Name of the topic.
    pub topic: Str,
}
