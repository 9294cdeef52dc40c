//! CreatePartitions (key 37): `ControllerApis.createPartitions`, `ReplicationControlManager.createPartitions`.
//!
//! Deviation: a request for more partitions than one batch can hold gets POLICY_VIOLATION; Kafka answers
//! UNKNOWN_SERVER_ERROR and creates some of them all the same.

use std::collections::BTreeSet;

use ottla_metadata::TopicImage;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::manual_assignment::invalid_assignment;
use crate::controller_result::{BoundedRecords, MAX_RECORDS_PER_BATCH};
use crate::placement::{Random, StripedReplicaPlacer};
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// CreatePartitions.
    pub fn create_partitions(
        &self,
        request: &CreatePartitionsRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<CreatePartitionsResponse> {
        let mut random = Random::new(ctx.seed);
        let mut records = BoundedRecords::default();
        let mut results = Vec::with_capacity(request.topics.len());
        let mut seen = BTreeSet::new();
        let duplicates: BTreeSet<_> =
            request.topics.iter().map(|topic| &topic.name).filter(|name| !seen.insert(*name)).collect();
        for name in &duplicates {
            results.push(CreatePartitionsTopicResult {
                name: (*name).clone(),
                error_code: ErrorCode::InvalidRequest.code(),
                error_message: Some("Duplicate topic name.".into()),
            });
        }
        for topic in request.topics.iter().filter(|topic| !duplicates.contains(&topic.name)) {
            let before = records.len();
            let mut placer = StripedReplicaPlacer::new(random.next_seed());
            let result = self.add_partitions(topic, &mut placer, &mut records, ctx);
            if result.is_err() {
                records.truncate(before);
            }
            let error = ApiError::of(&result);
            results.push(CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: error.error_code(),
                error_message: error.error_message(),
            });
        }
        let response = CreatePartitionsResponse { results, ..Default::default() };
        ControllerResult::atomic(records.into_vec(), response).unless(request.validate_only)
    }

    fn add_partitions(
        &self,
        request: &CreatePartitionsTopic,
        placer: &mut StripedReplicaPlacer,
        records: &mut BoundedRecords,
        ctx: &mut RequestContext<'_>,
    ) -> Result<(), ApiError> {
        let topic = self.state.image.topics.topic(&request.name);
        let topic = topic.ok_or(ApiError::bare(ErrorCode::UnknownTopicOrPartition))?;
        let additional = additional_partitions(request, topic)?;
        if additional > MAX_RECORDS_PER_BATCH {
            return Err(ApiError::too_many_records());
        }
        ctx.apply_partition_change_quota(additional)?;
        let replication_factor = topic.partitions.iter().next().map_or(0, |(_, p)| p.replicas.len());
        let replication_factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
        let assignments = match &request.assignments {
            Some(assignments) => assignments.iter().map(|assignment| assignment.broker_ids.clone()).collect(),
            None => placer.place(additional, replication_factor, &self.usable_brokers())?,
        };
        let first = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        for (partition_id, replicas) in (first..).zip(assignments) {
            if request.assignments.is_some() {
                self.validate_manual_assignment(&replicas, usize::try_from(replication_factor).ok())?;
            }
            let isr = self.active_of(&replicas);
            if isr.is_empty() {
                return Err(match request.assignments {
                    Some(_) => invalid_assignment(format!(
                        "All brokers specified in the manual partition assignment for partition {partition_id} are \
                         fenced or in controlled shutdown."
                    )),
                    None => ApiError::thrown(
                        ErrorCode::InvalidReplicationFactor,
                        format!(
                            "Unable to replicate the partition {replication_factor} time(s): All brokers are \
                             currently fenced or in controlled shutdown."
                        ),
                    ),
                });
            }
            let partition = self.new_partition(&replicas, isr);
            records.push(self.partition_record(topic.id, partition_id, &partition)?)?;
        }
        Ok(())
    }
}

fn additional_partitions(request: &CreatePartitionsTopic, topic: &TopicImage) -> Result<usize, ApiError> {
    let (count, present) = (i64::from(request.count), topic.partitions.len() as i64);
    let invalid = |message| Err(ApiError::thrown(ErrorCode::InvalidPartitions, message));
    if count == present {
        return invalid(format!("Topic already has {present} partition(s)."));
    }
    if count < present {
        return invalid(format!(
            "The topic {} currently has {present} partition(s); {count} would not be an increase.",
            request.name
        ));
    }
    let additional = usize::try_from(count - present).unwrap_or(usize::MAX);
    match &request.assignments {
        Some(assignments) if assignments.len() != additional => Err(invalid_assignment(format!(
            "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        ))),
        _ => Ok(additional),
    }
}

#[cfg(test)]
#[path = "create_partitions_test.rs"]
mod create_partitions_test;
