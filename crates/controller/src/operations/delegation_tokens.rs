//! CreateDelegationToken (key 38), RenewDelegationToken (39), ExpireDelegationToken (40), and the end of tokens that nobody renewed:
//! `DelegationTokenControlManager` (KIP-48, KIP-373).
//!
//! Principals are texts such as `User:alice`. Which token a request means it says by the token's HMAC; whoever keeps the secret
//! finds the id that belongs to it, so that no cryptography is needed here.

use ottla_metadata::{DelegationToken, VersionedRecord};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse, RemoveDelegationTokenRecord, RenewDelegationTokenRequest,
    RenewDelegationTokenResponse,
};
use ottla_protocol::{ErrorCode, Str};

use crate::{Controller, ControllerResult, RequestContext, TokenLifetimes};

/// Type of the principals that may renew a token.
const USER: &str = "User";
/// Most tokens that one sweep removes.
const MAX_RECORDS_PER_EXPIRATION: usize = 1_000;

impl Controller {
    /// CreateDelegationToken for `requester`; `hmac` signs the new token's id.
    pub fn create_delegation_token(
        &self,
        request: &CreateDelegationTokenRequest,
        requester: &str,
        hmac: &dyn Fn(&str) -> Vec<u8>,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<CreateDelegationTokenResponse> {
        let owner = match request.owner_principal_name.as_deref() {
            Some(name) if !name.is_empty() => {
                format!("{}:{name}", request.owner_principal_type.as_deref().unwrap_or(USER))
            }
            _ => requester.to_owned(),
        };
        let token = self.new_token(request, &owner, requester, ctx);
        let (owner_parts, requester_parts) = (parts(&owner), parts(requester));
        let mut response = CreateDelegationTokenResponse {
            principal_type: owner_parts.0,
            principal_name: owner_parts.1,
            token_requester_principal_type: requester_parts.0,
            token_requester_principal_name: requester_parts.1,
            ..Default::default()
        };
        match token {
            Err(error) => {
                response.error_code = error.code();
                ControllerResult::answer(response)
            }
            Ok(token) => {
                response.issue_timestamp_ms = token.issue_timestamp_ms;
                response.expiry_timestamp_ms = token.expiration_timestamp_ms;
                response.max_timestamp_ms = token.max_timestamp_ms;
                response.hmac = hmac(&token.token_id).into();
                response.token_id = token.token_id.clone();
                ControllerResult::atomic(vec![token.to_record()], response)
            }
        }
    }

    fn new_token(
        &self,
        request: &CreateDelegationTokenRequest,
        owner: &str,
        requester: &str,
        ctx: &mut RequestContext<'_>,
    ) -> Result<DelegationToken, ErrorCode> {
        let lifetimes = self.token_lifetimes()?;
        let max_ms = match request.max_lifetime_ms {
            asked @ 1.. => asked.min(lifetimes.max_ms),
            _ => lifetimes.max_ms,
        };
        let max_timestamp_ms = ctx.now_ms.saturating_add(max_ms);
        let expiration_timestamp_ms = max_timestamp_ms.min(ctx.now_ms.saturating_add(lifetimes.expiry_ms));
        if request.renewers.iter().any(|renewer| &*renewer.principal_type != USER) {
            return Err(ErrorCode::InvalidPrincipalType);
        }
        let renewers = request.renewers.iter();
        let id = ctx.new_token_id(&self.state.image).map_err(|error| error.code)?;
        Ok(DelegationToken {
            token_id: Str::from(id.to_string()),
            owner: Str::from(owner),
            requester: Str::from(requester),
            renewers: renewers.map(|it| Str::from(format!("{USER}:{}", it.principal_name))).collect(),
            issue_timestamp_ms: ctx.now_ms,
            max_timestamp_ms,
            expiration_timestamp_ms,
        })
    }

    /// RenewDelegationToken of the token that the request's HMAC belongs to, if there is one.
    pub fn renew_delegation_token(
        &self,
        request: &RenewDelegationTokenRequest,
        token_id: Option<&str>,
        requester: &str,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<RenewDelegationTokenResponse> {
        let (record, error_code, expiry_timestamp_ms) =
            answer(self.renewed(request, token_id, requester, ctx.now_ms));
        let response = RenewDelegationTokenResponse { error_code, expiry_timestamp_ms, throttle_time_ms: 0 };
        ControllerResult::atomic(record.into_iter().collect(), response)
    }

    fn renewed(
        &self,
        request: &RenewDelegationTokenRequest,
        token_id: Option<&str>,
        requester: &str,
        now_ms: i64,
    ) -> Result<(VersionedRecord, i64), ErrorCode> {
        let lifetimes = self.token_lifetimes()?;
        let token = self.token(token_id)?;
        if token.is_expired(now_ms) {
            return Err(ErrorCode::DelegationTokenExpired);
        }
        if !token.is_renewer(requester) {
            return Err(ErrorCode::DelegationTokenOwnerMismatch);
        }
        let renew_ms = match request.renew_period_ms {
            asked @ 1.. => asked.min(lifetimes.expiry_ms),
            _ => lifetimes.expiry_ms,
        };
        Ok(until(token, now_ms.saturating_add(renew_ms)))
    }

    /// ExpireDelegationToken of the token that the request's HMAC belongs to, if there is one. A negative period ends it at once.
    pub fn expire_delegation_token(
        &self,
        request: &ExpireDelegationTokenRequest,
        token_id: Option<&str>,
        requester: &str,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<ExpireDelegationTokenResponse> {
        let (record, error_code, expiry_timestamp_ms) =
            answer(self.expired(request, token_id, requester, ctx.now_ms));
        let response = ExpireDelegationTokenResponse { error_code, expiry_timestamp_ms, throttle_time_ms: 0 };
        ControllerResult::atomic(record.into_iter().collect(), response)
    }

    fn expired(
        &self,
        request: &ExpireDelegationTokenRequest,
        token_id: Option<&str>,
        requester: &str,
        now_ms: i64,
    ) -> Result<(VersionedRecord, i64), ErrorCode> {
        self.token_lifetimes()?;
        let token = self.token(token_id)?;
        if !token.is_renewer(requester) {
            return Err(ErrorCode::DelegationTokenOwnerMismatch);
        }
        match request.expiry_time_period_ms {
            ..0 => Ok((removal(token), now_ms)),
            _ if token.is_expired(now_ms) => Err(ErrorCode::DelegationTokenExpired),
            period_ms => Ok(until(token, now_ms.saturating_add(period_ms))),
        }
    }

    /// Removes tokens that are good no more, every `delegation.token.expiry.check.interval.ms`. Answers whether more are left.
    pub fn sweep_expired_delegation_tokens(&self, now_ms: i64) -> ControllerResult<bool> {
        let tokens = self.state.image.delegation_tokens.iter();
        let expired = tokens.filter(|token| token.is_expired(now_ms));
        let records: Vec<_> = expired.take(MAX_RECORDS_PER_EXPIRATION).map(|token| removal(token)).collect();
        let is_more = records.len() >= MAX_RECORDS_PER_EXPIRATION;
        ControllerResult::of(records, is_more)
    }

    fn token_lifetimes(&self) -> Result<TokenLifetimes, ErrorCode> {
        let lifetimes = self.options.delegation_tokens.ok_or(ErrorCode::DelegationTokenAuthDisabled)?;
        if !self.metadata_version().is_delegation_token_supported() {
            return Err(ErrorCode::UnsupportedVersion);
        }
        Ok(lifetimes)
    }

    fn token(&self, id: Option<&str>) -> Result<&DelegationToken, ErrorCode> {
        let token = id.and_then(|id| self.state.image.delegation_tokens.get(id));
        token.map(|token| &**token).ok_or(ErrorCode::DelegationTokenNotFound)
    }
}

/// Type and name of a principal's text.
fn parts(principal: &str) -> (Str, Str) {
    let (kind, name) = principal.split_once(':').unwrap_or((USER, principal));
    (Str::from(kind), Str::from(name))
}

/// The token with another end, no later than the last that it may have, and that end.
fn until(token: &DelegationToken, expiry_ms: i64) -> (VersionedRecord, i64) {
    let expiration_timestamp_ms = expiry_ms.min(token.max_timestamp_ms);
    (DelegationToken { expiration_timestamp_ms, ..token.clone() }.to_record(), expiration_timestamp_ms)
}

fn removal(token: &DelegationToken) -> VersionedRecord {
    let record = RemoveDelegationTokenRecord { token_id: token.token_id.clone() };
    (MetadataRecord::RemoveDelegationToken(record), 0)
}

/// What a change of a token comes to: its record, the error code, and the token's end.
fn answer(changed: Result<(VersionedRecord, i64), ErrorCode>) -> (Option<VersionedRecord>, i16, i64) {
    match changed {
        Ok((record, expiry_ms)) => (Some(record), ErrorCode::None.code(), expiry_ms),
        Err(error) => (None, error.code(), 0),
    }
}

#[cfg(test)]
#[path = "delegation_tokens_test.rs"]
mod delegation_tokens_test;
