//! RenewDelegationToken (key 39), versions 1-2: lengthens a token's life, for its owner and its renewers (KIP-48).

use std::sync::Arc;

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::controller_request::run;
use super::delegation_token_request::{ERROR_TIMESTAMP, token_and_requester};
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: RenewDelegationTokenRequest,
) -> RenewDelegationTokenResponse {
    let (token_id, requester) = match token_and_requester(&ctx, &broker, &request.hmac) {
        Ok(found) => found,
        Err(error) => return refused(error),
    };
    run(&ctx, &broker, move |controller, context| {
        controller.renew_delegation_token(&request, token_id.as_deref(), &requester, context)
    })
    .await
    .unwrap_or_else(refused)
}

fn refused(error: ErrorCode) -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse {
        error_code: error.code(),
        expiry_timestamp_ms: ERROR_TIMESTAMP,
        throttle_time_ms: 0,
    }
}
