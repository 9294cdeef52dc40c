//! InitProducerId (key 22), versions 0-5: a producer id for an idempotent producer.
//!
//! v3 the id and epoch that the producer has (KIP-360) · v4 PRODUCER_FENCED. Transactional ids are refused until
//! transactions are served.

use std::sync::Arc;

use ottla_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Gives out the next id of this broker's block.
pub async fn handle(
    _ctx: RequestContext,
    broker: Arc<Broker>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refuse = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    if let Err(error) =
        validate(request.transactional_id.as_ref(), request.producer_id, request.producer_epoch)
    {
        return refuse(error);
    }
    match broker.producer_ids.next(&broker).await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
        Err(error) => refuse(error),
    }
}

fn validate(transactional_id: Option<&Str>, producer_id: i64, producer_epoch: i16) -> Result<(), ErrorCode> {
    if (producer_id == -1) != (producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    match transactional_id.map(|id| &**id) {
        None => Ok(()),
        Some("") => Err(ErrorCode::InvalidRequest),
        Some(_) => Err(ErrorCode::CoordinatorNotAvailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_epoch_come_together() {
        assert_eq!(validate(None, -1, -1), Ok(()));
        assert_eq!(validate(None, 5, 0), Ok(()));
        assert_eq!(validate(None, 5, -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(validate(None, -1, 0), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn transactional_ids_are_not_served_yet() {
        assert_eq!(validate(Some(&"".into()), -1, -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(validate(Some(&"t".into()), -1, -1), Err(ErrorCode::CoordinatorNotAvailable));
    }
}
