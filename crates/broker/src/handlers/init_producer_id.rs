//! InitProducerId (key 22), versions 0-5: a producer id for an idempotent producer, or a new session of a transactional
//! id (KIP-98).
//!
//! v3 the id and epoch that the producer has (KIP-360) · v4 PRODUCER_FENCED · v6, not stable yet, two-phase commits
//! (KIP-939).

use std::sync::Arc;

use ottla_coordinator::transaction::{InitProducerId, TransactionalProducer, validate_init_producer_id};
use ottla_metadata::{AclOperation, AclResourceType};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::transactions::fenced_for;

/// First version whose clients know PRODUCER_FENCED.
const FENCED_VERSION: i16 = 4;

/// Answers when the session is written.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let authorized = authorize(&ctx, &broker, &request);
    let initialized = match authorized {
        Ok(()) => init(&broker, request).await,
        Err(error) => Err(error),
    };
    match initialized {
        Ok(producer) => InitProducerIdResponse {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            ..Default::default()
        },
        Err(error) => InitProducerIdResponse {
            error_code: fenced_for(ctx.api_version, FENCED_VERSION, error).code(),
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        },
    }
}

/// Who may not write idempotently to everything may still do so to what they may write to: any topic will do.
fn authorize(
    ctx: &RequestContext,
    broker: &Broker,
    request: &InitProducerIdRequest,
) -> Result<(), ErrorCode> {
    let Some(id) = &request.transactional_id else {
        let is_allowed = broker.may_see(ctx, AclOperation::IdempotentWrite, Resource::Cluster)
            || broker.may_with_any(ctx, AclOperation::Write, AclResourceType::Topic);
        return if is_allowed { Ok(()) } else { Err(ErrorCode::ClusterAuthorizationFailed) };
    };
    broker.authorize(ctx, AclOperation::Write, Resource::TransactionalId(id))?;
    if request.enable2_pc {
        broker.authorize(ctx, AclOperation::TwoPhaseCommit, Resource::TransactionalId(id))?;
    }
    Ok(())
}

async fn init(broker: &Broker, request: InitProducerIdRequest) -> Result<TransactionalProducer, ErrorCode> {
    let expected = expected(request.producer_id, request.producer_epoch)?;
    let Some(transactional_id) = request.transactional_id else {
        let producer_id = broker.producer_ids.next().await?;
        return Ok(TransactionalProducer { producer_id, producer_epoch: 0 });
    };
    let init = InitProducerId {
        transactional_id: transactional_id.clone(),
        transaction_timeout_ms: request.transaction_timeout_ms,
        enable_2pc: request.enable2_pc,
        keep_prepared_txn: request.keep_prepared_txn,
        expected,
    };
    validate_init_producer_id(&broker.transactions.config, &init)?;
    broker
        .run_transaction_with_producer_id(&transactional_id, move |shard, fresh, id, now_ms| {
            shard.init_producer_id(&init, fresh, id, now_ms)
        })
        .await
}

/// Id and epoch come together or not at all.
fn expected(producer_id: i64, producer_epoch: i16) -> Result<Option<TransactionalProducer>, ErrorCode> {
    match (producer_id, producer_epoch) {
        (-1, -1) => Ok(None),
        (-1, _) | (_, -1) => Err(ErrorCode::InvalidRequest),
        (producer_id, producer_epoch) => Ok(Some(TransactionalProducer { producer_id, producer_epoch })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_epoch_come_together() {
        assert_eq!(expected(-1, -1), Ok(None));
        assert_eq!(expected(5, 0), Ok(Some(TransactionalProducer { producer_id: 5, producer_epoch: 0 })));
        assert_eq!(expected(5, -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(expected(-1, 0), Err(ErrorCode::InvalidRequest));
    }
}
