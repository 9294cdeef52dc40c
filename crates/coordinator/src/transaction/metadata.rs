//! What is known of a transactional id, and the transitions between its states (`TransactionMetadata`).

use std::collections::BTreeSet;

use ottla_protocol::{ErrorCode, TopicPartition};

use super::TRANSACTION_VERSION_WITH_EPOCH_BUMP;
use super::state::TransactionState;

/// No producer id.
pub(super) const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;

/// A producer as it names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionalProducer {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

/// A transactional id. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionMetadata {
    /// The id of the producer.
    pub producer_id: i64,
    /// The producer id before the last transition; -1: none.
    pub prev_producer_id: i64,
    /// The producer id that the end of the transaction will bring, when the epochs of this one are used up; -1: none.
    pub next_producer_id: i64,
    /// The epoch of the producer.
    pub producer_epoch: i16,
    /// The epoch before the last bump, if its owner may ask for the bump again; -1: none. Not persisted.
    pub last_producer_epoch: i16,
    /// How long a transaction may last, in milliseconds. [`i32::MAX`]: for ever.
    pub txn_timeout_ms: i32,
    /// The state.
    pub state: TransactionState,
    /// The partitions of the transaction.
    pub partitions: BTreeSet<TopicPartition>,
    /// When the transaction began; -1: there is none.
    pub txn_start_timestamp_ms: i64,
    /// The last change.
    pub txn_last_update_timestamp_ms: i64,
    /// `transaction.version` as the client used it in the last transition.
    pub client_transaction_version: i16,
}

impl TransactionMetadata {
    /// A transactional id that nobody has used yet.
    pub(super) fn new(producer_id: i64, txn_timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            prev_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            txn_timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            txn_start_timestamp_ms: -1,
            txn_last_update_timestamp_ms: now_ms,
            client_transaction_version: 0,
        }
    }

    /// Whether this id has no epoch left to give. The last one is kept for fencing.
    pub fn is_producer_epoch_exhausted(&self) -> bool {
        is_epoch_exhausted(self.producer_epoch)
    }

    /// Whether the end of the transaction brings a new epoch.
    pub(super) fn supports_epoch_bump(&self) -> bool {
        self.client_transaction_version >= TRANSACTION_VERSION_WITH_EPOCH_BUMP
    }

    /// A transition starts out as a copy; the id that it leaves is remembered.
    fn transition(&self, state: TransactionState) -> Self {
        Self { state, prev_producer_id: self.producer_id, ..self.clone() }
    }

    /// A new session of the same producer id.
    ///
    /// # Errors
    /// PRODUCER_FENCED when `expected_epoch` is neither the current one nor the one before it.
    pub(super) fn increment_producer_epoch(
        &self,
        txn_timeout_ms: i32,
        expected_epoch: Option<i16>,
        now_ms: i64,
    ) -> Result<Self, ErrorCode> {
        let bumped = self.producer_epoch.saturating_add(1);
        let (producer_epoch, last_producer_epoch) = match expected_epoch {
            None => (bumped, NO_PRODUCER_EPOCH),
            Some(expected) if self.producer_epoch == NO_PRODUCER_EPOCH || expected == self.producer_epoch => {
                (bumped, self.producer_epoch)
            }
            // The bump was made already, and the answer was lost.
            Some(expected) if expected == self.last_producer_epoch => {
                (self.producer_epoch, self.last_producer_epoch)
            }
            Some(_) => return Err(ErrorCode::ProducerFenced),
        };
        Ok(Self {
            producer_epoch,
            last_producer_epoch,
            txn_timeout_ms,
            partitions: BTreeSet::new(),
            txn_start_timestamp_ms: -1,
            txn_last_update_timestamp_ms: now_ms,
            ..self.transition(TransactionState::Empty)
        })
    }

    /// A new session under a new producer id.
    pub(super) fn rotate_producer_id(
        &self,
        producer_id: i64,
        txn_timeout_ms: i32,
        record_last_epoch: bool,
        now_ms: i64,
    ) -> Self {
        Self {
            producer_id,
            producer_epoch: 0,
            last_producer_epoch: if record_last_epoch { self.producer_epoch } else { NO_PRODUCER_EPOCH },
            txn_timeout_ms,
            partitions: BTreeSet::new(),
            txn_start_timestamp_ms: -1,
            txn_last_update_timestamp_ms: now_ms,
            ..self.transition(TransactionState::Empty)
        }
    }

    /// Partitions join the transaction, or begin one.
    pub(super) fn add_partitions(
        &self,
        added: &BTreeSet<TopicPartition>,
        client_transaction_version: i16,
        now_ms: i64,
    ) -> Self {
        let mut next = self.transition(TransactionState::Ongoing);
        if self.state != TransactionState::Ongoing {
            next.txn_start_timestamp_ms = now_ms;
        }
        next.partitions.extend(added.iter().cloned());
        next.txn_last_update_timestamp_ms = now_ms;
        next.client_transaction_version = client_transaction_version;
        next
    }

    /// The outcome is decided. `next_producer_id` is for a producer whose epochs are used up, -1 otherwise;
    /// `no_partition_added`: there was no transaction, and its abort only brings a new epoch.
    pub(super) fn abort_or_commit(
        &self,
        state: TransactionState,
        client_transaction_version: i16,
        next_producer_id: i64,
        no_partition_added: bool,
        now_ms: i64,
    ) -> Self {
        let mut next = self.transition(state);
        next.client_transaction_version = client_transaction_version;
        if next.supports_epoch_bump() {
            // At the very last epoch, which nobody should have, an abort goes through without a bump.
            next.producer_epoch = self.producer_epoch.saturating_add(1);
            next.last_producer_epoch = self.producer_epoch;
        }
        if no_partition_added {
            next.txn_start_timestamp_ms = now_ms;
        }
        next.next_producer_id = next_producer_id;
        next.txn_last_update_timestamp_ms = now_ms;
        next
    }

    /// The coordinator aborts the transaction by itself: its time is up, or a new session wants to begin. The
    /// epoch that results is nobody's.
    pub(super) fn abort_and_fence(
        &self,
        transaction_version: i16,
        next_producer_id: i64,
        now_ms: i64,
    ) -> Self {
        if transaction_version >= TRANSACTION_VERSION_WITH_EPOCH_BUMP {
            let state = TransactionState::PrepareAbort;
            return self.abort_or_commit(state, transaction_version, next_producer_id, false, now_ms);
        }
        let fenced = Self {
            producer_epoch: self.producer_epoch.saturating_add(1),
            last_producer_epoch: NO_PRODUCER_EPOCH,
            ..self.clone()
        };
        fenced.abort_or_commit(TransactionState::PrepareAbort, 0, NO_PRODUCER_ID, false, now_ms)
    }

    /// All markers are written.
    pub(super) fn complete(&self, now_ms: i64) -> Self {
        let state = match self.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        let mut next = self.transition(state);
        if self.supports_epoch_bump() && self.next_producer_id != NO_PRODUCER_ID {
            next.producer_id = self.next_producer_id;
            next.producer_epoch = 0;
        }
        next.next_producer_id = NO_PRODUCER_ID;
        next.partitions = BTreeSet::new();
        next.txn_last_update_timestamp_ms = now_ms;
        next
    }
}

/// Whether there is no epoch after this one for clients.
pub(super) fn is_epoch_exhausted(producer_epoch: i16) -> bool {
    producer_epoch >= i16::MAX - 1
}
