//! What of the broker's configuration the group coordinator uses.

use ottla_protocol::Str;

/// How long a member that joins for the first time may wait for its JoinGroup response before it is
/// taken for gone (`GroupCoordinatorConfig.CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
pub const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;

/// Settings of the group coordinator, each named after its broker key. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCoordinatorConfig {
    /// `group.min.session.timeout.ms`
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub group_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.max.size`: most members of a classic group.
    pub group_max_size: i32,
    /// Not a broker key in Kafka: see [`NEW_MEMBER_JOIN_TIMEOUT_MS`].
    pub group_new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`: longest metadata of a committed offset. Kafka counts UTF-16 units, and so
    /// do we.
    pub offset_metadata_max_bytes: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.commit.timeout.ms`: how long an appended record may wait to be committed before the answers
    /// that depend on it are failed.
    pub offsets_commit_timeout_ms: i32,
    /// `group.consumer.*`
    pub consumer: ConsumerGroupConfig,
    /// `group.share.*`
    pub share: ShareGroupConfig,
    /// `group.streams.*`
    pub streams: StreamsGroupConfig,
}

/// What holds for groups that do not set a value of their own, and the bounds for those that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded {
    /// The value.
    pub value: i32,
    /// Least value a group may set.
    pub min: i32,
    /// Greatest value a group may set.
    pub max: i32,
}

/// Settings of consumer groups (KIP-848), named after the broker keys that begin with `group.consumer.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// `session.timeout.ms`
    pub session_timeout_ms: Bounded,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ms: Bounded,
    /// `assignment.interval.ms`: the least time between two target assignments.
    pub assignment_interval_ms: Bounded,
    /// `max.size`
    pub max_size: i32,
    /// `assignors`, by name; the first is the default.
    pub assignors: Vec<Str>,
    /// `migration.policy`
    pub migration_policy: ConsumerGroupMigrationPolicy,
    /// `regex.refresh.interval.ms`
    pub regex_refresh_interval_ms: i32,
}

impl Default for ConsumerGroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: SESSION_TIMEOUT_MS,
            heartbeat_interval_ms: HEARTBEAT_INTERVAL_MS,
            assignment_interval_ms: ASSIGNMENT_INTERVAL_MS,
            max_size: i32::MAX,
            assignors: vec![Str::from_static("uniform"), Str::from_static("range")],
            migration_policy: ConsumerGroupMigrationPolicy::Bidirectional,
            regex_refresh_interval_ms: 600_000,
        }
    }
}

/// Whether a group with members may go from one protocol to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerGroupMigrationPolicy {
    /// Both ways.
    Bidirectional,
    /// From classic to consumer.
    Upgrade,
    /// From consumer to classic.
    Downgrade,
    /// Not at all.
    Disabled,
}

impl ConsumerGroupMigrationPolicy {
    /// The policy of a name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        let policies = [
            ("bidirectional", Self::Bidirectional),
            ("upgrade", Self::Upgrade),
            ("downgrade", Self::Downgrade),
        ];
        let policies = policies.into_iter().chain([("disabled", Self::Disabled)]);
        policies.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| policy)
    }

    /// Whether classic groups may become consumer groups.
    pub fn is_upgrade_enabled(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    /// Whether consumer groups may become classic groups.
    pub fn is_downgrade_enabled(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

/// Settings of share groups (KIP-932), named after the broker keys that begin with `group.share.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupConfig {
    /// `session.timeout.ms`
    pub session_timeout_ms: Bounded,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ms: Bounded,
    /// `assignment.interval.ms`
    pub assignment_interval_ms: Bounded,
    /// `max.size`
    pub max_size: i32,
    /// `initialize.retry.interval.ms`
    pub initialize_retry_interval_ms: i32,
}

impl Default for ShareGroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: SESSION_TIMEOUT_MS,
            heartbeat_interval_ms: HEARTBEAT_INTERVAL_MS,
            assignment_interval_ms: ASSIGNMENT_INTERVAL_MS,
            max_size: 200,
            initialize_retry_interval_ms: 30_000,
        }
    }
}

/// Settings of streams groups (KIP-1071), named after the broker keys that begin with `group.streams.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsGroupConfig {
    /// `session.timeout.ms`
    pub session_timeout_ms: Bounded,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ms: Bounded,
    /// `assignment.interval.ms`
    pub assignment_interval_ms: Bounded,
    /// `max.size`
    pub max_size: i32,
    /// `initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `num.standby.replicas`
    pub num_standby_replicas: i32,
    /// `max.standby.replicas`
    pub max_standby_replicas: i32,
}

impl Default for StreamsGroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: SESSION_TIMEOUT_MS,
            heartbeat_interval_ms: HEARTBEAT_INTERVAL_MS,
            assignment_interval_ms: ASSIGNMENT_INTERVAL_MS,
            max_size: i32::MAX,
            initial_rebalance_delay_ms: 3_000,
            num_standby_replicas: 0,
            max_standby_replicas: 2,
        }
    }
}

const SESSION_TIMEOUT_MS: Bounded = Bounded { value: 45_000, min: 45_000, max: 60_000 };
const HEARTBEAT_INTERVAL_MS: Bounded = Bounded { value: 5_000, min: 5_000, max: 15_000 };
const ASSIGNMENT_INTERVAL_MS: Bounded = Bounded { value: 1_000, min: 0, max: 15_000 };

impl Default for GroupCoordinatorConfig {
    fn default() -> Self {
        Self {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: i32::MAX,
            group_new_member_join_timeout_ms: NEW_MEMBER_JOIN_TIMEOUT_MS,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
            offsets_retention_check_interval_ms: 600_000,
            offsets_commit_timeout_ms: 5_000,
            consumer: ConsumerGroupConfig::default(),
            share: ShareGroupConfig::default(),
            streams: StreamsGroupConfig::default(),
        }
    }
}

impl GroupCoordinatorConfig {
    /// `offsets.retention.minutes` as the milliseconds that [`Self::offsets_retention_ms`] holds.
    pub fn retention_ms(offsets_retention_minutes: i32) -> i64 {
        i64::from(offsets_retention_minutes) * 60 * 1000
    }

    pub(crate) fn max_size(&self) -> usize {
        usize::try_from(self.group_max_size).unwrap_or(0)
    }
}
