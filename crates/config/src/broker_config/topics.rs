//! Creation, deletion and reading of topics.

use crate::values::Values;

/// Creation, deletion and reading of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i32,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub max_incremental_fetch_session_cache_slots: i32,
    /// `max.request.partition.size.limit`.
    pub max_request_partition_size_limit: i32,
    /// `request.timeout.ms`.
    pub request_timeout_ms: i32,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max_ms: i64,
    /// `unclean.leader.election.interval.ms`.
    pub unclean_leader_election_interval_ms: i64,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance_enable: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub leader_imbalance_check_interval_seconds: i64,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout_ms: i32,
}

impl TopicsConfig {
    pub(super) fn from_values(values: &Values) -> TopicsConfig {
        TopicsConfig {
            auto_create_topics_enable: values.boolean("auto.create.topics.enable"),
            num_partitions: values.int("num.partitions"),
            default_replication_factor: values.int("default.replication.factor"),
            delete_topic_enable: values.boolean("delete.topic.enable"),
            fetch_max_bytes: values.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: values
                .int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: values.int("max.request.partition.size.limit"),
            request_timeout_ms: values.int("request.timeout.ms"),
            replica_lag_time_max_ms: values.long("replica.lag.time.max.ms"),
            unclean_leader_election_interval_ms: values.long("unclean.leader.election.interval.ms"),
            auto_leader_rebalance_enable: values.boolean("auto.leader.rebalance.enable"),
            leader_imbalance_check_interval_seconds: values.long("leader.imbalance.check.interval.seconds"),
            transaction_max_timeout_ms: values.int("transaction.max.timeout.ms"),
        }
    }
}
