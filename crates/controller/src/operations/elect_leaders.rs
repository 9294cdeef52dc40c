//! ElectLeaders (key 43): `ReplicationControlManager.electLeaders` (KIP-183, KIP-460).

use ottla_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::controller_result::BoundedRecords;
use crate::partition_change_builder::Election;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

/// Which leader a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElectionType {
    /// The first replica.
    Preferred,
    /// Any that is alive, where there is none.
    Unclean,
}

impl Controller {
    /// ElectLeaders.
    pub fn elect_leaders(
        &self,
        request: &ElectLeadersRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<ElectLeadersResponse> {
        self.try_elect_leaders(request)
            .unwrap_or_else(|error| ControllerResult::answer(refused(request, &error)))
    }

    fn try_elect_leaders(
        &self,
        request: &ElectLeadersRequest,
    ) -> Result<ControllerResult<ElectLeadersResponse>, ApiError> {
        let election = match request.election_type {
            0 => ElectionType::Preferred,
            1 => ElectionType::Unclean,
            code => return Err(ApiError::invalid_request(format!("Unknown election type {code}"))),
        };
        let mut records = BoundedRecords::default();
        let mut results = Vec::new();
        match &request.topic_partitions {
            Some(topics) => {
                for topic in topics {
                    let partitions = topic.partitions.iter().copied();
                    results.push(self.elect_in_topic(&topic.topic, partitions, election, &mut records)?);
                }
            }
            None => {
                for topic in self.state.image.topics.iter() {
                    let partitions = topic.partitions.iter().map(|(id, _)| id);
                    let mut result = self.elect_in_topic(&topic.name, partitions, election, &mut records)?;
                    let not_needed = ErrorCode::ElectionNotNeeded.code();
                    result.partition_result.retain(|partition| partition.error_code != not_needed);
                    results.push(result);
                }
            }
        }
        let response = ElectLeadersResponse { replica_election_results: results, ..Default::default() };
        Ok(ControllerResult::of(records.into_vec(), response))
    }

    fn elect_in_topic(
        &self,
        topic: &Str,
        partitions: impl Iterator<Item = i32>,
        election: ElectionType,
        records: &mut BoundedRecords,
    ) -> Result<ReplicaElectionResult, ApiError> {
        let mut result = ReplicaElectionResult { topic: topic.clone(), ..Default::default() };
        for partition_id in partitions {
            let elected = self.elect_leader(topic, partition_id, election);
            let error = ApiError::of(&elected).clone();
            if let Ok(record) = elected {
                records.push(record)?;
            }
            result.partition_result.push(PartitionResult {
                partition_id,
                error_code: error.error_code(),
                error_message: error.error_message(),
            });
        }
        Ok(result)
    }

    /// The record that gives a partition another leader.
    pub(super) fn elect_leader(
        &self,
        topic_name: &str,
        partition_id: i32,
        election: ElectionType,
    ) -> Result<ottla_metadata::VersionedRecord, ApiError> {
        let unknown = |message| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = self.state.image.topics.topic(topic_name);
        let topic = topic.ok_or_else(|| unknown(format!("No such topic as {topic_name}")))?;
        let partition = topic.partitions.get(partition_id);
        let partition =
            partition.ok_or_else(|| unknown(format!("No such partition as {topic_name}-{partition_id}")))?;
        let (is_done, kind, unavailable) = match election {
            ElectionType::Preferred => (
                partition.has_preferred_leader(),
                Election::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            ElectionType::Unclean => {
                (partition.has_leader(), Election::Unclean, ErrorCode::EligibleLeadersNotAvailable)
            }
        };
        if is_done {
            return Err(ApiError::with_default_message(ErrorCode::ElectionNotNeeded));
        }
        let record = self
            .change_partition_among_active(topic, partition_id, partition, |builder| builder.election(kind));
        record.ok_or_else(|| ApiError::with_default_message(unavailable))
    }
}

fn refused(request: &ElectLeadersRequest, error: &ApiError) -> ElectLeadersResponse {
    let partition = |partition_id: &i32| PartitionResult {
        partition_id: *partition_id,
        error_code: error.error_code(),
        error_message: error.error_message(),
    };
    let topics = request.topic_partitions.iter().flatten();
    let replica_election_results = topics
        .map(|topic| ReplicaElectionResult {
            topic: topic.topic.clone(),
            partition_result: topic.partitions.iter().map(partition).collect(),
        })
        .collect();
    ElectLeadersResponse { error_code: error.error_code(), replica_election_results, ..Default::default() }
}

#[cfg(test)]
#[path = "elect_leaders_test.rs"]
mod elect_leaders_test;
