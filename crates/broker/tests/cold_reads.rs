//! Who asks for what has left memory waits for the disk; nobody else of the thread or the log does.

#[path = "../../storage/src/test_support/slow_disks.rs"]
mod slow_disks;
mod wire_client;

use std::sync::Arc;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
};
use ottla_protocol::records::BatchIter;
use ottla_protocol::{ApiKey, ErrorCode, Records};
use slow_disks::ColdDisk;
use wire_client::{WireClient, produce_request};

const TOPIC: &str = "greetings";
const PRODUCE_VERSION: i16 = 12;
const FETCH_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 8;
/// Records of each partition before their log leaves memory.
const OLD: i64 = 60;

/// A node with one data thread and two partitions of several segments.
struct Node {
    disk: Arc<ColdDisk>,
    server: Server,
    dir: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let node = Self::with_partitions(2);
        let mut client = node.client();
        for partition in [0, 1] {
            (0..OLD).for_each(|i| assert_eq!(produce(&mut client, partition, &old(i)), i));
        }
        node
    }

    fn with_partitions(num_partitions: i32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let properties = RawMap::from([
            ("log.dirs".to_string(), dir.path().display().to_string()),
            ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ]);
        let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
        let disk = ColdDisk::new();
        let options = NodeOptions { disk: Some(disk.clone()), data_threads: 1, ..Default::default() };
        let server = Server::start(config, options).expect("the node starts");
        let node = Self { disk, server, dir };
        let config =
            |name: &str, value: &str| CreatableTopicConfig { name: name.into(), value: Some(value.into()) };
        let configs =
            vec![config("segment.bytes", "1048576"), config("message.timestamp.type", "LogAppendTime")];
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions,
            replication_factor: 1,
            configs,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        assert_eq!(node.client().call(&request, 7).topics[0].error_code, 0);
        node
    }

    fn client(&self) -> WireClient {
        WireClient::connect(self.server.addresses()[0].1)
    }

    /// What partition 0 holds leaves memory, and comes back only when the gate is open.
    fn evict(&self) {
        self.evict_partition(0);
        self.disk.gate.close();
    }

    fn evict_partition(&self, partition: i32) {
        self.disk.evict(&self.dir.path().join(format!("{TOPIC}-{partition}")));
    }
}

/// So long that there is more than one segment.
fn old(i: i64) -> String {
    format!("{i}:{}", "x".repeat(40_000))
}

/// The offset of what was appended.
fn produce(client: &mut WireClient, partition: i32, value: &str) -> i64 {
    let response = client.call(&produce_request(TOPIC, partition, value.as_bytes(), -1), PRODUCE_VERSION);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 0);
    partition.base_offset
}

struct Fetch {
    offsets: Vec<Option<i64>>,
    partition_max_bytes: i32,
    max_bytes: i32,
    max_wait_ms: i32,
    min_bytes: i32,
    isolation_level: i8,
}

impl Fetch {
    fn of(partition: usize, offset: i64) -> Self {
        let mut offsets = vec![None; partition];
        offsets.push(Some(offset));
        Self {
            offsets,
            partition_max_bytes: 1000,
            max_bytes: 1 << 20,
            max_wait_ms: 30_000,
            min_bytes: 1,
            isolation_level: 0,
        }
    }

    fn request(&self) -> FetchRequest {
        let partitions = self.offsets.iter().zip(0..).filter_map(|(offset, partition)| {
            let max = FetchPartition { partition_max_bytes: self.partition_max_bytes, ..Default::default() };
            offset.map(|fetch_offset| FetchPartition { partition, fetch_offset, ..max })
        });
        let topic =
            FetchTopic { topic: TOPIC.into(), partitions: partitions.collect(), ..Default::default() };
        FetchRequest {
            max_wait_ms: self.max_wait_ms,
            min_bytes: self.min_bytes,
            max_bytes: self.max_bytes,
            isolation_level: self.isolation_level,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        }
    }
}

