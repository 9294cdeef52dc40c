//! Access control entries (`StandardAcl`, KIP-801).

use ottla_protocol::messages::AccessControlEntryRecord;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::{Str, Uuid};

use crate::{VersionedRecord, detach};

/// An enum of codes on the wire, with Kafka's names.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i8)]
        #[allow(missing_docs)]
        pub enum $name { $($variant = $code,)* }

        impl $name {
            /// The value of a code; `Unknown` when there is none.
            pub fn from_code(code: i8) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::Unknown,
                }
            }

            /// The code on the wire.
            pub const fn code(self) -> i8 {
                self as i8
            }

            /// Kafka's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// Kind of a protected resource (`ResourceType`).
    AclResourceType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Topic = 2 "TOPIC",
        Group = 3 "GROUP",
        Cluster = 4 "CLUSTER",
        TransactionalId = 5 "TRANSACTIONAL_ID",
        DelegationToken = 6 "DELEGATION_TOKEN",
        User = 7 "USER",
    }
}

codes! {
    /// How the name of a resource is meant (`PatternType`).
    AclPatternType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Match = 2 "MATCH",
        Literal = 3 "LITERAL",
        Prefixed = 4 "PREFIXED",
    }
}

codes! {
    /// What is allowed or denied (`AclOperation`).
    AclOperation {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        All = 2 "ALL",
        Read = 3 "READ",
        Write = 4 "WRITE",
        Create = 5 "CREATE",
        Delete = 6 "DELETE",
        Alter = 7 "ALTER",
        Describe = 8 "DESCRIBE",
        ClusterAction = 9 "CLUSTER_ACTION",
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        AlterConfigs = 11 "ALTER_CONFIGS",
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        CreateTokens = 13 "CREATE_TOKENS",
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

codes! {
    /// Whether it is allowed or denied (`AclPermissionType`).
    AclPermissionType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Deny = 2 "DENY",
        Allow = 3 "ALLOW",
    }
}

/// An access control entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StandardAcl {
    /// Kind of the resource.
    pub resource_type: AclResourceType,
    /// Its name, a prefix of names, or `*`.
    pub resource_name: Str,
    /// How the name is meant.
    pub pattern_type: AclPatternType,
    /// Who, such as `User:alice`.
    pub principal: Str,
    /// From where: an address or `*`.
    pub host: Str,
    /// What.
    pub operation: AclOperation,
    /// Whether it may.
    pub permission_type: AclPermissionType,
}

impl StandardAcl {
    pub(crate) fn from_record(record: &AccessControlEntryRecord) -> Self {
        Self {
            resource_type: AclResourceType::from_code(record.resource_type),
            resource_name: detach::str(&record.resource_name),
            pattern_type: AclPatternType::from_code(record.pattern_type),
            principal: detach::str(&record.principal),
            host: detach::str(&record.host),
            operation: AclOperation::from_code(record.operation),
            permission_type: AclPermissionType::from_code(record.permission_type),
        }
    }

    /// The record of this entry under an id.
    pub fn to_record(&self, id: Uuid) -> VersionedRecord {
        let record = AccessControlEntryRecord {
            id,
            resource_type: self.resource_type.code(),
            resource_name: self.resource_name.clone(),
            pattern_type: self.pattern_type.code(),
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation.code(),
            permission_type: self.permission_type.code(),
        };
        (MetadataRecord::AccessControlEntry(record), 0)
    }
}
