//! Before the first record of a transaction is appended to a partition, the transaction coordinator is asked whether
//! the partition is part of the transaction, or, by newer clients, told so (KIP-890; Kafka: `AddPartitionsToTxnManager`,
//! `ReplicaManager.maybeSendPartitionsToTransactionCoordinator`).
//!
//! A client whose transaction was aborted by time-out could otherwise write one more record, which no marker would
//! ever end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::transaction::{
    TRANSACTION_VERSION_WITH_EPOCH_BUMP, TransactionReply, TransactionalProducer,
};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use ottla_storage::VerificationGuard;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::partitions::Partition;

/// What the client's version of the API lets the broker do (`TransactionSupportedOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupportedOperation {
    /// Ask; the client does not know TRANSACTION_ABORTABLE.
    DefaultError,
    /// Ask.
    GenericErrorSupported,
    /// Add the partition: transactions V2.
    AddPartition,
}

impl SupportedOperation {
    /// In a Produce of this version.
    pub fn of_produce(version: i16) -> Self {
        Self::of(version, 10)
    }

    /// In a TxnOffsetCommit of this version.
    pub fn of_txn_offset_commit(version: i16) -> Self {
        Self::of(version, 3)
    }

    fn of(version: i16, last_without: i16) -> Self {
        match version - last_without {
            ..=0 => Self::DefaultError,
            1 => Self::GenericErrorSupported,
            _ => Self::AddPartition,
        }
    }

    /// Whether transactions end with a new epoch.
    pub fn supports_epoch_bump(self) -> bool {
        self == Self::AddPartition
    }
}

/// A verification that is about to be made.
pub struct Verification {
    transactional_id: Str,
    producer: TransactionalProducer,
    operation: SupportedOperation,
    verified: Verified,
}

/// What came of it. What is named in neither list needs no proof.
#[derive(Debug, Default)]
pub struct Verified {
    /// What the append has to bring.
    pub guards: BTreeMap<TopicPartition, VerificationGuard>,
    /// What must not be appended.
    pub errors: HashMap<TopicPartition, ErrorCode>,
}

impl Verified {
    /// The proof for an append to a partition.
    ///
    /// # Errors
    /// Why there must be none.
    pub fn guard(&self, partition: &TopicPartition) -> Result<VerificationGuard, ErrorCode> {
        match self.errors.get(partition) {
            Some(error) => Err(*error),
            None => Ok(self.guards.get(partition).copied().unwrap_or(VerificationGuard::SENTINEL)),
        }
    }
}

impl Verification {
    /// Looks which partitions need a proof: those in which the transaction is not open yet. Each comes with the sequence
    /// of its first record.
    pub fn begin(
        broker: &Broker,
        transactional_id: &Str,
        producer: TransactionalProducer,
        partitions: &[(Arc<Partition>, i32)],
        operation: SupportedOperation,
        now_ms: i64,
    ) -> Self {
        let mut verified = Verified::default();
        let is_needed =
            operation.supports_epoch_bump() || broker.config.transactions.partition_verification_enable;
        for (partition, base_sequence) in partitions.iter().filter(|_| is_needed) {
            let name = TopicPartition::new(partition.topic.clone(), partition.index);
            let guard = partition.log().and_then(|log| {
                log.start_transaction_verification(
                    producer.producer_id,
                    *base_sequence,
                    producer.producer_epoch,
                    operation.supports_epoch_bump(),
                    now_ms,
                )
                .map_err(|refused| refused.error)
            });
            match guard {
                Ok(guard) if guard == VerificationGuard::SENTINEL => {}
                Ok(guard) => {
                    verified.guards.insert(name, guard);
                }
                Err(error) => {
                    verified.errors.insert(name, error);
                }
            }
        }
        Self { transactional_id: transactional_id.clone(), producer, operation, verified }
    }

    /// The outcome, if nobody has to be asked.
    ///
    /// # Errors
    /// The verification, if somebody has.
    #[allow(clippy::result_large_err, reason = "neither is an error: one of the two goes on")]
    pub fn settled(self) -> Result<Verified, Self> {
        if self.verified.guards.is_empty() { Ok(self.verified) } else { Err(self) }
    }

