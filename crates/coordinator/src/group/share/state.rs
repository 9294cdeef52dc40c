//! States of a share group (`ShareGroup.ShareGroupState`).

/// Where a share group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareGroupState {
    /// No members.
    Empty,
    /// Members are there.
    Stable,
}

impl ShareGroupState {
    /// As ShareGroupDescribe and ListGroups show it.
    pub fn name(self) -> &'static str {
        match self {
            ShareGroupState::Empty => "Empty",
            ShareGroupState::Stable => "Stable",
        }
    }

    pub(super) fn of(is_empty: bool) -> Self {
        if is_empty { ShareGroupState::Empty } else { ShareGroupState::Stable }
    }
}
