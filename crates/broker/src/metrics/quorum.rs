//! The metadata quorum, the controller and the metadata (Kafka: `raft-metrics`, `KafkaController`,
//! `broker-metadata-metrics`).

use super::collect::{Out, Sources};
use super::metric::{Metric, gauge};
use crate::clock::now_ms;

pub static BROKERS: Metric = gauge("kafka_brokers", "Brokers of the cluster that are not fenced.");
pub static BROKER_INFO: Metric =
    gauge("kafka_broker_info", "1; the labels say where a broker is.").by(&["address", "id"]);
pub static STATE: Metric = gauge("kafka_server_kafkaserver_brokerstate", "State of this broker; 3: it runs.");
pub static ACTIVE: Metric = gauge(
    "kafka_controller_kafkacontroller_activecontrollercount",
    "1 if this node is the active controller.",
);
pub static ACTIVE_BROKERS: Metric = gauge(
    "kafka_controller_kafkacontroller_activebrokercount",
    "Brokers that are registered and not fenced.",
);
pub static FENCED_BROKERS: Metric =
    gauge("kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that are registered and fenced.");
pub static TOPICS: Metric =
    gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.");
pub static PARTITIONS: Metric =
    gauge("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster.");
pub static OFFLINE: Metric = gauge(
    "kafka_controller_kafkacontroller_offlinepartitionscount",
    "Partitions of the cluster without a leader.",
);
pub static IMBALANCE: Metric = gauge(
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
    "Partitions of the cluster whose leader is not the first of the replicas.",
);
pub static ERRORS: Metric = gauge(
    "kafka_controller_kafkacontroller_metadataerrorcount",
    "1 if metadata could not be written, or no log directory is left: the node stops then.",
);
pub static EPOCH: Metric = gauge("kafka_server_raftmetrics_current_epoch", "Epoch of the quorum's leader.");
pub static LEADER: Metric = gauge("kafka_server_raftmetrics_current_leader", "Id of the quorum's leader.");
pub static HIGH_WATERMARK: Metric =
    gauge("kafka_server_raftmetrics_high_watermark", "End of the committed metadata log.");
pub static LOG_END: Metric =
    gauge("kafka_server_raftmetrics_log_end_offset", "Offset that the next record of the metadata log gets.");
pub static APPLIED: Metric = gauge(
    "kafka_server_brokermetadatametrics_last_applied_record_offset",
    "Offset of the last metadata record that this broker follows.",
);
pub static APPLIED_TIME: Metric = gauge(
    "kafka_server_brokermetadatametrics_last_applied_record_timestamp",
    "When that record was written, in Unix milliseconds.",
);
pub static APPLIED_LAG: Metric = gauge(
    "kafka_server_brokermetadatametrics_last_applied_record_lag_ms",
    "How long ago that was, in milliseconds.",
);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &BROKERS,
    &BROKER_INFO,
    &STATE,
    &ACTIVE,
    &ACTIVE_BROKERS,
    &FENCED_BROKERS,
    &TOPICS,
    &PARTITIONS,
    &OFFLINE,
    &IMBALANCE,
    &ERRORS,
    &EPOCH,
    &LEADER,
    &HIGH_WATERMARK,
    &LOG_END,
    &APPLIED,
    &APPLIED_TIME,
    &APPLIED_LAG,
];

const RUNNING: u64 = 3;

pub(super) fn collect(sources: &Sources, out: &mut Out) {
    let broker = &sources.broker;
    let image = broker.image();
    let (fenced, active): (Vec<_>, Vec<_>) = image.cluster.brokers().partition(|broker| broker.fenced);
    out.one(&BROKERS, active.len());
    out.begin(&BROKER_INFO);
    for broker in &active {
        if let Some(listener) = broker.listeners.first() {
            let address = format!("{}:{}", listener.host, listener.port);
            out.sample(&BROKER_INFO, &[&address, &broker.id.to_string()], 1_u64);
        }
    }
    out.one(&STATE, RUNNING);
    // A quorum of one: this node decides, as long as it runs.
    out.one(&ACTIVE, true);
    out.one(&ACTIVE_BROKERS, active.len());
    out.one(&FENCED_BROKERS, fenced.len());
    let (mut partitions, mut offline, mut imbalance) = (0_u64, 0_u64, 0_u64);
    for topic in image.topics.iter() {
        for (_, partition) in topic.partitions.iter() {
            partitions += 1;
            offline += u64::from(!partition.has_leader());
            imbalance += u64::from(!partition.has_preferred_leader());
        }
    }
    out.one(&TOPICS, image.topics.len());
    out.one(&PARTITIONS, partitions);
    out.one(&OFFLINE, offline);
    out.one(&IMBALANCE, imbalance);
    out.one(&ERRORS, sources.fatal.reason().is_some());
    let quorum = broker.controller.quorum_state();
    out.one(&EPOCH, quorum.leader_epoch);
    out.one(&LEADER, broker.node_id);
    out.one(&HIGH_WATERMARK, quorum.high_watermark);
    out.one(&LOG_END, quorum.log_end_offset);
    let applied = &image.provenance;
    out.one(&APPLIED, applied.last_contained_offset);
    out.one(&APPLIED_TIME, applied.last_contained_log_time_ms);
    out.one(&APPLIED_LAG, now_ms().saturating_sub(applied.last_contained_log_time_ms).max(0));
}
