//! What an operation of the coordinator asks of its driver.

use ottla_protocol::{ErrorCode, Str};

use crate::coordinator_shard::CoordinatorShard;
use crate::records::CoordinatorRecord;
use crate::reply::ReplyId;
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerAction;

/// The outcome of one operation. The driver does, in this order:
///
/// 1. `timers`: arm and cancel;
/// 2. `replies`: send; they depend on nothing that is not written yet;
/// 3. `records`, if any: append them to the shard's partition as `write` says. When that fails, hand
///    `deferred` to `on_records_failed`. When it succeeds, tell the shard with `on_records_appended`;
/// 4. `deferred`, unless it is empty: keep it until everything written so far is committed, then hand it to
///    `on_records_committed`. With nothing in flight that is at once.
///
/// [`CoordinatorRuntime`](crate::CoordinatorRuntime) does all of it.
#[derive(Debug)]
#[must_use]
pub struct CoordinatorResult<S: CoordinatorShard = GroupCoordinatorShard> {
    /// Records to append.
    pub records: Vec<CoordinatorRecord>,
    /// How to append them.
    pub write: WriteOptions,
    /// Answers to send now.
    pub replies: Vec<(ReplyId, S::Reply)>,
    /// What waits for the commit.
    pub deferred: Deferred<S>,
    /// Orders to the clock.
    pub timers: Vec<TimerAction<S::TimerKey>>,
    /// What an operator would want in the log.
    pub events: Vec<S::Event>,
}

/// How records are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Whether `on_records_appended` replays the records. Not so where the state they describe is held
    /// already: a classic group changes while its members talk, and its record says where it arrived.
    pub replay: bool,
    /// Whether the records are appended all or none, in one batch. Otherwise several batches may be made of
    /// them.
    pub atomic: bool,
    /// The producer on whose behalf the records are written: they go into a transactional batch of its own.
    pub producer: Option<ProducerIdAndEpoch>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { replay: true, atomic: true, producer: None }
    }
}

impl<S: CoordinatorShard> Default for CoordinatorResult<S> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            write: WriteOptions::default(),
            replies: Vec::new(),
            deferred: Deferred::default(),
            timers: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl<S: CoordinatorShard> CoordinatorResult<S> {
    /// Answers now.
    pub(crate) fn reply(&mut self, id: ReplyId, reply: S::Reply) {
        self.replies.push((id, reply));
    }

    /// Answers once everything written so far, this result's records included, is committed.
    pub(crate) fn reply_after_commit(&mut self, id: ReplyId, reply: S::Reply) {
        self.deferred.replies.push((id, reply));
    }

    /// Writes a record that describes state which is held already, and says what to do about the outcome.
    pub(crate) fn persist(&mut self, record: CoordinatorRecord, action: S::Action) {
        self.records.push(record);
        self.write.replay = false;
        self.deferred.action = Some(action);
    }

    pub(crate) fn schedule(&mut self, key: S::TimerKey, now_ms: i64, delay_ms: i64) {
        self.timers.push(TimerAction::Schedule { key, deadline_ms: now_ms.saturating_add(delay_ms.max(0)) });
    }

    pub(crate) fn cancel(&mut self, key: S::TimerKey) {
        self.timers.push(TimerAction::Cancel { key });
    }
}

/// What is to happen once the records are committed, or turn out not to be written. Opaque to the driver,
/// which hands it back. Dropping it leaves requests unanswered.
#[derive(Debug)]
pub struct Deferred<S: CoordinatorShard = GroupCoordinatorShard> {
    pub(crate) replies: Vec<(ReplyId, S::Reply)>,
    pub(crate) action: Option<S::Action>,
}

impl<S: CoordinatorShard> Default for Deferred<S> {
    fn default() -> Self {
        Self { replies: Vec::new(), action: None }
    }
}

impl<S: CoordinatorShard> Deferred<S> {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.action.is_none()
    }
}

/// The producer of a transactional batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdAndEpoch {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

/// Something that happened to a group and that an operator may ask about later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A rebalance began.
    PreparingRebalance {
        /// The group.
        group_id: Str,
        /// Generation that ends.
        generation_id: i32,
        /// Why, in words.
        reason: String,
    },
    /// All members have joined, and the leader was asked for an assignment.
    Stabilized {
        /// The group.
        group_id: Str,
        /// The new generation.
        generation_id: i32,
        /// Number of its members.
        members: usize,
    },
    /// The last member is gone.
    Emptied {
        /// The group.
        group_id: Str,
        /// The new generation.
        generation_id: i32,
    },
    /// A member was removed: it left, was evicted, or was not heard of in time.
    MemberRemoved {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
        /// Why, in words.
        reason: String,
    },
    /// A record was not written or not committed.
    WriteFailed {
        /// The group.
        group_id: Str,
        /// How the members were told.
        error: ErrorCode,
    },
    /// Expired offsets and empty groups were removed.
    Expired {
        /// Tombstones written.
        tombstones: usize,
    },
}
