//! What follows when a record of a classic group is committed, or turns out not to be written.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::{ErrorCode, Str};

use super::static_member::StaticReplacement;
use super::{ClassicGroup, Env, ProtocolsByMember};
use crate::errors::append_error;
use crate::result::GroupEvent;

/// What waits for a record of a classic group.
#[derive(Debug)]
pub enum ClassicAction {
    /// A group was created by its first JoinGroup.
    GroupCreated { group_id: Str },
    /// The last member is gone.
    GroupEmptied { group_id: Str },
    /// The leader has assigned.
    Assigned { group_id: Str, generation_id: i32, assignments: BTreeMap<Str, Bytes> },
    /// A static member has a new id.
    StaticMemberReplaced { group_id: Str, replacement: StaticReplacement },
    /// A consumer group has become a classic one.
    Downgraded { group_id: Str, protocols: ProtocolsByMember, rebalance_reason: Option<String> },
}

impl ClassicAction {
    pub fn group_id(&self) -> &Str {
        match self {
            ClassicAction::GroupCreated { group_id }
            | ClassicAction::GroupEmptied { group_id }
            | ClassicAction::Assigned { group_id, .. }
            | ClassicAction::Downgraded { group_id, .. }
            | ClassicAction::StaticMemberReplaced { group_id, .. } => group_id,
        }
    }
}

impl ClassicGroup {
    /// The record is committed.
    pub fn committed(&mut self, action: ClassicAction, env: &mut Env<'_>) {
        match action {
            ClassicAction::GroupCreated { .. } | ClassicAction::GroupEmptied { .. } => {}
            ClassicAction::Assigned { generation_id, assignments, .. } => {
                self.assigned(generation_id, assignments, env);
            }
            ClassicAction::StaticMemberReplaced { replacement, .. } => {
                self.replacement_committed(replacement, env);
            }
            ClassicAction::Downgraded { protocols, rebalance_reason, .. } => {
                self.begin_downgraded(protocols, rebalance_reason, env);
            }
        }
    }

    /// The record is not written, or not committed in time.
    pub fn failed(&mut self, action: ClassicAction, error: ErrorCode, env: &mut Env<'_>) {
        let told = append_error(error);
        env.out.events.push(GroupEvent::WriteFailed { group_id: self.group_id.clone(), error: told });
        match action {
            ClassicAction::GroupCreated { .. } => self.fail_joins(told, env),
            // If this broker fails as well before the next rebalance, the previous generation lives again. It
            // has no members that would mind.
            ClassicAction::GroupEmptied { .. } => {}
            ClassicAction::Assigned { generation_id, .. } => self.assigning_failed(generation_id, told, env),
            ClassicAction::StaticMemberReplaced { replacement, .. } => {
                self.replacement_failed(replacement, error, env);
            }
            // This is the classic group: the record is in the log, though not committed in time.
            ClassicAction::Downgraded { protocols, rebalance_reason, .. } => {
                self.begin_downgraded(protocols, rebalance_reason, env);
            }
        }
    }
}
