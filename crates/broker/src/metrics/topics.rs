//! What went in and out, by topic (Kafka: `BrokerTopicMetrics`).

use std::sync::Arc;

use super::collect::{Gone, Out};
use super::metric::{Metric, Series, counter, gauge};
use crate::broker::Broker;
use crate::partitions::{HostedTopic, Traffic};

const BY: &[&str] = &["topic"];

pub static MESSAGES_IN: Metric =
    counter("kafka_server_brokertopicmetrics_messagesin_total", "Records that were appended.")
        .by(BY)
        .per(Series::Topic);
pub static BYTES_IN: Metric =
    counter("kafka_server_brokertopicmetrics_bytesin_total", "Bytes of batches that were appended.")
        .by(BY)
        .per(Series::Topic);
pub static BYTES_OUT: Metric = counter(
    "kafka_server_brokertopicmetrics_bytesout_total",
    "Bytes of batches that were sent to consumers.",
)
.by(BY)
.per(Series::Topic);
pub static PRODUCES: Metric = counter(
    "kafka_server_brokertopicmetrics_totalproducerequests_total",
    "Batches that were to be appended, refused ones included.",
)
.by(BY)
.per(Series::Topic);
pub static PRODUCES_FAILED: Metric = counter(
    "kafka_server_brokertopicmetrics_failedproducerequests_total",
    "Batches that a log has refused, or could not write.",
)
.by(BY)
.per(Series::Topic);
pub static FETCHES_FAILED: Metric = counter(
    "kafka_server_brokertopicmetrics_failedfetchrequests_total",
    "Reads that a log has refused: offsets out of range and failed disks.",
)
.by(BY)
.per(Series::Topic);
pub static PARTITIONS: Metric =
    gauge("kafka_topic_partitions", "Partitions of the topic that are on this broker.")
        .by(BY)
        .per(Series::Topic);

/// In the order in which they are told.
pub static METRICS: &[&Metric] =
    &[&MESSAGES_IN, &BYTES_IN, &BYTES_OUT, &PRODUCES, &PRODUCES_FAILED, &FETCHES_FAILED, &PARTITIONS];

/// The topics that are here at one moment.
pub(super) struct Hosted {
    /// In the order of their names.
    pub topics: Vec<Arc<HostedTopic>>,
    gone: Traffic,
}

impl Hosted {
    pub fn of(broker: &Broker) -> Self {
        let (mut topics, gone) = broker.partitions.all_and_gone();
        topics.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        // A topic that was deleted and created anew may be here twice for a moment, under one name.
        topics.dedup_by(|later, earlier| later.name == earlier.name);
        Self { topics, gone }
    }

    /// Number of partitions.
    pub fn partitions(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions.iter().flatten().count()).sum()
    }
}

type Of = fn(&Traffic) -> u64;

const COUNTERS: [(&Metric, Of); 6] = [
    (&MESSAGES_IN, |traffic| traffic.appended.records),
    (&BYTES_IN, |traffic| traffic.appended.bytes),
    (&BYTES_OUT, |traffic| traffic.bytes_out),
    (&PRODUCES, |traffic| traffic.appended.batches.saturating_add(traffic.appends_refused)),
    (&PRODUCES_FAILED, |traffic| traffic.appends_refused),
    (&FETCHES_FAILED, |traffic| traffic.reads_refused),
];

pub(super) async fn collect(hosted: &Hosted, out: &mut Out) -> Result<(), Gone> {
    let traffic: Vec<Traffic> = hosted.topics.iter().map(|topic| topic.traffic()).collect();
    let mut sum = hosted.gone;
    traffic.iter().for_each(|traffic| sum += *traffic);
    for (metric, of) in COUNTERS {
        out.begin(metric);
        out.sample(metric, &[], of(&sum));
        if !out.allows(Series::Topic) {
            continue;
        }
        for (topic, traffic) in hosted.topics.iter().zip(&traffic) {
            out.sample(metric, &[&topic.name], of(traffic));
            out.breathe().await?;
        }
    }
    out.begin(&PARTITIONS);
    for topic in &hosted.topics {
        out.sample(&PARTITIONS, &[&topic.name], topic.partitions.iter().flatten().count());
        out.breathe().await?;
    }
    Ok(())
}
