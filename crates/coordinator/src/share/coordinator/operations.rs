//! Initialize, write, read, read summary, delete: each for one share partition. A request for many is as many
//! operations, for each can be in a shard of its own.

use ottla_protocol::{EncodeError, ErrorCode};

use super::combine::combine_state_batches;
use super::partition_state::PartitionState;
use super::record::{SharePartitionKey, snapshot_record, snapshot_tombstone, update_record};
use super::shard::{ShareCoordinatorShard, Tracked};
use crate::records::CoordinatorRecord;
use crate::reply::ReplyId;
use crate::result::CoordinatorResult;
use crate::share::partition::StateBatch;

/// Why an operation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct StateError {
    /// The code.
    pub code: ErrorCode,
    /// In words.
    pub message: String,
}

impl StateError {
    /// An error with words of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ErrorCode> for StateError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }
}

/// The answer to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateReply {
    /// To initialize, write and delete.
    Done,
    /// To read.
    State(ReadState),
    /// To read summary.
    Summary(StateSummary),
}

/// What a leader needs to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// Epoch of the state, for writes.
    pub state_epoch: i32,
    /// Where to begin; -1: as `share.auto.offset.reset` says.
    pub start_offset: i64,
    /// What is in flight.
    pub state_batches: Vec<StateBatch>,
}

/// What tools show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// Epoch of the state.
    pub state_epoch: i32,
    /// Epoch of the leader that wrote last.
    pub leader_epoch: i32,
    /// The start offset; -1: none yet.
    pub start_offset: i64,
    /// Records from it on that are done with; -1: not known.
    pub delivery_complete_count: i32,
}

/// What a leader writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// Epoch of the state that the writer has read; -1: whatever it is.
    pub state_epoch: i32,
    /// Epoch of the writer; -1: not a leader.
    pub leader_epoch: i32,
    /// New start offset; -1: as it was.
    pub start_offset: i64,
    /// Records from it on that are done with.
    pub delivery_complete_count: i32,
    /// What has changed.
    pub state_batches: Vec<StateBatch>,
}

type Answer = Result<(Option<CoordinatorRecord>, StateReply), StateError>;

