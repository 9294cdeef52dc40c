//! The state of a group in the terms in which an operator asks about it.

use ottla_protocol::Str;

use crate::group::Group;
use crate::shard::GroupCoordinatorShard;

/// What a group is doing, since when, why, and for whom it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupExplanation {
    /// Name of the state.
    pub state: &'static str,
    /// Since when, Unix ms; `None` when that was not recorded.
    pub since_ms: Option<i64>,
    /// Current generation.
    pub generation_id: i32,
    /// Why the last rebalance began; empty when none did since the group was loaded.
    pub rebalance_reason: String,
    /// While members join: those that have not joined yet. While the assignment is awaited: those that have
    /// not sent SyncGroup yet. In order.
    pub waiting_for: Vec<Str>,
    /// The member that assigns, if any.
    pub leader: Option<Str>,
}

impl GroupCoordinatorShard {
    /// Explains a group; `None` when it does not exist.
    pub fn explain_group(&self, group_id: &str) -> Option<GroupExplanation> {
        match self.groups.get(group_id)? {
            Group::Classic(group) => Some(group.explain()),
            Group::Consumer(group) => Some(group.explain()),
            Group::Share(group) => Some(group.explain()),
            Group::Streams(group) => Some(group.explain()),
        }
    }
}
