//! From members and metadata to a new target assignment (`TargetAssignmentBuilder`).

use ottla_protocol::Str;

use super::assignor::{Assignment, GroupAssignment, GroupSpec, PartitionAssignor, PartitionAssignorError};
use super::topics::TopicResolver;

/// What an assignor came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewTargetAssignment {
    /// The assignments of all members, in order of their ids.
    pub assignments: GroupAssignment,
    /// Members whose assignment differs from what `previous` held for their id, in order: these have to be
    /// written.
    pub changed: Vec<Str>,
}

/// Runs an assignor. `previous` is the target assignment so far, by member id.
pub(crate) fn compute_target_assignment<'p>(
    assignor: &dyn PartitionAssignor,
    spec: &GroupSpec<'_>,
    topics: &TopicResolver<'_>,
    previous: impl Fn(&Str) -> Option<&'p Assignment>,
) -> Result<NewTargetAssignment, PartitionAssignorError> {
    let mut assigned = assignor.assign(spec, topics)?;
    let mut new = NewTargetAssignment::default();
    for member_id in spec.members.keys() {
        let assignment = assigned.remove(member_id).unwrap_or_default();
        if previous(member_id) != Some(&assignment) {
            new.changed.push(member_id.clone());
        }
        new.assignments.insert(member_id.clone(), assignment);
    }
    Ok(new)
}

/// Whether it is time for the next target assignment (`GroupMetadataManager.canComputeNextTargetAssignment`).
/// `assignment_timestamp_ms` is that of the last, 0 if there was none.
pub(crate) fn can_compute_next(assignment_timestamp_ms: i64, interval_ms: i32, now_ms: i64) -> bool {
    assignment_timestamp_ms == 0
        || interval_ms == 0
        || now_ms >= assignment_timestamp_ms.saturating_add(interval_ms.into())
}
