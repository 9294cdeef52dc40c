//! Transactional ids that nobody has used for long are forgotten
//! (`TransactionStateManager.removeExpiredTransactionalIds`).

use ottla_protocol::Str;

use super::record::transaction_tombstone;
use super::shard::{TransactionCoordinatorShard, TransactionEvent, TransactionResult, TransactionTimer};

impl TransactionCoordinatorShard {
    pub(super) fn remove_expired(&mut self, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult::default();
        self.schedule_expiration(now_ms, &mut out);
        let oldest_ms = now_ms.saturating_sub(i64::from(self.config.transactional_id_expiration_ms));
        let expired: Vec<&Str> = self
            .transactions
            .iter()
            .filter(|(transactional_id, metadata)| {
                metadata.state.is_expiration_allowed()
                    && metadata.txn_last_update_timestamp_ms <= oldest_ms
                    && !self.pending.contains(*transactional_id)
            })
            .map(|(transactional_id, _)| transactional_id)
            .collect();
        out.records.extend(expired.iter().filter_map(|id| transaction_tombstone(id).ok()));
        out.write.atomic = false;
        if !expired.is_empty() {
            out.events.push(TransactionEvent::Expired { transactional_ids: expired.len() });
        }
        out
    }

    pub(super) fn schedule_expiration(&self, now_ms: i64, out: &mut TransactionResult) {
        let interval_ms = i64::from(self.config.remove_expired_interval_ms);
        out.schedule(TransactionTimer::RemoveExpired, now_ms, interval_ms);
    }
}
