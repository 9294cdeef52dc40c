//! A member takes records (`SharePartition.acquire`).

use std::ops::ControlFlow;

use ottla_protocol::Str;

use super::SharePartition;
use super::in_flight::{InFlightBatch, Records};
use super::locks::Locks;
use super::state::RecordState;

/// How `max_records` is meant (KIP-1206).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AcquireMode {
    /// Rounded up to whole batches of the log.
    #[default]
    BatchOptimized,
    /// Never exceeded.
    RecordLimit,
}

/// What a member wants, and what was read of the log for it.
#[derive(Clone, Debug)]
pub struct Acquire<'a> {
    /// Who takes the records.
    pub member_id: &'a Str,
    /// How `max_records` is meant.
    pub mode: AcquireMode,
    /// About how many records an acquired batch should hold.
    pub batch_size: i32,
    /// How many records to take.
    pub max_records: i32,
    /// Where the log was read.
    pub fetch_offset: i64,
    /// The batches that were read, in order.
    pub batches: &'a [FetchedBatch],
    /// Transactions that were aborted, when only committed records are wanted; else none.
    pub aborted_transactions: &'a [AbortedTransaction],
}

/// What there is to know of a batch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchedBatch {
    /// First offset.
    pub base_offset: i64,
    /// Last offset, inclusive.
    pub last_offset: i64,
    /// The producer; -1 when it has none.
    pub producer_id: i64,
    /// Whether it is part of a transaction.
    pub is_transactional: bool,
    /// Whether it is the marker that aborts one.
    pub is_abort_marker: bool,
}

/// An aborted transaction, as a fetch tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

/// Records that a member now owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquiredRecords {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, inclusive.
    pub last_offset: i64,
    /// How often they were delivered, this time included.
    pub delivery_count: i16,
}

impl AcquiredRecords {
    /// Number of offsets.
    pub fn count(&self) -> i64 {
        self.last_offset - self.first_offset + 1
    }
}

/// One acquisition under way.
pub(super) struct Acquiring<'a> {
    pub request: &'a Acquire<'a>,
    /// First offset that may be taken.
    pub first_offset: i64,
    /// Last offset that may be taken.
    pub last_offset: i64,
    /// How many records may be taken.
    pub max_records: i64,
    pub taken: Vec<AcquiredRecords>,
    pub count: i64,
    pub now_ms: i64,
}

impl Acquiring<'_> {
    fn remaining(&self) -> i64 {
        self.max_records - self.count
    }

    pub fn is_record_limit(&self) -> bool {
        self.request.mode == AcquireMode::RecordLimit
    }
}

impl SharePartition {
    /// Gives a member records that were read of the log at [`Self::next_fetch_offset`].
    pub fn acquire(&mut self, request: &Acquire<'_>, now_ms: i64) -> Vec<AcquiredRecords> {
        let (Some(first), Some(last)) = (request.batches.first(), request.batches.last()) else {
            return Vec::new();
        };
        if request.max_records <= 0 || last.last_offset < self.start_offset {
            return Vec::new();
        }
        let (last_offset, max_records) = self.acquirable(request, last.last_offset);
        if max_records <= 0 {
            return Vec::new();
        }
        self.archive_missing(request.fetch_offset, first.base_offset);
        // A batch of the log may begin below what is done with, where a write that failed has left records available.
        let first_offset = first.base_offset.max(self.start_offset);
        let mut acquiring = Acquiring {
            request,
            first_offset,
            last_offset,
            max_records,
            taken: Vec::new(),
            count: 0,
            now_ms,
        };
        self.acquire_range(&mut acquiring);
        let taken = self.without_aborted(request, acquiring.taken);
        // What was archived on the way may have been the first in flight.
        self.update_offsets();
        taken
    }

    /// Last offset and number of records that may be acquired now: beyond the limit of locks only what is in
    /// flight already (`lastOffsetAndMaxRecordsToAcquire`).
    fn acquirable(&self, request: &Acquire<'_>, last_offset: i64) -> (i64, i64) {
        let max_records = i64::from(request.max_records);
        let room = i64::from(self.config.max_in_flight_records) - self.in_flight_len();
        if room > 0 {
            return (last_offset, max_records.min(room));
        }
        if request.fetch_offset > self.end_offset {
            return (last_offset, 0);
        }
        let in_flight = self.end_offset - request.fetch_offset + 1;
        (last_offset.min(self.end_offset), max_records.min(in_flight))
    }

    fn acquire_range(&mut self, acquiring: &mut Acquiring<'_>) {
        let mut base_offset = acquiring.first_offset;
        match self.batches.range(..=base_offset).next_back() {
            Some((first_offset, batch)) if batch.last_offset >= base_offset => base_offset = *first_offset,
            _ => base_offset = base_offset.max(self.start_offset),
        }
        let from = base_offset.min(acquiring.first_offset);
        let keys: Vec<i64> = if from > acquiring.last_offset {
            Vec::new()
        } else {
            self.batches.range(from..=acquiring.last_offset).map(|(key, _)| *key).collect()
        };
        let Some(last_key) = keys.last() else {
            self.acquire_new(acquiring, base_offset, acquiring.last_offset);
            return;
        };
        let mut gap_start_offset = base_offset;
        for key in &keys {
            if acquiring.remaining() <= 0 {
                break;
            }
            let Some(last_offset) = self.batches.get(key).map(|batch| batch.last_offset) else { continue };
            if self.is_gap_window_active() {
                if gap_start_offset < *key {
                    self.acquire_new(acquiring, gap_start_offset, key - 1);
                }
                gap_start_offset = last_offset + 1;
                if acquiring.remaining() <= 0 {
                    break;
                }
            }
            if self.acquire_batch(acquiring, *key).is_break() {
                acquiring.max_records = 0;
                break;
            }
        }
        let next_offset = self.batches.get(last_key).map_or(i64::MAX, |batch| batch.last_offset + 1);
        if acquiring.remaining() > 0 && next_offset <= acquiring.last_offset {
            self.acquire_new(acquiring, next_offset, acquiring.last_offset);
        }
        if let Some(last) = acquiring.taken.last() {
            self.move_gap_window(last.last_offset + 1);
        }
    }

