//! Start, end and next offset (`SharePartition.nextFetchOffset`, `updateCacheAndOffsets`,
//! `maybeUpdateCachedStateAndOffsets`).

use super::SharePartition;
use super::in_flight::{InFlightBatch, Records};
use super::state::{InFlightState, RecordState};

impl SharePartition {
    /// Where to read the log for records that can be acquired.
    pub fn next_fetch_offset(&mut self) -> i64 {
        let Some(last) =
            self.batches.values().next_back().filter(|last| self.start_offset <= last.last_offset)
        else {
            self.find_next_fetch_offset = false;
            return self.end_offset;
        };
        let after_last = self.end_offset.max(last.last_offset) + 1;
        if !self.find_next_fetch_offset {
            return after_last;
        }
        match self.first_available_offset() {
            Some(offset) => offset,
            None => {
                self.find_next_fetch_offset = false;
                // There is no gap left either, which may be what the start offset has waited for.
                if self.gap_window.take().is_some() && self.update_offsets() {
                    return self.next_fetch_offset();
                }
                after_last
            }
        }
    }

    /// Whether a member can be given records that are in the log: available ones, or new ones within the
    /// limit of locks.
    pub fn can_acquire_records(&mut self) -> bool {
        self.next_fetch_offset() != self.end_offset + 1
            || self.in_flight_len() < i64::from(self.config.max_in_flight_records)
    }

    /// Records from the start offset to the end offset.
    pub fn in_flight_len(&self) -> i64 {
        if self.batches.is_empty() { 0 } else { self.end_offset - self.start_offset + 1 }
    }

    /// Records below `log_start_offset` are no more in the log: they are archived unless someone has them,
    /// and the start offset moves.
    pub fn on_log_start_offset(&mut self, log_start_offset: i64) {
        if log_start_offset <= self.start_offset {
            return;
        }
        if self.batches.is_empty() {
            self.start_offset = log_start_offset;
            self.end_offset = log_start_offset;
            self.delivery_complete_count = 0;
            return;
        }
        let removed = self.count_terminal(self.start_offset, log_start_offset);
        let start_offset = self.start_offset;
        if self.archive_records(i64::MIN, start_offset, log_start_offset, RecordState::Available, false) {
            self.find_next_fetch_offset = true;
        }
        self.start_offset = log_start_offset;
        self.complete_fewer(removed);
        self.end_offset = self.end_offset.max(self.start_offset);
        self.update_offsets();
    }

    /// Archives records in `state` from `first_offset` up to `end_offset`, exclusive, in the batches from
    /// `from_key` on. True when there were any.
    pub(super) fn archive_records(
        &mut self,
        from_key: i64,
        first_offset: i64,
        end_offset: i64,
        state: RecordState,
        count: bool,
    ) -> bool {
        if from_key >= end_offset {
            return false;
        }
        let mut archived = 0;
        for batch in self.batches.range_mut(from_key..end_offset).map(|(_, batch)| batch) {
            if batch.whole().is_some_and(|whole| whole.state != state) {
                continue;
            }
            let len = batch.len();
            if batch.is_within(first_offset, end_offset - 1)
                && let Records::Whole(whole) = &mut batch.records
            {
                whole.archive(&mut self.locks);
                archived += len;
                continue;
            }
            let from = first_offset.max(batch.first_offset);
            for (_, record) in batch.apart_mut(from, end_offset - 1, &mut self.locks) {
                if record.state == state {
                    record.archive(&mut self.locks);
                    archived += 1;
                }
            }
        }
        if count {
            self.complete_more(archived);
        }
        archived > 0
    }

    /// Moves the start offset past records that are done with, and forgets these. True when there were any.
    pub(super) fn update_offsets(&mut self) -> bool {
        if !self.can_move_start_offset() {
            return false;
        }
        let Some((last_done, done)) = self.last_done() else { return false };
        let Some(last_offset) = self.batches.values().next_back().map(|last| last.last_offset) else {
            return false;
        };
        if last_done == last_offset {
            self.start_offset = self.start_offset.max(last_offset + 1);
            self.end_offset = self.start_offset;
            self.forget_before(i64::MAX);
            self.delivery_complete_count = 0;
            return true;
        }
        let Some((key, batch_last)) =
            self.batches.range(..=last_done).next_back().map(|(key, batch)| (*key, batch.last_offset))
        else {
            return false;
        };
        let keep_from = if last_done == batch_last {
            let next = self.batches.range(last_done + 1..).next().map(|(key, _)| *key);
            let next = next.unwrap_or(last_done + 1);
            let start_offset = self.start_offset.max(next);
            let gap_start = self.gap_start_offset().unwrap_or(i64::MAX);
            self.start_offset = self.start_offset.max(start_offset.min(gap_start));
            next
        } else {
            self.start_offset = self.start_offset.max(last_done + 1);
            key
        };
        self.complete_fewer(done);
        self.forget_before(keep_from);
        true
    }

    fn forget_before(&mut self, key: i64) {
        let kept = self.batches.split_off(&key);
        for batch in std::mem::replace(&mut self.batches, kept).values_mut() {
            batch.unlock(&mut self.locks);
        }
    }

    /// The batch that holds `offset`.
    pub(super) fn batch_key_at(&self, offset: i64) -> Option<i64> {
        let (key, batch) = self.batches.range(..=offset).next_back()?;
        (batch.last_offset >= offset).then_some(*key)
    }

