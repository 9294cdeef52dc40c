//! From one snapshot of metadata to the next. A leader's epoch never goes back (KIP-320): a broker that lags behind does
//! not undo what another one said.

use std::collections::{BTreeMap, HashMap};

use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::{DescribeClusterResponse, MetadataResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::{Metadata, Node, PartitionMetadata, TopicMetadata};

/// First version of Metadata whose epochs can be relied on.
const FIRST_RELIABLE_EPOCHS: i16 = 9;

/// The epochs of leaders that were seen, by topic and partition. They outlive the snapshots.
pub(super) type Epochs = HashMap<Str, HashMap<i32, i32>>;

/// A snapshot, and what it means for the next update.
#[derive(Debug)]
pub(super) struct Merged {
    pub metadata: Metadata,
    /// Something in it calls for another look.
    pub again: bool,
    /// It brought something new.
    pub news: bool,
}

/// Whether an error says that the metadata is out of date (Kafka's `InvalidMetadataException`).
pub(crate) fn is_stale(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::NetworkException
            | ErrorCode::KafkaStorageError
            | ErrorCode::ListenerNotFound
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::PreferredLeaderNotAvailable
            | ErrorCode::EligibleLeadersNotAvailable
            | ErrorCode::ElectionNotNeeded
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
    )
}

/// Takes in an answer. A partial one leaves the topics that it does not name as they are.
pub(super) fn merge(
    old: &Metadata,
    epochs: &mut Epochs,
    response: MetadataResponse,
    version: i16,
    partial: bool,
    wants: impl Fn(&str) -> bool,
) -> Merged {
    let mut again = false;
    let mut news = false;
    let mut topics = HashMap::new();
    if partial {
        topics.extend(old.topics.iter().filter(|(name, _)| wants(name)).map(|(k, v)| (k.clone(), v.clone())));
    }
    for topic in response.topics {
        let Some(name) = topic.name.clone().filter(|name| wants(name)) else { continue };
        let known = old.topics.get(&name);
        let mut seen = Seen { epochs: epochs.entry(name.clone()).or_default(), known, again, news };
        let taken = seen.topic(name.clone(), topic, version >= FIRST_RELIABLE_EPOCHS);
        (again, news) = (seen.again, seen.news);
        topics.insert(name, taken);
    }
    epochs.retain(|topic, _| wants(topic));
    let nodes: BTreeMap<i32, Node> =
        response.brokers.into_iter().filter_map(node).map(|node| (node.id, node)).collect();
    let cluster_id = response.cluster_id.or_else(|| old.cluster_id.clone());
    let controller_id = Some(response.controller_id).filter(|id| nodes.contains_key(id));
    news |= nodes != old.nodes || controller_id != old.controller_id || cluster_id != old.cluster_id;
    let generation = old.generation + 1;
    Merged { metadata: Metadata { generation, cluster_id, controller_id, nodes, topics }, again, news }
}

/// The snapshot of a client that speaks with controllers (KIP-919): they know nodes, and no topics.
pub(super) fn from_controllers(old: &Metadata, response: DescribeClusterResponse) -> Merged {
    let nodes = response.brokers.into_iter().filter_map(|broker| {
        let port = u16::try_from(broker.port).ok()?;
        Some((broker.broker_id, Node { id: broker.broker_id, host: broker.host, port, rack: broker.rack }))
    });
    let nodes: BTreeMap<i32, Node> = nodes.collect();
    let controller_id = Some(response.controller_id).filter(|id| nodes.contains_key(id));
    let news = nodes != old.nodes || controller_id != old.controller_id;
    let metadata = Metadata {
        generation: old.generation + 1,
        cluster_id: Some(response.cluster_id),
        controller_id,
        nodes,
        topics: HashMap::new(),
    };
    Merged { metadata, again: false, news }
}

/// The snapshot after a broker told of a newer leader (KIP-951); nothing when it is not newer, or incomplete.
pub(super) fn with_leader(
    old: &Metadata,
    epochs: &mut Epochs,
    topic: &Str,
    partition: i32,
    leader: i32,
    leader_epoch: i32,
    endpoints: &[Node],
) -> Option<Metadata> {
    let known = old.partition(topic, partition)?;
    let seen = epochs.get(topic).and_then(|epochs| epochs.get(&partition)).copied();
    let current = seen.max(known.leader_epoch);
    if leader < 0 || leader_epoch < 0 || current.is_some_and(|current| leader_epoch <= current) {
        return None;
    }
    let mut new = old.clone();
    for node in endpoints {
        new.nodes.insert(node.id, node.clone());
    }
    if !new.nodes.contains_key(&leader) {
        return None;
    }
    let partitions = &mut new.topics.get_mut(topic)?.partitions;
    let found = partitions.iter_mut().find(|found| found.index == partition)?;
    found.leader = Some(leader);
    found.leader_epoch = Some(leader_epoch);
    epochs.entry(topic.clone()).or_default().insert(partition, leader_epoch);
    new.generation += 1;
    Some(new)
}

struct Seen<'a> {
    epochs: &'a mut HashMap<i32, i32>,
    known: Option<&'a TopicMetadata>,
    again: bool,
    news: bool,
}

impl Seen<'_> {
    fn topic(&mut self, name: Str, topic: MetadataResponseTopic, reliable_epochs: bool) -> TopicMetadata {
        let error = ErrorCode::from_code(topic.error_code);
        self.again |= is_stale(error);
        let replaced =
            self.known.is_none_or(|known| known.id != topic.topic_id) && topic.topic_id != Uuid::default();
        if replaced && error == ErrorCode::None {
            self.epochs.clear();
            self.news = true;
        }
        let mut partitions: Vec<PartitionMetadata> = Vec::new();
        if error == ErrorCode::None {
            let told = topic.partitions.into_iter().filter(|partition| partition.partition_index >= 0);
            partitions.extend(told.filter_map(|told| self.partition(told, reliable_epochs)));
            partitions.sort_by_key(|partition| partition.index);
            partitions.dedup_by_key(|partition| partition.index);
        }
        self.news |= self.known.is_none_or(|known| known.partitions.len() != partitions.len());
        TopicMetadata { name, id: topic.topic_id, error, is_internal: topic.is_internal, partitions }
    }

    /// What is to be believed of a partition.
    fn partition(&mut self, told: MetadataResponsePartition, reliable: bool) -> Option<PartitionMetadata> {
        let index = told.partition_index;
        let error = ErrorCode::from_code(told.error_code);
        self.again |= is_stale(error);
        let leader_epoch = Some(told.leader_epoch).filter(|epoch| reliable && *epoch >= 0);
        match (leader_epoch, self.epochs.get(&index).copied()) {
            (Some(epoch), Some(current)) if epoch < current => {
                let known = self.known?;
                return known.partitions.iter().find(|known| known.index == index).cloned();
            }
            (Some(epoch), current) => {
                self.news |= current != Some(epoch);
                self.epochs.insert(index, epoch);
            }
            (None, _) => {
                self.news = true;
                self.epochs.remove(&index);
            }
        }
        Some(PartitionMetadata {
            index,
            error,
            leader: Some(told.leader_id).filter(|leader| *leader >= 0),
            leader_epoch,
            replicas: told.replica_nodes,
            isr: told.isr_nodes,
            offline: told.offline_replicas,
        })
    }
}

fn node(broker: MetadataResponseBroker) -> Option<Node> {
    let port = u16::try_from(broker.port).ok()?;
    Some(Node { id: broker.node_id, host: broker.host, port, rack: broker.rack })
}

#[cfg(test)]
#[path = "merge_test.rs"]
mod tests;
