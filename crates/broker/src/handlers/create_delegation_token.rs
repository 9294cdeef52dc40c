//! CreateDelegationToken (key 38), versions 1-3: a token for oneself, or for somebody else whose tokens one may create (KIP-48,
//! KIP-373).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use ottla_security::Principal;
use ottla_security::principal::USER;

use super::controller_request::run;
use super::delegation_token_request::{self, ERROR_TIMESTAMP};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version that tells who asked for the token.
const WITH_REQUESTER: i16 = 3;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: CreateDelegationTokenRequest,
) -> CreateDelegationTokenResponse {
    let requester = Principal::clone(&ctx.principal);
    let owner = owner(&request, &requester);
    let response = match check(&ctx, &broker, &request, &owner) {
        Ok(()) => create(&ctx, &broker, request, requester.to_string()).await,
        Err(error) => Err(error),
    };
    let mut response = response.unwrap_or_else(|error| refused(error, &owner, &requester));
    if ctx.api_version < WITH_REQUESTER {
        response.token_requester_principal_type = Default::default();
        response.token_requester_principal_name = Default::default();
    }
    response
}

fn owner(request: &CreateDelegationTokenRequest, requester: &Principal) -> Principal {
    match &request.owner_principal_name {
        Some(name) if !name.is_empty() => Principal {
            kind: request.owner_principal_type.clone().unwrap_or_else(|| USER.into()),
            name: name.clone(),
        },
        _ => requester.clone(),
    }
}

fn check(
    ctx: &RequestContext,
    broker: &Broker,
    request: &CreateDelegationTokenRequest,
    owner: &Principal,
) -> Result<(), ErrorCode> {
    delegation_token_request::check(ctx)?;
    if *owner != *ctx.principal {
        broker.authorize(ctx, AclOperation::CreateTokens, Resource::User(&owner.to_string()))?;
    }
    match request.renewers.iter().all(|renewer| &*renewer.principal_type == USER) {
        true => Ok(()),
        false => Err(ErrorCode::InvalidPrincipalType),
    }
}

async fn create(
    ctx: &RequestContext,
    broker: &Broker,
    request: CreateDelegationTokenRequest,
    requester: String,
) -> Result<CreateDelegationTokenResponse, ErrorCode> {
    let authentication = broker.authentication.clone();
    run(ctx, broker, move |controller, context| {
        let hmac = |id: &str| authentication.tokens().map(|tokens| tokens.hmac(id)).unwrap_or_default();
        controller.create_delegation_token(&request, &requester, &hmac, context)
    })
    .await
}

fn refused(error: ErrorCode, owner: &Principal, requester: &Principal) -> CreateDelegationTokenResponse {
    CreateDelegationTokenResponse {
        error_code: error.code(),
        principal_type: owner.kind.clone(),
        principal_name: owner.name.clone(),
        token_requester_principal_type: requester.kind.clone(),
        token_requester_principal_name: requester.name.clone(),
        issue_timestamp_ms: ERROR_TIMESTAMP,
        expiry_timestamp_ms: ERROR_TIMESTAMP,
        max_timestamp_ms: ERROR_TIMESTAMP,
        ..Default::default()
    }
}
