//! One partition's records in flight for one group, as data threads and its keeper share them.
//!
//! *Invariant:* whoever holds the mutex does not wait: neither for a disk nor for the persister.

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_coordinator::share::SharePartition;
use ottla_coordinator::share::coordinator::{ReadState, SharePartitionKey, StateError, StateWrite};
use ottla_coordinator::share::partition::{AcknowledgeError, AcknowledgementBatch, PendingWrite};
use ottla_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::ShareError;
use super::settings::ShareSettings;
use crate::partitions::{Partition, ReadResult};
use crate::waiting::FetchWaiters;

/// What came of a write.
pub type Written = Result<(), ShareError>;

/// State batches that one write to the persister may hold, if it is more than one operation's.
const WRITE_BATCHES_MAX: usize = 500;

pub(super) enum Phase {
    /// The state has not been read yet.
    Loading,
    Active(Box<SharePartition>),
    /// It does not serve any more, or never did.
    Gone(ShareError),
}

/// A write that waits for its turn.
pub(super) struct QueuedWrite {
    write: PendingWrite,
    reply: Option<oneshot::Sender<Written>>,
}

/// What the mutex protects.
pub(super) struct State {
    pub phase: Phase,
    writes: VecDeque<QueuedWrite>,
    /// Somebody reads headers from a file, to acquire what is there.
    pub is_being_read: bool,
    /// The group has no members here.
    pub is_retiring: bool,
    /// When the keeper looks for locks that have run out, Unix ms.
    pub armed_ms: Option<i64>,
}

/// What the keeper does next.
pub(super) enum Next {
    /// Write.
    Write(StateWrite, Vec<QueuedWrite>),
    /// Wait until somebody calls, or until then (Unix ms).
    Wait(Option<i64>),
    /// Take the partition away: its group has no members here.
    Retire,
    /// End.
    End,
}

/// One partition's records in flight for one group.
pub struct SharedPartition {
    /// Which.
    pub key: SharePartitionKey,
    /// The partition's log.
    pub hosted: Arc<Partition>,
    /// Leader epoch under which the state is read and written.
    pub leader_epoch: i32,
    /// Share fetches that wait for records to become available.
    pub waiters: FetchWaiters,
    /// Calls the keeper.
    pub(super) work: Notify,
    pub(super) state: Mutex<State>,
}

impl SharedPartition {
    /// A partition whose state has not been read.
    pub fn new(key: SharePartitionKey, hosted: Arc<Partition>) -> Self {
        let leader_epoch = hosted.leader_epoch();
        let state = State {
            phase: Phase::Loading,
            writes: VecDeque::new(),
            is_being_read: false,
            is_retiring: false,
            armed_ms: None,
        };
        Self {
            key,
            hosted,
            leader_epoch,
            waiters: FetchWaiters::default(),
            work: Notify::new(),
            state: Mutex::new(state),
        }
    }

    /// A member says what became of records. What is returned has an outcome when that is written; `None`: it
    /// needs no writing.
    ///
    /// # Errors
    /// When records are not the member's, or the batches make no sense.
    pub fn acknowledge(
        &self,
        member_id: &Str,
        acknowledged: &[AcknowledgementBatch],
        settings: &ShareSettings,
        now_ms: i64,
    ) -> Result<Option<oneshot::Receiver<Written>>, ShareError> {
        let mut state = self.state.lock();
        let partition = match &mut state.phase {
            Phase::Active(partition) => partition,
            Phase::Loading => {
                return Err(StateError::new(
                    ErrorCode::InvalidRecordState,
                    "Batch record not found. The request batch offsets are not found in the cache.",
                ));
            }
            Phase::Gone(error) => return Err(error.clone()),
        };
        partition.set_config(settings.partition);
        let write = partition.acknowledge(member_id, acknowledged, now_ms).map_err(|error| {
            let code = match &error {
                AcknowledgeError::InvalidRequest(_) => ErrorCode::InvalidRequest,
                AcknowledgeError::InvalidRecordState(_) => ErrorCode::InvalidRecordState,
            };
            StateError::new(code, error.to_string())
        })?;
        let Some(write) = write else { return Ok(None) };
        let (reply, outcome) = oneshot::channel();
        state.writes.push_back(QueuedWrite { write, reply: Some(reply) });
        self.work.notify_one();
        Ok(Some(outcome))
    }

    /// A member is gone.
    pub fn release(&self, member_id: &Str) {
        let mut state = self.state.lock();
        let Phase::Active(partition) = &mut state.phase else { return };
        if let Some(write) = partition.release_acquired_records(member_id) {
            state.writes.push_back(QueuedWrite { write, reply: None });
            self.work.notify_one();
        }
    }

    /// The partition serves no more. What is queued is still written.
    pub fn end(&self, error: ShareError) {
        self.state.lock().phase = Phase::Gone(error);
        self.work.notify_one();
        self.waiters.wake_all();
    }

