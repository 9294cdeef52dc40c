//! States of a classic group (`ClassicGroupState`).

/// Where a classic group is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClassicGroupState {
    /// No members. The group stays for its offsets, or exists for nothing else.
    Empty,
    /// Members are asked to (re)join; JoinGroup requests wait until all have, or until time is up.
    PreparingRebalance,
    /// All have joined; SyncGroup requests wait for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// The shard is gone from this broker.
    Dead,
}

impl ClassicGroupState {
    /// As DescribeGroups and ListGroups show it.
    pub fn name(self) -> &'static str {
        match self {
            ClassicGroupState::Empty => "Empty",
            ClassicGroupState::PreparingRebalance => "PreparingRebalance",
            ClassicGroupState::CompletingRebalance => "CompletingRebalance",
            ClassicGroupState::Stable => "Stable",
            ClassicGroupState::Dead => "Dead",
        }
    }

    /// Whether a group may go from `previous` to this state.
    pub fn may_follow(self, previous: ClassicGroupState) -> bool {
        use ClassicGroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        match self {
            Empty => previous == PreparingRebalance,
            PreparingRebalance => matches!(previous, Stable | CompletingRebalance | Empty),
            CompletingRebalance => previous == PreparingRebalance,
            Stable => previous == CompletingRebalance,
            Dead => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClassicGroupState::{self, *};

    const ALL: [ClassicGroupState; 5] = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];

    #[test]
    fn transitions_are_those_of_kafka() {
        let allowed: Vec<_> = ALL
            .iter()
            .flat_map(|to| ALL.iter().map(move |from| (*from, *to)))
            .filter(|(from, to)| *to != Dead && to.may_follow(*from))
            .collect();
        assert_eq!(
            allowed,
            [
                (PreparingRebalance, Empty),
                (Empty, PreparingRebalance),
                (CompletingRebalance, PreparingRebalance),
                (Stable, PreparingRebalance),
                (PreparingRebalance, CompletingRebalance),
                (CompletingRebalance, Stable),
            ]
        );
        assert!(ALL.iter().all(|from| Dead.may_follow(*from)));
    }
}
