//! What members of consumer and share groups have in common (`ModernGroupMember`, `MemberState`).

use std::collections::BTreeSet;

use ottla_protocol::Str;

/// Where a member is on its way to the target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberState {
    /// It has what it is to have.
    Stable,
    /// It has to give partitions up first.
    UnrevokedPartitions,
    /// It waits for partitions that others have to give up.
    UnreleasedPartitions,
    /// Written by a version that knows more states.
    Unknown,
}

impl MemberState {
    /// As records hold it.
    pub fn code(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }

    /// The state of a code.
    pub fn from_code(code: i8) -> Self {
        match code {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }
}

/// The common part of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModernMember {
    pub member_id: Str,
    /// 0 before the first assignment; -1 and -2: leaving.
    pub member_epoch: i32,
    /// The epoch before the last change: accepted once more, should the answer have been lost.
    pub previous_member_epoch: i32,
    pub state: MemberState,
    /// Set for static members.
    pub instance_id: Option<Str>,
    pub rack_id: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    pub subscribed_topic_names: BTreeSet<Str>,
}

impl ModernMember {
    /// A member that nothing is known of yet.
    pub fn new(member_id: Str) -> Self {
        Self {
            member_id,
            member_epoch: 0,
            previous_member_epoch: -1,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            client_id: Str::new(),
            client_host: Str::new(),
            subscribed_topic_names: BTreeSet::new(),
        }
    }

    /// Sets the epoch, and remembers the one before.
    pub fn update_epoch(&mut self, member_epoch: i32) {
        self.previous_member_epoch = self.member_epoch;
        self.member_epoch = member_epoch;
    }

    /// Whether the member has come to the target assignment of this epoch.
    pub fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == assignment_epoch
    }
}

/// A member of either type.
pub(crate) trait ModernGroupMember {
    /// The common part.
    fn modern(&self) -> &ModernMember;
}
