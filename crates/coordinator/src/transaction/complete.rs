//! From the decision to the end: markers, then the record that closes the transaction
//! (`TransactionMarkerChannelManager`).

use ottla_protocol::{Str, TopicPartition};

use super::metadata::TransactionalProducer;
use super::shard::{TransactionCoordinatorShard, TransactionEvent, TransactionResult, TransactionTimer};
use super::state::TransactionState;

/// Pause before another attempt to write what closes a transaction, in milliseconds.
const RETRY_MS: i64 = 500;

/// The markers of one transaction, to be written to all its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Whose transaction.
    pub transactional_id: Str,
    /// The producer, with the epoch for the markers.
    pub producer: TransactionalProducer,
    /// Whether it is committed; otherwise it is aborted.
    pub committed: bool,
    /// Leader epoch of the coordinator's partition.
    pub coordinator_epoch: i32,
    /// `transaction.version` as the client used it.
    pub transaction_version: i16,
    /// Where to.
    pub partitions: Vec<TopicPartition>,
}

impl TransactionCoordinatorShard {
    /// All markers of a transaction are written, or their partitions are gone.
    pub fn on_markers_written(
        &mut self,
        transactional_id: &Str,
        producer: TransactionalProducer,
        now_ms: i64,
    ) -> TransactionResult {
        let mut out = TransactionResult::default();
        let is_same = self.transactions.get(transactional_id).is_some_and(|metadata| {
            metadata.state.is_prepared()
                && metadata.producer_id == producer.producer_id
                && metadata.producer_epoch == producer.producer_epoch
        });
        if is_same {
            self.write_completion(transactional_id, now_ms, &mut out);
        }
        out
    }

    /// The decision is committed.
    pub(super) fn begin_completion(
        &mut self,
        transactional_id: &Str,
        now_ms: i64,
        out: &mut TransactionResult,
    ) {
        let Some(metadata) = self.transactions.get(transactional_id) else { return };
        if metadata.partitions.is_empty() {
            self.write_completion(transactional_id, now_ms, out);
            return;
        }
        let markers = Markers {
            transactional_id: transactional_id.clone(),
            producer: TransactionalProducer {
                producer_id: metadata.producer_id,
                producer_epoch: metadata.producer_epoch,
            },
            committed: metadata.state == TransactionState::PrepareCommit,
            coordinator_epoch: self.coordinator_epoch,
            transaction_version: metadata.client_transaction_version,
            partitions: metadata.partitions.iter().cloned().collect(),
        };
        self.pending.insert(transactional_id.clone());
        out.events.push(TransactionEvent::WriteMarkers(markers));
    }

    /// Goes on with what a former coordinator left undone.
    pub(super) fn complete_prepared(&mut self, now_ms: i64, out: &mut TransactionResult) {
        let prepared = self.transactions.iter().filter(|(_, metadata)| metadata.state.is_prepared());
        let prepared: Vec<Str> = prepared.map(|(transactional_id, _)| transactional_id.clone()).collect();
        for transactional_id in prepared {
            self.begin_completion(&transactional_id, now_ms, out);
        }
        out.write.atomic = false;
    }

    /// A write has failed; if a decision stands nevertheless, the end is to be tried again.
    pub(super) fn retry_completion(
        &mut self,
        transactional_id: Str,
        now_ms: i64,
        out: &mut TransactionResult,
    ) {
        if self.transactions.get(&transactional_id).is_some_and(|metadata| metadata.state.is_prepared()) {
            self.pending.insert(transactional_id.clone());
            out.schedule(TransactionTimer::Complete(transactional_id), now_ms, RETRY_MS);
        }
    }

    pub(super) fn on_completion_timer(&mut self, transactional_id: &Str, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult::default();
        let committed = self.transactions.get_committed(transactional_id).map(|metadata| metadata.state);
        match committed {
            Some(state) if state.is_prepared() => {
                // The markers once more: they do no harm, and a partition may have a new leader.
                self.begin_completion(transactional_id, now_ms, &mut out);
            }
            _ => self.retry_completion(transactional_id.clone(), now_ms, &mut out),
        }
        out
    }

    fn write_completion(&mut self, transactional_id: &Str, now_ms: i64, out: &mut TransactionResult) {
        if let Some(metadata) = self.transactions.get(transactional_id) {
            let completed = metadata.complete(now_ms);
            self.write(transactional_id, completed, None, out);
        }
    }
}
