//! A share group of one member, on partition 0 of a topic.

use std::time::Instant;

use ottla_protocol::messages::initialize_share_group_state_request::{InitializeStateData, PartitionData};
use ottla_protocol::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch,
};
use ottla_protocol::messages::share_fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::{
    FindCoordinatorRequest, InitializeShareGroupStateRequest, ShareAcknowledgeRequest, ShareFetchRequest,
};
use ottla_protocol::{Str, Uuid};

use super::PATIENCE;
use crate::wire_client::WireClient;

/// What the group coordinator does when a group is the first time interested in a topic.
pub fn initialize(client: &mut WireClient, group: &str, topic_id: Uuid, start_offset: i64) {
    let key = Str::from(format!("{group}:{topic_id}:0"));
    let find = FindCoordinatorRequest { key_type: 2, coordinator_keys: vec![key], ..Default::default() };
    let began = Instant::now();
    while client.call(&find, 6).coordinators[0].error_code != 0 {
        assert!(began.elapsed() < PATIENCE, "there is no share coordinator");
    }
    let partitions = vec![PartitionData { partition: 0, state_epoch: 0, start_offset }];
    let topics = vec![InitializeStateData { topic_id, partitions }];
    let request = InitializeShareGroupStateRequest { group_id: group.into(), topics };
    while client.call(&request, 0).results[0].partitions[0].error_code != 0 {
        assert!(began.elapsed() < PATIENCE, "the state is not set up");
    }
}

/// Opens a session; the first and the last offset that were acquired.
pub fn acquire(client: &mut WireClient, group: &str, topic_id: Uuid) -> (i64, i64) {
    let partitions = vec![FetchPartition { partition_index: 0, ..Default::default() }];
    let request = ShareFetchRequest {
        group_id: Some(group.into()),
        member_id: Some("member".into()),
        share_session_epoch: 0,
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_records: 100,
        batch_size: 100,
        topics: vec![FetchTopic { topic_id, partitions }],
        ..Default::default()
    };
    let response = client.call(&request, 2);
    assert_eq!(response.error_code, 0);
    let acquired = &response.responses[0].partitions[0].acquired_records;
    (acquired[0].first_offset, acquired[acquired.len() - 1].last_offset)
}

/// Accepts some of these records.
pub fn accept(client: &mut WireClient, group: &str, topic_id: Uuid, (first, last): (i64, i64)) {
    let batch = AcknowledgementBatch { first_offset: first, last_offset: last, acknowledge_types: vec![1] };
    let partitions = vec![AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] }];
    let request = ShareAcknowledgeRequest {
        group_id: Some(group.into()),
        member_id: Some("member".into()),
        share_session_epoch: 1,
        topics: vec![AcknowledgeTopic { topic_id, partitions }],
        ..Default::default()
    };
    let response = client.call(&request, 2);
    assert_eq!((response.error_code, response.responses[0].partitions[0].error_code), (0, 0));
}
