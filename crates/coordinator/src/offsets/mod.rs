//! Committed offsets of all groups, classic or other.

mod commit;
mod delete;
mod expire;
mod fetch;
mod store;
mod transaction;

pub(crate) use expire::ExpirationBase;
pub use fetch::{offset_fetch_group_error, offset_fetch_groups, offset_fetch_response};
pub(crate) use store::OffsetStore;

use ottla_protocol::messages::OffsetCommitValue;
use ottla_protocol::{Str, Uuid};

use crate::records::owned;

/// What an offset is committed for. The order keeps the offsets of a group together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetKey {
    /// The group.
    pub group_id: Str,
    /// Name of the topic.
    pub topic: Str,
    /// Partition of the topic.
    pub partition: i32,
}

impl OffsetKey {
    pub(crate) fn new(group_id: Str, topic: Str, partition: i32) -> Self {
        Self { group_id, topic, partition }
    }

    /// Not after any key of the group.
    pub(crate) fn first_of(group_id: &Str) -> Self {
        Self { group_id: group_id.clone(), topic: Str::new(), partition: i32::MIN }
    }
}

/// A committed offset (`OffsetAndMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// Where to go on reading.
    pub committed_offset: i64,
    /// Leader epoch of the last record read, if the client knew it.
    pub leader_epoch: Option<i32>,
    /// What the client wanted to remember.
    pub metadata: Str,
    /// When it was committed, Unix ms.
    pub commit_timestamp_ms: i64,
    /// When it expires, Unix ms, if the client said so (OffsetCommit 2-4).
    pub expire_timestamp_ms: Option<i64>,
    /// Offset of the record in `__consumer_offsets`; -1 before it is written.
    pub record_offset: i64,
    /// Id of the topic; zero when it was not known.
    pub topic_id: Uuid,
}

impl OffsetAndMetadata {
    pub(crate) fn from_record(record_offset: i64, value: &OffsetCommitValue) -> Self {
        Self {
            committed_offset: value.offset,
            leader_epoch: (value.leader_epoch != -1).then_some(value.leader_epoch),
            metadata: owned(&value.metadata),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
            record_offset,
            topic_id: value.topic_id,
        }
    }
}
