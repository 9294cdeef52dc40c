//! A disk that makes the writers of one log wait, and everybody else, who must not.

#[path = "../../storage/src/test_support/slow_disks.rs"]
mod slow_disks;
mod wire_client;

use std::fs::File;
use std::sync::Arc;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::produce_response::PartitionProduceResponse;
use ottla_protocol::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest, ProduceResponse};
use ottla_protocol::records::BatchIter;
use ottla_protocol::{ApiKey, Records};
use slow_disks::GateDisk;
use wire_client::{WireClient, produce_request};

const TOPIC: &str = "greetings";
const PRODUCE_VERSION: i16 = 12;
/// Records with these bytes are what the disk makes wait.
const HEAVY: &[u8] = b"heavy";

fn is_heavy(_: &File, bytes: &[u8]) -> bool {
    bytes.windows(HEAVY.len()).any(|window| window == HEAVY)
}

/// A node with one data thread, two partitions, and a disk with a gate. The log of partition 0 has been found to be slow.
struct Node {
    disk: Arc<GateDisk>,
    server: Server,
    _dir: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let properties = RawMap::from([
            ("log.dirs".to_string(), dir.path().display().to_string()),
            ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ]);
        let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
        let disk = GateDisk::new(is_heavy);
        let options = NodeOptions { disk: Some(disk.clone()), data_threads: 1, ..Default::default() };
        let server = Server::start(config, options).expect("the node starts");
        let node = Self { disk, server, _dir: dir };
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 2,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        assert_eq!(node.client().call(&request, 7).topics[0].error_code, 0);
        let partition = node.server.broker().partitions.get(TOPIC, 0).expect("it is hosted");
        // As after an append that has taken an age, which ended at the end of time: the log stays slow.
        partition.slowness.note(0, u64::MAX);
        node
    }

    fn client(&self) -> WireClient {
        WireClient::connect(self.server.addresses()[0].1)
    }
}

fn produce(partition: i32, value: &str, acks: i16) -> ProduceRequest {
    produce_request(TOPIC, partition, value.as_bytes(), acks)
}

fn only(response: &ProduceResponse) -> &PartitionProduceResponse {
    &response.responses[0].partition_responses[0]
}

/// All records of partition 0, once there are `min_bytes` from the offset on.
fn fetch(client: &mut WireClient, offset: i64, min_bytes: i32) -> Vec<String> {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 30_000,
        min_bytes,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let response = client.call(&request, 12);
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, 0);
    let bytes = data.records.as_ref().and_then(Records::bytes).cloned().unwrap_or_default();
    let records = BatchIter::new(&bytes).flat_map(|batch| batch.expect("a batch").records(1 << 20));
    let value = |value: Option<bytes::Bytes>| String::from_utf8(value.unwrap_or_default().to_vec());
    records.flatten().map(|record| value(record.expect("a record").value).expect("text")).collect()
}

#[test]
fn a_slow_log_does_not_hold_up_the_other_connections_of_its_thread() {
    let node = Node::start();
    let (mut one, mut other) = (node.client(), node.client());
    assert_eq!(only(&other.call(&produce(0, "light", -1), PRODUCE_VERSION)).base_offset, 0);
    node.disk.gate.close();
    for request in [produce(0, "heavy 1", -1), produce(0, "light 2", -1), produce(1, "light 3", -1)] {
        one.send(&request, PRODUCE_VERSION, PRODUCE_VERSION);
    }
    node.disk.gate.until_somebody_waits();
    for offset in 0..10 {
        let response = other.call(&produce(1, "light", -1), PRODUCE_VERSION);
        assert_eq!(only(&response).error_code, 0, "{offset}");
        assert_eq!(fetch(&mut other, 0, 1), ["light"], "who reads the slow log does not wait");
    }
    node.disk.gate.open();
    let mut receive = |later| one.receive_earlier::<ProduceResponse>(ApiKey::Produce, PRODUCE_VERSION, later);
    for (later, offset) in [(2, 1), (1, 2)] {
        let response = receive(later);
        let partition = only(&response);
        assert_eq!((partition.error_code, partition.index, partition.base_offset), (0, 0, offset));
    }
    assert_eq!(only(&receive(0)).index, 1);
    assert_eq!(fetch(&mut other, 0, 1), ["light", "heavy 1", "light 2"]);
    node.server.shutdown();
}

#[test]
fn a_consumer_waits_for_what_a_slow_log_will_hold() {
    let node = Node::start();
    let (mut one, mut consumer) = (node.client(), node.client());
    node.disk.gate.close();
    one.send(&produce(0, "heavy", -1), PRODUCE_VERSION, PRODUCE_VERSION);
    node.disk.gate.until_somebody_waits();
    let waiting = std::thread::spawn(move || fetch(&mut consumer, 0, 1));
    node.disk.gate.open();
    assert_eq!(waiting.join().expect("the consumer"), ["heavy"]);
    assert_eq!(only(&one.receive(ApiKey::Produce, PRODUCE_VERSION)).base_offset, 0);
    node.server.shutdown();
}

#[test]
fn without_acknowledgements_an_error_of_a_slow_log_closes_the_connection() {
    let node = Node::start();
    let mut one = node.client();
    one.send(&produce(0, "light 1", 0), PRODUCE_VERSION, PRODUCE_VERSION);
    one.send(&produce(0, "light 2", 0), PRODUCE_VERSION, PRODUCE_VERSION);
    assert_eq!(only(&one.call(&produce(1, "light", -1), PRODUCE_VERSION)).error_code, 0);
    let mut consumer = node.client();
    let mut values = fetch(&mut consumer, 0, 1);
    if values.len() == 1 {
        values.extend(fetch(&mut consumer, 1, 1));
    }
    assert_eq!(values, ["light 1", "light 2"]);
    let mut damaged = produce(0, "light", 0);
    let partition = &mut damaged.topic_data[0].partition_data[0];
    let mut bytes = partition.records.as_ref().and_then(Records::bytes).expect("records").to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    partition.records = Some(Records::Bytes(bytes.into()));
    one.send(&damaged, PRODUCE_VERSION, PRODUCE_VERSION);
    assert!(one.is_closed());
    node.server.shutdown();
}

#[test]
fn what_waits_for_a_slow_log_is_in_it_after_an_orderly_stop() {
    let node = Node::start();
    let mut one = node.client();
    node.disk.gate.close();
    for value in ["heavy 1", "heavy 2", "heavy 3"] {
        one.send(&produce(0, value, -1), PRODUCE_VERSION, PRODUCE_VERSION);
    }
    node.disk.gate.until_somebody_waits();
    let partition = node.server.broker().partitions.get(TOPIC, 0).expect("it is hosted");
    node.disk.gate.open();
    for (later, offset) in [(2, 0), (1, 1), (0, 2)] {
        let response: ProduceResponse = one.receive_earlier(ApiKey::Produce, PRODUCE_VERSION, later);
        assert_eq!(only(&response).base_offset, offset);
    }
    node.server.shutdown();
    assert_eq!(partition.high_watermark(), 3);
}
