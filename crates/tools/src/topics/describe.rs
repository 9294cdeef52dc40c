//! Describing topics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use ottla_client::admin::{
    Admin, ConfigEntry, ConfigResource, DescribeTopicsOptions, ListTopicsOptions, PartitionReassignment,
    TopicDescription, TopicPartitionInfo,
};
use ottla_client::cluster::Node;
use ottla_protocol::{ErrorCode, TopicPartition, Uuid};
use serde_json::{Value, json};

use super::{ensure_exists, topics};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, out};

/// What `--describe` shows.
struct Shown {
    live: BTreeSet<i32>,
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    overridden: bool,
}

impl Shown {
    fn new(args: &Args, live: BTreeSet<i32>) -> Self {
        Self {
            live,
            under_replicated: args.has("under-replicated-partitions"),
            unavailable: args.has("unavailable-partitions"),
            under_min_isr: args.has("under-min-isr-partitions"),
            at_min_isr: args.has("at-min-isr-partitions"),
            overridden: args.has("topics-with-overrides"),
        }
    }

    fn everything(&self) -> bool {
        !self.under_replicated && !self.unavailable && !self.under_min_isr && !self.at_min_isr
    }
}

pub(super) async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let described = descriptions(args, admin).await?;
    let resources: Vec<ConfigResource> =
        described.iter().map(|topic| ConfigResource::topic(topic.name.clone())).collect();
    let mut configs = admin.describe_configs(&resources, &Default::default()).await;
    let cluster = admin.describe_cluster(&Default::default()).await?;
    let shown = Shown::new(args, cluster.nodes.iter().map(|node| node.node.id).collect());
    let reassignments = reassignments(admin, &described).await?;
    let mut documents = Vec::new();
    for topic in described {
        let mut entries = match configs.remove(&ConfigResource::topic(topic.name.clone())) {
            Some(result) => result?,
            None => Vec::new(),
        };
        java::sort_as_hash_map(&mut entries, |entry| java::hash_code(&entry.name));
        let described = Described { topic, entries, reassignments: &reassignments };
        if io.json() {
            documents.extend(described.to_json(&shown));
        } else {
            out!(io, "{}", described.to_text(&shown)?);
        }
    }
    if io.json() {
        io.print_json(&Value::Array(documents));
    }
    Ok(())
}

/// By `--topic-id` if there is one, else by `--topic`.
async fn descriptions(args: &Args, admin: &Admin) -> Result<Vec<TopicDescription>, Failure> {
    let id = match args.value("topic-id")? {
        Some(text) => Some(java::parse_uuid(text)?).filter(|id| !id.is_zero()),
        None => None,
    };
    if let Some(id) = id {
        return by_id(args, admin, id).await;
    }
    let topics = topics(args, admin).await?;
    ensure_exists(args, &topics)?;
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let options = DescribeTopicsOptions {
        partition_size_limit_per_response: args.number("partition-size-limit-per-response")?.unwrap_or(2000),
        ..Default::default()
    };
    let described = admin.describe_topics(&topics, &options).await;
    Ok(described.into_values().collect::<Result<_, _>>()?)
}

async fn by_id(args: &Args, admin: &Admin, id: Uuid) -> Result<Vec<TopicDescription>, Failure> {
    let options = ListTopicsOptions { list_internal: !args.has("exclude-internal"), ..Default::default() };
    if !admin.list_topics(&options).await?.values().any(|topic| topic.id == id) {
        if args.has("if-exists") {
            return Ok(Vec::new());
        }
        return Err(Failure::illegal_argument(format!("TopicId '{id}' does not exist as expected")));
    }
    let described = admin.describe_topics_by_id(&[id], &Default::default()).await;
    Ok(described.into_values().collect::<Result<_, _>>()?)
}

type Reassignments = BTreeMap<TopicPartition, PartitionReassignment>;

/// What is on its way; brokers that can't or won't tell are taken to have nothing.
async fn reassignments(admin: &Admin, topics: &[TopicDescription]) -> Result<Reassignments, Failure> {
    let partitions = topics
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().map(|info| TopicPartition::new(topic.name.clone(), info.partition))
        })
        .collect();
    match admin.list_partition_reassignments(Some(&partitions), &Default::default()).await {
        Ok(found) => Ok(found),
        Err(ottla_client::Error::UnsupportedVersion(_)) => Ok(Reassignments::new()),
        Err(why) if why.code() == Some(ErrorCode::ClusterAuthorizationFailed) => Ok(Reassignments::new()),
        Err(why) => {
            let inner = Failure::from(why).with_class();
            Err(Failure::runtime(format!("java.util.concurrent.ExecutionException: {inner}")))
        }
    }
}

/// A topic and all that is shown of it.
struct Described<'a> {
    topic: TopicDescription,
    entries: Vec<ConfigEntry>,
    reassignments: &'a Reassignments,
}

