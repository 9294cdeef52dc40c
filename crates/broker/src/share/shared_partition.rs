//! One partition's records in flight for one group, as data threads and its keeper share them.
//!
//! *Invariant:* whoever holds the mutex does not wait: neither for a disk nor for the persister.

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_coordinator::share::SharePartition;
use ottla_coordinator::share::coordinator::{ReadState, SharePartitionKey, StateError, StateWrite};
use ottla_coordinator::share::partition::{
    AbortedTransaction, AcknowledgeError, AcknowledgementBatch, Acquire, AcquireMode, AcquiredRecords,
    PendingWrite,
};
use ottla_protocol::{ErrorCode, Str};
use ottla_storage::Piece;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::ShareError;
use super::batches::{self, ReadBatch};
use super::settings::ShareSettings;
use crate::partitions::{Partition, ReadRefused, ReadResult};
use crate::waiting::FetchWaiters;

/// How often records that nobody may have are passed over before the member is asked to come again.
const ATTEMPTS_MAX: usize = 16;
/// State batches that one write to the persister may hold, if it is more than one operation's.
const WRITE_BATCHES_MAX: usize = 500;

/// Whether a member can be given records.
#[derive(Debug)]
pub enum Turn {
    /// Not now: the state is being read, another member's records are, or there are too many locks.
    Busy,
    /// Yes.
    Ready,
    /// Never.
    Gone(ShareError),
}

/// What a member wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Who it is.
    pub member_id: &'a Str,
    /// What its group is configured to.
    pub settings: &'a ShareSettings,
    /// How `max_records` is meant.
    pub mode: AcquireMode,
    /// About how many records an acquired batch should hold.
    pub batch_size: i32,
    /// How many records to take.
    pub max_records: i32,
    /// Bytes to read.
    pub max_bytes: usize,
    /// Whether the first batch may be larger.
    pub min_one_message: bool,
    /// The time, Unix ms.
    pub now_ms: i64,
}

/// What a member gets.
#[derive(Debug, Default)]
pub struct TakenRecords {
    /// What it owns now.
    pub acquired: Vec<AcquiredRecords>,
    /// The batches that hold them.
    pub pieces: Vec<Piece>,
    /// Their length in bytes.
    pub size: usize,
    /// Records were passed over, and there may be others behind them.
    pub come_again: bool,
}

/// What came of an attempt.
pub enum Taken {
    /// Nothing can be given now.
    Busy,
    /// Records, or none.
    Records(TakenRecords),
    /// There are records, whose headers must be read from a file.
    Cold(ColdRead),
    /// The log can't be read, or the partition is gone.
    Failed(ShareError),
}

enum Phase {
    /// The state has not been read yet.
    Loading,
    Active(Box<SharePartition>),
    /// It does not serve any more, or never did.
    Gone(ShareError),
}

/// A write that waits for its turn.
pub(super) struct QueuedWrite {
    write: PendingWrite,
    reply: Option<oneshot::Sender<Result<(), ShareError>>>,
}

struct State {
    phase: Phase,
    writes: VecDeque<QueuedWrite>,
    /// Somebody reads headers from a file, to acquire what is there.
    is_being_read: bool,
    /// The group has no members here.
    is_retiring: bool,
    /// When the keeper looks for locks that have run out, Unix ms.
    armed_ms: Option<i64>,
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
    state: Mutex<State>,
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

    /// Whether a member can be given records now, if there are any.
    pub fn turn(&self, settings: &ShareSettings) -> Turn {
        match self.state.lock().next_fetch_offset(settings) {
            Ok(Some(_)) => Turn::Ready,
            Ok(None) => Turn::Busy,
            Err(error) => Turn::Gone(error),
        }
    }

    /// Bytes that could be read now, up to `max_bytes`.
    pub fn available_bytes(&self, settings: &ShareSettings, max_bytes: usize) -> usize {
        let offset = self.state.lock().next_fetch_offset(settings);
        let Ok(Some(offset)) = offset else { return 0 };
        self.hosted.read(offset, max_bytes, true, settings.bound).map_or(0, |read| read.size)
    }

