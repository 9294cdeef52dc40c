//! One partition as its leader serves it: the log, the epoch, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use ottla_protocol::records::AppendOrigin;
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_storage::{
    AppendError, AppendInfo, AppendOptions, Appended, Cold, PartitionLog, Piece, ReadError, ReadOptions,
    StorageError, VerificationGuard,
};
use parking_lot::Mutex;

use super::traffic::{Traffic, TrafficCounts};
use crate::clock::steady_ms;
use crate::flusher::FlushWaiters;
use crate::slow_logs::Slowness;
use crate::waiting::FetchWaiters;

/// A partition hosted by this broker.
#[derive(Debug)]
pub struct Partition {
    /// Topic name.
    pub topic: Str,
    /// Topic id.
    pub topic_id: Uuid,
    /// Partition number.
    pub index: i32,
    /// The log; none while its directory is offline. Replaced when the partition moves to another directory.
    log: ArcSwapOption<PartitionLog>,
    leader_epoch: AtomicI32,
    /// Fetches that wait for records here.
    pub fetch_waiters: FetchWaiters,
    /// Produces that wait for the next fsync.
    pub flush_waiters: FlushWaiters,
    /// Whether the log makes its writers wait.
    pub slowness: Slowness,
    traffic: TrafficCounts,
    /// What was appended to logs that this one has replaced; none: it is the first.
    appended_before: Mutex<Option<Box<Appended>>>,
}

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBound {
    /// Followers see everything.
    LogEnd,
    /// Consumers see what is replicated.
    HighWatermark,
    /// `read_committed` consumers see what is replicated and decided.
    LastStable,
}

/// What a read found.
pub struct ReadResult {
    /// The records, in order.
    pub pieces: Vec<Piece>,
    /// Their length in bytes.
    pub size: usize,
    /// High watermark at the time of the read.
    pub high_watermark: i64,
    /// Last stable offset at the time of the read.
    pub last_stable_offset: i64,
    /// Log start offset at the time of the read.
    pub log_start_offset: i64,
    /// Aborted transactions in the range (producer id, first offset), for `read_committed` readers.
    pub aborted_transactions: Option<Vec<(i64, i64)>>,
}

/// What is known of a client's batch that is to be appended.
#[derive(Clone, Copy, Debug)]
pub struct ClientAppend {
    /// Bytes of the frame that it is a slice of.
    pub frame_bytes: usize,
    /// That its transaction was verified.
    pub verification_guard: VerificationGuard,
    /// The time, Unix ms.
    pub now_ms: i64,
}

/// Why records were not appended, as the producer is told.
#[derive(Debug)]
pub struct AppendRefused {
    /// The error.
    pub error: ErrorCode,
    /// In words.
    pub message: Option<String>,
    /// Which records are to blame, by their index in the batch.
    pub record_errors: Vec<(i32, Option<String>)>,
    /// The log's start, or -1.
    pub log_start_offset: i64,
}

impl AppendRefused {
    /// An error that says enough.
    pub fn plain(error: ErrorCode) -> Self {
        Self { error, message: None, record_errors: Vec::new(), log_start_offset: -1 }
    }

    /// An error in words.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::plain(error) }
    }
}

/// Why nothing was read, as the consumer is told.
#[derive(Debug)]
pub struct ReadRefused {
    /// The error.
    pub error: ErrorCode,
    /// Leader and epoch, where another leads (KIP-951).
    pub leader: Option<(i32, i32)>,
}

impl ReadRefused {
    /// An error that says enough.
    pub fn plain(error: ErrorCode) -> Self {
        Self { error, leader: None }
    }
}

/// Why there is nothing yet of what was to be read.
#[derive(Debug)]
pub enum Unread {
    /// It can't be read.
    Refused(ReadRefused),
    /// Its place must be looked for on the disk.
    Cold(Cold),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unread::Refused(refused) => refused.error.fmt(f),
            Unread::Cold(cold) => cold.fmt(f),
        }
    }
}

impl From<ReadRefused> for Unread {
    fn from(refused: ReadRefused) -> Self {
        Unread::Refused(refused)
    }
}

impl From<StorageError> for ReadRefused {
    fn from(error: StorageError) -> Self {
        Self::plain(error.code())
    }
}

impl Partition {
    /// A partition with its log, or without one when its directory is offline.
    pub fn new(
        topic: Str,
        topic_id: Uuid,
        index: i32,
        leader_epoch: i32,
        log: Option<Arc<PartitionLog>>,
    ) -> Self {
        Self {
            topic,
            topic_id,
            index,
            log: ArcSwapOption::new(log),
            leader_epoch: AtomicI32::new(leader_epoch),
            fetch_waiters: FetchWaiters::default(),
            flush_waiters: FlushWaiters::default(),
            slowness: Slowness::default(),
            traffic: TrafficCounts::default(),
            appended_before: Mutex::default(),
        }
    }

