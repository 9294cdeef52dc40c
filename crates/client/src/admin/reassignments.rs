//! AlterPartitionReassignments and ListPartitionReassignments (KIP-455).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use ottla_protocol::{ErrorCode, Message, Str, TopicPartition};

use super::call::To;
use super::offsets::by_topic;
use super::quota_retry::unrepresentable_name;
use super::{Admin, PerKey, TimeoutOptions};
use crate::{Error, Result};

/// Options of [`Admin::alter_partition_reassignments`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterReassignmentsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether the number of replicas may change (KIP-860; refusing it needs brokers from 4.1 on).
    pub allow_replication_factor_change: bool,
}

impl Default for AlterReassignmentsOptions {
    fn default() -> Self {
        Self { timeout: None, allow_replication_factor_change: true }
    }
}

/// A reassignment under way (`PartitionReassignment`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All replicas, old and new.
    pub replicas: Vec<i32>,
    /// Those that are added.
    pub adding_replicas: Vec<i32>,
    /// Those that are removed once the added ones are in sync.
    pub removing_replicas: Vec<i32>,
}

impl Admin {
    /// Gives partitions new replicas (the preferred leader first), or, with none given, takes back what is under way.
    ///
    /// # Errors
    /// For each partition: INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS, ...
    pub async fn alter_partition_reassignments(
        &self,
        reassignments: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
        options: &AlterReassignmentsOptions,
    ) -> PerKey<TopicPartition, ()> {
        let mut done = PerKey::new();
        let mut wanted = BTreeMap::new();
        for (key, replicas) in reassignments {
            match invalid(key) {
                Some(error) => drop(done.insert(key.clone(), Err(error))),
                None => drop(wanted.insert(key.clone(), replicas.clone())),
            }
        }
        if wanted.is_empty() {
            return done;
        }
        let lowest = if options.allow_replication_factor_change { 0 } else { 1 };
        let versions = (lowest, AlterPartitionReassignmentsRequest::MAX_VERSION);
        let build = |_, timeout_ms| Ok(request(&wanted, options, timeout_ms));
        let deadline = self.deadline(options.timeout);
        let name = "alterPartitionReassignments";
        let respond = |_, response| altered(&wanted, response);
        match self.call_as(name, To::ControllerAlso, versions, deadline, build, respond).await {
            Ok(results) => done.extend(results),
            Err(error) => done.extend(wanted.into_keys().map(|key| (key, Err(error.clone())))),
        }
        done
    }

    /// The reassignments under way, of these partitions or of all.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, INVALID_TOPIC_EXCEPTION, ...
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&BTreeSet<TopicPartition>>,
        options: &TimeoutOptions,
    ) -> Result<BTreeMap<TopicPartition, PartitionReassignment>> {
        if let Some(error) = partitions.into_iter().flatten().find_map(invalid) {
            return Err(error);
        }
        let keys: Option<Vec<TopicPartition>> = partitions.map(|keys| keys.iter().cloned().collect());
        let topic = |(name, keys): (&Str, Vec<&TopicPartition>)| ListPartitionReassignmentsTopics {
            name: name.clone(),
            partition_indexes: keys.into_iter().map(|key| key.partition).collect(),
        };
        let build = |timeout_ms| ListPartitionReassignmentsRequest {
            timeout_ms,
            topics: keys.as_ref().map(|keys| by_topic(keys).into_iter().map(topic).collect()),
        };
        let deadline = self.deadline(options.timeout);
        let respond = |response: ListPartitionReassignmentsResponse| match Error::check(
            response.error_code,
            response.error_message.as_deref(),
        ) {
            Err(error) if error.code() == Some(ErrorCode::NotController) => Err(error),
            Err(error) => Ok(Err(error)),
            Ok(()) => Ok(Ok(listed(response))),
        };
        self.call("listPartitionReassignments", To::ControllerAlso, deadline, build, respond).await?
    }
}