    /// Takes what is available of a batch in flight. Breaks when records that were delivered often are to go
    /// alone.
    fn acquire_batch(&mut self, acquiring: &mut Acquiring<'_>, key: i64) -> ControlFlow<()> {
        let deadline_ms = self.lock_deadline_ms(acquiring.now_ms);
        let (throttle_limit, max_delivery_count) = (self.throttle_limit(), self.config.max_delivery_count);
        let Some(batch) = self.batches.get_mut(&key) else { return ControlFlow::Continue(()) };
        let throttled = is_throttled(batch, acquiring, throttle_limit);
        if throttled && acquiring.count > 0 {
            return ControlFlow::Break(());
        }
        if batch.whole().is_some_and(|state| !state.is_available()) {
            return ControlFlow::Continue(());
        }
        let full_match = batch.is_within(acquiring.first_offset, acquiring.last_offset);
        let too_many = acquiring.is_record_limit() && batch.len() > acquiring.remaining();
        if !full_match || too_many || throttled || batch.is_apart() {
            let portion = Portion { throttle_limit, max_delivery_count, deadline_ms };
            let acquired = portion.acquire(acquiring, batch, &mut self.locks);
            acquiring.count += acquired;
            let alone = throttled && acquired > 0;
            return if alone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        let (first_offset, last_offset, len) = (batch.first_offset, batch.last_offset, batch.len());
        if let Records::Whole(state) = &mut batch.records
            && state.acquire(acquiring.request.member_id)
        {
            state.set_lock(self.locks.arm(first_offset, last_offset, deadline_ms), &mut self.locks);
            let delivery_count = state.delivery_count;
            acquiring.taken.push(AcquiredRecords { first_offset, last_offset, delivery_count });
            acquiring.count += len;
        }
        ControlFlow::Continue(())
    }
}

/// Whether an available record of the batch was delivered so often that it is to come with few others
/// (`shouldThrottleRecordsDelivery`).
fn is_throttled(batch: &InFlightBatch, acquiring: &Acquiring<'_>, throttle_limit: i16) -> bool {
    match &batch.records {
        Records::Whole(state) => state.is_available() && state.delivery_count >= throttle_limit,
        Records::Apart(states) => (batch.first_offset..).zip(states).any(|(offset, state)| {
            (acquiring.first_offset..=acquiring.last_offset).contains(&offset)
                && state.is_available()
                && state.delivery_count >= throttle_limit
        }),
    }
}

/// How much of a batch that is taken apart may be acquired (`acquireSubsetBatchRecords`).
struct Portion {
    throttle_limit: i16,
    max_delivery_count: i16,
    deadline_ms: i64,
}

impl Portion {
    fn acquire(&self, acquiring: &mut Acquiring<'_>, batch: &mut InFlightBatch, locks: &mut Locks) -> i64 {
        let batch_len = batch.len();
        let (mut acquired, mut throttled_max) = (0, None);
        let mut taken: Vec<AcquiredRecords> = Vec::new();
        let alone_matters = self.max_delivery_count > 2;
        let first_offset = acquiring.first_offset.max(batch.first_offset);
        for (offset, state) in batch.apart_mut(first_offset, acquiring.last_offset, locks) {
            if !state.is_available() {
                continue;
            }
            let delivery_count = state.delivery_count;
            // A record on its last delivery goes alone.
            if alone_matters && delivery_count == self.max_delivery_count - 1 && acquired > 0 {
                break;
            }
            if delivery_count >= self.throttle_limit && throttled_max.is_none() {
                let shift = u32::try_from(delivery_count - self.throttle_limit + 1).unwrap_or(1).min(62);
                throttled_max = Some((batch_len >> shift).max(1));
            }
            if !state.acquire(acquiring.request.member_id) {
                continue;
            }
            state.set_lock(locks.arm(offset, offset, self.deadline_ms), locks);
            append(&mut taken, offset, state.delivery_count);
            acquired += 1;
            if (state.delivery_count == self.max_delivery_count && alone_matters)
                || (acquiring.is_record_limit() && acquired == acquiring.remaining())
                || throttled_max == Some(acquired)
            {
                break;
            }
        }
        acquiring.taken.extend(taken);
        acquired
    }
}

/// Adds a record, to the last batch if it follows on it (`ShareFetchUtils.accumulateAcquiredRecords`).
fn append(taken: &mut Vec<AcquiredRecords>, offset: i64, delivery_count: i16) {
    match taken.last_mut() {
        Some(last) if last.last_offset + 1 == offset && last.delivery_count == delivery_count => {
            last.last_offset = offset;
        }
        _ => taken.push(AcquiredRecords { first_offset: offset, last_offset: offset, delivery_count }),
    }
}

impl SharePartition {
    /// Records were read from `base_offset` on though they were asked for from `fetch_offset` on: those
    /// between are no more, compaction has removed them (`maybeArchiveStaleBatches`).
    fn archive_missing(&mut self, fetch_offset: i64, base_offset: i64) {
        if fetch_offset >= base_offset {
            return;
        }
        self.close_gap(fetch_offset, base_offset);
        let from = self.batch_key_at(fetch_offset).unwrap_or(fetch_offset);
        if self.archive_records(from, fetch_offset, base_offset, RecordState::Available, true) {
            self.find_next_fetch_offset = true;
        }
    }
}
