//! The share coordinator over a real socket: state is set up, read, written, summed up and deleted, and outlives a stop.

mod wire_client;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::{
    CreateTopicsRequest, DeleteShareGroupStateRequest, FindCoordinatorRequest,
    InitializeShareGroupStateRequest, ReadShareGroupStateRequest, ReadShareGroupStateSummaryRequest,
    WriteShareGroupStateRequest, delete_share_group_state_request, initialize_share_group_state_request,
    read_share_group_state_request, read_share_group_state_response, read_share_group_state_summary_request,
    write_share_group_state_request,
};
use ottla_protocol::{ErrorCode, Uuid};
use wire_client::WireClient;

fn start(dir: &std::path::Path) -> (Server, WireClient) {
    let properties = RawMap::from([
        ("log.dirs".to_string(), dir.display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ("share.coordinator.state.topic.num.partitions".to_string(), "3".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    let server = Server::start(config, NodeOptions::default()).expect("the node starts");
    let client = WireClient::connect(server.addresses()[0].1);
    (server, client)
}

fn create_topic(client: &mut WireClient) -> Uuid {
    let topic =
        CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    client.call(&request, 7).topics[0].topic_id
}

/// What FindCoordinator says of a share partition's key.
fn find(client: &mut WireClient, key: &str) -> i16 {
    let request =
        FindCoordinatorRequest { key_type: 2, coordinator_keys: vec![key.into()], ..Default::default() };
    client.call(&request, 6).coordinators[0].error_code
}

fn read(
    client: &mut WireClient,
    topic_id: Uuid,
    leader_epoch: i32,
) -> read_share_group_state_response::PartitionResult {
    use read_share_group_state_request::{PartitionData, ReadStateData};
    let partitions = vec![PartitionData { partition: 1, leader_epoch }];
    let topics = vec![ReadStateData { topic_id, partitions }];
    let request = ReadShareGroupStateRequest { group_id: "g".into(), topics };
    client.call(&request, 0).results.remove(0).partitions.remove(0)
}

fn initialize(client: &mut WireClient, topic_id: Uuid, partition: i32) -> i16 {
    use initialize_share_group_state_request::{InitializeStateData, PartitionData};
    let partitions = vec![PartitionData { partition, state_epoch: 1, start_offset: -1 }];
    let topics = vec![InitializeStateData { topic_id, partitions }];
    let request = InitializeShareGroupStateRequest { group_id: "g".into(), topics };
    client.call(&request, 0).results[0].partitions[0].error_code
}

fn write(client: &mut WireClient, topic_id: Uuid, leader_epoch: i32) -> i16 {
    use write_share_group_state_request::{PartitionData, StateBatch, WriteStateData};
    let batch = StateBatch { first_offset: 5, last_offset: 9, delivery_state: 2, delivery_count: 1 };
    let data = PartitionData {
        partition: 1,
        state_epoch: 1,
        leader_epoch,
        start_offset: 3,
        delivery_complete_count: 5,
        state_batches: vec![batch],
    };
    let topics = vec![WriteStateData { topic_id, partitions: vec![data] }];
    let request = WriteShareGroupStateRequest { group_id: "g".into(), topics };
    client.call(&request, 1).results[0].partitions[0].error_code
}

fn summary(client: &mut WireClient, topic_id: Uuid) -> (i16, i64, i32) {
    use read_share_group_state_summary_request::{PartitionData, ReadStateSummaryData};
    let partitions = vec![PartitionData { partition: 1, leader_epoch: -1 }];
    let topics = vec![ReadStateSummaryData { topic_id, partitions }];
    let request = ReadShareGroupStateSummaryRequest { group_id: "g".into(), topics };
    let response = client.call(&request, 1);
    let found = &response.results[0].partitions[0];
    (found.error_code, found.start_offset, found.delivery_complete_count)
}

#[test]
fn the_state_of_a_share_partition_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, mut c) = start(dir.path());
    let topic_id = create_topic(&mut c);
    assert_eq!(initialize(&mut c, topic_id, 1), ErrorCode::NotCoordinator.code(), "there is no topic yet");
    assert_eq!(find(&mut c, "g:1"), ErrorCode::InvalidRequest.code());
    let key = format!("g:{topic_id}:1");
    while find(&mut c, &key) == ErrorCode::CoordinatorNotAvailable.code() {
        std::thread::yield_now();
    }
    assert_eq!(read(&mut c, topic_id, 0).error_code, ErrorCode::InvalidRequest.code());
    assert_eq!(initialize(&mut c, topic_id, 2), ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(initialize(&mut c, topic_id, 1), 0);
    assert_eq!(read(&mut c, topic_id, 4).start_offset, -1);
    assert_eq!(write(&mut c, topic_id, 4), 0);
    assert_eq!(write(&mut c, topic_id, 3), ErrorCode::FencedLeaderEpoch.code());
    drop(c);
    server.shutdown();

    let (server, mut c) = start(dir.path());
    let found = loop {
        let found = read(&mut c, topic_id, 4);
        // The partition is read in the background.
        if found.error_code != ErrorCode::CoordinatorLoadInProgress.code() {
            break found;
        }
        std::thread::yield_now();
    };
    assert_eq!((found.error_code, found.state_epoch, found.start_offset), (0, 1, 3));
    assert_eq!((found.state_batches[0].first_offset, found.state_batches[0].last_offset), (5, 9));
    assert_eq!(summary(&mut c, topic_id), (0, 3, 5));
    let partitions = vec![delete_share_group_state_request::PartitionData { partition: 1 }];
    let topics = vec![delete_share_group_state_request::DeleteStateData { topic_id, partitions }];
    let request = DeleteShareGroupStateRequest { group_id: "g".into(), topics };
    assert_eq!(c.call(&request, 0).results[0].partitions[0].error_code, 0);
    assert_eq!(summary(&mut c, topic_id), (0, -1, -1));
    server.shutdown();
}
