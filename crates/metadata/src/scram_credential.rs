//! SCRAM credentials (`ScramCredentialData`, KIP-554).

use std::fmt;

use bytes::Bytes;
use ottla_protocol::Str;
use ottla_protocol::messages::UserScramCredentialRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::{VersionedRecord, detach};

/// A hash function of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ScramMechanism {
    /// A code that is not known.
    Unknown = 0,
    /// SCRAM-SHA-256.
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

impl ScramMechanism {
    /// The mechanism of a code; [`ScramMechanism::Unknown`] when there is none.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Sha256,
            2 => Self::Sha512,
            _ => Self::Unknown,
        }
    }

    /// The code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }
}

/// What a broker keeps of a password. Its `Debug` form shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Random bytes.
    pub salt: Bytes,
    /// Hash of the client's key.
    pub stored_key: Bytes,
    /// The server's key.
    pub server_key: Bytes,
    /// Rounds of hashing.
    pub iterations: i32,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramCredential([hidden])")
    }
}

impl ScramCredential {
    pub(crate) fn from_record(record: &UserScramCredentialRecord) -> Self {
        Self {
            salt: detach::bytes(&record.salt),
            stored_key: detach::bytes(&record.stored_key),
            server_key: detach::bytes(&record.server_key),
            iterations: record.iterations,
        }
    }

    /// The record of this credential.
    pub fn to_record(&self, user: &Str, mechanism: ScramMechanism) -> VersionedRecord {
        let record = UserScramCredentialRecord {
            name: user.clone(),
            mechanism: mechanism.code(),
            salt: self.salt.clone(),
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
            iterations: self.iterations,
        };
        (MetadataRecord::UserScramCredential(record), 0)
    }
}
