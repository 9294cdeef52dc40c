//! Replicas under reassignment (`PartitionReassignmentReplicas`, `PartitionReassignmentRevert`, KIP-455).

use std::collections::BTreeSet;

use ottla_metadata::PartitionRegistration;
use ottla_protocol::ErrorCode;

use crate::ApiError;

/// Replicas of a partition, and which of them come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReassignmentReplicas {
    /// Going.
    pub removing: Vec<i32>,
    /// Coming.
    pub adding: Vec<i32>,
    /// All, those that come and go included.
    pub replicas: Vec<i32>,
}

impl ReassignmentReplicas {
    /// What it takes to get from one list of replicas to another: the new ones first, those that go at the end.
    pub(crate) fn between(current: &[i32], target: &[i32]) -> Self {
        let difference = |a: &[i32], b: &[i32]| -> Vec<i32> {
            let sorted: BTreeSet<i32> = a.iter().copied().filter(|replica| !b.contains(replica)).collect();
            sorted.into_iter().collect()
        };
        let removing = difference(current, target);
        let adding = difference(target, current);
        let replicas = target.iter().chain(&removing).copied().collect();
        Self { removing, adding, replicas }
    }

    /// Replicas and ISR once the reassignment is complete; none while `isr` does not allow it yet.
    pub(crate) fn completed(&self, isr: &[i32]) -> Option<(Vec<i32>, Vec<i32>)> {
        if self.removing.is_empty() && self.adding.is_empty() {
            return None;
        }
        let staying = |list: &[i32]| -> Vec<i32> {
            list.iter().copied().filter(|replica| !self.removing.contains(replica)).collect()
        };
        let (new_isr, new_replicas) = (staying(isr), staying(&self.replicas));
        if !self.removing.is_empty() && (new_isr.is_empty() || new_replicas.is_empty()) {
            return None;
        }
        let all_in_sync = |replicas: &[i32]| replicas.iter().all(|replica| new_isr.contains(replica));
        // When replicas become fewer, all that stay must be in sync before the others may go.
        let complete = all_in_sync(&self.adding)
            && (self.adding.len() >= self.removing.len() || all_in_sync(&new_replicas));
        complete.then_some((new_replicas, new_isr))
    }
}

/// Replicas and ISR after a reassignment was called off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReassignmentRevert {
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    /// Whether none of the old replicas is in sync, so that one of them must lead with a loss of data.
    pub is_unclean: bool,
}

impl ReassignmentRevert {
    pub(crate) fn new(partition: &PartitionRegistration) -> Result<Self, ApiError> {
        let old = |list: &[i32]| -> Vec<i32> {
            list.iter().copied().filter(|replica| !partition.adding_replicas.contains(replica)).collect()
        };
        let (replicas, mut isr) = (old(&partition.replicas), old(&partition.isr));
        let is_unclean = isr.is_empty();
        if is_unclean {
            let first = replicas.first().copied().ok_or_else(|| {
                ApiError::thrown(
                    ErrorCode::InvalidReplicaAssignment,
                    "Invalid replica assignment: addingReplicas contains all replicas.",
                )
            })?;
            isr.push(first);
        }
        Ok(Self { replicas, isr, is_unclean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_removing() {
        let change = ReassignmentReplicas::between(&[3, 2, 1], &[0, 1, 2]);
        assert_eq!(
            (&*change.removing, &*change.adding, &*change.replicas),
            (&[3][..], &[0][..], &[0, 1, 2, 3][..])
        );
        assert_eq!(change.completed(&[1, 2, 3]), None);
        assert_eq!(change.completed(&[0, 3]), Some((vec![0, 1, 2], vec![0])));
    }

    #[test]
    fn fewer_replicas_must_all_be_in_sync() {
        let change = ReassignmentReplicas::between(&[0, 1, 2], &[0, 1]);
        assert_eq!(change.completed(&[0, 2]), None);
        assert_eq!(change.completed(&[0, 1, 2]), Some((vec![0, 1], vec![0, 1])));
        assert_eq!(change.completed(&[2]), None);
        assert_eq!(ReassignmentReplicas::between(&[1], &[1]).completed(&[1]), None);
    }

    #[test]
    fn calling_it_off() {
        let mut partition = PartitionRegistration::new(vec![4, 3, 1], vec![], vec![4, 1]);
        partition.adding_replicas = [4].into();
        let revert = ReassignmentRevert::new(&partition).unwrap();
        assert_eq!(revert, ReassignmentRevert { replicas: vec![3, 1], isr: vec![1], is_unclean: false });
        partition.isr = [4].into();
        let revert = ReassignmentRevert::new(&partition).unwrap();
        assert_eq!(revert, ReassignmentRevert { replicas: vec![3, 1], isr: vec![3], is_unclean: true });
        partition.adding_replicas = [4, 3, 1].into();
        assert!(ReassignmentRevert::new(&partition).is_err());
    }
}
