//! Why a record can't be replayed.

use ottla_protocol::{Str, Uuid};

/// A record that contradicts the state it is replayed on, or that says what this software does not know.
///
/// The log's writer checks before it writes, so this is a fault: of the log, of the writer or of this
/// software. Kafka halts a node in that case rather than let it go on with a wrong view of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ReplayError {
    #[error("a topic named {name} exists already, with id {existing}; the record's is {id}")]
    DuplicateTopic { name: Str, id: Uuid, existing: Uuid },
    #[error("there is no topic with id {id}")]
    UnknownTopicId { id: Uuid },
    #[error("there is no topic named {name}")]
    UnknownTopicName { name: Str },
    #[error("topic {topic_id} has no partition {partition}")]
    UnknownPartition { topic_id: Uuid, partition: i32 },
    #[error("{partition} is no partition number")]
    InvalidPartition { partition: i32 },
    #[error("{directories} directories for {replicas} replicas")]
    InvalidReplicaDirectories { replicas: usize, directories: usize },
    #[error("{value} is not a valid leader recovery state")]
    UnknownLeaderRecoveryState { value: i8 },
    #[error("broker {id} is not registered")]
    UnknownBroker { id: i32 },
    #[error("the record is for epoch {epoch} of broker {id}, whose epoch is {current}")]
    BrokerEpochMismatch { id: i32, epoch: i64, current: i64 },
    #[error("unknown value {value} for {field} of broker {id}")]
    UnknownRegistrationChange { id: i32, field: &'static str, value: i8 },
    #[error("unknown security protocol {code} in listener {listener}")]
    UnknownSecurityProtocol { listener: Str, code: i16 },
    #[error("listeners must be named")]
    UnnamedListener,
    #[error(
        "unsupported metadata.version {level}: set it to a level from {min} to {max} before changing the software"
    )]
    UnsupportedMetadataVersion { level: i16, min: i16, max: i16 },
    #[error("level {level} of {name} lies outside what this node supports")]
    UnsupportedFeatureLevel { name: Str, level: i16 },
    #[error("producer id {next} was given out already: the next one is {current}")]
    ProducerIdsGoBack { next: i64, current: i64 },
    #[error("there is no ACL with id {id}")]
    UnknownAcl { id: Uuid },
    #[error("user {user} has no SCRAM credential of mechanism {mechanism}")]
    UnknownScramCredential { user: Str, mechanism: i8 },
    #[error("{name} outside of a loader: transactions are not part of the image")]
    TransactionMarker { name: &'static str },
    #[error("{name} while no transaction is open")]
    NoTransaction { name: &'static str },
    #[error("a transaction begins inside the one that began at offset {start}")]
    NestedTransaction { start: i64 },
}