    /// The group has no members here: the partition goes once all is written.
    pub(super) fn retire(&self) {
        self.state.lock().is_retiring = true;
        self.work.notify_one();
    }

    /// The group has members here after all.
    pub(super) fn stay(&self) {
        self.state.lock().is_retiring = false;
    }

    /// Whether the partition can be taken away without anything being lost.
    pub(super) fn may_retire(&self) -> bool {
        let state = self.state.lock();
        state.is_retiring && state.writes.is_empty() && !state.is_being_read
    }

    /// The state has been read. `start_offset` is that of the state, or where to begin without one.
    pub(super) fn loaded(
        &self,
        settings: &ShareSettings,
        read: &ReadState,
        start_offset: i64,
    ) -> Result<(), ShareError> {
        let epochs = (self.leader_epoch, read.state_epoch);
        let partition =
            SharePartition::new(settings.partition, epochs.0, epochs.1, start_offset, &read.state_batches)
                .map_err(|why| StateError::new(ErrorCode::UnknownServerError, why.to_string()))?;
        let mut state = self.state.lock();
        if let Phase::Loading = state.phase {
            state.phase = Phase::Active(Box::new(partition));
        }
        drop(state);
        self.waiters.wake_all();
        Ok(())
    }

    /// Lets locks run out, and says what the keeper does next.
    pub(super) fn next(&self, now_ms: i64) -> Next {
        let mut state = self.state.lock();
        let mut is_released = false;
        if let Phase::Active(partition) = &mut state.phase {
            let write = partition.on_deadline(now_ms);
            let deadline_ms = partition.next_deadline_ms();
            is_released = write.is_some();
            state.writes.extend(write.map(|write| QueuedWrite { write, reply: None }));
            state.armed_ms = deadline_ms;
        }
        let next = match state.take_writes() {
            Some((write, queued)) => Next::Write(write, queued),
            None => match &state.phase {
                Phase::Gone(_) => Next::End,
                _ if state.is_retiring && !state.is_being_read => Next::Retire,
                _ => Next::Wait(state.armed_ms),
            },
        };
        drop(state);
        if is_released {
            self.waiters.wake_all();
        }
        next
    }

    /// Writes have ended.
    pub(super) fn written(&self, writes: Vec<QueuedWrite>, outcome: &Written) {
        let mut state = self.state.lock();
        let mut may_wake = false;
        if let Phase::Active(partition) = &mut state.phase {
            for queued in &writes {
                may_wake |= partition.complete_write(&queued.write, outcome.is_ok());
            }
            may_wake = may_wake
                && partition.can_acquire_records()
                && partition.next_fetch_offset() < self.hosted.high_watermark();
        }
        drop(state);
        for reply in writes.into_iter().filter_map(|queued| queued.reply) {
            // Whoever asked may be gone.
            let _ = reply.send(outcome.clone());
        }
        if may_wake {
            self.waiters.wake_all();
        }
    }
}

impl State {
    /// Where to read for records that can be acquired; `None`: not now.
    pub fn next_fetch_offset(&mut self, settings: &ShareSettings) -> Result<Option<i64>, ShareError> {
        match &mut self.phase {
            Phase::Loading => Ok(None),
            Phase::Gone(error) => Err(error.clone()),
            Phase::Active(partition) => {
                partition.set_config(settings.partition);
                let may = !self.is_being_read && partition.can_acquire_records();
                Ok(may.then(|| partition.next_fetch_offset()))
            }
        }
    }

    /// How far a read from `offset` must be looked through to find `max_records` to give: who is given 500 records
    /// of a read of 50 MB shall not wait until all its headers have been read. Where transactions were aborted
    /// nobody knows how many records are left.
    pub fn last_offset_wanted(&self, offset: i64, max_records: i32, read: &ReadResult) -> i64 {
        match &self.phase {
            Phase::Active(partition) if read.aborted_transactions.as_ref().is_none_or(Vec::is_empty) => {
                offset.max(partition.end_offset() + 1).saturating_add(i64::from(max_records) - 1)
            }
            _ => i64::MAX,
        }
    }

    /// Takes what is queued, as one write: the persister combines state batches anyway, and while it writes
    /// one set the next gathers.
    fn take_writes(&mut self) -> Option<(StateWrite, Vec<QueuedWrite>)> {
        let mut taken: Vec<QueuedWrite> = Vec::new();
        let mut state_batches = Vec::new();
        while let Some(next) = self.writes.front() {
            let len = state_batches.len() + next.write.state_batches.len();
            if len > WRITE_BATCHES_MAX && !taken.is_empty() {
                break;
            }
            state_batches.extend_from_slice(&next.write.state_batches);
            taken.extend(self.writes.pop_front());
        }
        let last = &taken.last()?.write;
        let write = StateWrite {
            state_epoch: last.state_epoch,
            leader_epoch: last.leader_epoch,
            start_offset: last.start_offset,
            delivery_complete_count: last.delivery_complete_count,
            state_batches,
        };
        Some((write, taken))
    }
}
