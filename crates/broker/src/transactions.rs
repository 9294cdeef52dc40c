//! Ways to the transaction coordinator.

use ottla_coordinator::ReplyId;
use ottla_coordinator::partition_for;
use ottla_coordinator::transaction::{
    TransactionCoordinatorShard, TransactionReply, TransactionResult, TransactionalProducer,
};
use ottla_protocol::ErrorCode;

use crate::broker::Broker;
use crate::internal_topics::TRANSACTION_STATE;

impl Broker {
    /// Number of partitions of the transaction topic; 0 while it does not exist.
    pub fn transaction_partitions(&self) -> i32 {
        self.partitions_of(TRANSACTION_STATE)
    }

    /// Runs an operation on the shard of a transactional id.
    ///
    /// # Errors
    /// When the shard is not here, or not yet.
    pub async fn run_transaction(
        &self,
        transactional_id: &str,
        operation: impl FnOnce(&mut TransactionCoordinatorShard, ReplyId, i64) -> TransactionResult
        + Send
        + 'static,
    ) -> Result<TransactionReply, ErrorCode> {
        let partitions = self.transaction_partitions();
        self.transactions.run(transactional_id, partitions, operation).await
    }

    /// Runs an operation that may need a fresh producer id: again, with one, when it says so.
    ///
    /// # Errors
    /// As the operation, or when there is no shard or no id.
    pub async fn run_transaction_with_producer_id<F>(
        &self,
        transactional_id: &str,
        operation: F,
    ) -> Result<TransactionalProducer, ErrorCode>
    where
        F: Fn(&mut TransactionCoordinatorShard, Option<i64>, ReplyId, i64) -> TransactionResult
            + Clone
            + Send
            + 'static,
    {
        let mut fresh = None;
        loop {
            let operation = operation.clone();
            let reply = self.run_transaction(transactional_id, move |shard, id, now_ms| {
                operation(shard, fresh, id, now_ms)
            });
            match reply.await? {
                TransactionReply::Done(producer) => return Ok(producer),
                TransactionReply::Refused(error) => return Err(error),
                TransactionReply::ProducerIdWanted if fresh.is_none() => {
                    fresh = Some(self.producer_ids.next().await?);
                }
                TransactionReply::ProducerIdWanted => return Err(ErrorCode::UnknownServerError),
            }
        }
    }

    /// Looks at the shard of a transactional id.
    ///
    /// # Errors
    /// When the shard is not here, or not yet.
    pub async fn look_at_transaction<R: Send + 'static>(
        &self,
        transactional_id: &str,
        look: impl FnOnce(&TransactionCoordinatorShard) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        match self.transaction_partitions() {
            0 => Err(ErrorCode::NotCoordinator),
            count => self.transactions.look(partition_for(transactional_id, count), look).await,
        }
    }
}

/// Clients before these versions know INVALID_PRODUCER_EPOCH only.
pub fn fenced_for(api_version: i16, since: i16, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if api_version < since => ErrorCode::InvalidProducerEpoch,
        error => error,
    }
}
