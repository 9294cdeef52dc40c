//! CreateTopics (key 19): `ReplicationControlManager.createTopics`, `ControllerApis.createTopics`.
//!
//! Validate-only, manual assignment, configurations (returned from version 5 on). All topics of a request that
//! are fine are created in one batch of the log; each of the others gets its own error.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{ConfigMap, ConfigResource, PartitionRegistration, VersionedRecord};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicRecord};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::config_changes::{ConfigOp, ResourceChange};
use super::manual_assignment::invalid_assignment;
use crate::controller_result::BoundedRecords;
use crate::placement::{Random, StripedReplicaPlacer};
use crate::topic_name::{self, CLUSTER_METADATA_TOPIC_NAME};
use crate::{ApiError, Controller, ControllerResult, RequestContext, RequestOrigin};

/// Most partitions that one request may create.
const MAX_PARTITIONS_PER_BATCH: i64 = 10_000;

type Partitions = BTreeMap<i32, PartitionRegistration>;

impl Controller {
    /// CreateTopics.
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<CreateTopicsResponse> {
        match self.try_create_topics(request, ctx) {
            Ok(result) => result.unless(request.validate_only),
            Err(error) => {
                let topics = request.topics.iter().map(|topic| failed(&topic.name, &error)).collect();
                ControllerResult::answer(CreateTopicsResponse { topics, ..Default::default() })
            }
        }
    }

    fn try_create_topics(
        &self,
        request: &CreateTopicsRequest,
        ctx: &mut RequestContext<'_>,
    ) -> Result<ControllerResult<CreateTopicsResponse>, ApiError> {
        let refused = refused_names(request);
        let topics: Vec<&CreatableTopic> =
            request.topics.iter().filter(|topic| !refused.contains_key(&topic.name)).collect();
        self.check_number_of_partitions(&topics)?;
        let mut random = Random::new(ctx.seed);
        let mut records = BoundedRecords::default();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in topics {
            let before = records.len();
            let placer = &mut StripedReplicaPlacer::new(random.next_seed());
            match self.create_topic(topic, placer, &mut records, ctx) {
                Ok(result) => results.push(result),
                // Too many records is the whole request's error.
                Err(Failure::Request(error)) => return Err(error),
                Err(Failure::Topic(error)) => {
                    records.truncate(before);
                    results.push(failed(&topic.name, &error));
                }
            }
        }
        results.extend(refused.iter().map(|(name, error)| failed(name, error)));
        let response = CreateTopicsResponse { topics: results, ..Default::default() };
        Ok(ControllerResult::atomic(records.into_vec(), response))
    }

    fn check_number_of_partitions(&self, topics: &[&CreatableTopic]) -> Result<(), ApiError> {
        let partitions = |topic: &&CreatableTopic| match topic.num_partitions {
            _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
            -1 => i64::from(self.options.default_num_partitions),
            partitions => i64::from(partitions.max(0)),
        };
        if topics.iter().map(partitions).sum::<i64>() > MAX_PARTITIONS_PER_BATCH {
            let message = "Excessively large number of partitions per request.";
            return Err(ApiError::thrown(ErrorCode::PolicyViolation, message));
        }
        Ok(())
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        placer: &mut StripedReplicaPlacer,
        records: &mut BoundedRecords,
        ctx: &mut RequestContext<'_>,
    ) -> Result<CreatableTopicResult, Failure> {
        self.check_name(&topic.name)?;
        let (configs, config_records) = self.creation_configs(topic, ctx.origin)?;
        let partitions = if topic.assignments.is_empty() {
            self.placed_partitions(topic, placer)?
        } else {
            self.assigned_partitions(topic)?
        };
        ctx.apply_partition_change_quota(partitions.len())?;
        let topic_id = ctx.new_topic_id(&self.state.image)?;
        let result = self.created(topic, topic_id, &configs, &partitions);
        let record = TopicRecord { name: topic.name.clone(), topic_id };
        records.push((MetadataRecord::Topic(record), 0)).map_err(Failure::Request)?;
        records.extend(config_records).map_err(Failure::Request)?;
        for (partition_id, partition) in &partitions {
            let record = self.partition_record(topic_id, *partition_id, partition)?;
            records.push(record).map_err(Failure::Request)?;
        }
        Ok(result)
    }

    fn check_name(&self, name: &str) -> Result<(), ApiError> {
        if self.state.image.topics.topic_id(name).is_some() {
            return Err(ApiError::new(
                ErrorCode::TopicAlreadyExists,
                format!("Topic '{name}' already exists."),
            ));
        }
        let invalid = |message| ApiError::new(ErrorCode::InvalidTopicException, message);
        topic_name::validate(name).map_err(invalid)?;
        match self.state.colliding_name(name) {
            Some(other) => Err(invalid(format!("Topic '{name}' collides with existing topic: {other}"))),
            None => Ok(()),
        }
    }

