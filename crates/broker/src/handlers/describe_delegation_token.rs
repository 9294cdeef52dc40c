//! DescribeDelegationToken (key 41), versions 1-3: one's own tokens, and those that one may describe (KIP-48, KIP-373).

use ottla_metadata::{AclOperation, DelegationToken};
use ottla_protocol::messages::describe_delegation_token_response::{
    DescribedDelegationToken, DescribedDelegationTokenRenewer,
};
use ottla_protocol::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};
use ottla_protocol::{ErrorCode, Str};
use ottla_security::Principal;

use super::delegation_token_request;
use crate::authentication::Tokens;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version that tells who asked for a token.
const WITH_REQUESTER: i16 = 3;

/// Answers from the image.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeDelegationTokenRequest,
) -> DescribeDelegationTokenResponse {
    let described = delegation_token_request::check(ctx).and_then(|()| describe(ctx, broker, &request));
    match described {
        Ok(tokens) => DescribeDelegationTokenResponse { tokens, ..Default::default() },
        Err(error) => DescribeDelegationTokenResponse { error_code: error.code(), ..Default::default() },
    }
}

fn describe(
    ctx: &RequestContext,
    broker: &Broker,
    request: &DescribeDelegationTokenRequest,
) -> Result<Vec<DescribedDelegationToken>, ErrorCode> {
    let tokens = broker.authentication.tokens().ok_or(ErrorCode::DelegationTokenAuthDisabled)?;
    let owners = request.owners.as_ref().map(|owners| {
        let texts = owners.iter().map(|owner| format!("{}:{}", owner.principal_type, owner.principal_name));
        texts.collect::<Vec<String>>()
    });
    let requester = ctx.principal.to_string();
    let image = broker.image();
    let is_asked_for = |token: &DelegationToken| {
        owners.as_ref().is_none_or(|owners| owners.iter().any(|owner| token.is_of(owner)))
    };
    let may_see = |token: &DelegationToken| {
        token.is_of(&requester)
            || broker.may_see(ctx, AclOperation::Describe, Resource::DelegationToken(&token.token_id))
            || broker.may_see(ctx, AclOperation::DescribeTokens, Resource::User(&token.owner))
    };
    let seen = image.delegation_tokens.iter().filter(|token| is_asked_for(token) && may_see(token));
    Ok(seen.map(|token| described(token, tokens, ctx.api_version)).collect())
}

fn described(token: &DelegationToken, tokens: &Tokens, api_version: i16) -> DescribedDelegationToken {
    let owner = principal(&token.owner);
    let requester = match api_version {
        WITH_REQUESTER.. => principal(&token.requester),
        _ => Principal { kind: Str::default(), name: Str::default() },
    };
    let renewer = |text: &Str| {
        let Principal { kind: principal_type, name: principal_name } = principal(text);
        DescribedDelegationTokenRenewer { principal_type, principal_name }
    };
    DescribedDelegationToken {
        principal_type: owner.kind,
        principal_name: owner.name,
        token_requester_principal_type: requester.kind,
        token_requester_principal_name: requester.name,
        issue_timestamp: token.issue_timestamp_ms,
        expiry_timestamp: token.expiration_timestamp_ms,
        max_timestamp: token.max_timestamp_ms,
        token_id: token.token_id.clone(),
        hmac: tokens.hmac(&token.token_id).into(),
        renewers: token.renewers.iter().map(renewer).collect(),
    }
}

fn principal(text: &str) -> Principal {
    text.parse().unwrap_or_else(|_| Principal::user(text))
}
