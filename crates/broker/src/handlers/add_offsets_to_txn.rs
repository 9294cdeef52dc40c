//! AddOffsetsToTxn (key 25), versions 0-4: offsets of a group become part of a transaction (KIP-98).
//!
//! v2 PRODUCER_FENCED · v4 TRANSACTION_ABORTABLE. Clients with transactions V2 leave it out: TxnOffsetCommit does it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::partition_for;
use ottla_coordinator::transaction::{TransactionReply, TransactionalProducer};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::group_request::offsets_partitions;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::CONSUMER_OFFSETS;
use crate::transactions::fenced_for;

/// First version whose clients know PRODUCER_FENCED.
const FENCED_VERSION: i16 = 2;

/// Adds the group's partition of the offsets topic.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let error = match add(&ctx, &broker, request).await {
        Ok(TransactionReply::Done(_)) => ErrorCode::None,
        Ok(TransactionReply::Refused(error)) | Err(error) => error,
        Ok(TransactionReply::ProducerIdWanted) => ErrorCode::UnknownServerError,
    };
    AddOffsetsToTxnResponse {
        error_code: fenced_for(ctx.api_version, FENCED_VERSION, error).code(),
        ..Default::default()
    }
}

async fn add(
    ctx: &RequestContext,
    broker: &Broker,
    request: AddOffsetsToTxnRequest,
) -> Result<TransactionReply, ErrorCode> {
    broker.authorize(ctx, AclOperation::Write, Resource::TransactionalId(&request.transactional_id))?;
    broker.authorize(ctx, AclOperation::Read, Resource::Group(&request.group_id))?;
    let count = offsets_partitions(broker);
    if count == 0 {
        // Nobody can have committed offsets yet: the client looks for the group's coordinator, which creates the topic.
        broker.create_internal_topic(CONSUMER_OFFSETS).await;
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let index = partition_for(&request.group_id, count);
    let partition = TopicPartition::new(Str::from_static(CONSUMER_OFFSETS), index);
    let producer =
        TransactionalProducer { producer_id: request.producer_id, producer_epoch: request.producer_epoch };
    let transactional_id = request.transactional_id.clone();
    broker
        .run_transaction(&request.transactional_id, move |shard, id, now_ms| {
            let partitions = BTreeSet::from([partition]);
            shard.add_partitions(&transactional_id, producer, &partitions, 0, id, now_ms)
        })
        .await
}
