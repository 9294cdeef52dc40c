//! A whole node over a real socket: create, produce, fetch, commit, stop, start, go on.

mod wire_client;

use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DescribeConfigsRequest, EndTxnRequest, FetchRequest,
    FetchResponse, FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    ProduceResponse,
};
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions};
use ottla_protocol::{ApiKey, ErrorCode, Records, Str};
use wire_client::WireClient;

const TOPIC: &str = "greetings";
/// The log's own time must lie near the records': their timestamps are checked.
const NO_TIMESTAMP: i64 = -1;

fn start(dir: &std::path::Path) -> Server {
    start_with(dir, &[])
}

fn start_with(dir: &std::path::Path, more: &[(&str, &str)]) -> Server {
    let mut properties = RawMap::from([
        ("log.dirs".to_string(), dir.display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ("group.initial.rebalance.delay.ms".to_string(), "0".to_string()),
    ]);
    properties.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).expect("the node starts")
}

fn client(server: &Server) -> WireClient {
    WireClient::connect(server.addresses()[0].1)
}

fn create_topic(client: &mut WireClient) {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let response = client.call(&request, 7);
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    assert_eq!(response.topics[0].num_partitions, 2);
}

fn produce(client: &mut WireClient, topic: &str, values: &[&str], options: BatchOptions) -> ProduceResponse {
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(NO_TIMESTAMP, None, Some(value.as_bytes()), &[]).expect("a record");
    }
    let records = Some(Records::Bytes(builder.build().expect("a batch")));
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData {
            name: Str::from(topic),
            partition_data: vec![PartitionProduceData { index: 0, records }],
            ..Default::default()
        }],
        ..Default::default()
    };
    client.call(&request, 12)
}

fn fetch(client: &mut WireClient, offset: i64) -> (i16, Vec<String>) {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let response = client.call(&request, 12);
    let data = &response.responses[0].partitions[0];
    let bytes = data.records.as_ref().and_then(Records::bytes).cloned().unwrap_or_default();
    let mut values = Vec::new();
    for batch in BatchIter::new(&bytes) {
        for record in batch.expect("a batch").records(1 << 20).expect("records") {
            let record = record.expect("a record");
            if record.offset >= offset {
                values.push(String::from_utf8(record.value.unwrap_or_default().to_vec()).expect("text"));
            }
        }
    }
    (data.error_code, values)
}

#[test]
fn records_outlive_an_orderly_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let mut c = client(&server);
    create_topic(&mut c);
    let response = produce(&mut c, TOPIC, &["a", "b", "c"], BatchOptions::default());
    assert_eq!(response.responses[0].partition_responses[0].base_offset, 0);
    assert_eq!(fetch(&mut c, 1), (0, vec!["b".into(), "c".into()]));
    drop(c);
    server.shutdown();

    let server = start(dir.path());
    let mut c = client(&server);
    assert_eq!(fetch(&mut c, 0), (0, vec!["a".into(), "b".into(), "c".into()]));
    let response = produce(&mut c, TOPIC, &["d"], BatchOptions::default());
    assert_eq!(response.responses[0].partition_responses[0].base_offset, 3);
    assert_eq!(fetch(&mut c, 4), (0, Vec::new()));
    assert_eq!(fetch(&mut c, 5).0, ErrorCode::OffsetOutOfRange.code());
    server.shutdown();
}

#[test]
fn an_idempotent_producers_batch_counts_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let mut c = client(&server);
    create_topic(&mut c);
    let options = |base_sequence| BatchOptions {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence,
        ..Default::default()
    };
    for _ in 0..2 {
        let response = produce(&mut c, TOPIC, &["a", "b"], options(0));
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, 0));
    }
    let response = produce(&mut c, TOPIC, &["c"], options(9));
    let error = response.responses[0].partition_responses[0].error_code;
    assert_eq!(error, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(fetch(&mut c, 0), (0, vec!["a".into(), "b".into()]));
    server.shutdown();
}

