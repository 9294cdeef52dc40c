//! The records in flight of one partition for one share group (`kafka.server.share.SharePartition`).
//!
//! What is known of records lies between the *start offset*, before which everything is done with, and the
//! *end offset*, the last that was acquired by anyone. Between them records are kept by the batches in which
//! they were acquired, and one by one where a batch has been taken apart. Each is available, acquired by a
//! member for as long as its lock lasts, acknowledged, or archived.
//!
//! An operation that changes what must survive returns a [`PendingWrite`]: the driver hands it to the
//! persister, and its outcome to [`SharePartition::complete_write`]. Until then the records concerned are in
//! transition: nobody can acquire or acknowledge them. A failed write takes them back to where they were.
//!
//! Where Kafka's start offset can come to rest before a record that is never acknowledged, this one goes on:
//! at holes that compaction has left where the log starts; at gaps in the persisted state that turn out to be
//! holes; at records below the log's start whose write has failed; and where nothing but archiving happens and
//! so no write is completed.
//!
//! | file | holds |
//! | --- | --- |
//! | `state` | [`RecordState`], one record's or one batch's state and its roll-back |
//! | `in_flight` | a batch, whole or taken apart |
//! | `locks` | acquisition locks by their deadline |
//! | `acquire`, `acquire_new` | records that were in flight before, and records that were not |
//! | `acknowledge`, `release` | by their owner; by a member that leaves and by locks that run out |
//! | `write` | outcome of writes |
//! | `offsets` | start, end and next offset; archiving below the log's start |
//! | `aborted` | records of aborted transactions |

mod aborted;
mod acknowledge;
mod acquire;
mod acquire_new;
mod in_flight;
mod locks;
mod offsets;
mod release;
mod state;
mod write;

#[cfg(test)]
mod history_test;
#[cfg(test)]
mod partition_test;

use std::collections::BTreeMap;

use ottla_protocol::Str;

use in_flight::InFlightBatch;
use locks::Locks;

pub use acknowledge::{AcknowledgeError, AcknowledgementBatch};
pub use acquire::{AbortedTransaction, Acquire, AcquireMode, AcquiredRecords, FetchedBatch};
pub use state::RecordState;
pub use write::PendingWrite;

/// Longest batch, in offsets, that a persisted state may hold: what is longer was not written by a broker.
const STATE_BATCH_LENGTH_MAX: i64 = 1 << 22;

/// Settings of the group that a share partition goes by. They may change between two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePartitionConfig {
    /// `share.delivery.count.limit` of the group or `group.share.delivery.count.limit`.
    pub max_delivery_count: i16,
    /// `share.partition.max.record.locks` or `group.share.partition.max.record.locks`.
    pub max_in_flight_records: i32,
    /// `share.record.lock.duration.ms` or `group.share.record.lock.duration.ms`.
    pub record_lock_duration_ms: i32,
    /// `share.renew.acknowledge.enable`.
    pub renew_acknowledge_enabled: bool,
}

impl Default for SharePartitionConfig {
    fn default() -> Self {
        Self {
            max_delivery_count: 5,
            max_in_flight_records: 2_000,
            record_lock_duration_ms: 30_000,
            renew_acknowledge_enabled: true,
        }
    }
}

/// Consecutive records in one state, as the persister keeps them (`PersisterStateBatch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, inclusive.
    pub last_offset: i64,
    /// Id of a [`RecordState`].
    pub delivery_state: i8,
    /// How often the records were delivered.
    pub delivery_count: i16,
}

/// The persister's state can't be used (`SharePartition.maybeInitialize`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidState {
    /// A batch begins before the start offset.
    #[error("a state batch begins at {first_offset}, before the start offset {start_offset}")]
    BeforeStart {
        /// Where it begins.
        first_offset: i64,
        /// The start offset.
        start_offset: i64,
    },
    /// A batch ends before it begins, is out of order, or is longer than any that was ever acquired.
    #[error("the state batch from {first_offset} to {last_offset} is not possible")]
    Range {
        /// Where it begins.
        first_offset: i64,
        /// Where it ends.
        last_offset: i64,
    },
    /// A state that there is not.
    #[error("unknown record state id: {0}")]
    State(i8),
}

/// Offsets of which the persister's state says nothing, though it knows what follows them.
#[derive(Clone, Copy, Debug)]
struct GapWindow {
    /// The end offset when the state was read. The window is of use for as long as that has not moved.
    end_offset: i64,
    /// Where to look for the next gap.
    gap_start_offset: i64,
}

