//! What a client knows of a cluster at one moment.

use std::collections::{BTreeMap, HashMap};

use ottla_protocol::{ErrorCode, Str, Uuid};

/// A node and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: i32,
    /// Host name or address.
    pub host: Str,
    /// Port.
    pub port: u16,
    /// Rack.
    pub rack: Option<Str>,
}

/// A snapshot; a newer one replaces it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Counts the updates.
    pub generation: u64,
    /// Id of the cluster.
    pub cluster_id: Option<Str>,
    /// The controller.
    pub controller_id: Option<i32>,
    /// Nodes by id.
    pub nodes: BTreeMap<i32, Node>,
    /// Topics by name, also those that answered with an error.
    pub topics: HashMap<Str, TopicMetadata>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Name.
    pub name: Str,
    /// Id; zero from brokers that know none.
    pub id: Uuid,
    /// Error of the topic as a whole.
    pub error: ErrorCode,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Partitions, in the order of their numbers.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Number.
    pub index: i32,
    /// Error of the partition.
    pub error: ErrorCode,
    /// Leader.
    pub leader: Option<i32>,
    /// Epoch of the leader.
    pub leader_epoch: Option<i32>,
    /// Replicas, the preferred first.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas on nodes or disks that are away.
    pub offline: Vec<i32>,
}

impl Metadata {
    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&TopicMetadata> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// A partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionMetadata> {
        let partitions = &self.topic(topic)?.partitions;
        // Numbers have no gaps, but nobody is to rely on what a broker says.
        let expected =
            partitions.get(usize::try_from(partition).ok()?).filter(|found| found.index == partition);
        expected.or_else(|| partitions.iter().find(|found| found.index == partition))
    }

    /// The node that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<&Node> {
        self.nodes.get(&self.partition(topic, partition)?.leader?)
    }
}
