//! What offsets and groups look like to an application.

use ottla_protocol::Str;

/// An offset to commit, or one that was committed (`org.apache.kafka.clients.consumer.OffsetAndMetadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// Offset of the next record to read.
    pub offset: i64,
    /// Epoch of the leader that appended the record before it, if known. Lets a consumer that starts here find out
    /// that the log was truncated in between.
    pub leader_epoch: Option<i32>,
    /// The application's own words.
    pub metadata: Str,
}

impl OffsetAndMetadata {
    /// An offset with nothing else.
    pub fn new(offset: i64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// The first record at or after a time (`org.apache.kafka.clients.consumer.OffsetAndTimestamp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its time, Unix ms.
    pub timestamp_ms: i64,
    /// Epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
}

/// What a transactional producer must know of the group whose offsets it commits
/// (`org.apache.kafka.clients.consumer.ConsumerGroupMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: Str,
    /// Generation of the classic protocol, or epoch of the member; -1 while there is none.
    pub generation_id: i32,
    /// Id of the member; empty while there is none.
    pub member_id: Str,
    /// `group.instance.id`.
    pub group_instance_id: Option<Str>,
}

impl ConsumerGroupMetadata {
    /// Of a group without this process being a member.
    pub fn new(group_id: impl Into<Str>) -> Self {
        Self {
            group_id: group_id.into(),
            generation_id: -1,
            member_id: Str::default(),
            group_instance_id: None,
        }
    }
}

/// What is visible to a reader (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Everything up to the high watermark: 0 on the wire.
    #[default]
    ReadUncommitted,
    /// Records of committed transactions, up to the last stable offset: 1 on the wire.
    ReadCommitted,
}

impl IsolationLevel {
    /// Its number on the wire.
    pub fn id(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }

    /// The level that a value of `isolation.level` means.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "read_uncommitted" => Some(Self::ReadUncommitted),
            "read_committed" => Some(Self::ReadCommitted),
            _ => None,
        }
    }
}