#[test]
fn a_topic_is_created_when_somebody_asks_for_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let mut c = client(&server);
    let topic = MetadataRequestTopic { name: Some("new".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let first = c.call(&request, 12);
    assert_eq!(first.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
    let second = c.call(&request, 12);
    assert_eq!((second.topics[0].error_code, second.topics[0].partitions.len()), (0, 1));
    let unknown = produce(&mut c, "nobody-made-it", &["x"], BatchOptions::default());
    let error = unknown.responses[0].partition_responses[0].error_code;
    assert_eq!(error, ErrorCode::UnknownTopicOrPartition.code());
    server.shutdown();
}

#[test]
fn committed_offsets_outlive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let mut c = client(&server);
    create_topic(&mut c);
    let find = FindCoordinatorRequest { coordinator_keys: vec!["readers".into()], ..Default::default() };
    assert_eq!(c.call(&find, 4).coordinators[0].error_code, 0);
    let partition = OffsetCommitRequestPartition {
        committed_offset: 42,
        committed_metadata: Some("here".into()),
        ..Default::default()
    };
    let topic =
        OffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let commit =
        OffsetCommitRequest { group_id: "readers".into(), topics: vec![topic], ..Default::default() };
    assert_eq!(c.call(&commit, 8).topics[0].partitions[0].error_code, 0);
    drop(c);
    server.shutdown();

    let server = start(dir.path());
    let mut c = client(&server);
    let topic =
        OffsetFetchRequestTopics { name: TOPIC.into(), partition_indexes: vec![0], ..Default::default() };
    let group = OffsetFetchRequestGroup {
        group_id: "readers".into(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let response = loop {
        let response = c.call(&request, 8);
        // The group's partition is read in the background.
        if response.groups[0].error_code != ErrorCode::CoordinatorLoadInProgress.code() {
            break response;
        }
        std::thread::yield_now();
    };
    let found = &response.groups[0].topics[0].partitions[0];
    assert_eq!((found.committed_offset, found.metadata.as_deref()), (42, Some("here")));
    server.shutdown();
}

#[test]
fn every_listed_version_of_every_api_is_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    let mut c = client(&server);
    let request =
        ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    let listed = c.call(&request, 4).api_keys;
    assert!(listed.len() > 40);
    // A version that nobody knows is answered with the ranges, in version 0.
    let refused = c.call_unknown_version(&request, 4, 99);
    assert_eq!(refused.error_code, ErrorCode::UnsupportedVersion.code());
    server.shutdown();
}

#[test]
fn with_flush_messages_what_is_acknowledged_is_durable_and_then_visible() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start_with(dir.path(), &[("log.flush.interval.messages", "1")]);
    create_topic(&mut client(&server));
    // Several at once, so that some share an fsync.
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            let mut c = client(&server);
            std::thread::spawn(move || {
                let produced = (0..10).map(|number| {
                    let value = format!("{producer}-{number}");
                    let response = produce(&mut c, TOPIC, &[&value], BatchOptions::default());
                    let partition = &response.responses[0].partition_responses[0];
                    assert_eq!(partition.error_code, 0);
                    // Acknowledged is visible, for everybody.
                    assert_eq!(fetch(&mut c, partition.base_offset).1.first(), Some(&value));
                    (partition.base_offset, value)
                });
                produced.collect::<Vec<_>>()
            })
        })
        .collect();
    let mut acknowledged: Vec<_> = producers.into_iter().flat_map(|p| p.join().expect("produces")).collect();
    acknowledged.sort();
    let (_, values) = fetch(&mut client(&server), 0);
    assert_eq!(acknowledged, (0..40).zip(values).collect::<Vec<(i64, String)>>());
    server.shutdown();
    let server = start(dir.path());
    assert_eq!(fetch(&mut client(&server), 0).1.len(), 40);
    server.shutdown();
}

