//! ExpireDelegationToken (key 40), versions 1-2: shortens a token's life, or ends it, for its owner and its renewers (KIP-48).

use std::sync::Arc;

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::controller_request::run;
use super::delegation_token_request::{ERROR_TIMESTAMP, token_and_requester};
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ExpireDelegationTokenRequest,
) -> ExpireDelegationTokenResponse {
    let (token_id, requester) = match token_and_requester(&ctx, &broker, &request.hmac) {
        Ok(found) => found,
        Err(error) => return refused(error),
    };
    run(&ctx, &broker, move |controller, context| {
        controller.expire_delegation_token(&request, token_id.as_deref(), &requester, context)
    })
    .await
    .unwrap_or_else(refused)
}

fn refused(error: ErrorCode) -> ExpireDelegationTokenResponse {
    ExpireDelegationTokenResponse {
        error_code: error.code(),
        expiry_timestamp_ms: ERROR_TIMESTAMP,
        throttle_time_ms: 0,
    }
}
