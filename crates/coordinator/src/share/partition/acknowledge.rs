//! The owner of records says what became of them (`SharePartition.acknowledge`).

use ottla_protocol::Str;

use super::SharePartition;
use super::in_flight::Records;
use super::state::RecordState;
use super::write::{PendingWrite, Transitions};

/// Records that are acknowledged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgementBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset, inclusive.
    pub last_offset: i64,
    /// One for all, or one for each offset: 0 gap, 1 accept, 2 release, 3 reject, 4 renew.
    pub acknowledge_types: Vec<i8>,
}

/// Why an acknowledgement is refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// INVALID_RECORD_STATE.
    #[error("{0}")]
    InvalidRecordState(&'static str),
}

use AcknowledgeError::InvalidRecordState;

/// What an acknowledge type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Become(RecordState),
    Renew,
}

impl Wish {
    fn of(acknowledge_type: i8) -> Option<Self> {
        match acknowledge_type {
            0 | 3 => Some(Wish::Become(RecordState::Archived)),
            1 => Some(Wish::Become(RecordState::Acknowledged)),
            2 => Some(Wish::Become(RecordState::Available)),
            4 => Some(Wish::Renew),
            _ => None,
        }
    }
}

impl AcknowledgementBatch {
    fn wish(&self, offset: i64) -> Result<Wish, AcknowledgeError> {
        let types = &self.acknowledge_types;
        let index = if types.len() > 1 { usize::try_from(offset - self.first_offset).ok() } else { Some(0) };
        let acknowledge_type = index.and_then(|index| types.get(index));
        acknowledge_type
            .and_then(|acknowledge_type| Wish::of(*acknowledge_type))
            .ok_or_else(|| self.invalid())
    }

    fn invalid(&self) -> AcknowledgeError {
        AcknowledgeError::InvalidRequest(format!("Invalid acknowledge type: {:?}", self.acknowledge_types))
    }
}

impl SharePartition {
    /// Acknowledges records of a member. What is returned is to be written; `None`: there is nothing to
    /// write.
    ///
    /// # Errors
    /// When a record is not the member's, or the batches make no sense.
    pub fn acknowledge(
        &mut self,
        member_id: &Str,
        batches: &[AcknowledgementBatch],
        now_ms: i64,
    ) -> Result<Option<PendingWrite>, AcknowledgeError> {
        let mut transitions = Transitions::default();
        for batch in batches {
            if let Err(error) = self.acknowledge_one(member_id, batch, &mut transitions, now_ms) {
                self.roll_back(&transitions);
                return Err(error);
            }
        }
        Ok(self.pending_write(transitions, true))
    }

    fn acknowledge_one(
        &mut self,
        member_id: &Str,
        batch: &AcknowledgementBatch,
        transitions: &mut Transitions,
        now_ms: i64,
    ) -> Result<(), AcknowledgeError> {
        if batch.acknowledge_types.iter().any(|acknowledge_type| Wish::of(*acknowledge_type).is_none()) {
            return Err(batch.invalid());
        }
        if batch.last_offset < self.start_offset {
            return Ok(());
        }
        for key in self.keys_for(batch)? {
            self.acknowledge_in_batch(member_id, batch, key, transitions, now_ms)?;
        }
        Ok(())
    }

    /// The batches in flight that an acknowledgement is about (`fetchSubMapForAcknowledgementBatch`).
    fn keys_for(&self, batch: &AcknowledgementBatch) -> Result<Vec<i64>, AcknowledgeError> {
        let floor = |offset| self.batches.range(..=offset).next_back().map(|(key, _)| *key);
        let moved = batch.first_offset < self.start_offset && batch.last_offset >= self.start_offset;
        let from = floor(batch.first_offset)
            .or_else(|| floor(self.start_offset).filter(|_| moved))
            .filter(|from| *from <= batch.last_offset)
            .ok_or(InvalidRecordState(
                "Batch record not found. The request batch offsets are not found in the cache.",
            ))?;
        let last_offset =
            self.batches.range(from..=batch.last_offset).next_back().map_or(-1, |(_, last)| last.last_offset);
        let past = |what: &str| {
            AcknowledgeError::InvalidRequest(format!(
                "Batch record not found. The {what} offset in request is past acquired records."
            ))
        };
        if last_offset < batch.first_offset {
            return Err(past("first"));
        }
        if batch.last_offset > last_offset {
            return Err(past("last"));
        }
        Ok(self.batches.range(from..=batch.last_offset).map(|(key, _)| *key).collect())
    }

