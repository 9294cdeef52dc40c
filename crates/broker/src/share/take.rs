//! A member takes records of a share partition: reads the log where some may be available, and acquires them.

use std::io;
use std::sync::Arc;

use ottla_coordinator::share::partition::{AbortedTransaction, Acquire, AcquireMode, AcquiredRecords};
use ottla_protocol::{ErrorCode, Str};
use ottla_storage::{Cold, OnCold, Piece, ReadOptions};

use super::ShareError;
use super::batches::{self, ReadBatch};
use super::settings::ShareSettings;
use super::shared_partition::{Phase, SharedPartition, State};
use crate::partitions::{ReadRefused, ReadResult, Unread};

/// How often records that nobody may have are passed over before the member is asked to come again.
const ATTEMPTS_MAX: usize = 16;

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
    /// What to do where the records' place must be looked for on the disk.
    pub on_cold: OnCold,
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
    /// Where the records are must be looked for on the disk.
    Missed(Cold),
    /// There are records, whose headers must be read from a file.
    Cold(ColdRead),
    /// The log can't be read, or the partition is gone.
    Failed(ShareError),
}

impl SharedPartition {
    /// Whether a member can be given records now, if there are any.
    pub fn turn(&self, settings: &ShareSettings) -> Turn {
        match self.state.lock().next_fetch_offset(settings) {
            Ok(Some(_)) => Turn::Ready,
            Ok(None) => Turn::Busy,
            Err(error) => Turn::Gone(error),
        }
    }

    /// Bytes that could be read now, up to `max_bytes`.
    ///
    /// # Errors
    /// What must be looked for on the disk, if that is to be told.
    pub fn available_bytes(
        &self,
        settings: &ShareSettings,
        max_bytes: usize,
        on_cold: OnCold,
    ) -> Result<usize, Cold> {
        let offset = self.state.lock().next_fetch_offset(settings);
        let Ok(Some(offset)) = offset else { return Ok(0) };
        let options = ReadOptions { offset, max_bytes, min_one_message: true, on_cold };
        match self.hosted.read(options, settings.bound) {
            Ok(read) => Ok(read.size),
            Err(Unread::Refused(_)) => Ok(0),
            Err(Unread::Cold(cold)) => Err(cold),
        }
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
            let Wanted { max_bytes, min_one_message, on_cold, .. } = *wanted;
            let options = ReadOptions { offset, max_bytes, min_one_message, on_cold };
            let read = match self.hosted.read(options, wanted.settings.bound) {
                Ok(read) => read,
                Err(Unread::Cold(cold)) => return Taken::Missed(cold),
                Err(Unread::Refused(refused)) => match self.refused(&mut state, refused) {
                    Ok(()) => continue,
                    Err(error) => return Taken::Failed(error),
                },
            };
            if read.size == 0 {
                return Taken::Records(TakenRecords::default());
            }
            let last_offset = state.last_offset_wanted(offset, wanted.max_records, &read);
            let found = match batches::scan_resident(&read.pieces, last_offset) {
                Ok(Some(found)) => found,
                Ok(None) => return Taken::Cold(self.cold_read(&mut state, offset, read, last_offset)),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Taken::Failed(ErrorCode::CorruptMessage.into());
                }
                Err(_) => return Taken::Failed(ErrorCode::KafkaStorageError.into()),
            };
            let taken = self.acquire(&mut state, offset, read, &found, wanted);
            if !taken.acquired.is_empty() {
                return Taken::Records(taken);
            }
        }
        Taken::Records(TakenRecords { come_again: true, ..Default::default() })
    }

    /// Keeps others away while the headers are read.
    pub(super) fn cold_read(
        self: &Arc<Self>,
        state: &mut State,
        offset: i64,
        read: ReadResult,
        last_offset: i64,
    ) -> ColdRead {
        state.is_being_read = true;
        ColdRead { shared: self.clone(), offset, read, last_offset }
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
}

/// Records on disk, which nobody else can acquire until their headers have been read.
pub struct ColdRead {
    shared: Arc<SharedPartition>,
    offset: i64,
    read: ReadResult,
    /// Batches behind the one with this offset need not be looked at.
    pub last_offset: i64,
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
