//! Performs what a shard asks for: the part of a driver that needs neither clock nor task
//! (`CoordinatorRuntime.CoordinatorContext`).
//!
//! The owner of the runtime calls it with every request, when the high watermark of the partition has moved,
//! and at [`next_deadline_ms`](CoordinatorRuntime::next_deadline_ms). Each call returns the answers that are
//! due.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ottla_coordinator::*;
//! use ottla_protocol::messages::HeartbeatRequest;
//!
//! # struct Partition;
//! # impl RecordLog for Partition {
//! #     fn append(&mut self, _: Append<'_>) -> Result<Appended, ottla_protocol::ErrorCode> {
//! #         Ok(Appended { base_offset: 0, high_watermark: 1 })
//! #     }
//! #     fn batch_bytes_max(&self) -> usize { 1 << 20 }
//! # }
//! # let (mut partition, high_watermark, now_ms) = (Partition, 0, 1_700_000_000_000);
//! let config = Arc::new(GroupCoordinatorConfig::default());
//! let mut shard = GroupCoordinatorShard::new(config);
//! shard.on_high_watermark(high_watermark);
//! // ... shard.replay(...) for each record, shard.replay_end_txn_marker(...) for each control record
//! let (mut runtime, _) = CoordinatorRuntime::new(shard, None, high_watermark, &mut partition, now_ms);
//!
//! let request = HeartbeatRequest { group_id: "group".into(), ..Default::default() };
//! let id = ReplyId(1);
//! let outcome = runtime.run(&mut partition, now_ms, |shard| shard.heartbeat(&request, id, now_ms));
//! assert_eq!(outcome.replies.len(), 1);
//!
//! let wake_at_ms = runtime.next_deadline_ms().expect("the look for expired offsets at least");
//! let outcome = runtime.on_deadline(&mut partition, wake_at_ms);
//! assert!(outcome.replies.is_empty());
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;

use crate::coordinator_shard::{CoordinatorShard, ReplayError};
use crate::records::CoordinatorRecord;
use crate::reply::ReplyId;
use crate::result::{CoordinatorResult, Deferred, ProducerIdAndEpoch};
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerQueue;

/// The partition that a shard's records go to.
pub trait RecordLog {
    /// Appends records as one batch.
    ///
    /// # Errors
    /// As the log says; nothing is appended then.
    fn append(&mut self, append: Append<'_>) -> Result<Appended, ErrorCode>;

    /// Largest sum of keys and values, in bytes, that should go into one batch.
    fn batch_bytes_max(&self) -> usize;
}

/// Records to append.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The records; at least one.
    pub records: &'a [CoordinatorRecord],
    /// Whose transaction the batch belongs to, if any.
    pub producer: Option<ProducerIdAndEpoch>,
    /// Time stamp of the records, Unix ms.
    pub now_ms: i64,
}

/// Where records were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The partition's high watermark after the append: a partition without followers commits at once.
    pub high_watermark: i64,
}

/// What a call of the runtime brought.
#[derive(Debug)]
#[must_use]
pub struct Outcome<S: CoordinatorShard = GroupCoordinatorShard> {
    /// Answers to send.
    pub replies: Vec<(ReplyId, S::Reply)>,
    /// What to log or to do.
    pub events: Vec<S::Event>,
    /// The shard has lost track of its log: unload it, and load it anew.
    pub broken: Option<ReplayError>,
}

impl<S: CoordinatorShard> Default for Outcome<S> {
    fn default() -> Self {
        Self { replies: Vec::new(), events: Vec::new(), broken: None }
    }
}

/// A shard with its timers and what waits for the high watermark.
#[derive(Debug)]
pub struct CoordinatorRuntime<S: CoordinatorShard = GroupCoordinatorShard> {
    shard: S,
    timers: TimerQueue<S::TimerKey>,
    /// What waits, in order of its offset. The offset must be committed, that is, at most the high watermark.
    waiting: VecDeque<Waiting<S>>,
    high_watermark: i64,
    commit_timeout_ms: i64,
}

#[derive(Debug)]
struct Waiting<S: CoordinatorShard> {
    end_offset: i64,
    deadline_ms: i64,
    deferred: Deferred<S>,
}

impl<S: CoordinatorShard> CoordinatorRuntime<S> {
    /// A runtime for a shard that has been loaded: all records below `high_watermark` and beyond have been
    /// replayed. Tells it the metadata, if any is known, and arms its timers.
    pub fn new(
        mut shard: S,
        image: Option<Arc<MetadataImage>>,
        high_watermark: i64,
        log: &mut impl RecordLog,
        now_ms: i64,
    ) -> (Self, Outcome<S>) {
        shard.on_high_watermark(high_watermark);
        let commit_timeout_ms = shard.commit_timeout_ms();
        let mut runtime = Self {
            shard,
            timers: TimerQueue::default(),
            waiting: VecDeque::new(),
            high_watermark,
            commit_timeout_ms,
        };
        let mut outcome = Outcome::default();
        if let Some(image) = image {
            let result = runtime.shard.on_metadata(image, now_ms);
            runtime.perform(result, log, now_ms, &mut outcome);
        }
        let result = runtime.shard.on_loaded(now_ms);
        runtime.perform(result, log, now_ms, &mut outcome);
        (runtime, outcome)
    }