    /// The log.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR while the log's directory is offline.
    pub fn log(&self) -> Result<Arc<PartitionLog>, ErrorCode> {
        self.log.load_full().ok_or(ErrorCode::KafkaStorageError)
    }

    /// Puts another log in place: the partition has moved, or its directory has failed.
    pub fn replace_log(&self, log: Option<Arc<PartitionLog>>) {
        let mut before = self.appended_before.lock();
        let old = self.log.swap(log);
        if let Some(old) = old {
            **before.get_or_insert_default() += old.appended();
        }
        drop(before);
        self.fetch_waiters.wake_all();
    }

    /// What went in and out since the partition came to this broker.
    pub fn traffic(&self) -> Traffic {
        let before = self.appended_before.lock();
        let mut appended = before.as_deref().copied().unwrap_or_default();
        appended += self.log.load().as_ref().map(|log| log.appended()).unwrap_or_default();
        drop(before);
        self.traffic.with(appended)
    }

    /// Takes note of records that are sent to a consumer.
    pub fn note_sent(&self, bytes: u64) {
        self.traffic.sent(bytes);
    }

    /// The epoch in which this broker leads.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// A new term begins.
    pub fn set_leader_epoch(&self, epoch: i32) {
        if self.leader_epoch.swap(epoch, Ordering::AcqRel) != epoch {
            self.fetch_waiters.wake_all();
        }
    }