    /// The configurations of a new topic, checked, and their records.
    fn creation_configs(
        &self,
        topic: &CreatableTopic,
        origin: RequestOrigin,
    ) -> Result<(ConfigMap, Vec<VersionedRecord>), ApiError> {
        let without_value = topic.configs.iter().filter(|config| config.value.is_none());
        let without_value: Vec<&str> = without_value.map(|config| &*config.name).collect();
        if !without_value.is_empty() {
            let names = without_value.join(",");
            return Err(ApiError::invalid_config(format!(
                "Null value not supported for topic configs: {names}"
            )));
        }
        let values =
            topic.configs.iter().filter_map(|config| Some((config.name.clone(), config.value.clone()?)));
        let configs: ConfigMap = values.collect();
        let change = ResourceChange {
            resource: ConfigResource::topic(topic.name.clone()),
            ops: configs
                .iter()
                .map(|(key, value)| (key.clone(), ConfigOp::Set(Some(value.clone()))))
                .collect(),
            is_new: true,
            origin,
        };
        let mut records = if configs.is_empty() { Vec::new() } else { self.config_records(&change)? };
        records.extend(self.clear_elr_records(&records));
        Ok((configs, records))
    }

    fn assigned_partitions(&self, topic: &CreatableTopic) -> Result<Partitions, ApiError> {
        if topic.replication_factor != -1 {
            return Err(ApiError::invalid_request(
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if topic.num_partitions != -1 {
            return Err(ApiError::invalid_request(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let mut partitions = Partitions::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let (partition_id, replicas) = (assignment.partition_index, &assignment.broker_ids);
            if partitions.contains_key(&partition_id) {
                return Err(invalid_assignment(format!(
                    "Found multiple manual partition assignments for partition {partition_id}"
                )));
            }
            self.validate_manual_assignment(replicas, replication_factor)?;
            replication_factor = Some(replicas.len());
            let isr = self.active_of(replicas);
            if isr.is_empty() {
                return Err(invalid_assignment(format!(
                    "All brokers specified in the manual partition assignment for partition {partition_id} are \
                     fenced or in controlled shutdown."
                )));
            }
            partitions.insert(partition_id, self.new_partition(replicas, isr));
        }
        if !partitions.keys().copied().eq(0..partitions.len() as i32) {
            return Err(invalid_assignment("partitions should be a consecutive 0-based integer sequence"));
        }
        Ok(partitions)
    }

    fn placed_partitions(
        &self,
        topic: &CreatableTopic,
        placer: &mut StripedReplicaPlacer,
    ) -> Result<Partitions, ApiError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let partitions = match topic.num_partitions {
            -1 => self.options.default_num_partitions,
            partitions => partitions,
        };
        let replication_factor = match topic.replication_factor {
            -1 => self.options.default_replication_factor,
            replication_factor => replication_factor,
        };
        let unable = |reason: &str| {
            let message = format!("Unable to replicate the partition {replication_factor} time(s): {reason}");
            ApiError::new(ErrorCode::InvalidReplicationFactor, message)
        };
        let placed = placer
            .place(usize::try_from(partitions).unwrap_or(0), replication_factor, &self.usable_brokers())
            .map_err(|error| unable(error.message.as_deref().unwrap_or_default()))?;
        let mut result = Partitions::new();
        for (partition_id, replicas) in (0..).zip(placed) {
            let isr = self.active_of(&replicas);
            if isr.is_empty() {
                return Err(unable("All brokers are currently fenced or in controlled shutdown."));
            }
            result.insert(partition_id, self.new_partition(&replicas, isr));
        }
        Ok(result)
    }

    fn created(
        &self,
        topic: &CreatableTopic,
        topic_id: Uuid,
        configs: &ConfigMap,
        partitions: &Partitions,
    ) -> CreatableTopicResult {
        let mut effective = self.schema.effective_topic_configs(self.topic_layers(configs));
        effective.sort_by(|a, b| a.name.cmp(&b.name));
        let configs = effective.into_iter().map(|config| CreatableTopicConfigs {
            name: config.name.into(),
            value: config.value.filter(|_| !config.is_sensitive).map(Str::from),
            read_only: false,
            config_source: config.source as i8,
            is_sensitive: config.is_sensitive,
        });
        let replicas = partitions.values().next().map_or(0, |partition| partition.replicas.len());
        CreatableTopicResult {
            name: topic.name.clone(),
            topic_id,
            error_code: ErrorCode::None.code(),
            error_message: None,
            topic_config_error_code: ErrorCode::None.code(),
            num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
            configs: Some(configs.collect()),
        }
    }
}

/// Why a topic was not created.
enum Failure {
    /// This topic's own error.
    Topic(ApiError),
    /// An error of the whole request.
    Request(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Failure::Topic(error)
    }
}

/// Names that are not even tried.
fn refused_names(request: &CreateTopicsRequest) -> BTreeMap<Str, ApiError> {
    let mut seen = BTreeSet::new();
    let mut refused = BTreeMap::new();
    for topic in &request.topics {
        if !seen.insert(&topic.name) {
            refused.insert(topic.name.clone(), ApiError::invalid_request("Duplicate topic name."));
        } else if topic.name == CLUSTER_METADATA_TOPIC_NAME {
            let message = format!("Creation of internal topic {CLUSTER_METADATA_TOPIC_NAME} is prohibited.");
            refused.insert(topic.name.clone(), ApiError::invalid_request(message));
        }
    }
    refused
}

fn failed(name: &Str, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: error.error_code(),
        error_message: error.error_message(),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "create_topics_test.rs"]
mod create_topics_test;
