//! What is told about producers, and the guards of transactional appends.

use ottla_protocol::ErrorCode;

use super::{LogState, PartitionLog};
use crate::producer_state::append_info::ProducerRefused;
use crate::producer_state::verification::VerificationGuard;

/// A producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Sequence of its last record; -1: none known.
    pub last_sequence: i32,
    /// Timestamp of its last batch or marker, Unix ms.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker; -1: none.
    pub coordinator_epoch: i32,
    /// First offset of its ongoing transaction; -1: none.
    pub current_txn_start_offset: i64,
}

impl PartitionLog {
    /// All producers that are known, in no order.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let state = self.state.lock();
        let producers = state.producers.producers().values();
        producers
            .map(|entry| ActiveProducer {
                producer_id: entry.producer_id,
                producer_epoch: entry.producer_epoch,
                last_sequence: entry.last_sequence(),
                last_timestamp: entry.last_timestamp,
                coordinator_epoch: entry.coordinator_epoch,
                current_txn_start_offset: entry.current_txn_first_offset.unwrap_or(-1),
            })
            .collect()
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub fn remove_expired_producers(&self, now_ms: i64) {
        self.state.lock().producers.remove_expired(now_ms);
    }

    /// Whether a transaction seems to hang.
    pub fn has_late_transaction(&self, now_ms: i64) -> bool {
        let timeout_ms = self.context.max_transaction_timeout_ms;
        self.state.lock().producers.has_late_transaction(now_ms, timeout_ms)
    }

    /// Whether this producer has a transaction open in this log.
    pub fn has_ongoing_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.state.lock().producers.has_ongoing_transaction(producer_id, producer_epoch)
    }

    /// Before the first append of a transaction: the guard that the append must bring once the coordinator has
    /// confirmed the transaction. [`VerificationGuard::SENTINEL`] when none is needed, because it is open here.
    pub fn start_transaction_verification(
        &self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: i64,
    ) -> Result<VerificationGuard, ProducerRefused> {
        let mut state = self.state.lock();
        self.check_epoch_not_stale(&state, producer_id, epoch)?;
        if state.producers.has_ongoing_transaction(producer_id, epoch) {
            return Ok(VerificationGuard::SENTINEL);
        }
        Ok(state.producers.start_verification(producer_id, sequence, epoch, supports_epoch_bump, now_ms))
    }

    pub(super) fn check_epoch_not_stale(
        &self,
        state: &LogState,
        producer_id: i64,
        epoch: i16,
    ) -> Result<(), ProducerRefused> {
        match state.producers.producer(producer_id) {
            Some(known) if epoch < known.producer_epoch => Err(ProducerRefused {
                error: ErrorCode::InvalidProducerEpoch,
                message: format!(
                    "Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {}",
                    known.producer_epoch
                ),
            }),
            _ => Ok(()),
        }
    }
}