    /// Compares the epoch that a client believes in with ours; -1 means that it does not care (KIP-320).
    ///
    /// # Errors
    /// FENCED_LEADER_EPOCH for an older one, UNKNOWN_LEADER_EPOCH for a newer one.
    pub fn check_leader_epoch(&self, claimed: i32) -> Result<(), ErrorCode> {
        let ours = self.leader_epoch();
        match claimed {
            -1 => Ok(()),
            c if c < ours => Err(ErrorCode::FencedLeaderEpoch),
            c if c > ours => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Appends one batch of a client and makes it visible; or, if the answer's `flush_due` says so, leaves that to the
    /// [`Flusher`](crate::flusher::Flusher): it may be acknowledged only when it is durable.
    ///
    /// # Errors
    /// As Kafka answers them.
    pub fn append_as_leader(
        &self,
        records: &Bytes,
        append: ClientAppend,
    ) -> Result<AppendInfo, AppendRefused> {
        self.append_watched(records, append, false)
    }

    /// Like [`Self::append_as_leader`], on a thread that may be kept waiting; those who read the log are not.
    ///
    /// # Errors
    /// As Kafka answers them.
    pub fn append_apart(&self, records: &Bytes, append: ClientAppend) -> Result<AppendInfo, AppendRefused> {
        self.append_watched(records, append, true)
    }

    /// Appends, and takes note of how long it took.
    fn append_watched(
        &self,
        records: &Bytes,
        append: ClientAppend,
        unlocked: bool,
    ) -> Result<AppendInfo, AppendRefused> {
        let ClientAppend { frame_bytes, verification_guard, now_ms } = append;
        let options = self.append_options(AppendOrigin::Client, now_ms);
        let options =
            AppendOptions { defer_flush: true, verification_guard, unlocked, frame_bytes, ..options };
        let began_ms = steady_ms();
        let appended = self.append(records, &options);
        self.slowness.note(began_ms, steady_ms());
        appended
    }

    /// Makes the log durable up to `offset`, and what is durable visible: `bytes` more than before. Blocks on the disk.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR, also when the log's directory is offline.
    pub fn flush_and_show(&self, offset: i64, bytes: usize, now_ms: i64) -> Result<(), ErrorCode> {
        let log = self.log()?;
        let held_at = held_at(&log);
        log.flush_up_to(offset, now_ms).map_err(|why| why.code())?;
        if log.maybe_increment_high_watermark(offset) {
            self.tell_readers(&log, held_at, bytes);
        }
        Ok(())
    }

    /// Appends one batch of a coordinator of this broker.
    ///
    /// # Errors
    /// As Kafka answers them.
    pub fn append_as_coordinator(
        &self,
        records: &Bytes,
        verification_guard: VerificationGuard,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendRefused> {
        let options = self.append_options(AppendOrigin::Coordinator, now_ms);
        self.append(records, &AppendOptions { verification_guard, ..options })
    }

    pub(super) fn append_options(&self, origin: AppendOrigin, now_ms: i64) -> AppendOptions {
        AppendOptions { leader_epoch: self.leader_epoch(), origin, now_ms, ..Default::default() }
    }

    pub(super) fn append(
        &self,
        records: &Bytes,
        options: &AppendOptions,
    ) -> Result<AppendInfo, AppendRefused> {
        let log = self.log().map_err(AppendRefused::plain)?;
        let held_at = held_at(&log);
        let info = log.append_as_leader(records, options).map_err(|why| {
            self.traffic.append_refused();
            refused(why, &log)
        })?;
        // The only replica is in sync with itself: what is appended is replicated.
        if !info.flush_due && log.maybe_increment_high_watermark(info.last_offset + 1) {
            self.tell_readers(&log, held_at, info.size);
        }
        Ok(info)
    }

    /// Wakes those who wait for `bytes` more; all of them where a transaction's end shows what it has held back since `held_at`.
    fn tell_readers(&self, log: &PartitionLog, held_at: Option<i64>, bytes: usize) {
        match held_at {
            Some(offset) if log.last_stable_offset() > offset => self.fetch_waiters.wake_all(),
            _ => self.fetch_waiters.bytes_added(bytes),
        }
    }

    /// Reads whole batches.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE outside of the log, KAFKA_STORAGE_ERROR when its directory is offline; [`Unread::Cold`] only if
    /// the options say that it is to be told.
    pub fn read(&self, options: ReadOptions, bound: ReadBound) -> Result<ReadResult, Unread> {
        let log = self.log().map_err(ReadRefused::plain)?;
        let read = match bound {
            ReadBound::LogEnd => log.read_with(options, log.log_end_offset()),
            ReadBound::HighWatermark => log.read_with(options, log.high_watermark()),
            ReadBound::LastStable => log.read_committed(options),
        };
        let data = read.map_err(|why| match why {
            ReadError::Cold(cold) => Unread::Cold(cold),
            why => {
                self.traffic.read_refused();
                Unread::Refused(ReadRefused::plain(why.code()))
            }
        })?;
        let aborted = data.aborted_transactions.iter().map(|txn| (txn.producer_id, txn.first_offset));
        Ok(ReadResult {
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            log_start_offset: data.log_start_offset,
            aborted_transactions: (bound == ReadBound::LastStable).then(|| aborted.collect()),
            size: data.size,
            pieces: data.pieces,
        })
    }

    /// Where the log of a reader whose last record is of `last_fetched_epoch` parts from ours (KIP-595), if it does before
    /// `fetch_offset`: epoch and end offset.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn diverging_epoch(
        &self,
        last_fetched_epoch: i32,
        fetch_offset: i64,
    ) -> Result<Option<(i32, i64)>, ReadRefused> {
        let log = self.log().map_err(ReadRefused::plain)?;
        let Some((epoch, end_offset)) = self.end_offset_for_epoch(last_fetched_epoch, &log) else {
            return Err(ReadRefused::plain(ErrorCode::OffsetOutOfRange));
        };
        let diverges = epoch < last_fetched_epoch || end_offset < fetch_offset;
        Ok(diverges.then_some((epoch, end_offset)))
    }

    /// The largest epoch up to `requested` that this leader knows, and where it ends; none when nothing can be said about it.
    ///
    /// A log knows the epochs that something was written under. Kafka also notes the leader's own, from the end of the log on
    /// (`Partition.makeLeader`): until something is written, all earlier ones end there.
    pub fn end_offset_for_epoch(&self, requested: i32, log: &PartitionLog) -> Option<(i32, i64)> {
        let leader_epoch = self.leader_epoch();
        if requested == leader_epoch {
            return Some((requested, log.log_end_offset()));
        }
        let before_all = || {
            let floor = log.latest_epoch().unwrap_or(requested);
            (0..leader_epoch).contains(&requested).then(|| (floor, log.log_end_offset()))
        };
        log.end_offset_for_epoch(requested).or_else(before_all)
    }

    /// The high watermark, or -1 without a log.
    pub fn high_watermark(&self) -> i64 {
        self.log.load().as_ref().map_or(-1, |log| log.high_watermark())
    }

    /// The last stable offset, or -1 without a log.
    pub fn last_stable_offset(&self) -> i64 {
        self.log.load().as_ref().map_or(-1, |log| log.last_stable_offset())
    }

    /// The log start offset, or -1 without a log.
    pub fn log_start_offset(&self) -> i64 {
        self.log.load().as_ref().map_or(-1, |log| log.log_start_offset())
    }
}

/// Where an open transaction holds back readers who ask for what is committed, if one does.
fn held_at(log: &PartitionLog) -> Option<i64> {
    let stable = log.last_stable_offset();
    (stable < log.high_watermark()).then_some(stable)
}

fn refused(why: AppendError, log: &PartitionLog) -> AppendRefused {
    let error = why.code();
    let known = matches!(
        error,
        ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
    );
    // Kafka tells the log's start along with errors that it did not expect.
    let log_start_offset = if known { -1 } else { log.log_start_offset() };
    match why {
        AppendError::Invalid(invalid) => AppendRefused {
            error,
            message: invalid.response_message().map(str::to_string),
            record_errors: invalid
                .record_errors
                .into_iter()
                .map(|e| (e.batch_index, Some(e.message)))
                .collect(),
            log_start_offset,
        },
        _ => AppendRefused { log_start_offset, ..AppendRefused::plain(error) },
    }
}
