//! Delegation tokens (`DelegationTokenData`, KIP-900).

use ottla_protocol::Str;
use ottla_protocol::messages::DelegationTokenRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::{VersionedRecord, detach};

/// A delegation token. Principals are texts such as `User:alice`; times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DelegationToken {
    pub token_id: Str,
    pub owner: Str,
    pub requester: Str,
    pub renewers: Vec<Str>,
    pub issue_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    pub expiration_timestamp_ms: i64,
}

impl DelegationToken {
    pub(crate) fn from_record(record: &DelegationTokenRecord) -> Self {
        Self {
            token_id: detach::str(&record.token_id),
            owner: detach::str(&record.owner),
            requester: detach::str(&record.requester),
            renewers: detach::strs(&record.renewers),
            issue_timestamp_ms: record.issue_timestamp,
            max_timestamp_ms: record.max_timestamp,
            expiration_timestamp_ms: record.expiration_timestamp,
        }
    }

    /// Whether a principal, as text, may see it: who owns it, asked for it, or may renew it (`TokenInformation.ownerOrRenewer`).
    pub fn is_of(&self, principal: &str) -> bool {
        *self.requester == *principal || self.is_renewer(principal)
    }

    /// Whether a principal, as text, may renew it and end it: its owner, and those named as renewers.
    pub fn is_renewer(&self, principal: &str) -> bool {
        *self.owner == *principal || self.renewers.iter().any(|renewer| **renewer == *principal)
    }

    /// Whether it is good no more.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.max_timestamp_ms < now_ms || self.expiration_timestamp_ms < now_ms
    }

    /// The record of this token.
    pub fn to_record(&self) -> VersionedRecord {
        let record = DelegationTokenRecord {
            owner: self.owner.clone(),
            requester: self.requester.clone(),
            renewers: self.renewers.clone(),
            issue_timestamp: self.issue_timestamp_ms,
            max_timestamp: self.max_timestamp_ms,
            expiration_timestamp: self.expiration_timestamp_ms,
            token_id: self.token_id.clone(),
        };
        (MetadataRecord::DelegationToken(record), 0)
    }
}
