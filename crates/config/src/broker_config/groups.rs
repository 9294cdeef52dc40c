//! Classic groups and committed offsets (Kafka's `GroupCoordinatorConfig`), and the rules that bind the
//! keys of all kinds of groups.

use crate::error::{ConfigError, ErrorKind};
use crate::values::Values;

/// Classic groups and committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCoordinatorConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`.
    pub max_size: i32,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: i32,
    /// `offsets.commit.timeout.ms`.
    pub offsets_commit_timeout_ms: i32,
    /// `offsets.load.buffer.size`.
    pub offsets_load_buffer_size: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_num_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: i32,
    /// `offsets.topic.compression.codec`, an id from 0 to 4.
    pub offsets_topic_compression_codec: i32,
    /// `group.coordinator.rebalance.protocols`.
    pub rebalance_protocols: Vec<String>,
}

impl GroupCoordinatorConfig {
    pub(super) fn from_values(values: &Values) -> Result<GroupCoordinatorConfig, ConfigError> {
        let codec = values.int("offsets.topic.compression.codec");
        if !(0..=4).contains(&codec) {
            let message = format!("Unknown compression type id: {codec}");
            return Err(ConfigError::new(ErrorKind::IllegalArgument, message)
                .for_key("offsets.topic.compression.codec"));
        }
        Ok(GroupCoordinatorConfig {
            min_session_timeout_ms: values.int("group.min.session.timeout.ms"),
            max_session_timeout_ms: values.int("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms: values.int("group.initial.rebalance.delay.ms"),
            max_size: values.int("group.max.size"),
            offset_metadata_max_bytes: values.int("offset.metadata.max.bytes"),
            offsets_commit_timeout_ms: values.int("offsets.commit.timeout.ms"),
            offsets_load_buffer_size: values.int("offsets.load.buffer.size"),
            offsets_retention_ms: i64::from(values.int("offsets.retention.minutes")) * 60 * 1000,
            offsets_retention_check_interval_ms: values.long("offsets.retention.check.interval.ms"),
            offsets_topic_num_partitions: values.int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: values.short("offsets.topic.replication.factor"),
            offsets_topic_segment_bytes: values.int("offsets.topic.segment.bytes"),
            offsets_topic_compression_codec: codec,
            rebalance_protocols: values.list("group.coordinator.rebalance.protocols").to_vec(),
        })
    }
}

/// Pairs of keys of which the first must not be less than the second, in the order in which Kafka checks
/// them.
const AT_LEAST: &[(&str, &str)] = &[
    ("group.consumer.max.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.max.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
    ("group.consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
    ("group.consumer.max.assignment.interval.ms", "group.consumer.min.assignment.interval.ms"),
    ("group.consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms"),
    ("group.share.max.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
    ("group.share.max.session.timeout.ms", "group.share.min.session.timeout.ms"),
    ("group.share.session.timeout.ms", "group.share.min.session.timeout.ms"),
    ("group.share.max.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
    ("group.share.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
    ("group.share.max.delivery.count.limit", "group.share.delivery.count.limit"),
    ("group.share.delivery.count.limit", "group.share.min.delivery.count.limit"),
    ("group.share.max.partition.max.record.locks", "group.share.partition.max.record.locks"),
    ("group.share.partition.max.record.locks", "group.share.min.partition.max.record.locks"),
    ("group.share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms"),
    ("group.share.max.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
    ("group.share.max.share.sessions", "group.share.max.size"),
    ("group.streams.max.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.max.session.timeout.ms", "group.streams.min.session.timeout.ms"),
    ("group.streams.session.timeout.ms", "group.streams.min.session.timeout.ms"),
    ("group.streams.max.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
    ("group.streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
];

/// Pairs of keys of which the first must not be greater than the second.
const AT_MOST: &[(&str, &str)] = &[
    ("group.consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"),
    ("group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    ("group.consumer.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    ("group.share.session.timeout.ms", "group.share.max.session.timeout.ms"),
    ("group.share.assignment.interval.ms", "group.share.max.assignment.interval.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms"),
    ("group.streams.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    ("group.streams.assignment.interval.ms", "group.streams.max.assignment.interval.ms"),
    ("group.streams.num.standby.replicas", "group.streams.max.standby.replicas"),
];

/// Pairs of keys of which the first must be less than the second.
const LESS: &[(&str, &str)] = &[
    ("group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.session.timeout.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.session.timeout.ms"),
];

/// The rules that bind the keys of groups to each other.
pub(super) fn validate(values: &Values) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut require = |holds: fn(i32, i32) -> bool, relation: &str, pairs: &[(&str, &str)]| {
        for (a, b) in pairs {
            if !holds(values.int(a), values.int(b)) {
                let message = format!("{a} must be {relation} {b}");
                let hint = format!("{a} is {}, {b} is {}", values.int(a), values.int(b));
                errors.push(ConfigError::new(ErrorKind::IllegalArgument, message).for_key(a).hint(hint));
            }
        }
    };
    require(|a, b| a >= b, "greater than or equal to", AT_LEAST);
    require(|a, b| a <= b, "less than or equal to", AT_MOST);
    require(|a, b| a < b, "less than", LESS);
    if !values.list("group.coordinator.rebalance.protocols").iter().any(|name| name == "classic") {
        let error = ConfigError::config("Disabling the 'classic' protocol is not supported.");
        errors.push(error.for_key("group.coordinator.rebalance.protocols"));
    }
    let assignors = values.list("group.share.assignors").len();
    if assignors != 1 {
        let message =
            format!("group.share.assignors must contain exactly one assignor, but found {assignors}");
        errors.push(ConfigError::new(ErrorKind::IllegalArgument, message).for_key("group.share.assignors"));
    }
    errors
}
