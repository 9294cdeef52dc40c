//! Offsets, sizes and replicas of each partition. All of it is read from atomics and the metadata: no log is locked.

use std::collections::HashMap;
use std::sync::Arc;

use ottla_metadata::PartitionRegistration;
use ottla_storage::PartitionLog;

use super::collect::{Gone, Out};
use super::metric::{Metric, Series, gauge};
use super::text::Value;
use super::topics::Hosted;
use crate::broker::Broker;

const BY: &[&str] = &["topic", "partition"];

const fn of_partition(name: &'static str, help: &'static str) -> Metric {
    gauge(name, help).by(BY).per(Series::Partition)
}

pub static COUNT: Metric =
    gauge("kafka_server_replicamanager_partitioncount", "Partitions that are on this broker.");
pub static LEADERS: Metric =
    gauge("kafka_server_replicamanager_leadercount", "Partitions that this broker leads.");
pub static OFFLINE: Metric = gauge(
    "kafka_server_replicamanager_offlinereplicacount",
    "Partitions of this broker whose log directory has failed.",
);
pub static UNDER_REPLICATED: Metric = gauge(
    "kafka_server_replicamanager_underreplicatedpartitions",
    "Partitions that this broker leads and that not all of their replicas are in sync with.",
);
pub static LOG_SIZE: Metric = of_partition("kafka_log_log_size", "Bytes of the partition's log.");
pub static LOG_START: Metric =
    of_partition("kafka_log_log_logstartoffset", "First offset that the log still has.");
pub static LOG_END: Metric =
    of_partition("kafka_log_log_logendoffset", "Offset that the next record of the log gets.");
pub static CURRENT_OFFSET: Metric = of_partition(
    "kafka_topic_partition_current_offset",
    "End of the partition as consumers see it: its high watermark.",
);
pub static OLDEST_OFFSET: Metric =
    of_partition("kafka_topic_partition_oldest_offset", "First offset that consumers can read.");
pub static STABLE_LAG: Metric = of_partition(
    "kafka_cluster_partition_laststableoffsetlag",
    "Records behind the first one of an open transaction: read_committed consumers do not see them yet.",
);
pub static UNFLUSHED: Metric = of_partition(
    "ottla_partition_unflushed_records",
    "Records at the end of the log that are in the page cache, but were not made durable by an fsync.",
);
pub static LEADER: Metric =
    of_partition("kafka_topic_partition_leader", "Id of the broker that leads; -1 without a leader.");
pub static PREFERRED: Metric = of_partition(
    "kafka_topic_partition_leader_is_preferred",
    "1 if the leader is the first of the replicas.",
);
pub static REPLICAS: Metric = of_partition("kafka_topic_partition_replicas", "Number of replicas.");
pub static IN_SYNC: Metric =
    of_partition("kafka_topic_partition_in_sync_replica", "Number of replicas that are in sync.");
pub static UNDER_REPLICATED_PARTITION: Metric =
    of_partition("kafka_topic_partition_under_replicated_partition", "1 if not all replicas are in sync.");

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &COUNT,
    &LEADERS,
    &OFFLINE,
    &UNDER_REPLICATED,
    &LOG_SIZE,
    &LOG_START,
    &LOG_END,
    &CURRENT_OFFSET,
    &OLDEST_OFFSET,
    &STABLE_LAG,
    &UNFLUSHED,
    &LEADER,
    &PREFERRED,
    &REPLICAS,
    &IN_SYNC,
    &UNDER_REPLICATED_PARTITION,
];

type OfLog = fn(&PartitionLog) -> Value;
type OfRegistration = fn(&PartitionRegistration) -> Value;

const OF_LOGS: [(&Metric, OfLog); 7] = [
    (&LOG_SIZE, |log| log.size_bytes().into()),
    (&LOG_START, |log| log.log_start_offset().into()),
    (&LOG_END, |log| log.log_end_offset().into()),
    (&CURRENT_OFFSET, |log| log.high_watermark().into()),
    (&OLDEST_OFFSET, |log| log.log_start_offset().into()),
    (&STABLE_LAG, |log| behind(log.high_watermark(), log.last_stable_offset())),
    (&UNFLUSHED, |log| behind(log.log_end_offset(), log.recovery_point())),
];

const OF_REGISTRATIONS: [(&Metric, OfRegistration); 5] = [
    (&LEADER, |partition| partition.leader.into()),
    (&PREFERRED, |partition| partition.has_preferred_leader().into()),
    (&REPLICAS, |partition| partition.replicas.len().into()),
    (&IN_SYNC, |partition| partition.isr.len().into()),
    (&UNDER_REPLICATED_PARTITION, |partition| is_under_replicated(partition).into()),
];

/// How much `end` is ahead of `offset`. The two are read one after the other, and may have moved between.
fn behind(end: i64, offset: i64) -> Value {
    Value::Whole(end.saturating_sub(offset).max(0))
}

fn is_under_replicated(partition: &PartitionRegistration) -> bool {
    partition.isr.len() < partition.replicas.len()
}

/// A partition, its log and what the metadata says of it.
struct Found<'a> {
    topic: &'a str,
    partition: &'a str,
    log: Option<Arc<PartitionLog>>,
    registration: Option<&'a PartitionRegistration>,
}

pub(super) async fn collect(broker: &Broker, hosted: &Hosted, out: &mut Out) -> Result<(), Gone> {
    let image = broker.image();
    let numbers = Numbers::for_partitions(hosted);
    let mut found = Vec::with_capacity(hosted.partitions());
    for topic in &hosted.topics {
        let registered = image.topics.topic(&topic.name).map(|topic| &topic.partitions);
        for partition in topic.partitions.iter().flatten() {
            found.push(Found {
                topic: &topic.name,
                partition: numbers.text(partition.index),
                log: partition.log().ok(),
                registration: registered.and_then(|partitions| partitions.get(partition.index)).map(|r| &**r),
            });
        }
    }
    let led = || found.iter().filter_map(|f| f.registration).filter(|r| r.leader == broker.node_id);
    out.one(&COUNT, found.len());
    out.one(&LEADERS, led().count());
    out.one(&OFFLINE, found.iter().filter(|f| f.log.is_none()).count());
    out.one(&UNDER_REPLICATED, led().filter(|r| is_under_replicated(r)).count());
    if !out.allows(Series::Partition) {
        return Ok(());
    }
    for (metric, of) in OF_LOGS {
        out.begin(metric);
        for Found { topic, partition, log, .. } in &found {
            if let Some(log) = log {
                out.sample(metric, &[topic, partition], of(log));
                out.breathe().await?;
            }
        }
    }
    for (metric, of) in OF_REGISTRATIONS {
        out.begin(metric);
        for Found { topic, partition, registration, .. } in &found {
            if let Some(registration) = registration {
                out.sample(metric, &[topic, partition], of(registration));
                out.breathe().await?;
            }
        }
    }
    Ok(())
}

/// The numbers of partitions as texts, each made once.
pub(super) struct Numbers(HashMap<i32, String>);

impl Numbers {
    fn for_partitions(hosted: &Hosted) -> Self {
        Self::of(hosted.topics.iter().flat_map(|topic| topic.partitions.iter().flatten()).map(|p| p.index))
    }

    /// Of these partitions.
    pub fn of(partitions: impl Iterator<Item = i32>) -> Self {
        let mut texts = HashMap::new();
        for partition in partitions {
            texts.entry(partition).or_insert_with(|| partition.to_string());
        }
        Self(texts)
    }

    /// One of them as text.
    pub fn text(&self, partition: i32) -> &str {
        self.0.get(&partition).map_or("", String::as_str)
    }
}
