//! Delegation tokens: created, renewed, expired and described (KIP-48, KIP-373).

use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::Str;
use ottla_protocol::messages::create_delegation_token_request::CreatableRenewers;
use ottla_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use ottla_protocol::messages::describe_delegation_token_response::DescribedDelegationToken;
use ottla_protocol::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse, ExpireDelegationTokenRequest, RenewDelegationTokenRequest,
};

use super::call::To;
use super::{Admin, TimeoutOptions};
use crate::{Error, Result};

/// Who someone is (`KafkaPrincipal`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KafkaPrincipal {
    /// Kind: `User` in all but special cases.
    pub principal_type: Str,
    /// Name.
    pub name: Str,
}

impl std::fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}

/// Options of [`Admin::create_delegation_token`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateDelegationTokenOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whom the token stands for; the caller when there is none (others need brokers from 3.3 on).
    pub owner: Option<KafkaPrincipal>,
    /// Who besides the owner may renew it.
    pub renewers: Vec<KafkaPrincipal>,
    /// How long it may be renewed, in ms; the broker's `delegation.token.max.lifetime.ms` when there is none.
    pub max_lifetime_ms: Option<i64>,
}

/// A token (`DelegationToken`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationToken {
    /// Its id.
    pub token_id: Str,
    /// Whom it stands for.
    pub owner: KafkaPrincipal,
    /// Who asked for it; empty from brokers before 3.3.
    pub requester: KafkaPrincipal,
    /// Who besides the owner may renew it.
    pub renewers: Vec<KafkaPrincipal>,
    /// When it was made, in Unix ms.
    pub issue_timestamp_ms: i64,
    /// Until when it can be renewed, in Unix ms.
    pub max_timestamp_ms: i64,
    /// Until when it is valid, in Unix ms.
    pub expiry_timestamp_ms: i64,
    /// The secret.
    pub hmac: Bytes,
}

impl Admin {
    /// Creates a token.
    ///
    /// # Errors
    /// DELEGATION_TOKEN_AUTH_DISABLED, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, INVALID_PRINCIPAL_TYPE, ...
    pub async fn create_delegation_token(
        &self,
        options: &CreateDelegationTokenOptions,
    ) -> Result<DelegationToken> {
        let renewer = |it: &KafkaPrincipal| CreatableRenewers {
            principal_type: it.principal_type.clone(),
            principal_name: it.name.clone(),
        };
        let build = |_| CreateDelegationTokenRequest {
            owner_principal_type: options.owner.as_ref().map(|it| it.principal_type.clone()),
            owner_principal_name: options.owner.as_ref().map(|it| it.name.clone()),
            renewers: options.renewers.iter().map(renewer).collect(),
            max_lifetime_ms: options.max_lifetime_ms.unwrap_or(-1),
        };
        let deadline = self.deadline(options.timeout);
        let respond = |response| Ok(created(response, &options.renewers));
        let versions = lowest_for_owner(options.owner.is_some());
        self.call_as(
            "createDelegationToken",
            To::Any,
            versions,
            deadline,
            |version, timeout_ms| Ok(without_owner(version, build(timeout_ms))),
            |_, response| respond(response),
        )
        .await?
    }

    /// Renews a token by so many ms (the broker's `delegation.token.expiry.time.ms` when there are none); gives until
    /// when it is valid, in Unix ms.
    ///
    /// # Errors
    /// DELEGATION_TOKEN_NOT_FOUND, DELEGATION_TOKEN_EXPIRED, DELEGATION_TOKEN_OWNER_MISMATCH, ...
    pub async fn renew_delegation_token(
        &self,
        hmac: &Bytes,
        renew_period_ms: Option<i64>,
        options: &TimeoutOptions,
    ) -> Result<i64> {
        let build = |_| RenewDelegationTokenRequest {
            hmac: hmac.clone(),
            renew_period_ms: renew_period_ms.unwrap_or(-1),
        };
        let deadline = self.deadline(options.timeout);
        self.call("renewDelegationToken", To::Any, deadline, build, |response| {
            Ok(Error::check(response.error_code, None).map(|()| response.expiry_timestamp_ms))
        })
        .await?
    }