impl ShareCoordinatorShard {
    /// Sets a share partition up, or anew (`initializeState`). `start_offset` -1: as
    /// `share.auto.offset.reset` says when it is first read.
    pub fn initialize_state(
        &self,
        key: &SharePartitionKey,
        state_epoch: i32,
        start_offset: i64,
        id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult<Self> {
        answer(id, self.initialize(key, state_epoch, start_offset, now_ms))
    }

    /// Keeps what a leader writes (`writeState`).
    pub fn write_state(
        &self,
        key: &SharePartitionKey,
        write: &StateWrite,
        id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult<Self> {
        answer(id, self.write(key, write, now_ms))
    }

    /// Tells a leader what is known, and fences its predecessors (`readStateAndMaybeUpdateLeaderEpoch`).
    pub fn read_state(
        &self,
        key: &SharePartitionKey,
        leader_epoch: i32,
        id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult<Self> {
        answer(id, self.read(key, leader_epoch, now_ms))
    }

    /// Tells the group coordinator where a share partition stands (`readStateSummary`).
    pub fn read_state_summary(&self, key: &SharePartitionKey, id: ReplyId) -> CoordinatorResult<Self> {
        answer(id, self.read_summary(key))
    }

    /// Forgets a share partition (`deleteState`).
    pub fn delete_state(&self, key: &SharePartitionKey, id: ReplyId) -> CoordinatorResult<Self> {
        answer(id, self.delete(key))
    }

    fn initialize(
        &self,
        key: &SharePartitionKey,
        state_epoch: i32,
        start_offset: i64,
        now_ms: i64,
    ) -> Answer {
        check_partition(key)?;
        let tracked = self.tracked(key);
        if state_epoch != -1 && tracked.is_some_and(|tracked| tracked.highest_state_epoch > state_epoch) {
            return Err(ErrorCode::FencedStateEpoch.into());
        }
        self.check_exists(key)?;
        let state = PartitionState {
            snapshot_epoch: tracked.map_or(0, |tracked| tracked.state.snapshot_epoch.saturating_add(1)),
            state_epoch,
            leader_epoch: 0,
            start_offset,
            delivery_complete_count: if start_offset == -1 { -1 } else { 0 },
            state_batches: Vec::new(),
            create_timestamp_ms: now_ms,
            write_timestamp_ms: now_ms,
        };
        Ok((Some(snapshot_record(key, &state).map_err(unwritable)?), StateReply::Done))
    }

    fn write(&self, key: &SharePartitionKey, write: &StateWrite, now_ms: i64) -> Answer {
        check_partition(key)?;
        let tracked = self.tracked(key).ok_or_else(|| uninitialized("Write"))?;
        check_leader_epoch(tracked, write.leader_epoch)?;
        if write.state_epoch != -1 && tracked.highest_state_epoch > write.state_epoch {
            return Err(ErrorCode::FencedStateEpoch.into());
        }
        self.check_exists(key)?;
        let record = self.state_record(key, tracked, write, tracked.state.leader_epoch, now_ms);
        Ok((Some(record.map_err(unwritable)?), StateReply::Done))
    }

    fn read(&self, key: &SharePartitionKey, leader_epoch: i32, now_ms: i64) -> Answer {
        check_partition(key)?;
        let tracked = self.tracked(key).ok_or_else(|| uninitialized("Read"))?;
        check_leader_epoch(tracked, leader_epoch)?;
        self.check_exists(key)?;
        let state = &tracked.state;
        let reply = StateReply::State(ReadState {
            state_epoch: state.state_epoch,
            start_offset: state.start_offset,
            state_batches: state.state_batches.clone(),
        });
        if leader_epoch == -1 || tracked.highest_leader_epoch == leader_epoch {
            return Ok((None, reply));
        }
        let write = StateWrite {
            state_epoch: state.state_epoch,
            leader_epoch,
            start_offset: state.start_offset,
            delivery_complete_count: state.delivery_complete_count,
            state_batches: Vec::new(),
        };
        let record = self.state_record(key, tracked, &write, leader_epoch, now_ms);
        Ok((Some(record.map_err(unwritable)?), reply))
    }

    fn read_summary(&self, key: &SharePartitionKey) -> Answer {
        check_partition(key)?;
        self.check_exists(key)?;
        let unknown =
            StateSummary { state_epoch: 0, leader_epoch: 0, start_offset: -1, delivery_complete_count: -1 };
        let summary = self.tracked(key).map_or(unknown, |Tracked { state, .. }| StateSummary {
            state_epoch: state.state_epoch,
            leader_epoch: state.leader_epoch,
            start_offset: state.start_offset,
            delivery_complete_count: state.delivery_complete_count,
        });
        Ok((None, StateReply::Summary(summary)))
    }

    fn delete(&self, key: &SharePartitionKey) -> Answer {
        check_partition(key)?;
        self.check_exists(key)?;
        let record = self.tracked(key).map(|_| snapshot_tombstone(key)).transpose().map_err(unwritable)?;
        Ok((record, StateReply::Done))
    }

    /// A snapshot once there are enough updates, else an update.
    fn state_record(
        &self,
        key: &SharePartitionKey,
        tracked: &Tracked,
        write: &StateWrite,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<CoordinatorRecord, EncodeError> {
        let state = &tracked.state;
        let update = PartitionState {
            snapshot_epoch: state.snapshot_epoch,
            state_epoch: state.state_epoch,
            leader_epoch,
            start_offset: write.start_offset,
            delivery_complete_count: write.delivery_complete_count,
            state_batches: combine_state_batches(write.state_batches.iter().copied(), write.start_offset),
            create_timestamp_ms: now_ms,
            write_timestamp_ms: now_ms,
        };
        if tracked.updates < self.config().snapshot_update_records_per_snapshot {
            return update_record(key, &update);
        }
        let mut snapshot = state.clone();
        snapshot.merge(update);
        snapshot.snapshot_epoch = snapshot.snapshot_epoch.saturating_add(1);
        snapshot.leader_epoch = leader_epoch;
        snapshot.create_timestamp_ms = now_ms;
        snapshot.write_timestamp_ms = now_ms;
        snapshot_record(key, &snapshot)
    }

    fn check_exists(&self, key: &SharePartitionKey) -> Result<(), StateError> {
        match self.image().topics.partition_by_id(key.topic_id, key.partition) {
            Some(_) => Ok(()),
            None => Err(ErrorCode::UnknownTopicOrPartition.into()),
        }
    }
}

fn check_partition(key: &SharePartitionKey) -> Result<(), StateError> {
    if key.partition < 0 {
        return Err(StateError::new(
            ErrorCode::InvalidRequest,
            "The partition id cannot be a negative number.",
        ));
    }
    Ok(())
}

fn check_leader_epoch(tracked: &Tracked, leader_epoch: i32) -> Result<(), StateError> {
    if leader_epoch != -1 && tracked.highest_leader_epoch > leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch.into());
    }
    Ok(())
}

fn uninitialized(what: &str) -> StateError {
    StateError::new(
        ErrorCode::InvalidRequest,
        format!("{what} operation on uninitialized share partition not allowed."),
    )
}

/// More state than fits into a record: the write is lost, what was known stays.
fn unwritable(_: EncodeError) -> StateError {
    ErrorCode::UnknownServerError.into()
}

fn answer(id: ReplyId, answer: Answer) -> CoordinatorResult<ShareCoordinatorShard> {
    let mut out = CoordinatorResult::default();
    match answer {
        Ok((record, reply)) => {
            out.records.extend(record);
            // Also a read waits for what was written before it.
            out.reply_after_commit(id, Ok(reply));
        }
        Err(error) => out.reply(id, Err(error)),
    }
    out
}
