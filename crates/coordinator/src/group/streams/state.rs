//! What a streams group is doing (`StreamsGroup.StreamsGroupState`).

/// The state of a streams group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamsGroupState {
    /// It has no members.
    Empty,
    /// Its topology can't be run with the topics that there are.
    NotReady,
    /// A new target assignment is due.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// All members own what they are to own.
    Stable,
}

impl StreamsGroupState {
    /// As tools show it.
    pub fn name(self) -> &'static str {
        match self {
            StreamsGroupState::Empty => "Empty",
            StreamsGroupState::NotReady => "NotReady",
            StreamsGroupState::Assigning => "Assigning",
            StreamsGroupState::Reconciling => "Reconciling",
            StreamsGroupState::Stable => "Stable",
        }
    }
}
