//! Groups, of whatever type.

pub mod classic;
pub(crate) mod consumer;
mod delete;
mod describe;
mod env;
mod error;
mod explain;
mod group_config;
mod list;
pub(crate) mod modern;
mod sessions;
pub(crate) mod share;
pub(crate) mod streams;

pub(crate) use env::Env;
pub use error::GroupError;
pub use explain::GroupExplanation;
pub(crate) use group_config::GroupConfig;
pub use sessions::MemberSession;

use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::{ErrorCode, Str};

use crate::group::classic::ClassicGroup;
use crate::group::consumer::ConsumerGroup;
use crate::group::share::ShareGroup;
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
    Consumer(ConsumerGroup),
    Share(ShareGroup),
    Streams(StreamsGroup),
}

impl Group {
    pub fn group_type(&self) -> GroupType {
        match self {
            Group::Classic(_) => GroupType::Classic,
            Group::Consumer(_) => GroupType::Consumer,
            Group::Share(_) => GroupType::Share,
            Group::Streams(_) => GroupType::Streams,
        }
    }

    /// The state's name, as tools show it: as of the last commit where that is kept.
    pub fn state_name(&self) -> &'static str {
        match self {
            Group::Classic(group) => group.state().name(),
            Group::Consumer(group) => group.state_committed().name(),
            Group::Share(group) => group.state_committed().name(),
            Group::Streams(group) => group.state().name(),
        }
    }

    /// Whether the group has no members.
    pub fn is_empty(&self) -> bool {
        match self {
            Group::Classic(group) => group.is_empty(),
            Group::Consumer(group) => group.is_empty(),
            Group::Share(group) => group.is_empty(),
            Group::Streams(group) => group.is_empty(),
        }
    }

    /// Number of members.
    pub fn members_len(&self) -> usize {
        match self {
            Group::Classic(group) => group.members().len(),
            Group::Consumer(group) => group.members_len(),
            Group::Share(group) => group.members_len(),
            Group::Streams(group) => group.members_len(),
        }
    }

    /// Whether members read this topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Group::Classic(group) => group.is_subscribed_to(topic),
            Group::Consumer(group) => group.is_subscribed_to(topic),
            Group::Share(group) => group.is_subscribed_to(topic),
            Group::Streams(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether the group goes when it has neither members nor offsets any more.
    pub fn expires(&self) -> bool {
        !matches!(self, Group::Share(_))
    }

    /// From when on the retention of offsets runs; `None`: they do not expire.
    pub fn expiration_base(&self) -> Option<ExpirationBase> {
        match self {
            Group::Classic(group) => group.expiration_base(),
            Group::Consumer(group) => group.expiration_base(),
            Group::Share(_) => None,
            Group::Streams(_) => Some(ExpirationBase::CommitTimestamp),
        }
    }

    pub fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Group::Classic(group) => group.validate_offset_delete(),
            Group::Consumer(_) | Group::Streams(_) => Ok(()),
            Group::Share(_) => Err(ErrorCode::GroupIdNotFound),
        }
    }

    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Group::Classic(group) => group.validate_delete(),
            Group::Consumer(group) => group.validate_delete(),
            Group::Share(group) => group.validate_delete(),
            Group::Streams(group) => group.validate_delete(),
        }
    }

    pub fn as_listed(&self) -> ListedGroup {
        match self {
            Group::Classic(group) => group.as_listed(),
            Group::Consumer(group) => group.as_listed(),
            Group::Share(group) => group.as_listed(),
            Group::Streams(group) => group.as_listed(),
        }
    }

    /// The records that remove the group, but not its offsets.
    pub fn tombstones(&self, group_id: &Str) -> Result<Vec<CoordinatorRecord>, ErrorCode> {
        match self {
            Group::Classic(_) => {
                let tombstone = group_metadata_tombstone(group_id);
                tombstone.map(|tombstone| vec![tombstone]).map_err(|_| ErrorCode::UnknownServerError)
            }
            Group::Consumer(group) => Ok(group.tombstones()),
            Group::Share(group) => group.tombstones().map_err(|_| ErrorCode::UnknownServerError),
            Group::Streams(group) => group.tombstones().map_err(|_| ErrorCode::UnknownServerError),
        }
    }

    /// Everything below `high_watermark` is committed; whether the group has something that is not.
    pub fn commit(&mut self, high_watermark: i64) -> bool {
        match self {
            // A streams group is replaced as a whole, and its predecessor is what was committed.
            Group::Classic(_) | Group::Streams(_) => false,
            Group::Consumer(group) => group.commit(high_watermark),
            Group::Share(group) => group.commit(high_watermark),
        }
    }
}