    pub(super) fn is_gap_window_active(&self) -> bool {
        self.gap_window.is_some_and(|gap| gap.end_offset == self.end_offset)
    }

    /// Records up to `offset` are in flight now.
    pub(super) fn move_gap_window(&mut self, offset: i64) {
        let end_offset = self.end_offset;
        self.gap_window = self.gap_window.filter(|gap| gap.end_offset == end_offset && offset <= end_offset);
        if let Some(gap) = &mut self.gap_window {
            gap.gap_start_offset = offset;
        }
    }

    /// Between these offsets there is nothing in the log: no gap either.
    pub(super) fn close_gap(&mut self, fetch_offset: i64, base_offset: i64) {
        if self.gap_start_offset().is_some_and(|offset| (fetch_offset..base_offset).contains(&offset))
            && let Some(gap) = &mut self.gap_window
        {
            gap.gap_start_offset = base_offset;
        }
    }

    /// Where to look for the next gap in what the persister knew: not among records that are in flight.
    fn gap_start_offset(&self) -> Option<i64> {
        let gap = self.gap_window.filter(|_| self.is_gap_window_active())?;
        let mut offset = gap.gap_start_offset.max(self.start_offset);
        let from = self.batch_key_at(offset).unwrap_or(offset);
        for (key, batch) in self.batches.range(from..) {
            if *key > offset {
                break;
            }
            offset = batch.last_offset + 1;
        }
        Some(offset)
    }

    fn first_available_offset(&self) -> Option<i64> {
        let mut gap_start_offset = self.gap_start_offset();
        for (key, batch) in &self.batches {
            if let Some(gap_start_offset) = &mut gap_start_offset {
                if *key > *gap_start_offset {
                    return Some(*gap_start_offset);
                }
                *gap_start_offset = (*gap_start_offset).max(batch.last_offset + 1);
            }
            let available = match &batch.records {
                Records::Whole(state) => (state.is_available() && batch.last_offset >= self.start_offset)
                    .then(|| batch.first_offset.max(self.start_offset)),
                Records::Apart(states) => (batch.first_offset..)
                    .zip(states)
                    .find(|(offset, state)| state.is_available() && *offset >= self.start_offset)
                    .map(|(offset, _)| offset),
            };
            if available.is_some() {
                return available;
            }
        }
        None
    }

    fn can_move_start_offset(&self) -> bool {
        let at_start = self.batches.range(..=self.start_offset).next_back();
        // Nothing may be in flight at the start offset itself: compaction leaves holes, and where the log
        // starts need not be where a batch starts. Whether a hole has been looked at says the gap window.
        let Some((_, batch)) = at_start.or_else(|| self.batches.first_key_value()) else { return false };
        let offset = self.start_offset.max(batch.first_offset);
        batch.last_offset < self.start_offset || batch.state_at(offset).is_some_and(is_done)
    }

    /// Last offset before the first record that is not done with, and the number of those done with from the
    /// start offset on (`findLastOffsetAcknowledgedAndMetadata`).
    fn last_done(&self) -> Option<(i64, i64)> {
        let gap_start_offset = self.gap_start_offset();
        let (mut last_done, mut done) = (None, 0);
        for batch in self.batches.values() {
            if gap_start_offset.is_some_and(|gap_start_offset| batch.last_offset >= gap_start_offset) {
                break;
            }
            let last = last_done_of(batch, self.start_offset);
            if let Some(last) = last {
                done += self.count_from_start(batch.first_offset, last);
                last_done = Some(last);
            }
            if last != Some(batch.last_offset) {
                break;
            }
        }
        last_done.map(|last_done| (last_done, done))
    }

    /// Records that are done with from `first_offset` up to `end_offset`, exclusive.
    fn count_terminal(&self, first_offset: i64, end_offset: i64) -> i64 {
        let mut count = 0;
        for batch in self.batches.range(..end_offset).map(|(_, batch)| batch) {
            let (from, to) = (batch.first_offset.max(first_offset), batch.last_offset.min(end_offset - 1));
            match &batch.records {
                Records::Whole(state) if state.state.is_terminal() => count += (to - from + 1).max(0),
                Records::Whole(_) => {}
                Records::Apart(states) => {
                    let states = (batch.first_offset..).zip(states);
                    let terminal = states
                        .filter(|(offset, state)| (from..=to).contains(offset) && state.state.is_terminal());
                    count += i64::try_from(terminal.count()).unwrap_or(i64::MAX);
                }
            }
        }
        count
    }
}

fn is_done(state: &InFlightState) -> bool {
    state.state.is_terminal() && !state.is_in_transition()
}

/// Last of a batch's offsets before the first that is not done with. What is below the start offset is,
/// whoever still has it.
fn last_done_of(batch: &InFlightBatch, start_offset: i64) -> Option<i64> {
    if batch.last_offset < start_offset {
        return Some(batch.last_offset);
    }
    match &batch.records {
        Records::Whole(state) => is_done(state).then_some(batch.last_offset),
        Records::Apart(states) => (batch.first_offset..)
            .zip(states)
            .take_while(|(offset, state)| *offset < start_offset || is_done(state))
            .map(|(offset, _)| offset)
            .last(),
    }
}
