//! One assigned partition: where it is read, and what must happen before it can be
//! (`SubscriptionState.TopicPartitionState`).
//!
//! ```text
//! Initializing ──► Fetching ◄──► AwaitValidation      Initializing: no position yet, committed offsets are asked for
//!       │             │  ▲              │              AwaitReset: ListOffsets must tell where to begin
//!       └──► AwaitReset ─┘ ◄────────────┘              AwaitValidation: the leader changed, was the log truncated?
//! ```

use super::AutoOffsetReset;

/// The leader of a partition as the metadata has it, and its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// Node.
    pub leader: Option<i32>,
    /// Epoch.
    pub epoch: Option<i32>,
}

/// Where a partition is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchPosition {
    /// Offset of the next record.
    pub offset: i64,
    /// Epoch of the last record that was read, or that the commit named.
    pub offset_epoch: Option<i32>,
    /// The leader when the position was set or checked.
    pub current_leader: LeaderAndEpoch,
}

impl FetchPosition {
    /// A position of which nothing but the offset is known.
    #[cfg(test)]
    pub fn at(offset: i64) -> Self {
        Self { offset, ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchState {
    Initializing,
    Fetching,
    AwaitReset,
    AwaitValidation,
}

/// What is known of one assigned partition.
#[derive(Clone, Debug)]
pub struct PartitionState {
    fetch_state: FetchState,
    position: Option<FetchPosition>,
    reset: AutoOffsetReset,
    next_retry_ms: Option<i64>,
    preferred_read_replica: Option<(i32, i64)>,
    /// After an error that may pass, nothing is fetched before this time, Unix ms.
    pub fetch_retry_ms: i64,
    /// Places among the partitions of a fetch: the lowest comes first.
    pub(super) rank: u64,
    /// Newest high watermark that a leader told.
    pub high_watermark: Option<i64>,
    /// Newest log start offset that a leader told.
    pub log_start_offset: Option<i64>,
    /// Newest last stable offset that a leader told.
    pub last_stable_offset: Option<i64>,
    /// By the application.
    pub paused: bool,
    /// Will be given up in this rebalance: nothing more is fetched.
    pub pending_revocation: bool,
    /// The listener has not been told of the partition yet.
    pub pending_on_assigned_callback: bool,
    /// A look-up of the end offset for the lag is on its way.
    pub end_offset_requested: bool,
}

impl PartitionState {
    /// A partition that was just assigned.
    pub fn new(rank: u64) -> Self {
        Self {
            fetch_state: FetchState::Initializing,
            position: None,
            reset: AutoOffsetReset::None,
            next_retry_ms: None,
            preferred_read_replica: None,
            fetch_retry_ms: 0,
            rank,
            high_watermark: None,
            log_start_offset: None,
            last_stable_offset: None,
            paused: false,
            pending_revocation: false,
            pending_on_assigned_callback: false,
            end_offset_requested: false,
        }
    }

    /// The position, valid or not.
    pub fn position(&self) -> Option<FetchPosition> {
        self.position
    }

    /// The position, if it may be read from.
    pub fn valid_position(&self) -> Option<FetchPosition> {
        if self.has_valid_position() { self.position } else { None }
    }

    /// Whether the partition may be read from.
    pub fn has_valid_position(&self) -> bool {
        self.fetch_state == FetchState::Fetching
    }

    /// Whether nothing is in the way of a fetch.
    pub fn is_fetchable(&self) -> bool {
        !self.paused
            && !self.pending_revocation
            && !self.pending_on_assigned_callback
            && self.has_valid_position()
    }

    /// Whether there was no position since it was assigned.
    pub fn should_initialize(&self) -> bool {
        self.fetch_state == FetchState::Initializing && !self.pending_revocation
    }

    /// Whether a reset is to be looked up now, and by which strategy.
    pub fn reset_due(&self, now_ms: i64) -> Option<AutoOffsetReset> {
        (self.is_awaiting_reset() && !self.is_backing_off(now_ms)).then_some(self.reset)
    }

    /// Whether it waits for a reset.
    pub fn is_awaiting_reset(&self) -> bool {
        self.fetch_state == FetchState::AwaitReset
    }

    /// The strategy of the reset it waits for.
    pub fn reset_strategy(&self) -> AutoOffsetReset {
        self.reset
    }

    /// Whether the position must be checked against the leader's epochs.
    pub fn is_awaiting_validation(&self) -> bool {
        self.fetch_state == FetchState::AwaitValidation
    }

    /// The position to be checked now.
    pub fn validation_due(&self, now_ms: i64) -> Option<FetchPosition> {
        if self.is_awaiting_validation() && !self.is_backing_off(now_ms) { self.position } else { None }
    }

    /// When the next attempt of a look-up may be made, if one failed or is on its way.
    pub fn next_retry_ms(&self) -> Option<i64> {
        self.next_retry_ms
    }

    fn is_backing_off(&self, now_ms: i64) -> bool {
        self.next_retry_ms.is_some_and(|at| now_ms < at)
    }

    /// No look-up is made again before this time.
    pub fn set_next_retry(&mut self, at_ms: i64) {
        self.next_retry_ms = Some(at_ms);
    }

    /// The position is unknown until a look-up by this strategy.
    pub fn request_reset(&mut self, strategy: AutoOffsetReset) {
        self.fetch_state = FetchState::AwaitReset;
        self.position = None;
        self.reset = strategy;
        self.next_retry_ms = None;
    }

    /// A position that needs no check.
    pub fn seek_validated(&mut self, position: FetchPosition) {
        self.fetch_state = FetchState::Fetching;
        self.position = Some(position);
        self.next_retry_ms = None;
    }

    /// A position that is checked first if epochs are known.
    pub fn seek_unvalidated(&mut self, position: FetchPosition) {
        self.seek_validated(position);
        self.validate(position);
    }

    /// The position after records were handed out. Nothing happens without a valid position.
    pub fn advance(&mut self, position: FetchPosition) {
        if self.has_valid_position() {
            self.position = Some(position);
        }
    }

    fn validate(&mut self, position: FetchPosition) {
        if self.fetch_state == FetchState::AwaitReset {
            return;
        }
        let has_epochs = position.offset_epoch.is_some() && position.current_leader.epoch.is_some();
        self.fetch_state = if has_epochs { FetchState::AwaitValidation } else { FetchState::Fetching };
        self.position = Some(position);
        self.next_retry_ms = None;
    }

    /// The position was checked and is right.
    pub fn complete_validation(&mut self) {
        if self.position.is_some() && self.fetch_state != FetchState::AwaitReset {
            self.fetch_state = FetchState::Fetching;
            self.next_retry_ms = None;
        }
    }

    /// Takes note of the leader that the metadata names. With a new one the position is checked before anything more
    /// is fetched, if `can_validate`: the leader serves OffsetForLeaderEpoch.
    pub fn update_leader(&mut self, leader: LeaderAndEpoch, can_validate: bool) {
        if self.is_awaiting_reset() || leader.leader.is_none() {
            return;
        }
        let Some(position) = self.position.filter(|position| position.current_leader != leader) else {
            return;
        };
        let position = FetchPosition { current_leader: leader, ..position };
        self.fetch_retry_ms = 0;
        if can_validate {
            self.validate(position);
            self.preferred_read_replica = None;
        } else {
            self.fetch_state = FetchState::Fetching;
            self.position = Some(position);
            self.next_retry_ms = None;
        }
    }

    /// The follower to read from until it expires.
    pub fn preferred_read_replica(&mut self, now_ms: i64) -> Option<i32> {
        match self.preferred_read_replica {
            Some((_, expires_ms)) if now_ms > expires_ms => {
                self.preferred_read_replica = None;
                None
            }
            replica => replica.map(|(node, _)| node),
        }
    }

    /// The leader named a follower to read from. The time it holds is set when the follower changes.
    pub fn update_preferred_read_replica(&mut self, node: i32, expires_ms: i64) {
        if self.preferred_read_replica.map(|(known, _)| known) != Some(node) {
            self.preferred_read_replica = Some((node, expires_ms));
        }
    }

    /// Reads from the leader again; the follower that was read from.
    pub fn clear_preferred_read_replica(&mut self) -> Option<i32> {
        self.preferred_read_replica.take().map(|(node, _)| node)
    }
}
