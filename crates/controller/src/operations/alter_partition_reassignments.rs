//! AlterPartitionReassignments (key 45): `ReplicationControlManager.alterPartitionReassignments` (KIP-455).

use ottla_metadata::{PartitionRegistration, TopicImage, VersionedRecord};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use ottla_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use super::manual_assignment::invalid_assignment;
use crate::controller_result::BoundedRecords;
use crate::reassignment::{ReassignmentReplicas, ReassignmentRevert};
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// AlterPartitionReassignments: moves partitions to other brokers, or calls a move off.
    pub fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<AlterPartitionReassignmentsResponse> {
        let may_change = request.allow_replication_factor_change;
        let mut records = BoundedRecords::default();
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut response = ReassignableTopicResponse { name: topic.name.clone(), partitions: Vec::new() };
            for target in &topic.partitions {
                let result = self.reassign(&topic.name, target, may_change).and_then(|record| match record {
                    // Kafka has no better answer for the partitions that are too many.
                    Some(record) => {
                        records.push(record).map_err(|_| ApiError::bare(ErrorCode::UnknownServerError))
                    }
                    None => Ok(()),
                });
                let error = ApiError::of(&result);
                response.partitions.push(ReassignablePartitionResponse {
                    partition_index: target.partition_index,
                    error_code: error.error_code(),
                    error_message: error.error_message(),
                });
            }
            responses.push(response);
        }
        let response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_change,
            error_message: None,
            responses,
            ..Default::default()
        };
        ControllerResult::atomic(records.into_vec(), response)
    }

    fn reassign(
        &self,
        topic_name: &str,
        target: &ReassignablePartition,
        may_change_replication_factor: bool,
    ) -> Result<Option<VersionedRecord>, ApiError> {
        let unknown = |message| ApiError::thrown(ErrorCode::UnknownTopicOrPartition, message);
        let topic = self.state.image.topics.topic(topic_name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {topic_name}.")))?;
        let partition_id = target.partition_index;
        let partition = topic.partitions.get(partition_id);
        let partition = partition
            .ok_or_else(|| unknown(format!("Unable to find partition {topic_name}:{partition_id}.")))?;
        match &target.replicas {
            None => self.cancel_reassignment(topic, partition_id, partition),
            Some(replicas) => {
                self.validate_manual_assignment(replicas, None)?;
                if !may_change_replication_factor {
                    check_replication_factor(partition, replicas)?;
                }
                Ok(self.begin_reassignment(topic, partition_id, partition, replicas))
            }
        }
    }

    fn begin_reassignment(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
        replicas: &[i32],
    ) -> Option<VersionedRecord> {
        let change = ReassignmentReplicas::between(&partition.replicas, replicas);
        // A list that is empty leaves what is under way as it is, as Kafka does.
        let or_present = |new: Vec<i32>, present: &[i32]| if new.is_empty() { present.to_vec() } else { new };
        let removing = or_present(change.removing, &partition.removing_replicas);
        let adding = or_present(change.adding, &partition.adding_replicas);
        self.change_partition_among_active(topic, partition_id, partition, |builder| {
            builder.target_reassignment(change.replicas, removing, adding)
        })
    }

    fn cancel_reassignment(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
    ) -> Result<Option<VersionedRecord>, ApiError> {
        if !partition.is_reassignment_in_progress() {
            return Err(ApiError::bare(ErrorCode::NoReassignmentInProgress));
        }
        let revert = ReassignmentRevert::new(partition)?;
        if revert.is_unclean && !self.is_unclean_election_enabled(&topic.name) {
            return Err(invalid_assignment(format!(
                "Unable to revert partition assignment for {}:{partition_id} because it would require an unclean \
                 leader election.",
                topic.name
            )));
        }
        let election = self.election_of(&topic.name);
        Ok(self.change_partition_among_active(topic, partition_id, partition, |builder| {
            builder.election(election).target_isr(revert.isr).target_reassignment(
                revert.replicas,
                Vec::new(),
                Vec::new(),
            )
        }))
    }
}

fn check_replication_factor(partition: &PartitionRegistration, target: &[i32]) -> Result<(), ApiError> {
    let present = match partition.is_reassignment_in_progress() {
        true => partition.target_replicas().len(),
        false => partition.replicas.len(),
    };
    if present == target.len() {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {present} to {}", target.len());
    Err(ApiError::thrown(ErrorCode::InvalidReplicationFactor, message))
}

#[cfg(test)]
#[path = "reassignments_test.rs"]
mod reassignments_test;