#[test]
fn the_end_of_a_transaction_wakes_who_waits_for_what_it_held_back() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let dir = tempfile::tempdir().expect("a directory");
    let server = start_with(dir.path(), &[("transaction.state.log.num.partitions", "1")]);
    let (mut reader, mut writer) = (client(&server), client(&server));
    create_topic(&mut writer);
    let keys = vec!["id".into()];
    writer.call(&FindCoordinatorRequest { key_type: 1, coordinator_keys: keys, ..Default::default() }, 4);
    let transactional_id = Some(Str::from("id"));
    let init = InitProducerIdRequest {
        transactional_id: transactional_id.clone(),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let mut producer = writer.call(&init, 4);
    while producer.error_code != 0 {
        producer = writer.call(&init, 4);
    }
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let fetch = FetchRequest {
        max_wait_ms: PATIENCE.as_millis() as i32,
        min_bytes: 10_000,
        max_bytes: 1 << 20,
        isolation_level: 1,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let asked = Instant::now();
    reader.send(&fetch, 12, 12);
    let options = BatchOptions {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        base_sequence: 0,
        is_transactional: true,
        ..Default::default()
    };
    let mut batch = BatchBuilder::new(options);
    batch.append(NO_TIMESTAMP, None, Some(&[7; 20_000]), &[]).expect("a record");
    let records = Some(Records::Bytes(batch.build().expect("a batch")));
    let data = TopicProduceData {
        name: TOPIC.into(),
        partition_data: vec![PartitionProduceData { index: 0, records }],
        ..Default::default()
    };
    let produce = ProduceRequest { transactional_id, acks: -1, timeout_ms: 60_000, topic_data: vec![data] };
    assert_eq!(writer.call(&produce, 12).responses[0].partition_responses[0].error_code, 0);
    let end = EndTxnRequest {
        transactional_id: "id".into(),
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        committed: true,
    };
    assert_eq!(writer.call(&end, 5).error_code, 0);
    let answer = reader.receive::<FetchResponse>(ApiKey::Fetch, 12);
    let records = answer.responses[0].partitions[0].records.as_ref().and_then(Records::bytes);
    assert!(records.is_some_and(|records| records.len() > 20_000));
    assert!(asked.elapsed() < PATIENCE, "it was woken, and has not waited to the end");
    server.shutdown();
}

#[test]
fn epochs_that_nothing_was_written_under_end_where_the_log_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path());
    create_topic(&mut client(&server));
    server.shutdown();
    let ask = |client: &mut WireClient, leader_epoch: i32| {
        let partition =
            OffsetForLeaderPartition { leader_epoch, current_leader_epoch: -1, ..Default::default() };
        let topics = vec![OffsetForLeaderTopic { topic: TOPIC.into(), partitions: vec![partition] }];
        let answer = client.call(&OffsetForLeaderEpochRequest { replica_id: -1, topics }, 4);
        let end = &answer.topics[0].partitions[0];
        assert_eq!(end.error_code, 0);
        (end.leader_epoch, end.end_offset)
    };
    let current = |client: &mut WireClient| {
        let answer = client.call(&MetadataRequest { topics: None, ..Default::default() }, 12);
        answer.topics.iter().find(|t| t.name.as_deref() == Some(TOPIC)).expect("the topic").partitions[0]
            .leader_epoch
    };
    let server = start(dir.path());
    let mut c = client(&server);
    let second = current(&mut c);
    assert!(second > 0, "a start is a new epoch");
    assert_eq!(ask(&mut c, 0), (0, 0));
    assert_eq!(ask(&mut c, second), (second, 0));
    assert_eq!(ask(&mut c, second + 1), (-1, -1), "nobody knows the future");
    produce(&mut c, TOPIC, &["a", "b"], BatchOptions::default());
    server.shutdown();
    let server = start(dir.path());
    let mut c = client(&server);
    let third = current(&mut c);
    assert_eq!(ask(&mut c, 0), (0, 0), "what was written later was written later");
    assert_eq!(ask(&mut c, second), (second, 2));
    assert_eq!(ask(&mut c, third - 1), (second, 2), "nothing was written since");
    assert_eq!(ask(&mut c, third), (third, 2));
    server.shutdown();
}

