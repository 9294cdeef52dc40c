//! Vocabulary that several operations share, with Kafka's codes and names.

use std::collections::BTreeSet;
use std::fmt;

use ottla_protocol::Str;

/// An enum of Kafka: its variants with their code on the wire and their name; what is not known is `Unknown`.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All there are, in the order of their codes.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Code on the wire.
            pub fn id(self) -> i8 {
                match self { $($name::$variant => $code,)* }
            }

            /// By the code on the wire; `Unknown` for codes that this crate does not know.
            pub fn from_id(id: i8) -> Self {
                match id { $($code => $name::$variant,)* _ => $name::Unknown }
            }

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// By Kafka's name, in any case; `Unknown` for other texts.
            pub fn parse(text: &str) -> Self {
                Self::ALL.iter().copied().find(|it| it.name().eq_ignore_ascii_case(text)).unwrap_or($name::Unknown)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(super) use coded;

coded! {
    /// What a principal may do (`AclOperation`).
    AclOperation {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// Any; only in filters.
        Any = 1 "ANY",
        /// All there are.
        All = 2 "ALL",
        /// Read.
        Read = 3 "READ",
        /// Write.
        Write = 4 "WRITE",
        /// Create.
        Create = 5 "CREATE",
        /// Delete.
        Delete = 6 "DELETE",
        /// Alter.
        Alter = 7 "ALTER",
        /// Describe.
        Describe = 8 "DESCRIBE",
        /// What brokers do among themselves.
        ClusterAction = 9 "CLUSTER_ACTION",
        /// Describe configurations.
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        /// Alter configurations.
        AlterConfigs = 11 "ALTER_CONFIGS",
        /// Write idempotently.
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        /// Create delegation tokens.
        CreateTokens = 13 "CREATE_TOKENS",
        /// Describe delegation tokens.
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        /// Take part in two-phase commits (KIP-939).
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

coded! {
    /// What kind of thing has a configuration (`ConfigResource.Type`).
    ConfigResourceType {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// A topic.
        Topic = 2 "TOPIC",
        /// A broker by its id; an empty name means all brokers.
        Broker = 4 "BROKER",
        /// The log levels of a broker.
        BrokerLogger = 8 "BROKER_LOGGER",
        /// A subscription to metrics of clients.
        ClientMetrics = 16 "CLIENT_METRICS",
        /// A group.
        Group = 32 "GROUP",
    }
}

/// A thing that has a configuration (`ConfigResource`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What kind it is.
    pub kind: ConfigResourceType,
    /// Its name; empty for the default of all of its kind.
    pub name: Str,
}

impl ConfigResource {
    /// A resource of a kind and name.
    pub fn new(kind: ConfigResourceType, name: impl Into<Str>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<Str>) -> Self {
        Self::new(ConfigResourceType::Topic, name)
    }

    /// A broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceType::Broker, id.to_string())
    }

    /// Whether it stands for all of its kind.
    pub fn is_default(&self) -> bool {
        self.name.is_empty()
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigResource(type={}, name='{}')", self.kind, self.name)
    }
}

/// What kind a group is (`GroupType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupType {
    /// One that this crate does not know.
    Unknown,
    /// A group of KIP-848.
    Consumer,
    /// A group of the protocol of old.
    Classic,
    /// A share group (KIP-932).
    Share,
    /// A streams group (KIP-1071).
    Streams,
}

impl GroupType {
    /// All there are.
    pub const ALL: &'static [GroupType] =
        &[Self::Unknown, Self::Consumer, Self::Classic, Self::Share, Self::Streams];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Consumer => "Consumer",
            Self::Classic => "Classic",
            Self::Share => "Share",
            Self::Streams => "Streams",
        }
    }

    /// By Kafka's name, in any case; `Unknown` for other texts.
    pub fn parse(text: &str) -> Self {
        Self::ALL.iter().copied().find(|it| it.name().eq_ignore_ascii_case(text)).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a group is (`GroupState`; for classic groups `ClassicGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// One that this crate does not know.
    Unknown,
    /// Classic: members are asked to join again.
    PreparingRebalance,
    /// Classic: waits for the leader's assignment.
    CompletingRebalance,
    /// Every member has what it shall have.
    Stable,
    /// Gone.
    Dead,
    /// Without members.
    Empty,
    /// Consumer and streams groups: an assignment is computed.
    Assigning,
    /// Consumer and streams groups: members go over to the assignment.
    Reconciling,
    /// Streams groups: topics are missing.
    NotReady,
}

impl GroupState {
    /// All there are.
    pub const ALL: &'static [GroupState] = &[
        Self::Unknown,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
        Self::Empty,
        Self::Assigning,
        Self::Reconciling,
        Self::NotReady,
    ];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::NotReady => "NotReady",
        }
    }

    /// By Kafka's name, in any case; `Unknown` for other texts.
    pub fn parse(text: &str) -> Self {
        Self::ALL.iter().copied().find(|it| it.name().eq_ignore_ascii_case(text)).unwrap_or(Self::Unknown)
    }

    /// The states that groups of a kind can be in; none for kinds that are not known.
    pub fn of(kind: GroupType) -> &'static [GroupState] {
        use GroupState::*;
        match kind {
            GroupType::Classic => &[PreparingRebalance, CompletingRebalance, Stable, Dead, Empty],
            GroupType::Consumer => {
                &[PreparingRebalance, CompletingRebalance, Stable, Dead, Empty, Assigning, Reconciling]
            }
            GroupType::Share => &[Stable, Dead, Empty],
            GroupType::Streams => &[Stable, Dead, Empty, Assigning, Reconciling, NotReady],
            GroupType::Unknown => &[],
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The operations that a response's bits allow; nothing when the broker was not asked, or knows none.
pub(super) fn authorized_operations(bits: i32) -> Option<BTreeSet<AclOperation>> {
    if bits == i32::MIN {
        return None;
    }
    let has = |operation: &AclOperation| bits & 1i32.wrapping_shl(operation.id() as u32) != 0;
    let meant = |operation: &AclOperation| {
        !matches!(operation, AclOperation::Unknown | AclOperation::Any | AclOperation::All)
    };
    Some(AclOperation::ALL.iter().copied().filter(|it| meant(it) && has(it)).collect())
}

/// A value for which the protocol has "not known" below zero.
pub(super) fn known(value: i64) -> Option<i64> {
    (value >= 0).then_some(value)
}

/// Likewise.
pub(super) fn known_epoch(value: i32) -> Option<i32> {
    (value >= 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back() {
        for operation in AclOperation::ALL {
            assert_eq!(AclOperation::from_id(operation.id()), *operation);
            assert_eq!(AclOperation::parse(operation.name()), *operation);
        }
        assert_eq!(AclOperation::from_id(99), AclOperation::Unknown);
        assert_eq!(ConfigResourceType::parse("broker_logger"), ConfigResourceType::BrokerLogger);
        assert_eq!(GroupState::parse("preparingrebalance"), GroupState::PreparingRebalance);
        assert_eq!(GroupType::parse("Streams"), GroupType::Streams);
    }

    #[test]
    fn bits_are_operations() {
        assert_eq!(authorized_operations(i32::MIN), None);
        let bits = (1 << 3) | (1 << 8) | (1 << 2);
        let expected = BTreeSet::from([AclOperation::Read, AclOperation::Describe]);
        assert_eq!(authorized_operations(bits), Some(expected));
    }
}
