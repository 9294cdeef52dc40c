//! DescribeGroups (`GroupMetadataManager.describeGroups`).

use ottla_protocol::messages::describe_groups_response::DescribedGroup;
use ottla_protocol::{ErrorCode, Str};

use crate::group::Group;
use crate::group::classic::ClassicGroupState;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Classic groups in detail. A group that does not exist is dead; from version 6 on that is an error as
    /// well (KIP-1043). The empty group id is allowed.
    pub fn describe_groups(&self, api_version: i16, group_ids: &[Str]) -> Vec<DescribedGroup> {
        let describe = |group_id: &Str| match self.groups.get_committed(group_id) {
            Some(Group::Classic(group)) => group.describe(),
            other if api_version >= 6 => {
                let what = if other.is_some() { "is not a classic group" } else { "not found" };
                DescribedGroup {
                    group_id: group_id.clone(),
                    group_state: Str::from_static(ClassicGroupState::Dead.name()),
                    error_code: ErrorCode::GroupIdNotFound.code(),
                    error_message: Some(Str::from(format!("Group {group_id} {what}."))),
                    ..Default::default()
                }
            }
            _ => DescribedGroup {
                group_id: group_id.clone(),
                group_state: Str::from_static(ClassicGroupState::Dead.name()),
                ..Default::default()
            },
        };
        group_ids.iter().map(describe).collect()
    }
}

#[cfg(test)]
#[path = "describe_test.rs"]
mod tests;
