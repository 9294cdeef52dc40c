//! EndTxn (key 26), versions 0-5: commits or aborts a transaction (KIP-98).
//!
//! v2 PRODUCER_FENCED · v4 TRANSACTION_ABORTABLE · v5 each end brings a new epoch, or a new id (KIP-890).

use std::sync::Arc;

use ottla_coordinator::transaction::{
    EndTransactionRequest, TRANSACTION_VERSION_WITH_EPOCH_BUMP, TransactionalProducer,
};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::{EndTxnRequest, EndTxnResponse};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::transactions::fenced_for;

/// First version whose clients know PRODUCER_FENCED.
const FENCED_VERSION: i16 = 2;
/// First version of transactions V2.
const EPOCH_BUMP_VERSION: i16 = 5;

/// Answers when the decision is written; the markers follow.
pub async fn handle(ctx: RequestContext, broker: Arc<Broker>, request: EndTxnRequest) -> EndTxnResponse {
    let transactional_id = Resource::TransactionalId(&request.transactional_id);
    if let Err(error) = broker.authorize(&ctx, AclOperation::Write, transactional_id) {
        return EndTxnResponse { error_code: error.code(), ..Default::default() };
    }
    let bumps = ctx.api_version >= EPOCH_BUMP_VERSION;
    let end = EndTransactionRequest {
        transactional_id: request.transactional_id.clone(),
        producer: TransactionalProducer {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        },
        committed: request.committed,
        client_transaction_version: if bumps { TRANSACTION_VERSION_WITH_EPOCH_BUMP } else { 0 },
    };
    let ended = broker
        .run_transaction_with_producer_id(&request.transactional_id, move |shard, fresh, id, now_ms| {
            shard.end_transaction(&end, fresh, id, now_ms)
        })
        .await;
    match ended {
        Ok(producer) => EndTxnResponse {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            ..Default::default()
        },
        Err(error) => EndTxnResponse {
            error_code: fenced_for(ctx.api_version, FENCED_VERSION, error).code(),
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        },
    }
}
