//! The broker's configuration as the group coordinator takes it.

use ottla_config::BrokerConfig;
use ottla_config::broker_config::newer_groups::Bounded as ConfiguredBounds;
use ottla_coordinator::{
    Bounded, ConsumerGroupConfig, ConsumerGroupMigrationPolicy, GroupCoordinatorConfig,
    NEW_MEMBER_JOIN_TIMEOUT_MS, ShareGroupConfig, StreamsGroupConfig,
};
use ottla_protocol::Str;

/// Settings of the group coordinator.
pub fn group_config(config: &BrokerConfig) -> GroupCoordinatorConfig {
    let groups = &config.groups;
    GroupCoordinatorConfig {
        group_min_session_timeout_ms: groups.min_session_timeout_ms,
        group_max_session_timeout_ms: groups.max_session_timeout_ms,
        group_initial_rebalance_delay_ms: groups.initial_rebalance_delay_ms,
        group_max_size: groups.max_size,
        group_new_member_join_timeout_ms: NEW_MEMBER_JOIN_TIMEOUT_MS,
        offset_metadata_max_bytes: groups.offset_metadata_max_bytes,
        offsets_retention_ms: groups.offsets_retention_ms,
        offsets_retention_check_interval_ms: groups.offsets_retention_check_interval_ms,
        offsets_commit_timeout_ms: groups.offsets_commit_timeout_ms,
        consumer: consumer(config),
        share: share(config),
        streams: streams(config),
    }
}

fn consumer(config: &BrokerConfig) -> ConsumerGroupConfig {
    let (groups, common) = (&config.newer_groups.consumer, &config.newer_groups.consumer.common);
    ConsumerGroupConfig {
        session_timeout_ms: bounded(common.session_timeout_ms),
        heartbeat_interval_ms: bounded(common.heartbeat_interval_ms),
        assignment_interval_ms: bounded(common.assignment_interval_ms),
        max_size: common.max_size,
        assignors: groups.assignors.iter().map(|name| Str::from(name.as_str())).collect(),
        // The configuration has checked the name.
        migration_policy: ConsumerGroupMigrationPolicy::parse(&groups.migration_policy)
            .unwrap_or(ConsumerGroupMigrationPolicy::Bidirectional),
        regex_refresh_interval_ms: groups.regex_refresh_interval_ms,
    }
}

fn share(config: &BrokerConfig) -> ShareGroupConfig {
    let (groups, common) = (&config.newer_groups.share, &config.newer_groups.share.common);
    ShareGroupConfig {
        session_timeout_ms: bounded(common.session_timeout_ms),
        heartbeat_interval_ms: bounded(common.heartbeat_interval_ms),
        assignment_interval_ms: bounded(common.assignment_interval_ms),
        max_size: common.max_size,
        initialize_retry_interval_ms: groups.initialize_retry_interval_ms,
    }
}

fn streams(config: &BrokerConfig) -> StreamsGroupConfig {
    let (groups, common) = (&config.newer_groups.streams, &config.newer_groups.streams.common);
    StreamsGroupConfig {
        session_timeout_ms: bounded(common.session_timeout_ms),
        heartbeat_interval_ms: bounded(common.heartbeat_interval_ms),
        assignment_interval_ms: bounded(common.assignment_interval_ms),
        max_size: common.max_size,
        initial_rebalance_delay_ms: groups.initial_rebalance_delay_ms,
        num_standby_replicas: groups.num_standby_replicas,
        max_standby_replicas: groups.max_standby_replicas,
    }
}

fn bounded(bounds: ConfiguredBounds) -> Bounded {
    Bounded { value: bounds.value, min: bounds.min, max: bounds.max }
}
