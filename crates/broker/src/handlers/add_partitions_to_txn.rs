//! AddPartitionsToTxn (key 24), versions 0-5: partitions become part of a transaction (KIP-98).
//!
//! v2 PRODUCER_FENCED · v4 many transactions at once, from brokers, also only to look (KIP-890) · v5
//! TRANSACTION_ABORTABLE. Clients with transactions V2 leave it out: Produce does it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::transaction::{
    TRANSACTION_VERSION_WITH_EPOCH_BUMP, TransactionReply, TransactionalProducer,
};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use ottla_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use ottla_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics;
use crate::transactions::fenced_for;

/// First version whose clients know PRODUCER_FENCED.
const FENCED_VERSION: i16 = 2;
/// First version with many transactions.
const BATCH_VERSION: i16 = 4;

/// Answers transaction by transaction.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if ctx.api_version >= BATCH_VERSION {
        if let Err(error) = broker.authorize(&ctx, AclOperation::ClusterAction, Resource::Cluster) {
            return AddPartitionsToTxnResponse { error_code: error.code(), ..Default::default() };
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let transactional_id = transaction.transactional_id.clone();
            let topic_results = add(&ctx, &broker, transaction).await;
            results.push(AddPartitionsToTxnResult { transactional_id, topic_results });
        }
        return AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() };
    }
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: request.v3_and_below_transactional_id,
        producer_id: request.v3_and_below_producer_id,
        producer_epoch: request.v3_and_below_producer_epoch,
        verify_only: false,
        topics: request.v3_and_below_topics,
    };
    let transactional_id = Resource::TransactionalId(&transaction.transactional_id);
    let results_by_topic_v3_and_below = match broker.authorize(&ctx, AclOperation::Write, transactional_id) {
        Ok(()) => add(&ctx, &broker, transaction).await,
        Err(error) => respond(&transaction, |_| error),
    };
    AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() }
}

async fn add(
    ctx: &RequestContext,
    broker: &Broker,
    transaction: AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let version = ctx.api_version;
    let denied = denied(ctx, broker, &transaction);
    let image = broker.image();
    let check = |partition: &TopicPartition| {
        if denied.contains(&partition.topic) {
            return ErrorCode::TopicAuthorizationFailed;
        }
        match image.topics.partition(&partition.topic, partition.partition) {
            Some(_) => ErrorCode::None,
            None => ErrorCode::UnknownTopicOrPartition,
        }
    };
    let partitions: BTreeSet<TopicPartition> = transaction
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|at| TopicPartition::new(topic.name.clone(), *at)))
        .collect();
    // One partition that does not exist or must not be written to, and none is added.
    if partitions.iter().any(|partition| check(partition).is_err()) {
        return respond(&transaction, |partition| match check(partition) {
            ErrorCode::None => ErrorCode::OperationNotAttempted,
            error => error,
        });
    }
    if transaction.verify_only {
        return verify(broker, &transaction, partitions).await;
    }
    let producer = producer(&transaction);
    let client_version = if version >= BATCH_VERSION { TRANSACTION_VERSION_WITH_EPOCH_BUMP } else { 0 };
    let transactional_id = transaction.transactional_id.clone();
    let reply = broker.run_transaction(&transaction.transactional_id, move |shard, id, now_ms| {
        shard.add_partitions(&transactional_id, producer, &partitions, client_version, id, now_ms)
    });
    let error = match reply.await {
        Ok(TransactionReply::Done(_)) => ErrorCode::None,
        Ok(TransactionReply::Refused(error)) | Err(error) => error,
        Ok(TransactionReply::ProducerIdWanted) => ErrorCode::UnknownServerError,
    };
    let error = fenced_for(version, FENCED_VERSION, error);
    respond(&transaction, |_| error)
}

/// The topics that a client may not write to; brokers ask for nothing that they have not checked.
fn denied(
    ctx: &RequestContext,
    broker: &Broker,
    transaction: &AddPartitionsToTxnTransaction,
) -> BTreeSet<Str> {
    if ctx.api_version >= BATCH_VERSION {
        return BTreeSet::new();
    }
    let mut allowed = broker.topics(ctx, AclOperation::Write);
    let names = transaction.topics.iter().map(|topic| &topic.name);
    names.filter(|name| internal_topics::is_internal(name) || !allowed.allow(name)).cloned().collect()
}

async fn verify(
    broker: &Broker,
    transaction: &AddPartitionsToTxnTransaction,
    partitions: BTreeSet<TopicPartition>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let (transactional_id, producer) = (transaction.transactional_id.clone(), producer(transaction));
    let asked = partitions.clone();
    let answer = broker.look_at_transaction(&transaction.transactional_id, move |shard| {
        shard.verify_partitions(&transactional_id, producer, &asked)
    });
    match answer.await.and_then(|answer| answer) {
        Ok(errors) => respond(transaction, |partition| {
            let at = partitions.iter().position(|known| known == partition);
            at.and_then(|at| errors.get(at).copied()).unwrap_or(ErrorCode::UnknownServerError)
        }),
        Err(error) => respond(transaction, |_| error),
    }
}

fn producer(transaction: &AddPartitionsToTxnTransaction) -> TransactionalProducer {
    TransactionalProducer { producer_id: transaction.producer_id, producer_epoch: transaction.producer_epoch }
}

fn respond(
    transaction: &AddPartitionsToTxnTransaction,
    error_of: impl Fn(&TopicPartition) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = transaction.topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: (topic.partitions.iter())
            .map(|at| AddPartitionsToTxnPartitionResult {
                partition_index: *at,
                partition_error_code: error_of(&TopicPartition::new(topic.name.clone(), *at)).code(),
            })
            .collect(),
    });
    topics.collect()
}