    fn acknowledge_in_batch(
        &mut self,
        member_id: &Str,
        batch: &AcknowledgementBatch,
        key: i64,
        transitions: &mut Transitions,
        now_ms: i64,
    ) -> Result<(), AcknowledgeError> {
        let start_offset = self.start_offset;
        let Some(in_flight) = self.batches.get(&key) else { return Ok(()) };
        if in_flight.last_offset < start_offset {
            return Ok(());
        }
        if let Some(state) = in_flight.whole() {
            if state.member_id.is_empty() {
                return Err(InvalidRecordState(
                    "The batch cannot be acknowledged. The batch is not in the acquired state.",
                ));
            }
            if state.member_id != *member_id {
                return Err(InvalidRecordState("Member is not the owner of batch record"));
            }
            if state.is_in_transition() {
                return Err(InvalidRecordState(
                    "The record state is invalid. The acknowledgement of delivery could not be completed.",
                ));
            }
            if state.state != RecordState::Acquired {
                return Err(InvalidRecordState(
                    "The batch cannot be acknowledged. The subset batch is not in the acquired state.",
                ));
            }
        }
        let one_by_one = in_flight.is_apart()
            || !in_flight.is_within(batch.first_offset, batch.last_offset)
            || batch.acknowledge_types.len() > 1
            || in_flight.first_offset < start_offset;
        if one_by_one {
            self.acknowledge_records(member_id, batch, key, transitions, now_ms)
        } else {
            self.acknowledge_whole(batch, key, transitions, now_ms)
        }
    }

    fn acknowledge_records(
        &mut self,
        member_id: &Str,
        batch: &AcknowledgementBatch,
        key: i64,
        transitions: &mut Transitions,
        now_ms: i64,
    ) -> Result<(), AcknowledgeError> {
        let deadline_ms = self.lock_deadline_ms(now_ms);
        let Self { batches, locks, config, start_offset, .. } = self;
        let Some(in_flight) = batches.get_mut(&key) else { return Ok(()) };
        let from = batch.first_offset.max(*start_offset);
        let mut completed = 0;
        let mut outcome = Ok(());
        for (offset, state) in in_flight.apart_mut(from, batch.last_offset, locks) {
            if state.state != RecordState::Acquired {
                outcome =
                    Err(InvalidRecordState("The offset cannot be acknowledged. The offset is not acquired."));
            } else if state.is_in_transition() {
                outcome = Err(InvalidRecordState(
                    "The record state is invalid. The acknowledgement of delivery could not be completed.",
                ));
            } else if state.member_id != *member_id {
                outcome = Err(InvalidRecordState("Member is not the owner of offset"));
            } else {
                outcome = match batch.wish(offset) {
                    Ok(Wish::Renew) if config.renew_acknowledge_enabled => {
                        state.set_lock(locks.arm(offset, offset, deadline_ms), locks);
                        Ok(())
                    }
                    Ok(Wish::Renew) => Err(RENEWING_IS_OFF),
                    Ok(Wish::Become(new)) if state.start_transition(new, config.max_delivery_count) => {
                        completed += i64::from(state.state.is_terminal());
                        transitions.push(offset, offset, state);
                        Ok(())
                    }
                    Ok(Wish::Become(_)) => {
                        Err(InvalidRecordState("Unable to acknowledge records for the batch"))
                    }
                    Err(error) => Err(error),
                };
            }
            if outcome.is_err() {
                break;
            }
        }
        self.complete_more(completed);
        outcome
    }

    fn acknowledge_whole(
        &mut self,
        batch: &AcknowledgementBatch,
        key: i64,
        transitions: &mut Transitions,
        now_ms: i64,
    ) -> Result<(), AcknowledgeError> {
        let deadline_ms = self.lock_deadline_ms(now_ms);
        let wish = batch.wish(batch.first_offset)?;
        let Self { batches, locks, config, .. } = self;
        let Some(in_flight) = batches.get_mut(&key) else { return Ok(()) };
        let (first_offset, last_offset, len) =
            (in_flight.first_offset, in_flight.last_offset, in_flight.len());
        let Records::Whole(state) = &mut in_flight.records else { return Ok(()) };
        match wish {
            Wish::Renew if config.renew_acknowledge_enabled => {
                state.set_lock(locks.arm(first_offset, last_offset, deadline_ms), locks);
            }
            Wish::Renew => return Err(RENEWING_IS_OFF),
            Wish::Become(new) => {
                if !state.start_transition(new, config.max_delivery_count) {
                    return Err(InvalidRecordState("Unable to acknowledge records for the batch"));
                }
                transitions.push(first_offset, last_offset, state);
                if state.state.is_terminal() {
                    self.complete_more(len);
                }
            }
        }
        Ok(())
    }
}

const RENEWING_IS_OFF: AcknowledgeError =
    InvalidRecordState("Renewing acquisition locks is not enabled for the group.");
