//! States of a consumer group (`ConsumerGroup.ConsumerGroupState`).

use std::sync::Arc;

use super::member::ConsumerGroupMember;
use crate::group::modern::Epochs;

/// Where a consumer group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerGroupState {
    /// No members.
    Empty,
    /// Something has changed, and there is no assignment for it yet.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// All members have what they are to have.
    Stable,
    /// The group does not exist.
    Dead,
}

impl ConsumerGroupState {
    /// As ConsumerGroupDescribe and ListGroups show it.
    pub fn name(self) -> &'static str {
        match self {
            ConsumerGroupState::Empty => "Empty",
            ConsumerGroupState::Assigning => "Assigning",
            ConsumerGroupState::Reconciling => "Reconciling",
            ConsumerGroupState::Stable => "Stable",
            ConsumerGroupState::Dead => "Dead",
        }
    }

    /// The state of a group with these members and epochs.
    pub(super) fn of<'a>(
        members: impl Iterator<Item = &'a Arc<ConsumerGroupMember>>,
        epochs: Epochs,
    ) -> Self {
        let mut members = members.peekable();
        if members.peek().is_none() {
            ConsumerGroupState::Empty
        } else if epochs.group_epoch > epochs.assignment_epoch {
            ConsumerGroupState::Assigning
        } else if members.all(|member| member.base.is_reconciled_to(epochs.assignment_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }
}
