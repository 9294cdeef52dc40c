//! DescribeTransactions (`TransactionCoordinator.handleDescribeTransactions`).

use ottla_protocol::messages::describe_transactions_response::{TopicData, TransactionState as Described};
use ottla_protocol::{ErrorCode, Str};

use super::shard::TransactionCoordinatorShard;

impl TransactionCoordinatorShard {
    /// One transactional id, as far as it is committed.
    pub fn describe_transaction(&self, transactional_id: &Str) -> Described {
        let Some(metadata) = self.transactions.get_committed(transactional_id) else {
            return describe_transaction_error(transactional_id.clone(), ErrorCode::TransactionalIdNotFound);
        };
        let mut topics: Vec<TopicData> = Vec::new();
        for partition in &metadata.partitions {
            match topics.last_mut() {
                Some(last) if last.topic == partition.topic => last.partitions.push(partition.partition),
                _ => topics.push(TopicData {
                    topic: partition.topic.clone(),
                    partitions: vec![partition.partition],
                }),
            }
        }
        Described {
            error_code: ErrorCode::None.code(),
            transactional_id: transactional_id.clone(),
            transaction_state: Str::from_static(metadata.state.name()),
            transaction_timeout_ms: metadata.txn_timeout_ms,
            transaction_start_time_ms: metadata.txn_start_timestamp_ms,
            producer_id: metadata.producer_id,
            producer_epoch: metadata.producer_epoch,
            topics,
        }
    }
}

/// The answer for a transactional id that can't be described.
pub fn describe_transaction_error(transactional_id: Str, error: ErrorCode) -> Described {
    Described { error_code: error.code(), transactional_id, ..Default::default() }
}
