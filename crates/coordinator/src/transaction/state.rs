//! The states of a transactional id.

/// Where a transactional id stands (`TransactionState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum TransactionState {
    /// No transaction yet with this epoch.
    Empty = 0,
    /// A transaction has partitions.
    Ongoing = 1,
    /// The transaction will be committed.
    PrepareCommit = 2,
    /// The transaction will be aborted.
    PrepareAbort = 3,
    /// The transaction is committed everywhere.
    CompleteCommit = 4,
    /// The transaction is aborted everywhere.
    CompleteAbort = 5,
    /// The id is being forgotten. Never written.
    Dead = 6,
    /// The producer is being fenced. Never written.
    PrepareEpochFence = 7,
}

const ALL: [TransactionState; 8] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
    TransactionState::Dead,
    TransactionState::PrepareEpochFence,
];

impl TransactionState {
    /// The id in records.
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The state with an id.
    pub fn from_id(id: i8) -> Option<Self> {
        ALL.into_iter().find(|state| state.id() == id)
    }

    /// The name that clients are told.
    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::PrepareCommit => "PrepareCommit",
            TransactionState::PrepareAbort => "PrepareAbort",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
            TransactionState::Dead => "Dead",
            TransactionState::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the outcome is decided, and markers are yet to be written.
    pub fn is_prepared(self) -> bool {
        matches!(self, TransactionState::PrepareCommit | TransactionState::PrepareAbort)
    }

    /// Whether an id in this state may be forgotten.
    pub fn is_expiration_allowed(self) -> bool {
        matches!(
            self,
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_round_trip() {
        for state in ALL {
            assert_eq!(TransactionState::from_id(state.id()), Some(state));
            assert_eq!(TransactionState::from_name(state.name()), Some(state));
        }
        assert_eq!(TransactionState::from_id(8), None);
        assert_eq!(TransactionState::from_name("ongoing"), None);
    }
}