fn invalid(key: &TopicPartition) -> Option<Error> {
    unrepresentable_name(&key.topic).or_else(|| {
        let text = format!("The given partition index {} is not valid.", key.partition);
        (key.partition < 0).then(|| Error::api(ErrorCode::InvalidTopicException, Some(&text)))
    })
}

fn request(
    wanted: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    options: &AlterReassignmentsOptions,
    timeout_ms: i32,
) -> AlterPartitionReassignmentsRequest {
    let mut topics: BTreeMap<&Str, Vec<ReassignablePartition>> = BTreeMap::new();
    for (key, replicas) in wanted {
        topics
            .entry(&key.topic)
            .or_default()
            .push(ReassignablePartition { partition_index: key.partition, replicas: replicas.clone() });
    }
    let topic = |(name, partitions): (&Str, _)| ReassignableTopic { name: name.clone(), partitions };
    AlterPartitionReassignmentsRequest {
        timeout_ms,
        allow_replication_factor_change: options.allow_replication_factor_change,
        topics: topics.into_iter().map(topic).collect(),
    }
}

fn altered(
    wanted: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    response: AlterPartitionReassignmentsResponse,
) -> Result<PerKey<TopicPartition, ()>> {
    let top = Error::check(response.error_code, response.error_message.as_deref());
    match top {
        Err(error) if error.code() == Some(ErrorCode::NotController) => return Err(error),
        Err(error) => return Ok(wanted.keys().map(|key| (key.clone(), Err(error.clone()))).collect()),
        Ok(()) => {}
    }
    let missing = || Err(Error::Protocol("The controller's answer holds no result for the partition".into()));
    let mut done: PerKey<TopicPartition, ()> = wanted.keys().map(|key| (key.clone(), missing())).collect();
    for topic in response.responses {
        for it in topic.partitions {
            let key = TopicPartition::new(topic.name.clone(), it.partition_index);
            if let Some(slot) = done.get_mut(&key) {
                *slot = Error::check(it.error_code, it.error_message.as_deref());
            }
        }
    }
    Ok(done)
}

fn listed(response: ListPartitionReassignmentsResponse) -> BTreeMap<TopicPartition, PartitionReassignment> {
    let mut found = BTreeMap::new();
    for topic in response.topics {
        for it in topic.partitions {
            let reassignment = PartitionReassignment {
                replicas: it.replicas,
                adding_replicas: it.adding_replicas,
                removing_replicas: it.removing_replicas,
            };
            found.insert(TopicPartition::new(topic.name.clone(), it.partition_index), reassignment);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    #[test]
    fn no_replicas_take_back_a_reassignment() {
        let wanted = BTreeMap::from([
            (TopicPartition::new("a", 0), Some(vec![1, 2])),
            (TopicPartition::new("a", 1), None),
            (TopicPartition::new("b", 0), Some(vec![3])),
        ]);
        let request = request(&wanted, &AlterReassignmentsOptions::default(), 5);
        assert_eq!(request.topics.len(), 2);
        assert_eq!(request.topics[0].partitions[1].replicas, None);
        encode_message(&request, 0).unwrap();
    }

    #[test]
    fn errors_of_the_whole_are_errors_of_each() {
        let wanted = BTreeMap::from([(TopicPartition::new("a", 0), None)]);
        let response = |code: ErrorCode| AlterPartitionReassignmentsResponse {
            error_code: code as i16,
            ..Default::default()
        };
        assert!(altered(&wanted, response(ErrorCode::NotController)).is_err());
        let done = altered(&wanted, response(ErrorCode::ClusterAuthorizationFailed)).unwrap();
        assert!(done.values().all(|it| it.is_err()));
        assert!(matches!(
            altered(&wanted, response(ErrorCode::None)).unwrap().into_values().next(),
            Some(Err(Error::Protocol(_)))
        ));
    }

    #[test]
    fn partitions_below_zero_are_refused() {
        assert!(invalid(&TopicPartition::new("a", -1)).is_some());
        assert!(invalid(&TopicPartition::new("", 0)).is_some());
        assert!(invalid(&TopicPartition::new("a", 0)).is_none());
    }
}