#[test]
fn loggers_that_a_request_names_twice_stay_as_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start_with(dir.path(), &[("node.id", "1")]);
    let mut client = client(&server);
    let level = |level: Option<&str>| AlterableConfig {
        name: "ottla_storage".into(),
        config_operation: 0,
        value: level.map(Into::into),
    };
    let logger = |configs: Vec<AlterableConfig>| AlterConfigsResource {
        resource_type: 8,
        resource_name: "1".into(),
        configs,
    };
    let mut alter = |resources: Vec<AlterConfigsResource>| {
        let answer =
            client.call(&IncrementalAlterConfigsRequest { resources, ..Default::default() }, 1).responses;
        let whys = answer.into_iter().map(|it| (it.error_code, it.error_message.unwrap_or_default()));
        whys.collect::<Vec<_>>()
    };
    let wrong = |why: &str| (ErrorCode::InvalidRequest.code(), Str::from(why));
    let twice = wrong("Each resource must appear at most once.");
    let [debug, trace] = [level(Some("DEBUG")), level(Some("TRACE"))];
    assert_eq!(alter(vec![logger(vec![debug.clone()]), logger(vec![trace.clone()])]), [twice.clone(), twice]);
    assert_eq!(alter(vec![logger(vec![debug, trace])]), [wrong("Error due to duplicate config keys")]);
    let valueless = wrong("Null value not supported for : ottla_storage");
    assert_eq!(alter(vec![logger(vec![level(None)])]), [valueless]);
    let resource =
        DescribeConfigsResource { resource_type: 8, resource_name: "1".into(), ..Default::default() };
    let described =
        client.call(&DescribeConfigsRequest { resources: vec![resource], ..Default::default() }, 4);
    let found = described.results[0].configs.iter().find(|config| &*config.name == "ottla_storage");
    assert_eq!(found.and_then(|config| config.value.as_deref()), Some("INFO"));
    server.shutdown();
}

/// Waits until something that happens on another thread has happened.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_controller_knows_directories_and_their_failures_and_without_one_the_node_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs: Vec<_> = ["a", "b"].map(|name| dir.path().join(name)).into();
    let listed = format!("{},{}", dirs[0].display(), dirs[1].display());
    let mut server = start_with(dir.path(), &[("log.dirs", &listed)]);
    create_topic(&mut client(&server));
    let broker = server.broker().clone();
    let registered = |partition: i32| {
        let image = broker.image();
        let known = image.topics.partition(TOPIC, partition).expect("a partition");
        (known.directory(broker.node_id).expect("a directory"), known.leader)
    };
    let lies_in = |partition: i32| {
        broker.partitions.get(TOPIC, partition).and_then(|p| p.log().ok()).map(|log| log.log_dir().clone())
    };
    let placed: Vec<_> = (0..2).map(|partition| lies_in(partition).expect("a log")).collect();
    assert_ne!(placed[0].id(), placed[1].id(), "each directory has one");
    for partition in 0..2 {
        let id = placed[partition as usize].id();
        eventually("the controller knows the directory", || registered(partition).0 == id);
    }
    // The metadata log lies in the first directory; the other one fails first.
    let second = placed.iter().position(|d| d.path() == dirs[1]).expect("one is there");
    placed[second].fail("a test", std::io::Error::other("a broken disk"));
    eventually("the partition has no leader", || registered(second as i32).1 == -1);
    assert_ne!(registered(1 - second as i32).1, -1);
    placed[1 - second].fail("a test", std::io::Error::other("a broken disk"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let why = runtime.block_on(server.fatal());
    assert!(why.contains("all log directories"), "{why}");
    server.shutdown();
}