    /// Asks the coordinator once.
    pub async fn finish(mut self, broker: &Broker) -> Verified {
        let asked = self.ask(broker).await;
        self.verified.errors.extend(asked);
        self.verified
    }

    /// Asks the coordinator, and again for a little while as long as the transaction before this one is about to end:
    /// the client would only come back with all its records. It ends within a millisecond or two mostly, and asking costs
    /// little, so the first pauses are short.
    pub async fn finish_with_patience(mut self, broker: &Broker) -> Verified {
        let config = &broker.config.transactions;
        let longest_ms =
            config.add_partitions_retry_backoff_max_ms.min(broker.config.topics.request_timeout_ms);
        let mut pauses = pauses(config.add_partitions_retry_backoff_ms);
        let deadline = Instant::now() + Duration::from_millis(longest_ms.max(0) as u64);
        loop {
            let asked = self.ask(broker).await;
            let is_concurrent = asked.iter().any(|(_, error)| *error == ErrorCode::ConcurrentTransactions);
            if !(self.operation.supports_epoch_bump() && is_concurrent) || Instant::now() >= deadline {
                self.verified.errors.extend(asked);
                return self.verified;
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// The partitions that the coordinator refuses.
    async fn ask(&self, broker: &Broker) -> Vec<(TopicPartition, ErrorCode)> {
        let partitions: BTreeSet<TopicPartition> = self.verified.guards.keys().cloned().collect();
        let (asked, transactional_id, producer) =
            (partitions.clone(), self.transactional_id.clone(), self.producer);
        let answers: Result<Vec<ErrorCode>, ErrorCode> = if self.operation.supports_epoch_bump() {
            let version = TRANSACTION_VERSION_WITH_EPOCH_BUMP;
            let count = partitions.len();
            let reply = broker.run_transaction(&self.transactional_id, move |shard, id, now_ms| {
                shard.add_partitions(&transactional_id, producer, &asked, version, id, now_ms)
            });
            match reply.await {
                Ok(TransactionReply::Done(_)) => Ok(vec![ErrorCode::None; count]),
                Ok(TransactionReply::Refused(error)) | Err(error) => Err(error),
                Ok(TransactionReply::ProducerIdWanted) => Err(ErrorCode::UnknownServerError),
            }
        } else {
            let answer = broker.look_at_transaction(&self.transactional_id, move |shard| {
                shard.verify_partitions(&transactional_id, producer, &asked)
            });
            answer.await.and_then(|answer| answer)
        };
        let errors = answers.unwrap_or_else(|error| vec![error; partitions.len()]);
        let refused = partitions.into_iter().zip(errors).filter(|(_, error)| error.is_err());
        refused.map(|(partition, error)| (partition, self.told(error))).collect()
    }

    /// How an error of the coordinator is told.
    fn told(&self, error: ErrorCode) -> ErrorCode {
        match error {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if self.operation == SupportedOperation::DefaultError => {
                ErrorCode::InvalidTxnState
            }
            error => error,
        }
    }
}

/// From a millisecond, each twice the one before, up to `longest_ms`.
fn pauses(longest_ms: i32) -> impl Iterator<Item = Duration> {
    let longest = Duration::from_millis(longest_ms.max(1) as u64);
    let first = Duration::from_millis(1);
    std::iter::successors(Some(first), move |pause| Some(pause.saturating_mul(2).min(longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let first = |longest_ms: i32| pauses(longest_ms).map(|p| p.as_millis()).take(7).collect::<Vec<_>>();
        assert_eq!(first(20), [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(first(1), [1; 7]);
        assert_eq!(pauses(i32::MAX).nth(1_000), Some(Duration::from_millis(i32::MAX as u64)));
    }

    #[test]
    fn versions_tell_what_a_client_understands() {
        use SupportedOperation::{AddPartition, DefaultError, GenericErrorSupported};
        let produce = [10, 11, 12, 13].map(SupportedOperation::of_produce);
        assert_eq!(produce, [DefaultError, GenericErrorSupported, AddPartition, AddPartition]);
        let offsets = [0, 3, 4, 5].map(SupportedOperation::of_txn_offset_commit);
        assert_eq!(offsets, [DefaultError, DefaultError, GenericErrorSupported, AddPartition]);
    }
}
