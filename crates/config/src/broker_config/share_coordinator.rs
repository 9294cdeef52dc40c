//! The share coordinator (Kafka's `ShareCoordinatorConfig`).

use crate::values::Values;

/// The share coordinator and its topic. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCoordinatorConfig {
    /// `share.coordinator.snapshot.update.records.per.snapshot`.
    pub snapshot_update_records_per_snapshot: i32,
    /// `share.coordinator.write.timeout.ms`.
    pub write_timeout_ms: i32,
    /// `share.coordinator.state.topic.prune.interval.ms`.
    pub state_topic_prune_interval_ms: i32,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`.
    pub cold_partition_snapshot_interval_ms: i32,
    /// `share.coordinator.state.topic.num.partitions`.
    pub state_topic_num_partitions: i32,
    /// `share.coordinator.state.topic.replication.factor`.
    pub state_topic_replication_factor: i16,
    /// `share.coordinator.state.topic.min.isr`.
    pub state_topic_min_isr: i16,
    /// `share.coordinator.state.topic.segment.bytes`.
    pub state_topic_segment_bytes: i32,
}

impl ShareCoordinatorConfig {
    pub(super) fn from_values(values: &Values) -> ShareCoordinatorConfig {
        ShareCoordinatorConfig {
            snapshot_update_records_per_snapshot: values
                .int("share.coordinator.snapshot.update.records.per.snapshot"),
            write_timeout_ms: values.int("share.coordinator.write.timeout.ms"),
            state_topic_prune_interval_ms: values.int("share.coordinator.state.topic.prune.interval.ms"),
            cold_partition_snapshot_interval_ms: values
                .int("share.coordinator.cold.partition.snapshot.interval.ms"),
            state_topic_num_partitions: values.int("share.coordinator.state.topic.num.partitions"),
            state_topic_replication_factor: values.short("share.coordinator.state.topic.replication.factor"),
            state_topic_min_isr: values.short("share.coordinator.state.topic.min.isr"),
            state_topic_segment_bytes: values.int("share.coordinator.state.topic.segment.bytes"),
        }
    }
}
