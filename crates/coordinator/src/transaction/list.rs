//! ListTransactions (`TransactionStateManager.listTransactionStates`).

use ottla_protocol::Str;
use ottla_protocol::messages::list_transactions_response;

use super::metadata::TransactionMetadata;
use super::shard::TransactionCoordinatorShard;
use super::state::TransactionState;

/// One transactional id in the answer.
pub type Listed = list_transactions_response::TransactionState;

/// Which transactional ids are asked for. What is empty does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Producer ids.
    pub producer_ids: Vec<i64>,
    /// Names of states.
    pub states: Vec<Str>,
    /// Only transactions that began more than this many milliseconds ago; negative: all.
    pub duration_ms: i64,
}

impl ListFilter {
    /// The names of states that do not exist.
    pub fn unknown_states(&self) -> Vec<Str> {
        self.states.iter().filter(|name| TransactionState::from_name(name).is_none()).cloned().collect()
    }

    fn includes(&self, metadata: &TransactionMetadata, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(metadata.txn_start_timestamp_ms);
        (self.producer_ids.is_empty() || self.producer_ids.contains(&metadata.producer_id))
            && (self.states.is_empty() || self.states.iter().any(|name| &**name == metadata.state.name()))
            && (self.duration_ms < 0 || age_ms > self.duration_ms)
    }
}

impl TransactionCoordinatorShard {
    /// The committed transactional ids that pass the filter and whose name `matches`.
    pub fn list_transactions(
        &self,
        filter: &ListFilter,
        matches: &dyn Fn(&str) -> bool,
        now_ms: i64,
    ) -> Vec<Listed> {
        self.transactions
            .range_committed::<std::ops::RangeFull>(..)
            .filter(|(transactional_id, metadata)| {
                filter.includes(metadata, now_ms) && matches(transactional_id)
            })
            .map(|(transactional_id, metadata)| Listed {
                transactional_id: transactional_id.clone(),
                producer_id: metadata.producer_id,
                transaction_state: Str::from_static(metadata.state.name()),
            })
            .collect()
    }
}