    /// Gives a member records.
    pub fn take(self: &Arc<Self>, wanted: &Wanted<'_>) -> Taken {
        let mut state = self.state.lock();
        let mut before = None;
        for _ in 0..ATTEMPTS_MAX {
            let offset = match state.next_fetch_offset(wanted.settings) {
                Ok(Some(offset)) => offset,
                Ok(None) => return Taken::Busy,
                Err(error) => return Taken::Failed(error),
            };
            if before.replace(offset) == Some(offset) {
                return Taken::Records(TakenRecords::default());
            }
            let bound = wanted.settings.bound;
            let read = match self.hosted.read(offset, wanted.max_bytes, wanted.min_one_message, bound) {
                Ok(read) => read,
                Err(refused) => match self.refused(&mut state, refused) {
                    Ok(()) => continue,
                    Err(error) => return Taken::Failed(error),
                },
            };
            if read.size == 0 {
                return Taken::Records(TakenRecords::default());
            }
            if batches::is_on_disk(&read.pieces) {
                state.is_being_read = true;
                return Taken::Cold(ColdRead { shared: self.clone(), offset, read });
            }
            let Ok(found) = batches::scan(&read.pieces) else {
                return Taken::Failed(ErrorCode::CorruptMessage.into());
            };
            let taken = self.acquire(&mut state, offset, read, &found, wanted);
            if !taken.acquired.is_empty() {
                return Taken::Records(taken);
            }
        }
        Taken::Records(TakenRecords { come_again: true, ..Default::default() })
    }

    /// What was to be read has been deleted: on behind it (`ShareFetchUtils.processFetchResponse`).
    fn refused(&self, state: &mut State, refused: ReadRefused) -> Result<(), ShareError> {
        if refused.error != ErrorCode::OffsetOutOfRange {
            return Err(refused.error.into());
        }
        if let Phase::Active(partition) = &mut state.phase {
            partition.on_log_start_offset(self.hosted.log_start_offset());
        }
        Ok(())
    }

    fn acquire(
        &self,
        state: &mut State,
        fetch_offset: i64,
        read: ReadResult,
        found: &[ReadBatch],
        wanted: &Wanted<'_>,
    ) -> TakenRecords {
        let Phase::Active(partition) = &mut state.phase else { return TakenRecords::default() };
        let fetched: Vec<_> = found.iter().map(|read| read.batch).collect();
        let aborted = read.aborted_transactions.unwrap_or_default().into_iter();
        let aborted: Vec<_> = aborted
            .map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset })
            .collect();
        let request = Acquire {
            member_id: wanted.member_id,
            mode: wanted.mode,
            batch_size: wanted.batch_size,
            max_records: wanted.max_records,
            fetch_offset,
            batches: &fetched,
            aborted_transactions: &aborted,
        };
        let acquired = partition.acquire(&request, wanted.now_ms);
        if let Some(deadline_ms) = partition.next_deadline_ms()
            && state.armed_ms.is_none_or(|armed_ms| deadline_ms < armed_ms)
        {
            state.armed_ms = Some(deadline_ms);
            self.work.notify_one();
        }
        let (pieces, size) = batches::slice(read.pieces, found, &acquired);
        TakenRecords { acquired, pieces, size, come_again: false }
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
    ) -> Result<Option<oneshot::Receiver<Result<(), ShareError>>>, ShareError> {
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
    pub(super) fn written(&self, writes: Vec<QueuedWrite>, outcome: &Result<(), ShareError>) {
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
    fn next_fetch_offset(&mut self, settings: &ShareSettings) -> Result<Option<i64>, ShareError> {
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

/// Records on disk, which nobody else can acquire until their headers have been read.
pub struct ColdRead {
    shared: Arc<SharedPartition>,
    offset: i64,
    read: ReadResult,
}

impl ColdRead {
    /// The bytes whose headers are to be read, where blocking is allowed.
    pub fn pieces(&self) -> Vec<Piece> {
        self.read.pieces.clone()
    }

    /// Acquires what was found.
    pub fn finish(mut self, found: &[ReadBatch], wanted: &Wanted<'_>) -> Taken {
        let read = ReadResult { pieces: std::mem::take(&mut self.read.pieces), ..self.empty_read() };
        // Not longer than this block: the end of `self` takes the mutex too.
        let outcome = {
            let mut state = self.shared.state.lock();
            match &state.phase {
                Phase::Gone(error) => Err(error.clone()),
                _ => Ok(self.shared.acquire(&mut state, self.offset, read, found, wanted)),
            }
        };
        match outcome {
            Ok(taken) => {
                let come_again = taken.acquired.is_empty();
                Taken::Records(TakenRecords { come_again, ..taken })
            }
            Err(error) => Taken::Failed(error),
        }
    }

    fn empty_read(&mut self) -> ReadResult {
        ReadResult {
            pieces: Vec::new(),
            size: self.read.size,
            high_watermark: self.read.high_watermark,
            last_stable_offset: self.read.last_stable_offset,
            log_start_offset: self.read.log_start_offset,
            aborted_transactions: self.read.aborted_transactions.take(),
        }
    }
}

impl Drop for ColdRead {
    /// Also when the member did not wait for the end.
    fn drop(&mut self) {
        let is_retiring = {
            let mut state = self.shared.state.lock();
            state.is_being_read = false;
            state.is_retiring
        };
        if is_retiring {
            self.shared.work.notify_one();
        }
        self.shared.waiters.wake_all();
    }
}
