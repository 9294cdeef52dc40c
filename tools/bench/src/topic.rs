//! Topics for the slices.

use std::time::Duration;

use anyhow::{Result, ensure};
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest};
use ottla_protocol::{ErrorCode, Str};

use crate::wire::Connection;

/// How long any single answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

const METADATA_VERSION: i16 = 12;

/// Creates a topic with one partition and waits until it has a leader.
pub fn create(port: u16, name: &str) -> Result<()> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    let config = |name: &'static str, value: &'static str| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from_static(value)),
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        // Deleted files must be gone before the next row fills the disk.
        configs: vec![config("file.delete.delay.ms", "100"), config("min.insync.replicas", "1")],
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