    /// Lets a token end in so many ms, or now; gives until when it is valid, in Unix ms.
    ///
    /// # Errors
    /// As [`Admin::renew_delegation_token`].
    pub async fn expire_delegation_token(
        &self,
        hmac: &Bytes,
        expiry_period_ms: Option<i64>,
        options: &TimeoutOptions,
    ) -> Result<i64> {
        let build = |_| ExpireDelegationTokenRequest {
            hmac: hmac.clone(),
            expiry_time_period_ms: expiry_period_ms.unwrap_or(-1),
        };
        let deadline = self.deadline(options.timeout);
        self.call("expireDelegationToken", To::Any, deadline, build, |response| {
            Ok(Error::check(response.error_code, None).map(|()| response.expiry_timestamp_ms))
        })
        .await?
    }

    /// The tokens of these owners that the caller may see, or all it may see.
    ///
    /// # Errors
    /// DELEGATION_TOKEN_AUTH_DISABLED, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, ...
    pub async fn describe_delegation_token(
        &self,
        owners: Option<&[KafkaPrincipal]>,
        options: &TimeoutOptions,
    ) -> Result<Vec<DelegationToken>> {
        let owner = |it: &KafkaPrincipal| DescribeDelegationTokenOwner {
            principal_type: it.principal_type.clone(),
            principal_name: it.name.clone(),
        };
        let build = |_| DescribeDelegationTokenRequest {
            owners: owners.map(|owners| owners.iter().map(owner).collect()),
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeDelegationToken", To::Any, deadline, build, |it| Ok(described(it))).await?
    }
}

/// Owners other than the caller came with version 3.
fn lowest_for_owner(owner: bool) -> (i16, i16) {
    (if owner { 3 } else { 1 }, 3)
}

fn without_owner(version: i16, request: CreateDelegationTokenRequest) -> CreateDelegationTokenRequest {
    if version >= 3 {
        return request;
    }
    CreateDelegationTokenRequest {
        owner_principal_type: Some(Str::new()),
        owner_principal_name: Some(Str::new()),
        ..request
    }
}

fn created(response: CreateDelegationTokenResponse, renewers: &[KafkaPrincipal]) -> Result<DelegationToken> {
    Error::check(response.error_code, None)?;
    Ok(DelegationToken {
        token_id: response.token_id,
        owner: KafkaPrincipal { principal_type: response.principal_type, name: response.principal_name },
        requester: KafkaPrincipal {
            principal_type: response.token_requester_principal_type,
            name: response.token_requester_principal_name,
        },
        renewers: renewers.to_vec(),
        issue_timestamp_ms: response.issue_timestamp_ms,
        max_timestamp_ms: response.max_timestamp_ms,
        expiry_timestamp_ms: response.expiry_timestamp_ms,
        hmac: response.hmac,
    })
}

fn described(response: DescribeDelegationTokenResponse) -> Result<Vec<DelegationToken>> {
    Error::check(response.error_code, None)?;
    let token = |it: DescribedDelegationToken| DelegationToken {
        token_id: it.token_id,
        owner: KafkaPrincipal { principal_type: it.principal_type, name: it.principal_name },
        requester: KafkaPrincipal {
            principal_type: it.token_requester_principal_type,
            name: it.token_requester_principal_name,
        },
        renewers: it
            .renewers
            .into_iter()
            .map(|it| KafkaPrincipal { principal_type: it.principal_type, name: it.principal_name })
            .collect(),
        issue_timestamp_ms: it.issue_timestamp,
        max_timestamp_ms: it.max_timestamp,
        expiry_timestamp_ms: it.expiry_timestamp,
        hmac: it.hmac,
    };
    Ok(response.tokens.into_iter().map(token).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    #[test]
    fn all_versions_can_carry_a_request_without_owner() {
        for version in 1..=3 {
            let request = without_owner(
                version,
                CreateDelegationTokenRequest {
                    owner_principal_type: None,
                    owner_principal_name: None,
                    ..Default::default()
                },
            );
            encode_message(&request, version).unwrap();
        }
    }
}
