//! Topics for the slices.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::wire::Connection;

/// How long any single answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

const METADATA_VERSION: i16 = 12;

/// A configuration of a topic.
pub type Setting = (&'static str, &'static str);

/// Creates a topic and waits until all its partitions have a leader.
pub fn create(port: u16, name: &str, partitions: usize, settings: &[Setting]) -> Result<()> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    // Deleted files must be gone before the next row fills the disk.
    let always = [("file.delete.delay.ms", "100"), ("min.insync.replicas", "1")];
    let config = |(name, value): &Setting| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from_static(value)),
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: i32::try_from(partitions)?,
        replication_factor: 1,
        configs: always.iter().chain(settings).map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let response = connection.call(&request, 7)?;
    for result in &response.topics {
        check("CreateTopics", result.error_code)?;
    }
    loop {
        let response = connection.call(&metadata(Some(name)), METADATA_VERSION)?;
        if response.topics.iter().any(|t| t.error_code == 0 && t.partitions.iter().all(|p| p.leader_id >= 0))
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The id of a topic.
pub fn id(port: u16, name: &str) -> Result<Uuid> {
    let response = Connection::open(port, TIMEOUT)?.call(&metadata(Some(name)), METADATA_VERSION)?;
    let topic = response.topics.first().context("Metadata: an answer without topics")?;
    check("Metadata", topic.error_code)?;
    Ok(topic.topic_id)
}

/// The offset after the last record, of each partition.
pub fn end_offsets(connection: &mut Connection, topic: &str, partitions: usize) -> Result<Vec<i64>> {
    let partition = |i: usize| ListOffsetsPartition {
        partition_index: i as i32,
        current_leader_epoch: -1,
        timestamp: -1,
    };
    let partitions_asked = (0..partitions).map(partition).collect();
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: topic.into(), partitions: partitions_asked }],
        ..Default::default()
    };
    let mut offsets = vec![0; partitions];
    for found in connection.call(&request, 7)?.topics.iter().flat_map(|t| &t.partitions) {
        check("ListOffsets", found.error_code)?;
        if let Some(offset) = offsets.get_mut(found.partition_index as usize) {
            *offset = found.offset;
        }
    }
    Ok(offsets)
}

/// Deletes a topic.
pub fn delete(port: u16, name: &str) -> Result<()> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    let topic = DeleteTopicState { name: Some(name.into()), ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    for result in &connection.call(&request, 6)?.responses {
        check("DeleteTopics", result.error_code)?;
    }
    Ok(())
}

/// Whether the broker on this port answers Metadata and knows itself.
pub fn serves(port: u16) -> bool {
    let answer = Connection::open(port, Duration::from_secs(2))
        .and_then(|mut connection| connection.call(&metadata(None), METADATA_VERSION));
    answer.is_ok_and(|response| !response.brokers.is_empty())
}

fn metadata(name: Option<&str>) -> MetadataRequest {
    let topics = name.map(|name| MetadataRequestTopic { name: Some(name.into()), ..Default::default() });
    MetadataRequest { topics: Some(topics.into_iter().collect()), ..Default::default() }
}

/// Fails with the name of an error code.
pub fn check(what: &str, code: i16) -> Result<()> {
    ensure!(code == 0, "{what}: {}", ErrorCode::from_code(code).name());
    Ok(())
}
