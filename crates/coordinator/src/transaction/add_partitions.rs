//! AddPartitionsToTxn and AddOffsetsToTxn: partitions join a transaction, or are looked for in it
//! (`TransactionCoordinator.handleAddPartitionsToTransaction`, `handleVerifyPartitionsInTransaction`).

use std::collections::BTreeSet;

use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::metadata::{TransactionMetadata, TransactionalProducer};
use super::reply::TransactionReply;
use super::shard::{TransactionCoordinatorShard, TransactionResult};
use super::state::TransactionState;
use crate::reply::ReplyId;

impl TransactionCoordinatorShard {
    /// Adds partitions to the transaction of a producer, or begins one with them. `client_transaction_version` is
    /// that of the client.
    pub fn add_partitions(
        &mut self,
        transactional_id: &Str,
        producer: TransactionalProducer,
        partitions: &BTreeSet<TopicPartition>,
        client_transaction_version: i16,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> TransactionResult {
        let mut out = TransactionResult::default();
        match self.addable(transactional_id, producer, partitions) {
            Err(ErrorCode::None) => out.reply(reply_id, TransactionReply::DONE),
            Err(error) => out.reply(reply_id, TransactionReply::Refused(error)),
            Ok(metadata) => {
                let next = metadata.add_partitions(partitions, client_transaction_version, now_ms);
                self.write(transactional_id, next, Some((reply_id, TransactionReply::DONE)), &mut out);
            }
        }
        out
    }

    /// Whether partitions are part of a producer's transaction: an error for each, in order. Looks at what is
    /// committed; what is on its way is judged when the records are appended.
    ///
    /// # Errors
    /// One that holds for all of them.
    pub fn verify_partitions(
        &self,
        transactional_id: &str,
        producer: TransactionalProducer,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let metadata = self.transactions.get_committed(transactional_id);
        let metadata = metadata.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        check_producer(metadata, producer)?;
        let verify = |partition| match metadata.partitions.contains(partition) {
            true => ErrorCode::None,
            false => ErrorCode::TransactionAbortable,
        };
        Ok(partitions.iter().map(verify).collect())
    }

    /// The transaction that the partitions can be added to.
    ///
    /// # Errors
    /// NONE when they are part of it already.
    fn addable(
        &self,
        transactional_id: &str,
        producer: TransactionalProducer,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<&TransactionMetadata, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let metadata = self.settled(transactional_id)?.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        check_producer(metadata, producer)?;
        if metadata.state == TransactionState::Ongoing && partitions.is_subset(&metadata.partitions) {
            return Err(ErrorCode::None);
        }
        Ok(metadata)
    }
}

fn check_producer(metadata: &TransactionMetadata, producer: TransactionalProducer) -> Result<(), ErrorCode> {
    if metadata.producer_id != producer.producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if metadata.producer_epoch != producer.producer_epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    if metadata.state.is_prepared() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    Ok(())
}

#[cfg(test)]
#[path = "add_partitions_test.rs"]
mod tests;
