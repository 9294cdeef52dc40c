//! What of the broker's configuration the group coordinator uses.

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
}

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