/// The first record of each partition; empty where there is none.
fn values(response: &FetchResponse) -> Vec<String> {
    let values = response.responses[0].partitions.iter().map(|data| {
        assert_eq!(data.error_code, 0);
        let bytes = data.records.as_ref().and_then(Records::bytes).cloned().unwrap_or_default();
        let Some(batch) = BatchIter::new(&bytes).next() else { return String::new() };
        let mut records = batch.expect("a batch").records(1 << 20).expect("records");
        let value = records.next().expect("one").expect("a record").value.unwrap_or_default();
        String::from_utf8(value.to_vec()).expect("text")
    });
    values.collect()
}

fn receive(client: &mut WireClient) -> Vec<String> {
    values(&client.receive(ApiKey::Fetch, FETCH_VERSION))
}

fn list_offsets(timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp };
    let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
}

fn offset(response: &ListOffsetsResponse) -> (i16, i64) {
    let partition = &response.topics[0].partitions[0];
    (partition.error_code, partition.offset)
}

#[test]
fn cold_reads_keep_nobody_else_waiting() {
    let node = Node::start();
    let (mut cold, mut committed, mut times, mut hot) =
        (node.client(), node.client(), node.client(), node.client());
    // From now on, what comes next is kept for those who read at the end.
    let waiting = Fetch { max_wait_ms: 0, ..Fetch::of(0, OLD) };
    assert_eq!(values(&hot.call(&waiting.request(), FETCH_VERSION)), [""]);
    node.evict();
    cold.send(&Fetch::of(0, 3).request(), FETCH_VERSION, FETCH_VERSION);
    committed.send(&Fetch { isolation_level: 1, ..Fetch::of(0, 4) }.request(), FETCH_VERSION, FETCH_VERSION);
    times.send(&list_offsets(0), LIST_OFFSETS_VERSION, LIST_OFFSETS_VERSION);
    node.disk.gate.until_somebody_waits();
    for i in 0..10 {
        let value = format!("new {i}");
        assert_eq!(produce(&mut hot, 0, &value), OLD + i, "the log that is read takes records");
        assert_eq!(produce(&mut hot, 1, &value), OLD + i);
        for partition in [0, 1] {
            let response = hot.call(&Fetch::of(partition, OLD + i).request(), FETCH_VERSION);
            assert_eq!(values(&response), [&*value], "it also gives what is in memory");
        }
        assert_eq!(offset(&hot.call(&list_offsets(-1), LIST_OFFSETS_VERSION)), (0, OLD + i + 1));
    }
    node.disk.gate.open();
    assert_eq!(receive(&mut cold), [old(3)]);
    assert_eq!(receive(&mut committed), [old(4)]);
    assert_eq!(offset(&times.receive(ApiKey::ListOffsets, LIST_OFFSETS_VERSION)), (0, 0));
    assert!(node.disk.warmed() > 0);
    node.server.shutdown();
}