impl Described<'_> {
    fn reassignment(&self, partition: i32) -> Option<&PartitionReassignment> {
        self.reassignments.get(&TopicPartition::new(self.topic.name.clone(), partition))
    }

    fn min_isr(&self) -> usize {
        let entry = self.entries.iter().find(|entry| entry.name.as_ref() as &str == "min.insync.replicas");
        entry.and_then(|entry| entry.value.as_ref()?.parse().ok()).unwrap_or(1)
    }

    fn replication_factor(&self, info: &TopicPartitionInfo) -> usize {
        match self.reassignment(info.partition).filter(|found| in_progress(info, found)) {
            Some(found) => found.replicas.len().saturating_sub(found.adding_replicas.len()),
            None => info.replicas.len(),
        }
    }

    fn overrides(&self) -> impl Iterator<Item = &ConfigEntry> {
        self.entries.iter().filter(|entry| !entry.is_default())
    }

    fn shows_topic(&self, shown: &Shown) -> bool {
        shown.everything() && (!shown.overridden || self.overrides().next().is_some())
    }

    fn shows(&self, info: &TopicPartitionInfo, shown: &Shown) -> bool {
        let (isr, min_isr) = (info.isr.len(), self.min_isr());
        shown.everything()
            || (shown.under_replicated && self.replication_factor(info) > isr)
            || (shown.unavailable
                && !info.leader.as_ref().is_some_and(|leader| shown.live.contains(&leader.id)))
            || (shown.under_min_isr && (info.leader.is_none() || isr < min_isr))
            || (shown.at_min_isr && isr == min_isr)
    }

    /// The partitions that are shown, in order.
    fn partitions(&self, shown: &Shown) -> Vec<&TopicPartitionInfo> {
        if shown.overridden {
            return Vec::new();
        }
        let mut partitions: Vec<_> =
            self.topic.partitions.iter().filter(|info| self.shows(info, shown)).collect();
        partitions.sort_by_key(|info| info.partition);
        partitions
    }

    fn to_text(&self, shown: &Shown) -> Result<String, Failure> {
        let mut text = String::new();
        let topic = &self.topic;
        if self.shows_topic(shown) {
            let first = topic.partitions.iter().min_by_key(|info| info.partition);
            let factor = first.map_or(0, |info| self.replication_factor(info));
            let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
            let configs: Vec<String> = self
                .overrides()
                .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
                .collect();
            let _ = writeln!(
                text,
                "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}",
                topic.name,
                topic.partitions.len(),
                configs.join(",")
            );
        }
        for info in self.partitions(shown) {
            self.partition_text(&mut text, info);
        }
        Ok(text)
    }

    fn partition_text(&self, text: &mut String, info: &TopicPartitionInfo) {
        let leader = info.leader.as_ref().map_or_else(|| "none".to_owned(), |leader| leader.id.to_string());
        let _ = write!(
            text,
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            self.topic.name,
            info.partition,
            ids(&info.replicas),
            ids(&info.isr)
        );
        if let Some(moving) = self.reassignment(info.partition) {
            let _ = write!(
                text,
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                numbers(&moving.adding_replicas),
                numbers(&moving.removing_replicas)
            );
        }
        let or_unknown =
            |nodes: &Option<Vec<Node>>| nodes.as_ref().map_or_else(|| "N/A".to_owned(), |n| ids(n));
        let (elr, last_known) = (or_unknown(&info.elr), or_unknown(&info.last_known_elr));
        let _ = writeln!(text, "\tElr: {elr}\tLastKnownElr: {last_known}");
    }

    fn to_json(&self, shown: &Shown) -> Option<Value> {
        let partitions: Vec<Value> =
            self.partitions(shown).into_iter().map(|info| self.partition_json(info)).collect();
        if !self.shows_topic(shown) && partitions.is_empty() {
            return None;
        }
        let configs: serde_json::Map<String, Value> = self
            .overrides()
            .map(|entry| (entry.name.to_string(), entry.value.as_deref().map_or(Value::Null, Value::from)))
            .collect();
        Some(json!({
            "topic": self.topic.name.to_string(),
            "topic_id": self.topic.id.to_string(),
            "partition_count": self.topic.partitions.len(),
            "replication_factor": self.topic.partitions.first().map(|info| self.replication_factor(info)),
            "configs": configs,
            "partitions": partitions,
        }))
    }

    fn partition_json(&self, info: &TopicPartitionInfo) -> Value {
        let list = |nodes: &[Node]| nodes.iter().map(|node| node.id).collect::<Vec<_>>();
        let mut value = json!({
            "partition": info.partition,
            "leader": info.leader.as_ref().map(|leader| leader.id),
            "replicas": list(&info.replicas),
            "isr": list(&info.isr),
            "elr": info.elr.as_deref().map(list),
            "last_known_elr": info.last_known_elr.as_deref().map(list),
        });
        if let Some(moving) = self.reassignment(info.partition) {
            value["adding_replicas"] = json!(moving.adding_replicas);
            value["removing_replicas"] = json!(moving.removing_replicas);
        }
        value
    }
}

/// Whether replicas still come or go: the reassignment may have ended between the two questions.
fn in_progress(info: &TopicPartitionInfo, found: &PartitionReassignment) -> bool {
    info.replicas
        .iter()
        .any(|node| found.adding_replicas.contains(&node.id) || found.removing_replicas.contains(&node.id))
}

fn ids(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.id.to_string()).collect::<Vec<_>>().join(",")
}

fn numbers(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}
