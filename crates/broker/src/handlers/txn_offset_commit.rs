//! TxnOffsetCommit (key 28), versions 0-5: a group's offsets as part of a transaction (KIP-98).
//!
//! v3 member and generation (KIP-447) · v4 TRANSACTION_ABORTABLE · v5 the offsets join the transaction by this very
//! request (KIP-890).

use std::sync::Arc;

use ottla_coordinator::errors::{coordinator_error, txn_offset_commit_error};
use ottla_coordinator::transaction::TransactionalProducer;
use ottla_coordinator::{Reply, partition_for};
use ottla_metadata::{AclOperation, MetadataImage};
use ottla_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use ottla_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_protocol::{ErrorCode, TopicPartition};
use ottla_storage::VerificationGuard;

use super::group_request::offsets_partitions;
use crate::authorization::{Resource, Topics};
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::CONSUMER_OFFSETS;
use crate::verification::{SupportedOperation, Verification, Verified};

/// First version whose clients survive COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_VERSION: i16 = 2;
/// A batch of the coordinator has no sequence.
const NO_SEQUENCE: i32 = -1;

/// Answers when the offsets are written.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    if let Err(error) = authorize(&ctx, &broker, &request) {
        return txn_offset_commit_error(&request, error);
    }
    let mut refused = Vec::new();
    let image = broker.image();
    let mut allowed = broker.topics(&ctx, AclOperation::Read);
    let asked = std::mem::take(&mut request.topics);
    for topic in asked {
        request.topics.extend(validate(&image, &mut allowed, topic, &mut refused));
    }
    drop((image, allowed));
    let mut response = TxnOffsetCommitResponse::default();
    if !request.topics.is_empty() {
        response = commit(&ctx, &broker, request).await;
    }
    response.topics = merge(refused, response.topics);
    if ctx.api_version < LOADING_VERSION {
        for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
                partition.error_code = ErrorCode::CoordinatorNotAvailable.code();
            }
        }
    }
    response
}

fn authorize(
    ctx: &RequestContext,
    broker: &Broker,
    request: &TxnOffsetCommitRequest,
) -> Result<(), ErrorCode> {
    broker.authorize(ctx, AclOperation::Write, Resource::TransactionalId(&request.transactional_id))?;
    broker.authorize(ctx, AclOperation::Read, Resource::Group(&request.group_id))
}

async fn commit(
    ctx: &RequestContext,
    broker: &Broker,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    if request.group_id.is_empty() {
        return txn_offset_commit_error(&request, ErrorCode::InvalidGroupId);
    }
    let guard = match verify(ctx, broker, &request).await {
        Ok(guard) => guard,
        Err(error) => return txn_offset_commit_error(&request, error),
    };
    let (shown, group_id) = (request.clone(), request.group_id.clone());
    let reply = broker.groups.run_in_transaction(
        &group_id,
        offsets_partitions(broker),
        guard,
        move |shard, id, now_ms| shard.commit_transactional_offset(&request, id, now_ms),
    );
    match reply.await {
        Ok(Reply::TxnOffsetCommit(response)) => response,
        Ok(_) => txn_offset_commit_error(&shown, ErrorCode::UnknownServerError),
        Err(error) => txn_offset_commit_error(&shown, error),
    }
}

/// The group's partition of the offsets topic is part of the transaction.
async fn verify(
    ctx: &RequestContext,
    broker: &Broker,
    request: &TxnOffsetCommitRequest,
) -> Result<VerificationGuard, ErrorCode> {
    let count = offsets_partitions(broker);
    if count == 0 {
        return Err(ErrorCode::NotCoordinator);
    }
    let index = partition_for(&request.group_id, count);
    let partition = broker.partitions.get(CONSUMER_OFFSETS, index).ok_or(ErrorCode::NotCoordinator)?;
    let name = TopicPartition::new(partition.topic.clone(), index);
    let producer =
        TransactionalProducer { producer_id: request.producer_id, producer_epoch: request.producer_epoch };
    let verification = Verification::begin(
        broker,
        &request.transactional_id,
        producer,
        &[(partition, NO_SEQUENCE)],
        SupportedOperation::of_txn_offset_commit(ctx.api_version),
        ctx.now_ms,
    );
    let verified = match verification.settled() {
        Ok(verified) => verified,
        Err(verification) => verification.finish(broker).await,
    };
    guard(&verified, &name)
}

/// The proof. The log's own errors are not for clients of a coordinator.
fn guard(verified: &Verified, partition: &TopicPartition) -> Result<VerificationGuard, ErrorCode> {
    verified.guard(partition).map_err(coordinator_error)
}

/// The partitions of a topic that exist; the others are answered at once.
fn validate(
    image: &MetadataImage,
    allowed: &mut Topics<'_>,
    mut topic: TxnOffsetCommitRequestTopic,
    refused: &mut Vec<TxnOffsetCommitResponseTopic>,
) -> Option<TxnOffsetCommitRequestTopic> {
    let is_allowed = allowed.allow(&topic.name);
    let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
        .into_iter()
        .partition(|p| is_allowed && image.topics.partition(&topic.name, p.partition_index).is_some());
    let error = match is_allowed {
        true => ErrorCode::UnknownTopicOrPartition,
        false => ErrorCode::TopicAuthorizationFailed,
    };
    if !missing.is_empty() {
        let partitions = missing.iter().map(|partition| TxnOffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: error.code(),
        });
        refused.push(TxnOffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        });
    }
    topic.partitions = there;
    (!topic.partitions.is_empty()).then_some(topic)
}

/// One entry per topic: clients look a topic up once.
fn merge(
    mut topics: Vec<TxnOffsetCommitResponseTopic>,
    more: Vec<TxnOffsetCommitResponseTopic>,
) -> Vec<TxnOffsetCommitResponseTopic> {
    for topic in more {
        match topics.iter_mut().find(|known| known.name == topic.name) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_log_are_told_as_those_of_a_coordinator() {
        let check = |refused: ErrorCode, told: ErrorCode| {
            let partition = TopicPartition::new(CONSUMER_OFFSETS, 3);
            let verified = Verified { errors: [(partition.clone(), refused)].into(), ..Default::default() };
            assert_eq!(guard(&verified, &partition), Err(told));
        };
        check(ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator);
        check(ErrorCode::NetworkException, ErrorCode::CoordinatorLoadInProgress);
        check(ErrorCode::ConcurrentTransactions, ErrorCode::ConcurrentTransactions);
        let free = guard(&Verified::default(), &TopicPartition::new(CONSUMER_OFFSETS, 3));
        assert_eq!(free, Ok(VerificationGuard::SENTINEL));
    }
}
