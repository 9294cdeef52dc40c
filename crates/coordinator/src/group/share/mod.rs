//! Share groups (KIP-932): members share partitions, and get their assignment at once, for nobody has to give
//! anything up first (`ShareGroup` and the share parts of `GroupMetadataManager`).
//!
//! | file | holds |
//! | --- | --- |
//! | `mod`, `state`, `member` | the group, its states, its members |
//! | `record`, `replay` | the group as records, and what they change |
//! | `heartbeat`, `update`, `leave` | ShareGroupHeartbeat; sessions |
//! | `state_metadata` | for which partitions the share coordinator keeps state |
//! | `initialize` | topics on their way from initializing to initialized |
//! | `offsets`, `delete` | AlterShareGroupOffsets, DeleteShareGroupOffsets, DeleteGroups; topics that go |
//! | `describe` | ShareGroupDescribe, and the group in words |
//! | `assignor/` | the assignor `simple` |
//!
//! Only partitions whose state is initialized are assigned. A heartbeat that finds others marks them as
//! initializing, and its answer tells the driver to have the share coordinator set their state up; the driver
//! says what came of it by [`on_share_state_initialized`] or [`on_share_state_uninitialized`]. If it never does,
//! the next heartbeat after `group.share.initialize.retry.interval.ms` asks again.
//!
//! [`on_share_state_initialized`]: crate::GroupCoordinatorShard::on_share_state_initialized
//! [`on_share_state_uninitialized`]: crate::GroupCoordinatorShard::on_share_state_uninitialized

mod assignor;
mod delete;
mod describe;
mod heartbeat;
mod initialize;
mod leave;
mod member;
mod offsets;
pub(crate) mod record;
mod replay;
mod state;
mod state_metadata;
mod update;

pub use heartbeat::{share_group_heartbeat_error, validate_share_group_heartbeat};
pub use state::ShareGroupState;
pub use state_metadata::{DeleteShareState, InitializeShareState, SharePartitions};

use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::{EncodeError, ErrorCode, Str};

use self::member::ShareGroupMember;
use self::state_metadata::ShareStateMetadata;
use crate::group::GroupType;
use crate::group::modern::ModernGroup;
use crate::records::CoordinatorRecord;

/// The protocol type of share groups.
const SHARE_PROTOCOL_TYPE: &str = "share";
/// Member epoch of a member that leaves.
const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;

/// A share group. It changes in `replay` only, but for the refresh deadline of its topics.
#[derive(Clone, Debug)]
pub(crate) struct ShareGroup {
    base: ModernGroup<ShareGroupMember>,
    /// `None` until the first record says something of it.
    state_metadata: Option<ShareStateMetadata>,
}

impl ShareGroup {
    /// A group without members; everything below `high_watermark` is committed.
    pub fn new(group_id: Str, high_watermark: i64) -> Self {
        Self { base: ModernGroup::new(group_id, high_watermark), state_metadata: None }
    }

    pub fn group_id(&self) -> &Str {
        &self.base.group_id
    }

    /// The latest state.
    pub fn state(&self) -> ShareGroupState {
        ShareGroupState::of(self.base.members_len() == 0)
    }

    /// The committed state.
    pub fn state_committed(&self) -> ShareGroupState {
        ShareGroupState::of(self.base.members_committed().next().is_none())
    }

    pub fn members_len(&self) -> usize {
        self.base.members_len()
    }

    pub fn is_empty(&self) -> bool {
        self.base.members_len() == 0
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.base.subscribed_topics.contains(topic)
    }

    /// As of the last commit.
    pub fn as_listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.group_id().clone(),
            protocol_type: Str::from_static(SHARE_PROTOCOL_TYPE),
            group_state: Str::from_static(self.state_committed().name()),
            group_type: Str::from_static(GroupType::Share.name()),
        }
    }

    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// The tombstones of the whole group.
    pub fn tombstones(&self) -> Result<Vec<CoordinatorRecord>, EncodeError> {
        let member_ids = self.base.members().map(|(member_id, _)| member_id.clone()).collect();
        record::group_tombstones(self.group_id(), &member_ids)
    }

    /// Everything below `high_watermark` is committed; whether there is something that is not.
    pub fn commit(&mut self, high_watermark: i64) -> bool {
        self.base.commit(high_watermark)
    }

    /// Topics that it reads have changed: looks at them with the next heartbeat.
    pub fn request_metadata_refresh(&mut self) {
        self.base.request_metadata_refresh();
    }

    /// The topics that the group reads.
    pub fn subscribed_topics(&self) -> impl Iterator<Item = &Str> {
        self.base.subscribed_topics.names()
    }
}

#[cfg(test)]
mod history_test;
#[cfg(test)]
mod share_test;
#[cfg(test)]
mod testing;
