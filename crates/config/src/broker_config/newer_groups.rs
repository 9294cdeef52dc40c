//! Consumer, share and streams groups (the `group.consumer.*`, `group.share.*` and `group.streams.*` keys of Kafka's
//! `GroupCoordinatorConfig` and `ShareGroupConfig`).

use crate::values::Values;

/// A setting that groups may set for themselves, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded {
    /// For groups that set nothing.
    pub value: i32,
    /// Least that a group may set.
    pub min: i32,
    /// Most that a group may set.
    pub max: i32,
}

impl Bounded {
    fn from_values(values: &Values, kind: &str, name: &str) -> Self {
        Self {
            value: values.int(&format!("group.{kind}.{name}")),
            min: values.int(&format!("group.{kind}.min.{name}")),
            max: values.int(&format!("group.{kind}.max.{name}")),
        }
    }
}

/// What all newer kinds of groups have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewerGroupConfig {
    /// `session.timeout.ms`.
    pub session_timeout_ms: Bounded,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: Bounded,
    /// `assignment.interval.ms`.
    pub assignment_interval_ms: Bounded,
    /// `max.size`: most members.
    pub max_size: i32,
}

impl NewerGroupConfig {
    fn from_values(values: &Values, kind: &str) -> Self {
        Self {
            session_timeout_ms: Bounded::from_values(values, kind, "session.timeout.ms"),
            heartbeat_interval_ms: Bounded::from_values(values, kind, "heartbeat.interval.ms"),
            assignment_interval_ms: Bounded::from_values(values, kind, "assignment.interval.ms"),
            max_size: values.int(&format!("group.{kind}.max.size")),
        }
    }
}

/// Consumer groups (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// What all newer kinds have.
    pub common: NewerGroupConfig,
    /// `group.consumer.assignors`; the first is the default.
    pub assignors: Vec<String>,
    /// `group.consumer.migration.policy`, in whatever case.
    pub migration_policy: String,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_interval_ms: i32,
}

/// Share groups (KIP-932).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupConfig {
    /// What all newer kinds have.
    pub common: NewerGroupConfig,
    /// `group.share.initialize.retry.interval.ms`.
    pub initialize_retry_interval_ms: i32,
    /// `group.share.delivery.count.limit`.
    pub delivery_count_limit: Bounded,
    /// `group.share.partition.max.record.locks`.
    pub partition_max_record_locks: Bounded,
    /// `group.share.record.lock.duration.ms`.
    pub record_lock_duration_ms: Bounded,
    /// `group.share.max.share.sessions`.
    pub max_share_sessions: i32,
}

/// Streams groups (KIP-1071).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsGroupConfig {
    /// What all newer kinds have.
    pub common: NewerGroupConfig,
    /// `group.streams.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.streams.num.standby.replicas`.
    pub num_standby_replicas: i32,
    /// `group.streams.max.standby.replicas`.
    pub max_standby_replicas: i32,
}

/// All newer kinds of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewerGroupsConfig {
    /// KIP-848.
    pub consumer: ConsumerGroupConfig,
    /// KIP-932.
    pub share: ShareGroupConfig,
    /// KIP-1071.
    pub streams: StreamsGroupConfig,
}

impl NewerGroupsConfig {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            consumer: ConsumerGroupConfig {
                common: NewerGroupConfig::from_values(values, "consumer"),
                assignors: values.list("group.consumer.assignors").to_vec(),
                migration_policy: values.string("group.consumer.migration.policy").to_string(),
                regex_refresh_interval_ms: values.int("group.consumer.regex.refresh.interval.ms"),
            },
            share: ShareGroupConfig {
                common: NewerGroupConfig::from_values(values, "share"),
                initialize_retry_interval_ms: values.int("group.share.initialize.retry.interval.ms"),
                delivery_count_limit: Bounded::from_values(values, "share", "delivery.count.limit"),
                partition_max_record_locks: Bounded::from_values(
                    values,
                    "share",
                    "partition.max.record.locks",
                ),
                record_lock_duration_ms: Bounded::from_values(values, "share", "record.lock.duration.ms"),
                max_share_sessions: values.int("group.share.max.share.sessions"),
            },
            streams: StreamsGroupConfig {
                common: NewerGroupConfig::from_values(values, "streams"),
                initial_rebalance_delay_ms: values.int("group.streams.initial.rebalance.delay.ms"),
                num_standby_replicas: values.int("group.streams.num.standby.replicas"),
                max_standby_replicas: values.int("group.streams.max.standby.replicas"),
            },
        }
    }
}
