//! What is to be persisted, and what its outcome does (`SharePartition.rollbackOrProcessStateUpdates`).

use super::in_flight::Records;
use super::state::{InFlightState, RecordState};
use super::{SharePartition, StateBatch};

/// A write for the persister (`PartitionStateBatchData`). Its outcome goes to
/// [`SharePartition::complete_write`], in the order of the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PendingWrite {
    /// Epoch of the state that is written to.
    pub state_epoch: i32,
    /// Leader epoch of the writer.
    pub leader_epoch: i32,
    /// Start offset now.
    pub start_offset: i64,
    /// Records from the start offset on that are done with.
    pub delivery_complete_count: i32,
    /// What changed.
    pub state_batches: Vec<StateBatch>,
    /// Whether the records wait for the outcome.
    in_transition: bool,
}

/// Changes of one operation.
#[derive(Debug, Default)]
pub(super) struct Transitions(Vec<StateBatch>);

impl Transitions {
    pub fn push(&mut self, first_offset: i64, last_offset: i64, state: &InFlightState) {
        self.0.push(StateBatch {
            first_offset,
            last_offset,
            delivery_state: state.state.id(),
            delivery_count: state.delivery_count,
        });
    }
}

impl SharePartition {
    /// A write has ended. True when records may have become available, or offsets have moved: who waits for
    /// records should look again.
    pub fn complete_write(&mut self, write: &PendingWrite, succeeded: bool) -> bool {
        if !write.in_transition {
            return self.update_offsets();
        }
        self.complete(&write.state_batches, succeeded);
        let released =
            write.state_batches.iter().any(|batch| batch.delivery_state == RecordState::Available.id());
        // After a failure too: what comes back after its last delivery is archived.
        self.update_offsets() || released || !succeeded
    }

    pub(super) fn pending_write(
        &self,
        transitions: Transitions,
        in_transition: bool,
    ) -> Option<PendingWrite> {
        if transitions.0.is_empty() {
            return None;
        }
        Some(PendingWrite {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start_offset,
            delivery_complete_count: self.delivery_complete_count,
            state_batches: transitions.0,
            in_transition,
        })
    }

    pub(super) fn roll_back(&mut self, transitions: &Transitions) {
        self.complete(&transitions.0, false);
        self.update_offsets();
    }

    fn complete(&mut self, state_batches: &[StateBatch], succeeded: bool) {
        for written in state_batches {
            let Some(key) = self.batch_key_at(written.first_offset) else { continue };
            let Some(batch) = self.batches.get_mut(&key) else { continue };
            let was_terminal =
                RecordState::from_id(written.delivery_state).is_some_and(RecordState::is_terminal);
            let (mut available, mut taken_back, mut archived) = (false, 0, 0);
            let start_offset = self.start_offset;
            let mut complete = |state: &mut InFlightState, first_offset: i64, last_offset: i64| {
                if !state.is_in_transition() {
                    return;
                }
                let spent = state.complete(succeeded, &mut self.locks);
                available |= state.state == RecordState::Available;
                let count = (last_offset - first_offset.max(start_offset) + 1).max(0);
                if was_terminal && !state.state.is_terminal() {
                    taken_back += count;
                } else if spent && !was_terminal {
                    archived += count;
                }
            };
            let batch_first = batch.first_offset;
            match &mut batch.records {
                Records::Whole(state) => complete(state, written.first_offset, written.last_offset),
                Records::Apart(states) => (batch_first..)
                    .zip(states)
                    .filter(|(offset, _)| (written.first_offset..=written.last_offset).contains(offset))
                    .for_each(|(offset, state)| complete(state, offset, offset)),
            }
            self.find_next_fetch_offset |= available;
            self.complete_fewer(taken_back);
            self.complete_more(archived);
        }
    }
}