#[test]
fn a_fetch_that_finds_something_cold_is_answered_as_any_other() {
    let node = Node::start();
    let (mut consumer, mut other) = (node.client(), node.client());
    let last = OLD - 1;
    for (fetch, expected) in [
        (Fetch { offsets: vec![Some(0), Some(0)], ..Fetch::of(0, 0) }, vec![old(0), String::new()]),
        (Fetch { max_wait_ms: 0, ..Fetch::of(0, 30) }, vec![old(30)]),
        // Less than what is asked for: all that there is when the time is up.
        (Fetch { max_wait_ms: 1, min_bytes: 1 << 19, ..Fetch::of(0, last) }, vec![old(last)]),
    ] {
        node.evict();
        consumer.send(&fetch.request(), FETCH_VERSION, FETCH_VERSION);
        node.disk.gate.until_somebody_waits();
        node.disk.gate.open();
        assert_eq!(receive(&mut consumer), expected);
    }
    // What comes while it waits for the disk counts.
    node.evict();
    let both = Fetch { offsets: vec![Some(last), Some(OLD)], min_bytes: 41_000, ..Fetch::of(0, last) };
    consumer.send(&both.request(), FETCH_VERSION, FETCH_VERSION);
    node.disk.gate.until_somebody_waits();
    produce(&mut other, 1, &"y".repeat(900));
    node.disk.gate.open();
    assert_eq!(receive(&mut consumer), [old(last), "y".repeat(900)]);
    // So does what comes afterwards.
    node.evict();
    let more = Fetch { offsets: vec![Some(last), Some(OLD + 1)], ..both };
    consumer.send(&more.request(), FETCH_VERSION, FETCH_VERSION);
    node.disk.gate.until_somebody_waits();
    node.disk.gate.open();
    produce(&mut other, 1, &"z".repeat(900));
    assert_eq!(receive(&mut consumer), [old(last), "z".repeat(900)]);
    node.server.shutdown();
}

#[test]
fn who_hangs_up_while_the_disk_is_asked_harms_nobody() {
    let node = Node::start();
    let mut other = node.client();
    node.evict();
    let mut consumer = node.client();
    consumer.send(&Fetch::of(0, 3).request(), FETCH_VERSION, FETCH_VERSION);
    node.disk.gate.until_somebody_waits();
    drop(consumer);
    assert_eq!(produce(&mut other, 0, "new"), OLD);
    node.disk.gate.open();
    assert_eq!(values(&other.call(&Fetch::of(0, 3).request(), FETCH_VERSION)), [old(3)]);
    node.server.shutdown();
}

#[test]
fn many_cold_partitions_are_found_together() {
    const PARTITIONS: i32 = 150;
    let node = Node::with_partitions(PARTITIONS);
    let mut client = node.client();
    for partition in 0..PARTITIONS {
        assert_eq!(produce(&mut client, partition, &partition.to_string()), 0);
    }
    let all = Fetch { offsets: vec![Some(0); PARTITIONS as usize], ..Fetch::of(0, 0) };
    let evict = || (0..PARTITIONS).for_each(|partition| node.evict_partition(partition));
    let expected: Vec<String> = (0..PARTITIONS).map(|partition| partition.to_string()).collect();
    evict();
    assert_eq!(values(&client.call(&all.request(), FETCH_VERSION)), expected);
    let places = node.disk.warmed();
    assert!(places >= PARTITIONS as usize);
    // Each partition may have all of the answer, and there is room for all.
    evict();
    let greedy = Fetch { partition_max_bytes: 1 << 20, ..all };
    assert_eq!(values(&client.call(&greedy.request(), FETCH_VERSION)), expected);
    // What the answer has no room for is not looked for.
    evict();
    let warmed = node.disk.warmed();
    let small = Fetch { max_bytes: 1, ..greedy };
    let found = values(&client.call(&small.request(), FETCH_VERSION));
    assert_eq!(found.iter().filter(|value| !value.is_empty()).count(), 1);
    assert!(node.disk.warmed() - warmed < places / 2, "{} places", node.disk.warmed() - warmed);
    node.server.shutdown();
}

#[test]
fn what_cannot_be_read_ends_its_directory_and_not_the_others_patience() {
    let node = Node::start();
    let (mut cold, mut other) = (node.client(), node.client());
    node.evict();
    node.disk.break_down();
    cold.send(&Fetch::of(0, 3).request(), FETCH_VERSION, FETCH_VERSION);
    node.disk.gate.until_somebody_waits();
    assert_eq!(produce(&mut other, 1, "new"), OLD);
    node.disk.gate.open();
    let response: FetchResponse = cold.receive(ApiKey::Fetch, FETCH_VERSION);
    let error = response.responses[0].partitions[0].error_code;
    assert_eq!(ErrorCode::from_code(error), ErrorCode::KafkaStorageError);
}
