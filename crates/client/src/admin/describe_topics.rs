//! What topics are like: DescribeTopicPartitions page by page, and Metadata for brokers before 3.8.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use ottla_protocol::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_protocol::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest, MetadataResponse,
};
use ottla_protocol::{ErrorCode, Str, Uuid};
use tokio::time::Instant;

use super::call::To;
use super::quota_retry::unrepresentable_name;
use super::types::{authorized_operations, known_epoch};
use super::{AclOperation, Admin, DescribeClusterOptions, PerKey};
use crate::cluster::Node;
use crate::{Error, Result};

/// Options of [`Admin::describe_topics`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTopicsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether to say what the principal may do with each topic.
    pub include_authorized_operations: bool,
    /// How many partitions a broker may answer with at a time.
    pub partition_size_limit_per_response: i32,
}

impl Default for DescribeTopicsOptions {
    fn default() -> Self {
        Self { timeout: None, include_authorized_operations: false, partition_size_limit_per_response: 2000 }
    }
}

/// A topic (`TopicDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Name.
    pub name: Str,
    /// Id; zero from brokers that have none.
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Partitions, in the order of their numbers.
    pub partitions: Vec<TopicPartitionInfo>,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A partition of a topic (`TopicPartitionInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitionInfo {
    /// Number.
    pub partition: i32,
    /// Leader; nothing while there is none.
    pub leader: Option<Node>,
    /// Epoch of the leader, if the broker says.
    pub leader_epoch: Option<i32>,
    /// Replicas, the preferred leader first. Nodes that the broker does not know have no host.
    pub replicas: Vec<Node>,
    /// Replicas in sync.
    pub isr: Vec<Node>,
    /// Replicas that may become leader without losing records (KIP-966); nothing from brokers that don't say.
    pub elr: Option<Vec<Node>>,
    /// The last replicas that could; likewise.
    pub last_known_elr: Option<Vec<Node>>,
    /// Replicas on nodes or disks that are away.
    pub offline: Vec<i32>,
}

impl Admin {
    /// Describes topics by their names.
    ///
    /// # Errors
    /// For each topic: UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED, ...
    pub async fn describe_topics(
        &self,
        names: &[Str],
        options: &DescribeTopicsOptions,
    ) -> PerKey<Str, TopicDescription> {
        let mut done = PerKey::new();
        let mut wanted = BTreeSet::new();
        for name in names {
            match unrepresentable_name(name) {
                Some(error) => drop(done.insert(name.clone(), Err(error))),
                None => drop(wanted.insert(name.clone())),
            }
        }
        if wanted.is_empty() {
            return done;
        }
        let deadline = self.deadline(options.timeout);
        let described = match self.describe_in_pages(&wanted, options, deadline).await {
            Err(Error::UnsupportedVersion(_)) => self.describe_by_metadata(&wanted, options, deadline).await,
            described => described,
        };
        match described {
            Ok(topics) => done.extend(topics),
            Err(error) => done.extend(wanted.into_iter().map(|name| (name, Err(error.clone())))),
        }
        done
    }

    async fn describe_in_pages(
        &self,
        names: &BTreeSet<Str>,
        options: &DescribeTopicsOptions,
        deadline: Instant,
    ) -> Result<PerKey<Str, TopicDescription>> {
        let cluster_options = DescribeClusterOptions { timeout: options.timeout, ..Default::default() };
        let nodes = self.describe_cluster(&cluster_options).await?.nodes;
        let nodes: BTreeMap<i32, Node> = nodes.into_iter().map(|it| (it.node.id, it.node)).collect();
        let mut pages = Pages::new(names, options.include_authorized_operations);
        while !pages.is_done() {
            let build = |_| pages.request(options.partition_size_limit_per_response);
            let response = self.call("describeTopicPartitions", To::Any, deadline, build, Ok).await?;
            pages.take(response, &nodes)?;
        }
        Ok(pages.done)
    }

    async fn describe_by_metadata(
        &self,
        names: &BTreeSet<Str>,
        options: &DescribeTopicsOptions,
        deadline: Instant,
    ) -> Result<PerKey<Str, TopicDescription>> {
        let topic = |name: &Str| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() };
        let build = |_| MetadataRequest {
            topics: Some(names.iter().map(topic).collect()),
            allow_auto_topic_creation: false,
            include_topic_authorized_operations: options.include_authorized_operations,
            ..Default::default()
        };
        let response = self.call("describeTopics", To::Any, deadline, build, checked).await?;
        let nodes = nodes_of(&response);
        let mut found: BTreeMap<Str, MetadataResponseTopic> =
            response.topics.into_iter().filter_map(|topic| Some((topic.name.clone()?, topic))).collect();
        let describe = |name: &Str| match found.remove(name) {
            Some(topic) => from_metadata(name.clone(), topic, &nodes),
            None => {
                let text = format!("Topic {name} not found.");
                Err(Error::api(ErrorCode::UnknownTopicOrPartition, Some(&text)))
            }
        };
        let mut describe = describe;
        Ok(names.iter().map(|name| (name.clone(), describe(name))).collect())
    }

    /// Describes topics by their ids (KIP-516; brokers from 2.8 on).
    ///
    /// # Errors
    /// For each id: UNKNOWN_TOPIC_ID, and those of [`Admin::describe_topics`].
    pub async fn describe_topics_by_id(
        &self,
        ids: &[Uuid],
        options: &DescribeTopicsOptions,
    ) -> PerKey<Uuid, TopicDescription> {
        let mut done = PerKey::new();
        let (zero, wanted): (BTreeSet<Uuid>, BTreeSet<Uuid>) = ids.iter().partition(|id| id.is_zero());
        for id in zero {
            let text = format!("The given topic id '{id}' cannot be represented in a request.");
            done.insert(id, Err(Error::api(ErrorCode::InvalidTopicException, Some(&text))));
        }
        if wanted.is_empty() {
            return done;
        }
        let topic = |id: &Uuid| MetadataRequestTopic { topic_id: *id, name: None };
        let build = |_, _| {
            Ok(MetadataRequest {
                topics: Some(wanted.iter().map(topic).collect()),
                allow_auto_topic_creation: false,
                include_topic_authorized_operations: options.include_authorized_operations,
                ..Default::default()
            })
        };
        let deadline = self.deadline(options.timeout);
        let answer = self
            .call_as("describeTopicsWithIds", To::Any, BY_ID, deadline, build, |_, response| {
                checked(response)
            })
            .await;
        match answer {
            Ok(response) => done.extend(by_id(&wanted, response)),
            Err(error) => done.extend(wanted.into_iter().map(|id| (id, Err(error.clone())))),
        }
        done
    }
}

/// Versions of Metadata that take ids (the first two that have the field ignore it).
const BY_ID: (i16, i16) = (12, 13);

fn checked(response: MetadataResponse) -> Result<MetadataResponse> {
    Error::check(response.error_code, None)?;
    Ok(response)
}

fn by_id(wanted: &BTreeSet<Uuid>, response: MetadataResponse) -> PerKey<Uuid, TopicDescription> {
    let nodes = nodes_of(&response);
    let mut found: BTreeMap<Uuid, MetadataResponseTopic> =
        response.topics.into_iter().map(|topic| (topic.topic_id, topic)).collect();
    let mut describe = |id: &Uuid| match found.remove(id) {
        Some(topic) if topic.error_code != 0 => Err(Error::api(ErrorCode::from_code(topic.error_code), None)),
        Some(MetadataResponseTopic {
            name: Some(name),
            partitions,
            is_internal,
            topic_authorized_operations,
            ..
        }) => {
            let topic = MetadataResponseTopic {
                topic_id: *id,
                partitions,
                is_internal,
                topic_authorized_operations,
                ..Default::default()
            };
            from_metadata(name, topic, &nodes)
        }
        _ => Err(Error::api(ErrorCode::UnknownTopicId, Some(&format!("TopicId {id} not found.")))),
    };
    wanted.iter().map(|id| (*id, describe(id))).collect()
}

/// Topics described so far, and where the next page begins (pure).
struct Pages {
    /// Topics not yet whole.
    left: BTreeSet<Str>,
    /// The topic in the midst of which the last page ended.
    partial: Option<TopicDescription>,
    include_operations: bool,
    done: PerKey<Str, TopicDescription>,
}

impl Pages {
    fn new(names: &BTreeSet<Str>, include_operations: bool) -> Self {
        Self { left: names.clone(), partial: None, include_operations, done: PerKey::new() }
    }

    fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    fn request(&self, limit: i32) -> DescribeTopicPartitionsRequest {
        let cursor = self.partial.as_ref().map(|topic| Cursor {
            topic_name: topic.name.clone(),
            partition_index: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        });
        DescribeTopicPartitionsRequest {
            topics: self.left.iter().map(|name| TopicRequest { name: name.clone() }).collect(),
            response_partition_limit: limit,
            cursor,
        }
    }

    /// # Errors
    /// When a page brings nothing new: the pages would never end.
    fn take(&mut self, response: DescribeTopicPartitionsResponse, nodes: &BTreeMap<i32, Node>) -> Result<()> {
        let before = (self.left.len(), self.partial.as_ref().map(|topic| topic.partitions.len()));
        let mut cursor = response.next_cursor.map(|cursor| cursor.topic_name);
        let mut next = None;
        for topic in response.topics {
            let Some(name) = topic.name.clone() else { continue };
            if topic.error_code != 0 {
                // It went away between two pages.
                self.partial.take_if(|partial| partial.name == name);
                if self.left.remove(&name) {
                    let code = ErrorCode::from_code(topic.error_code);
                    self.done.insert(name.clone(), Err(Error::api(code, None)));
                }
                cursor = cursor.filter(|at| *at != name);
                continue;
            }
            let described = from_page(name.clone(), topic, nodes, self.include_operations);
            if let Some(partial) = self.partial.as_mut().filter(|partial| partial.name == name) {
                partial.partitions.extend(described.partitions);
            } else if cursor.as_ref() == Some(&name) {
                next = Some(described);
            } else if self.left.remove(&name) {
                self.done.insert(name, Ok(described));
            }
        }
        if let Some(whole) = self.partial.take_if(|partial| cursor.as_ref() != Some(&partial.name)) {
            self.left.remove(&whole.name);
            self.done.insert(whole.name.clone(), Ok(whole));
        }
        if next.is_some() {
            self.partial = next;
        }
        let after = (self.left.len(), self.partial.as_ref().map(|topic| topic.partitions.len()));
        if before == after {
            let text = "A page of DescribeTopicPartitions holds nothing of what was asked for.";
            return Err(Error::Protocol(text.into()));
        }
        Ok(())
    }
}

fn from_page(
    name: Str,
    topic: DescribeTopicPartitionsResponseTopic,
    nodes: &BTreeMap<i32, Node>,
    include_operations: bool,
) -> TopicDescription {
    let all = |ids: Vec<i32>| nodes_for(&ids, nodes);
    let info = |partition: DescribeTopicPartitionsResponsePartition| TopicPartitionInfo {
        partition: partition.partition_index,
        leader: nodes.get(&partition.leader_id).cloned(),
        leader_epoch: known_epoch(partition.leader_epoch),
        replicas: all(partition.replica_nodes),
        isr: all(partition.isr_nodes),
        elr: partition.eligible_leader_replicas.map(all),
        last_known_elr: partition.last_known_elr.map(all),
        offline: partition.offline_replicas,
    };
    TopicDescription {
        name,
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions: topic.partitions.into_iter().map(info).collect(),
        authorized_operations: if include_operations {
            authorized_operations(topic.topic_authorized_operations)
        } else {
            None
        },
    }
}

fn from_metadata(
    name: Str,
    topic: MetadataResponseTopic,
    nodes: &BTreeMap<i32, Node>,
) -> Result<TopicDescription> {
    Error::check(topic.error_code, None)?;
    let all = |ids: Vec<i32>| nodes_for(&ids, nodes);
    let info = |partition: MetadataResponsePartition| TopicPartitionInfo {
        partition: partition.partition_index,
        leader: nodes.get(&partition.leader_id).cloned(),
        leader_epoch: known_epoch(partition.leader_epoch),
        replicas: all(partition.replica_nodes),
        isr: all(partition.isr_nodes),
        elr: None,
        last_known_elr: None,
        offline: partition.offline_replicas,
    };
    let mut partitions: Vec<TopicPartitionInfo> = topic.partitions.into_iter().map(info).collect();
    partitions.sort_by_key(|it| it.partition);
    Ok(TopicDescription {
        name,
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions,
        authorized_operations: authorized_operations(topic.topic_authorized_operations),
    })
}

fn nodes_of(response: &MetadataResponse) -> BTreeMap<i32, Node> {
    let node = |id, host: &Str, port, rack: &Option<Str>| Node {
        id,
        host: host.clone(),
        port: u16::try_from(port).unwrap_or(0),
        rack: rack.clone(),
    };
    response.brokers.iter().map(|it| (it.node_id, node(it.node_id, &it.host, it.port, &it.rack))).collect()
}

/// Nodes by their ids; one that is not known has only its id.
fn nodes_for(ids: &[i32], nodes: &BTreeMap<i32, Node>) -> Vec<Node> {
    let unknown = |id: i32| Node { id, host: Str::new(), port: 0, rack: None };
    ids.iter().map(|id| nodes.get(id).cloned().unwrap_or_else(|| unknown(*id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::describe_topic_partitions_response::Cursor as NextCursor;

    fn page(
        topics: &[(&str, std::ops::Range<i32>)],
        cursor: Option<&str>,
    ) -> DescribeTopicPartitionsResponse {
        let partition = |index| DescribeTopicPartitionsResponsePartition {
            partition_index: index,
            leader_id: 1,
            ..Default::default()
        };
        DescribeTopicPartitionsResponse {
            topics: topics
                .iter()
                .map(|(name, range)| DescribeTopicPartitionsResponseTopic {
                    name: Some((*name).into()),
                    partitions: range.clone().map(partition).collect(),
                    ..Default::default()
                })
                .collect(),
            next_cursor: cursor.map(|name| NextCursor { topic_name: name.into(), partition_index: 0 }),
            ..Default::default()
        }
    }

    fn names(names: &[&str]) -> BTreeSet<Str> {
        names.iter().map(|name| Str::from(*name)).collect()
    }

    #[test]
    fn a_topic_may_spread_over_pages() {
        let mut pages = Pages::new(&names(&["a", "b", "c"]), false);
        pages.take(page(&[("a", 0..2), ("b", 0..2)], Some("b")), &BTreeMap::new()).unwrap();
        let request = pages.request(4);
        assert_eq!(request.topics.len(), 2);
        let cursor = request.cursor.unwrap();
        assert_eq!((cursor.topic_name.as_ref(), cursor.partition_index), ("b", 2));
        pages.take(page(&[("b", 2..6)], Some("b")), &BTreeMap::new()).unwrap();
        assert!(!pages.is_done());
        pages.take(page(&[("b", 6..7), ("c", 0..1)], None), &BTreeMap::new()).unwrap();
        assert!(pages.is_done());
        let counts: Vec<usize> =
            pages.done.values().map(|topic| topic.as_ref().unwrap().partitions.len()).collect();
        assert_eq!(counts, [2, 7, 1]);
    }

    #[test]
    fn pages_without_news_end_it() {
        let mut pages = Pages::new(&names(&["a"]), false);
        assert!(pages.take(page(&[], None), &BTreeMap::new()).is_err());
        let mut pages = Pages::new(&names(&["a"]), false);
        pages.take(page(&[("a", 0..1)], Some("a")), &BTreeMap::new()).unwrap();
        assert!(pages.take(page(&[("x", 0..1)], Some("a")), &BTreeMap::new()).is_err());
    }

    #[test]
    fn topics_with_errors_are_settled() {
        let mut pages = Pages::new(&names(&["a"]), false);
        let mut response = page(&[("a", 0..0)], Some("a"));
        response.topics[0].error_code = ErrorCode::UnknownTopicOrPartition as i16;
        pages.take(response, &BTreeMap::new()).unwrap();
        let error = pages.done["a"].as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    }

    #[test]
    fn ids_that_are_not_known_are_told() {
        let id = Uuid::from_parts(1, 2);
        let done = by_id(&BTreeSet::from([id]), MetadataResponse::default());
        assert_eq!(done[&id].as_ref().unwrap_err().to_string(), format!("TopicId {id} not found."));
    }
}
