//! Transactions whose time is up are aborted, and their producers fenced
//! (`TransactionCoordinator.abortTimedOutTransactions`).

use ottla_protocol::Str;

use super::TRANSACTION_VERSION_WITH_EPOCH_BUMP;
use super::metadata::{NO_PRODUCER_ID, TransactionMetadata};
use super::shard::{TransactionCoordinatorShard, TransactionEvent, TransactionResult, TransactionTimer};
use super::state::TransactionState;

impl TransactionCoordinatorShard {
    /// Aborts one transaction if its time is up, with a producer id for the case that the epochs are used up.
    pub fn abort_timed_out(
        &mut self,
        transactional_id: &Str,
        fresh_producer_id: i64,
        now_ms: i64,
    ) -> TransactionResult {
        let mut out = TransactionResult::default();
        if self.is_timed_out(transactional_id, now_ms) {
            self.abort_one(transactional_id, Some(fresh_producer_id), now_ms, &mut out);
        }
        out
    }

    pub(super) fn abort_all_timed_out(&mut self, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult::default();
        self.schedule_abort(now_ms, &mut out);
        let ids: Vec<Str> =
            self.transactions.iter().map(|(transactional_id, _)| transactional_id.clone()).collect();
        for transactional_id in ids {
            if self.is_timed_out(&transactional_id, now_ms) {
                self.abort_one(&transactional_id, None, now_ms, &mut out);
            }
        }
        out.write.atomic = false;
        out
    }

    pub(super) fn schedule_abort(&self, now_ms: i64, out: &mut TransactionResult) {
        let interval_ms = i64::from(self.config.abort_timed_out_interval_ms);
        out.schedule(TransactionTimer::AbortTimedOut, now_ms, interval_ms);
    }

    fn is_timed_out(&self, transactional_id: &Str, now_ms: i64) -> bool {
        match self.settled(transactional_id) {
            Ok(Some(metadata)) => metadata.is_timed_out(now_ms),
            _ => false,
        }
    }

    fn abort_one(
        &mut self,
        transactional_id: &Str,
        fresh_producer_id: Option<i64>,
        now_ms: i64,
        out: &mut TransactionResult,
    ) {
        let Some(metadata) = self.transactions.get(transactional_id) else { return };
        let transactional_id = transactional_id.clone();
        let Some(next_producer_id) =
            self.next_producer_id(metadata, self.transaction_version, fresh_producer_id)
        else {
            out.events.push(TransactionEvent::ProducerIdWanted { transactional_id });
            return;
        };
        let aborted = metadata.abort_and_fence(self.transaction_version, next_producer_id, now_ms);
        self.write(&transactional_id, aborted, None, out);
        out.events.push(TransactionEvent::TimedOut { transactional_id });
    }

    /// The producer id that the end of a transaction brings; `None` when one is needed and none is at hand.
    pub(super) fn next_producer_id(
        &self,
        metadata: &TransactionMetadata,
        transaction_version: i16,
        fresh_producer_id: Option<i64>,
    ) -> Option<i64> {
        let rotates = transaction_version >= TRANSACTION_VERSION_WITH_EPOCH_BUMP
            && metadata.is_producer_epoch_exhausted();
        if rotates { fresh_producer_id } else { Some(NO_PRODUCER_ID) }
    }
}

impl TransactionMetadata {
    /// Whether an open transaction has lasted too long. One that is led from outside may last for ever.
    fn is_timed_out(&self, now_ms: i64) -> bool {
        let deadline_ms = self.txn_start_timestamp_ms.saturating_add(i64::from(self.txn_timeout_ms));
        self.state == TransactionState::Ongoing && self.txn_timeout_ms != i32::MAX && deadline_ms < now_ms
    }
}
