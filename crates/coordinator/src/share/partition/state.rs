//! The state of a record, or of a batch whose records are all in the same one (`InFlightState`).

use ottla_protocol::Str;

use super::locks::{Lock, Locks};

/// Where a record stands (`RecordState`). Kafka reserves 3 for records on their way to a dead letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordState {
    /// Can be acquired.
    Available,
    /// With a member.
    Acquired,
    /// Done with: processed.
    Acknowledged,
    /// On its way to being archived; not entered by this version.
    Archiving,
    /// Done with: rejected, delivered too often, missing, or below the log's start.
    Archived,
}

impl RecordState {
    /// As the persister keeps it.
    pub fn id(self) -> i8 {
        match self {
            RecordState::Available => 0,
            RecordState::Acquired => 1,
            RecordState::Acknowledged => 2,
            RecordState::Archiving => 3,
            RecordState::Archived => 4,
        }
    }

    /// The state with this id.
    pub fn from_id(id: i8) -> Option<Self> {
        [Self::Available, Self::Acquired, Self::Acknowledged, Self::Archiving, Self::Archived]
            .into_iter()
            .find(|state| state.id() == id)
    }

    /// Whether nothing more will happen to the record.
    pub fn is_terminal(self) -> bool {
        matches!(self, RecordState::Acknowledged | RecordState::Archived)
    }

    fn may_become(self, new: RecordState) -> bool {
        self != new && !self.is_terminal() && (self != RecordState::Available || new == RecordState::Acquired)
    }
}

#[derive(Clone, Debug)]
pub(super) struct InFlightState {
    pub state: RecordState,
    pub delivery_count: i16,
    /// The owner; empty when there is none.
    pub member_id: Str,
    /// Armed, or run out while a write was under way.
    lock: Option<Lock>,
    /// What to go back to when the write that is under way fails.
    rollback: Option<Box<Rollback>>,
    /// Archived below the log's start: no write's failure brings it back.
    archived_for_good: bool,
}

#[derive(Clone, Debug)]
struct Rollback {
    state: RecordState,
    member_id: Str,
    max_delivery_count: i16,
}

impl InFlightState {
    pub fn new(state: RecordState, delivery_count: i16, member_id: Str, lock: Option<Lock>) -> Self {
        Self { state, delivery_count, member_id, lock, rollback: None, archived_for_good: false }
    }

    pub fn is_in_transition(&self) -> bool {
        self.rollback.is_some()
    }

    /// Whether a member can acquire it.
    pub fn is_available(&self) -> bool {
        self.state == RecordState::Available && !self.is_in_transition()
    }

    /// Gives it to a member; false when it is not to be had.
    pub fn acquire(&mut self, member_id: &Str) -> bool {
        if !self.is_available() {
            return false;
        }
        self.state = RecordState::Acquired;
        self.delivery_count = self.delivery_count.saturating_add(1);
        self.member_id = member_id.clone();
        true
    }

    /// Changes the state for good; false when that is not possible. What was delivered often enough does not
    /// become available again.
    pub fn update(&mut self, new: RecordState, max_delivery_count: i16) -> bool {
        let spent = new == RecordState::Available && self.delivery_count >= max_delivery_count;
        let new = if spent { RecordState::Archived } else { new };
        if self.is_in_transition() || !self.state.may_become(new) {
            return false;
        }
        self.state = new;
        self.member_id = Str::new();
        true
    }

    /// Changes the state until [`Self::complete`] says whether it holds.
    pub fn start_transition(&mut self, new: RecordState, max_delivery_count: i16) -> bool {
        let rollback = Rollback { state: self.state, member_id: self.member_id.clone(), max_delivery_count };
        if !self.update(new, max_delivery_count) {
            return false;
        }
        self.rollback = Some(Box::new(rollback));
        true
    }

    /// The write has succeeded or failed. A lock that has run out meanwhile is not given back; true when that
    /// was the last delivery.
    pub fn complete(&mut self, committed: bool, locks: &mut Locks) -> bool {
        let Some(rollback) = self.rollback.take() else { return false };
        if committed || self.archived_for_good {
            self.unlock(locks);
            return false;
        }
        if self.lock.is_some_and(|lock| !locks.is_armed(lock)) {
            let spent = self.delivery_count >= rollback.max_delivery_count;
            self.state = if spent { RecordState::Archived } else { RecordState::Available };
            self.member_id = Str::new();
            self.unlock(locks);
            spent
        } else {
            self.state = rollback.state;
            self.member_id = rollback.member_id;
            false
        }
    }

    pub fn archive(&mut self, locks: &mut Locks) {
        self.archived_for_good = true;
        self.state = RecordState::Archived;
        self.member_id = Str::new();
        self.unlock(locks);
    }

    pub fn set_lock(&mut self, lock: Lock, locks: &mut Locks) {
        self.unlock(locks);
        self.lock = Some(lock);
    }

    pub fn unlock(&mut self, locks: &mut Locks) {
        if let Some(lock) = self.lock.take() {
            locks.cancel(lock);
        }
    }

    /// The same for one record of the batch, with a lock of its own.
    pub fn for_record(&self, offset: i64, locks: &mut Locks) -> Self {
        let lock = self.lock.map(|lock| locks.split(lock, offset));
        Self { lock, ..self.clone() }
    }
}
