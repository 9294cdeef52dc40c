//! Where a producer's transactions stand.

/// States of `TransactionManager`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum State {
    /// No producer id.
    Uninitialized,
    /// A producer id, or another epoch, is asked for.
    Initializing,
    /// A transaction can begin; of an idempotent producer: it can send.
    Ready,
    /// Records and offsets can be added.
    InTransaction,
    /// Commit is under way.
    CommittingTransaction,
    /// Abort is under way.
    AbortingTransaction,
    /// The transaction can only be aborted.
    AbortableError,
    /// Nothing can be done but to close the producer.
    FatalError,
}

impl State {
    /// Whether `target` may follow.
    pub fn may_become(self, target: State) -> bool {
        use State::*;
        match target {
            Uninitialized => matches!(self, Ready | AbortableError),
            Initializing => matches!(self, Uninitialized | CommittingTransaction | AbortingTransaction),
            Ready => matches!(self, Initializing | CommittingTransaction | AbortingTransaction),
            InTransaction => self == Ready,
            CommittingTransaction => self == InTransaction,
            AbortingTransaction => matches!(self, InTransaction | AbortableError),
            AbortableError => {
                matches!(self, InTransaction | CommittingTransaction | AbortableError | Initializing)
            }
            FatalError => true,
        }
    }

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            State::Uninitialized => "UNINITIALIZED",
            State::Initializing => "INITIALIZING",
            State::Ready => "READY",
            State::InTransaction => "IN_TRANSACTION",
            State::CommittingTransaction => "COMMITTING_TRANSACTION",
            State::AbortingTransaction => "ABORTING_TRANSACTION",
            State::AbortableError => "ABORTABLE_ERROR",
            State::FatalError => "FATAL_ERROR",
        }
    }
}