/// One partition's records in flight for one group.
///
/// *Invariant:* an acquired record has one owner. *Invariant:* the start offset never goes back, delivery
/// counts never fall.
#[derive(Debug)]
pub struct SharePartition {
    config: SharePartitionConfig,
    leader_epoch: i32,
    state_epoch: i32,
    start_offset: i64,
    end_offset: i64,
    /// Batches by their first offset. They do not overlap.
    batches: BTreeMap<i64, InFlightBatch>,
    locks: Locks,
    /// Whether records before the end offset may be available.
    find_next_fetch_offset: bool,
    gap_window: Option<GapWindow>,
    /// Records from the start offset on that are acknowledged or archived.
    delivery_complete_count: i32,
}

impl SharePartition {
    /// A partition as the persister knows it. `start_offset` is the persisted one or, if there was none, what
    /// `share.auto.offset.reset` says.
    ///
    /// # Errors
    /// When the state makes no sense.
    pub fn new(
        config: SharePartitionConfig,
        leader_epoch: i32,
        state_epoch: i32,
        start_offset: i64,
        state_batches: &[StateBatch],
    ) -> Result<Self, InvalidState> {
        let mut partition = Self {
            config,
            leader_epoch,
            state_epoch,
            start_offset,
            end_offset: start_offset,
            batches: BTreeMap::new(),
            locks: Locks::default(),
            find_next_fetch_offset: false,
            gap_window: None,
            delivery_complete_count: 0,
        };
        partition.load(state_batches)?;
        Ok(partition)
    }

    /// The group's settings may have changed.
    pub fn set_config(&mut self, config: SharePartitionConfig) {
        self.config = config;
    }

    /// The leader epoch of the partition when the state was read.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The state's epoch, which grows when the state is set up anew.
    pub fn state_epoch(&self) -> i32 {
        self.state_epoch
    }

    /// Everything below is done with.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// Last offset that is in flight, or the next to be fetched when none is.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Records from the start offset on that are acknowledged or archived.
    pub fn delivery_complete_count(&self) -> i32 {
        self.delivery_complete_count
    }

    /// State, delivery count and owner of a record in flight.
    pub fn record(&self, offset: i64) -> Option<(RecordState, i16, &Str)> {
        let (_, batch) = self.batches.range(..=offset).next_back()?;
        let state = batch.state_at(offset)?;
        Some((state.state, state.delivery_count, &state.member_id))
    }

    fn load(&mut self, state_batches: &[StateBatch]) -> Result<(), InvalidState> {
        let mut gap_start_offset = None;
        let mut previous_last_offset = self.start_offset.saturating_sub(1);
        for batch in state_batches {
            let StateBatch { first_offset, last_offset, delivery_state, delivery_count } = *batch;
            if first_offset < self.start_offset {
                return Err(InvalidState::BeforeStart { first_offset, start_offset: self.start_offset });
            }
            if last_offset < first_offset
                || first_offset <= previous_last_offset
                || last_offset.saturating_sub(first_offset) >= STATE_BATCH_LENGTH_MAX
            {
                return Err(InvalidState::Range { first_offset, last_offset });
            }
            let state = RecordState::from_id(delivery_state).ok_or(InvalidState::State(delivery_state))?;
            if gap_start_offset.is_none() && first_offset > previous_last_offset.saturating_add(1) {
                gap_start_offset = Some(previous_last_offset.saturating_add(1));
            }
            previous_last_offset = last_offset;
            let batch = InFlightBatch::loaded(first_offset, last_offset, state, delivery_count);
            if state.is_terminal() {
                self.complete_more(batch.len());
            }
            self.batches.insert(first_offset, batch);
        }
        if let Some((_, last)) = self.batches.last_key_value() {
            self.find_next_fetch_offset = true;
            self.end_offset = last.last_offset;
            let end_offset = self.end_offset;
            self.gap_window =
                gap_start_offset.map(|gap_start_offset| GapWindow { end_offset, gap_start_offset });
            self.update_offsets();
        }
        Ok(())
    }

    fn complete_more(&mut self, records: i64) {
        let records = i32::try_from(records).unwrap_or(i32::MAX);
        self.delivery_complete_count = self.delivery_complete_count.saturating_add(records);
    }

    fn complete_fewer(&mut self, records: i64) {
        let records = i32::try_from(records).unwrap_or(i32::MAX);
        self.delivery_complete_count = self.delivery_complete_count.saturating_sub(records).max(0);
    }

    /// How many of these offsets are not below the start offset.
    fn count_from_start(&self, first_offset: i64, last_offset: i64) -> i64 {
        (last_offset - first_offset.max(self.start_offset) + 1).max(0)
    }

    fn lock_deadline_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(i64::from(self.config.record_lock_duration_ms))
    }

    /// From which delivery on records come in smaller and smaller portions, so that a bad one is found
    /// without taking the good ones down with it (`throttleRecordsDeliveryLimit`).
    fn throttle_limit(&self) -> i16 {
        (self.config.max_delivery_count.saturating_add(1) / 2).max(2)
    }
}