    /// Runs an operation of the shard, and does what it asks for.
    pub fn run(
        &mut self,
        log: &mut impl RecordLog,
        now_ms: i64,
        operation: impl FnOnce(&mut S) -> CoordinatorResult<S>,
    ) -> Outcome<S> {
        let mut outcome = Outcome::default();
        let result = operation(&mut self.shard);
        self.perform(result, log, now_ms, &mut outcome);
        outcome
    }

    /// The armed timers.
    pub fn timers(&self) -> &TimerQueue<S::TimerKey> {
        &self.timers
    }

    /// The shard, for operations that only read.
    pub fn shard(&self) -> &S {
        &self.shard
    }

    /// A transaction's marker was appended to the partition at `offset`.
    pub fn on_end_txn_marker(
        &mut self,
        log: &mut impl RecordLog,
        offset: i64,
        producer_id: i64,
        commit: bool,
        high_watermark: i64,
        now_ms: i64,
    ) -> Outcome<S> {
        self.shard.replay_end_txn_marker(offset, producer_id, commit);
        self.on_high_watermark(log, high_watermark, now_ms)
    }

    /// The high watermark of the partition has moved.
    pub fn on_high_watermark(
        &mut self,
        log: &mut impl RecordLog,
        high_watermark: i64,
        now_ms: i64,
    ) -> Outcome<S> {
        let mut outcome = Outcome::default();
        self.advance(high_watermark, log, now_ms, &mut outcome);
        outcome
    }

    /// When [`Self::on_deadline`] has something to do, Unix ms.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let timer = self.timers.next_deadline_ms();
        let commit = self.waiting.front().map(|waiting| waiting.deadline_ms);
        timer.into_iter().chain(commit).min()
    }

    /// Time has passed: fires timers, and gives up waiting for commits.
    pub fn on_deadline(&mut self, log: &mut impl RecordLog, now_ms: i64) -> Outcome<S> {
        let mut outcome = Outcome::default();
        while self.waiting.front().is_some_and(|waiting| waiting.deadline_ms <= now_ms) {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let result = self.shard.on_commit_failed(waiting.deferred, ErrorCode::RequestTimedOut, now_ms);
            self.perform(result, log, now_ms, &mut outcome);
        }
        // As many as are armed now: should they arm others for now, those fire in the next call.
        for _ in 0..self.timers.len() {
            let Some(key) = self.timers.pop_expired(now_ms) else { break };
            let result = self.shard.on_timer(&key, now_ms);
            self.perform(result, log, now_ms, &mut outcome);
        }
        outcome
    }

    /// The partition is no longer served here: answers all who wait.
    pub fn unload(mut self, now_ms: i64) -> Outcome<S> {
        let mut outcome = Outcome::default();
        for waiting in std::mem::take(&mut self.waiting) {
            let result = self.shard.on_commit_failed(waiting.deferred, ErrorCode::NotCoordinator, now_ms);
            outcome.replies.extend(result.replies);
            outcome.events.extend(result.events);
        }
        let result = self.shard.on_unloaded(now_ms);
        outcome.replies.extend(result.replies);
        outcome.events.extend(result.events);
        outcome
    }

    fn perform(
        &mut self,
        result: CoordinatorResult<S>,
        log: &mut impl RecordLog,
        now_ms: i64,
        outcome: &mut Outcome<S>,
    ) {
        let CoordinatorResult { records, write, replies, deferred, timers, events } = result;
        timers.into_iter().for_each(|timer| self.timers.apply(timer));
        outcome.replies.extend(replies);
        outcome.events.extend(events);
        let batches = if write.atomic { vec![&records[..]] } else { split(&records, log.batch_bytes_max()) };
        for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
            match log.append(Append { records: batch, producer: write.producer, now_ms }) {
                Ok(appended) => {
                    if let Err(error) = self.shard.on_records_appended(write, batch, appended.base_offset) {
                        outcome.broken = Some(error);
                    }
                    self.advance(appended.high_watermark, log, now_ms, outcome);
                }
                Err(error) => {
                    let result = self.shard.on_records_failed(deferred, error, now_ms);
                    self.perform(result, log, now_ms, outcome);
                    return;
                }
            }
        }
        if deferred.is_empty() {
            return;
        }
        let end_offset = self.shard.log_end_offset();
        if end_offset <= self.high_watermark {
            let result = self.shard.on_records_committed(deferred, now_ms);
            self.perform(result, log, now_ms, outcome);
        } else {
            let deadline_ms = now_ms.saturating_add(self.commit_timeout_ms);
            self.waiting.push_back(Waiting { end_offset, deadline_ms, deferred });
        }
    }

    fn advance(
        &mut self,
        high_watermark: i64,
        log: &mut impl RecordLog,
        now_ms: i64,
        outcome: &mut Outcome<S>,
    ) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.shard.on_high_watermark(self.high_watermark);
        while self.waiting.front().is_some_and(|waiting| waiting.end_offset <= self.high_watermark) {
            let Some(waiting) = self.waiting.pop_front() else { return };
            let result = self.shard.on_records_committed(waiting.deferred, now_ms);
            self.perform(result, log, now_ms, outcome);
        }
    }
}

/// Cuts records into batches of at most `bytes_max`, or of one record that is larger.
fn split(records: &[CoordinatorRecord], bytes_max: usize) -> Vec<&[CoordinatorRecord]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        let size = record.key.len() + record.value.as_ref().map_or(0, |value| value.len());
        if at > start && bytes + size > bytes_max {
            batches.push(&records[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    batches.push(&records[start..]);
    batches
}

#[cfg(test)]
#[path = "runtime_test.rs"]
mod tests;
