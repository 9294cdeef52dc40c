//! Groups, of whatever type. Today that is the classic one; consumer, share and streams groups become
//! variants.

pub mod classic;
mod delete;
mod describe;
mod env;
mod error;
mod explain;
mod group_config;
mod list;
pub(crate) mod modern;
pub(crate) mod streams;

pub(crate) use env::Env;
pub use error::GroupError;
pub use explain::GroupExplanation;
pub(crate) use group_config::GroupConfig;

use ottla_protocol::{EncodeError, ErrorCode, Str};
use ottla_protocol::messages::list_groups_response::ListedGroup;

use crate::group::classic::ClassicGroup;
use crate::group::streams::StreamsGroup;
use crate::offsets::ExpirationBase;
use crate::records::{CoordinatorRecord, group_metadata_tombstone};

/// Longest text, in bytes, that the records of a group can carry.
pub(crate) const TEXT_LENGTH_MAX: usize = i16::MAX as usize;

/// The type of a group (`Group.GroupType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// KIP-848.
    Consumer,
    /// Rebalanced by its members.
    Classic,
    /// KIP-932.
    Share,
    /// KIP-1071.
    Streams,
}

impl GroupType {
    /// As ListGroups shows it.
    pub fn name(self) -> &'static str {
        match self {
            GroupType::Consumer => "consumer",
            GroupType::Classic => "classic",
            GroupType::Share => "share",
            GroupType::Streams => "streams",
        }
    }
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) enum Group {
    Classic(ClassicGroup),
    Streams(StreamsGroup),
}

impl Group {
    pub fn group_type(&self) -> GroupType {
        match self {
            Group::Classic(_) => GroupType::Classic,
            Group::Streams(_) => GroupType::Streams,
        }
    }

    /// The state's name, as tools show it.
    pub fn state_name(&self) -> &'static str {
        match self {
            Group::Classic(group) => group.state().name(),
            Group::Streams(group) => group.state().name(),
        }
    }

    /// Whether the group has no members.
    pub fn is_empty(&self) -> bool {
        match self {
            Group::Classic(group) => group.is_empty(),
            Group::Streams(group) => group.is_empty(),
        }
    }

    /// Whether members read this topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Group::Classic(group) => group.is_subscribed_to(topic),
            Group::Streams(group) => group.is_subscribed_to(topic),
        }
    }

    /// From when on the retention of offsets runs; `None`: they do not expire.
    pub fn expiration_base(&self) -> Option<ExpirationBase> {
        match self {
            Group::Classic(group) => group.expiration_base(),
            Group::Streams(_) => Some(ExpirationBase::CommitTimestamp),
        }
    }

    pub fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Group::Classic(group) => group.validate_offset_delete(),
            Group::Streams(_) => Ok(()),
        }
    }

    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Group::Classic(group) => group.validate_delete(),
            Group::Streams(group) if group.is_empty() => Ok(()),
            Group::Streams(_) => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// The records that remove the group, but for its offsets.
    pub fn tombstones(&self, group_id: &Str) -> Result<Vec<CoordinatorRecord>, EncodeError> {
        match self {
            Group::Classic(_) => Ok(vec![group_metadata_tombstone(group_id)?]),
            Group::Streams(group) => group.tombstones(),
        }
    }

    pub fn as_listed(&self) -> ListedGroup {
        match self {
            Group::Classic(group) => group.as_listed(),
            Group::Streams(group) => group.as_listed(),
        }
    }
}
