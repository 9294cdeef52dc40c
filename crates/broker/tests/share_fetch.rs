//! Share fetches over a real socket: records are acquired, acknowledged, come back when a connection ends, and what was
//! accepted stays so over a stop.

mod wire_client;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use ottla_protocol::messages::share_fetch_response::PartitionData;
use ottla_protocol::messages::{
    CreateTopicsRequest, FindCoordinatorRequest, InitializeShareGroupStateRequest, ProduceRequest,
    ShareAcknowledgeRequest, ShareFetchRequest, ShareFetchResponse, initialize_share_group_state_request,
    share_acknowledge_request,
};
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions};
use ottla_protocol::{ErrorCode, Records, Uuid};
use wire_client::WireClient;

const NO_TIMESTAMP: i64 = -1;

fn start(dir: &std::path::Path) -> Server {
    let properties = RawMap::from([
        ("log.dirs".to_string(), dir.display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ("share.coordinator.state.topic.num.partitions".to_string(), "1".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).expect("the node starts")
}

fn client(server: &Server) -> WireClient {
    WireClient::connect(server.addresses()[0].1)
}

fn create_topic(client: &mut WireClient) -> Uuid {
    let topic =
        CreatableTopic { name: "t".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    client.call(&request, 7).topics[0].topic_id
}

/// What the group coordinator does when a group is the first time interested in a topic.
fn initialize(client: &mut WireClient, topic_id: Uuid) {
    use initialize_share_group_state_request::{InitializeStateData, PartitionData};
    let key = format!("g:{topic_id}:0");
    let find =
        FindCoordinatorRequest { key_type: 2, coordinator_keys: vec![key.into()], ..Default::default() };
    while client.call(&find, 6).coordinators[0].error_code != 0 {
        std::thread::yield_now();
    }
    let partitions = vec![PartitionData { partition: 0, state_epoch: 0, start_offset: 0 }];
    let topics = vec![InitializeStateData { topic_id, partitions }];
    let request = InitializeShareGroupStateRequest { group_id: "g".into(), topics };
    while client.call(&request, 0).results[0].partitions[0].error_code != 0 {
        std::thread::yield_now();
    }
}

fn produce(client: &mut WireClient, records: usize) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..records {
        builder.append(NO_TIMESTAMP, None, Some(b"value"), &[]).expect("a record");
    }
    let records = Some(Records::Bytes(builder.build().expect("a batch")));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data, ..Default::default() };
    let response = client.call(&request, 12);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn fetch(topic_id: Uuid, member: &str, epoch: i32, max_wait_ms: i32) -> ShareFetchRequest {
    let partitions = vec![FetchPartition { partition_index: 0, ..Default::default() }];
    let topics = if epoch == 0 { vec![FetchTopic { topic_id, partitions }] } else { Vec::new() };
    ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some(member.into()),
        share_session_epoch: epoch,
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_records: 100,
        batch_size: 100,
        topics,
        ..Default::default()
    }
}

fn only(response: &ShareFetchResponse) -> &PartitionData {
    assert_eq!(response.error_code, 0);
    &response.responses[0].partitions[0]
}

/// First and last offset and delivery count of what was acquired.
fn acquired(response: &ShareFetchResponse) -> Vec<(i64, i64, i16)> {
    let found = only(response);
    assert_eq!((found.error_code, found.acknowledge_error_code), (0, 0));
    found.acquired_records.iter().map(|a| (a.first_offset, a.last_offset, a.delivery_count)).collect()
}

fn acknowledge(client: &mut WireClient, topic_id: Uuid, epoch: i32, (first, last): (i64, i64)) -> (i16, i16) {
    use share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch};
    let batch = AcknowledgementBatch { first_offset: first, last_offset: last, acknowledge_types: vec![1] };
    let partitions = vec![AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] }];
    let request = ShareAcknowledgeRequest {
        group_id: Some("g".into()),
        member_id: Some("b".into()),
        share_session_epoch: epoch,
        topics: vec![AcknowledgeTopic { topic_id, partitions }],
        ..Default::default()
    };
    let response = client.call(&request, 2);
    let partition = response.responses.first().map_or(0, |topic| topic.partitions[0].error_code);
    (response.error_code, partition)
}

#[test]
fn records_are_shared() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let (mut a, mut b) = (client(&server), client(&server));
    let topic_id = create_topic(&mut a);
    initialize(&mut a, topic_id);
    produce(&mut a, 10);

    let response = a.call(&fetch(topic_id, "a", 0, 60_000), 2);
    assert_eq!(acquired(&response), [(0, 9, 1)]);
    assert_eq!(response.acquisition_lock_timeout_ms, 30_000);
    let Records::Bytes(bytes) = &only(&response).records else { panic!("no records") };
    assert_eq!(
        BatchIter::new(bytes).map(|batch| batch.expect("a batch").last_offset()).collect::<Vec<_>>(),
        [9]
    );

    // The second request of the session accepts half of them.
    let batch = AcknowledgementBatch { first_offset: 0, last_offset: 4, acknowledge_types: vec![1] };
    let partitions = vec![FetchPartition { partition_index: 0, acknowledgement_batches: vec![batch] }];
    let topics = vec![FetchTopic { topic_id, partitions }];
    let response = a.call(&ShareFetchRequest { topics, ..fetch(topic_id, "a", 1, 0) }, 2);
    assert_eq!(acquired(&response), []);
    let again = a.call(&fetch(topic_id, "a", 1, 0), 2);
    assert_eq!(again.error_code, ErrorCode::InvalidShareSessionEpoch.code());

    // The other member waits until the connection of the first is gone.
    assert_eq!(acquired(&b.call(&fetch(topic_id, "b", 0, 0), 2)), []);
    assert_eq!(acknowledge(&mut b, topic_id, 1, (5, 9)), (0, ErrorCode::InvalidRecordState.code()));
    b.send(&fetch(topic_id, "b", 2, 60_000), 2, 2);
    drop(a);
    let response: ShareFetchResponse = b.receive(ottla_protocol::ApiKey::ShareFetch, 2);
    assert_eq!(acquired(&response), [(5, 9, 2)]);
    assert_eq!(acknowledge(&mut b, topic_id, 3, (5, 9)), (0, 0));
    assert_eq!(acknowledge(&mut b, topic_id, -1, (5, 9)).0, 0);
    assert_eq!(acknowledge(&mut b, topic_id, -1, (5, 9)).0, ErrorCode::ShareSessionNotFound.code());
    drop(b);
    server.shutdown();

    let server = start(dir.path());
    let mut c = client(&server);
    produce(&mut c, 1);
    assert_eq!(acquired(&c.call(&fetch(topic_id, "c", 0, 60_000), 2)), [(10, 10, 1)]);
    server.shutdown();
}
