//! CreatePartitions: more partitions for topics.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::Str;
use ottla_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use ottla_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::quota_retry::Throttled;
use super::{Admin, PerKey};
use crate::Error;

/// How many partitions a topic shall have (`NewPartitions`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    /// All of them, with those there are.
    pub total_count: i32,
    /// Replicas of each new partition; the controller chooses when there are none.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// Options of [`Admin::create_partitions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitionsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only look whether it could be done.
    pub validate_only: bool,
    /// Whether to try again when the controller's quota is used up (KIP-599).
    pub retry_on_quota_violation: bool,
}

impl Default for CreatePartitionsOptions {
    fn default() -> Self {
        Self { timeout: None, validate_only: false, retry_on_quota_violation: true }
    }
}

impl Admin {
    /// Adds partitions to topics.
    ///
    /// # Errors
    /// For each topic: INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, REASSIGNMENT_IN_PROGRESS, ...
    pub async fn create_partitions(
        &self,
        topics: &BTreeMap<Str, NewPartitions>,
        options: &CreatePartitionsOptions,
    ) -> PerKey<Str, ()> {
        let build = |_, topics: &BTreeMap<Str, NewPartitions>, timeout_ms| CreatePartitionsRequest {
            topics: topics.iter().map(|(name, partitions)| to_wire(name, partitions)).collect(),
            timeout_ms,
            validate_only: options.validate_only,
        };
        let read = |response: CreatePartitionsResponse| Throttled {
            throttle_time_ms: response.throttle_time_ms,
            results: response
                .results
                .into_iter()
                .map(|it| (it.name, Error::check(it.error_code, it.error_message.as_deref())))
                .collect(),
        };
        let deadline = self.deadline(options.timeout);
        let retry = options.retry_on_quota_violation;
        self.call_with_quota("createPartitions", topics.clone(), retry, deadline, build, read).await
    }
}

fn to_wire(name: &Str, partitions: &NewPartitions) -> CreatePartitionsTopic {
    let assignment = |brokers: &Vec<i32>| CreatePartitionsAssignment { broker_ids: brokers.clone() };
    CreatePartitionsTopic {
        name: name.clone(),
        count: partitions.total_count,
        assignments: partitions.assignments.as_ref().map(|lists| lists.iter().map(assignment).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_left_to_the_controller_unless_given() {
        let wire = to_wire(&"t".into(), &NewPartitions { total_count: 3, assignments: None });
        assert_eq!((wire.count, wire.assignments), (3, None));
        let given = NewPartitions { total_count: 2, assignments: Some(vec![vec![1, 2]]) };
        assert_eq!(to_wire(&"t".into(), &given).assignments.unwrap()[0].broker_ids, [1, 2]);
    }
}
