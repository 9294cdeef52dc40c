//! Records go back without a word from their owner: it has left, or its lock has run out
//! (`SharePartition.releaseAcquiredRecords`, `releaseAcquisitionLockOnTimeout`).

use ottla_protocol::Str;

use super::SharePartition;
use super::in_flight::Records;
use super::state::RecordState;
use super::write::{PendingWrite, Transitions};

impl SharePartition {
    /// A member is gone: releases all that it owned.
    pub fn release_acquired_records(&mut self, member_id: &Str) -> Option<PendingWrite> {
        let mut transitions = Transitions::default();
        let (start_offset, max_delivery_count) = (self.start_offset, self.config.max_delivery_count);
        let mut completed = 0;
        for batch in self.batches.values_mut() {
            let (first_offset, last_offset) = (batch.first_offset, batch.last_offset);
            if batch
                .whole()
                .is_some_and(|state| state.state == RecordState::Acquired && state.member_id == *member_id)
                && first_offset < start_offset
                && last_offset >= start_offset
            {
                batch.apart_mut(first_offset, last_offset, &mut self.locks).for_each(drop);
            }
            let release = |last: i64| released_as(last, start_offset);
            match &mut batch.records {
                Records::Whole(state) => {
                    if state.state == RecordState::Acquired
                        && state.member_id == *member_id
                        && state.start_transition(release(last_offset), max_delivery_count)
                    {
                        transitions.push(first_offset, last_offset, state);
                        if state.state.is_terminal() {
                            completed += (last_offset - first_offset.max(start_offset) + 1).max(0);
                        }
                    }
                }
                Records::Apart(states) => {
                    for (offset, state) in (first_offset..).zip(states) {
                        if state.state == RecordState::Acquired
                            && state.member_id == *member_id
                            && state.start_transition(release(offset), max_delivery_count)
                        {
                            transitions.push(offset, offset, state);
                            completed += i64::from(offset >= start_offset && state.state.is_terminal());
                        }
                    }
                }
            }
        }
        self.complete_more(completed);
        self.pending_write(transitions, true)
    }

    /// When the next lock runs out, Unix ms.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.locks.next_deadline_ms()
    }

    /// Releases records whose locks have run out. They are available at once, whatever comes of the write:
    /// the lock would be gone after a restart too.
    pub fn on_deadline(&mut self, now_ms: i64) -> Option<PendingWrite> {
        let mut transitions = Transitions::default();
        while let Some((first_offset, last_offset)) = self.locks.pop_expired(now_ms) {
            self.release_expired(first_offset, last_offset, &mut transitions);
        }
        self.pending_write(transitions, false)
    }

    /// Number of locks.
    pub fn locks_len(&self) -> usize {
        self.locks.len()
    }

    fn release_expired(&mut self, first_offset: i64, last_offset: i64, transitions: &mut Transitions) {
        let Some(key) = self.batch_key_at(first_offset) else { return };
        let (start_offset, max_delivery_count) = (self.start_offset, self.config.max_delivery_count);
        let (mut completed, mut available) = (0, false);
        for batch in self.batches.range_mut(key..=last_offset).map(|(_, batch)| batch) {
            let (batch_first, batch_last) = (batch.first_offset, batch.last_offset);
            if batch.whole().is_some_and(|state| state.state == RecordState::Acquired)
                && batch_first < start_offset
                && batch_last >= start_offset
            {
                batch.apart_mut(batch_first, batch_last, &mut self.locks).for_each(drop);
            }
            match &mut batch.records {
                Records::Whole(state) => {
                    if state.state == RecordState::Acquired
                        && state.update(released_as(batch_last, start_offset), max_delivery_count)
                    {
                        state.unlock(&mut self.locks);
                        transitions.push(batch_first, batch_last, state);
                        available |= state.state == RecordState::Available;
                        if state.state.is_terminal() {
                            completed += (batch_last - batch_first.max(start_offset) + 1).max(0);
                        }
                    }
                }
                Records::Apart(states) => {
                    let states = (batch_first..).zip(states);
                    for (offset, state) in
                        states.filter(|(offset, _)| (first_offset..=last_offset).contains(offset))
                    {
                        if state.state == RecordState::Acquired
                            && state.update(released_as(offset, start_offset), max_delivery_count)
                        {
                            state.unlock(&mut self.locks);
                            transitions.push(offset, offset, state);
                            available |= state.state == RecordState::Available;
                            completed += i64::from(offset >= start_offset && state.state.is_terminal());
                        }
                    }
                }
            }
        }
        self.find_next_fetch_offset |= available;
        self.complete_more(completed);
    }
}

/// What becomes of records up to `last_offset` that are given back: below the start offset nobody gets them
/// again.
fn released_as(last_offset: i64, start_offset: i64) -> RecordState {
    if last_offset < start_offset { RecordState::Archived } else { RecordState::Available }
}
