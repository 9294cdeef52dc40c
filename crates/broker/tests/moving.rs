//! A partition that moves to another log directory, held up in the middle.

#[path = "../../storage/src/test_support/slow_disks.rs"]
mod slow_disks;
mod wire_client;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::{
    AlterReplicaLogDirsRequest, CreateTopicsRequest, IncrementalAlterConfigsRequest,
};
use ottla_protocol::{ErrorCode, TopicPartition, Uuid};
use ottla_storage::PartitionLog;
use ottla_storage::fs::Disk;
use slow_disks::GateDisk;
use wire_client::{WireClient, produce_request};

const TOPIC: &str = "greetings";
const PRODUCE_VERSION: i16 = 12;
/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;

/// Whether a file is part of a copy.
fn is_of_copy(file: &File, _: &[u8]) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("an open file");
    path.to_string_lossy().contains("-future/")
}

/// Waits until it is so, a minute at most.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come to that");
        std::thread::yield_now();
    }
}

/// A node with two log directories, and a client that has created the topic.
fn start(disk: Option<Arc<dyn Disk>>) -> (tempfile::TempDir, Server, WireClient) {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = ["d0", "d1"].map(|name| dir.path().join(name).display().to_string());
    let properties = RawMap::from([
        ("log.dirs".to_string(), dirs.join(",")),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    let options = NodeOptions { disk, data_threads: 1, ..Default::default() };
    let server = Server::start(config, options).expect("the node starts");
    let mut client = WireClient::connect(server.addresses()[0].1);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(client.call(&request, 7).topics[0].error_code, 0);
    (dir, server, client)
}

fn produce(client: &mut WireClient, value: &[u8]) -> i64 {
    let response = client.call(&produce_request(TOPIC, 0, value, -1), PRODUCE_VERSION);
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 0);
    answer.base_offset
}

/// Begins to move the partition; the id of the directory that it moves to.
fn start_move(server: &Server, client: &mut WireClient) -> Uuid {
    let logs = &server.broker().logs;
    let from = logs.log(&partition()).expect("log").log_dir().id();
    let target = logs.log_dirs().iter().find(|dir| dir.id() != from).expect("the other one");
    let topics = vec![AlterReplicaLogDirTopic { name: TOPIC.into(), partitions: vec![0] }];
    let path = target.path().display().to_string().into();
    let request = AlterReplicaLogDirsRequest { dirs: vec![AlterReplicaLogDir { path, topics }] };
    assert_eq!(client.call(&request, 2).results[0].partitions[0].error_code, 0);
    target.id()
}

fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

/// Waits until the partition is served from a directory.
fn until_moved(server: &Server, target: Uuid) -> Arc<PartitionLog> {
    let hosted = server.broker().partitions.get(TOPIC, 0).expect("it is hosted");
    until(|| hosted.log().is_ok_and(|log| log.log_dir().id() == target));
    hosted.log().expect("log")
}

#[test]
fn settings_reach_a_copy_and_the_partition_is_served_after_the_move() {
    let disk = GateDisk::new(is_of_copy);
    let (_dir, server, mut client) = start(Some(disk.clone()));
    assert_eq!(produce(&mut client, b"hello"), 0);
    disk.gate.close();
    let target = start_move(&server, &mut client);
    disk.gate.until_somebody_waits();

    let setting =
        AlterableConfig { name: "retention.ms".into(), value: Some("12345".into()), ..Default::default() };
    let resource = AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: TOPIC.into(),
        configs: vec![setting],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    assert_eq!(client.call(&request, 1).responses[0].error_code, 0);
    let copy = server.broker().logs.future_log(&partition()).expect("the copy");
    until(|| copy.config().retention_ms == 12345);

    disk.gate.open();
    let moved = until_moved(&server, target);
    assert_eq!(produce(&mut client, b"hello"), 1);
    assert_eq!(moved.config().retention_ms, 12345);
    server.shutdown();
}

#[test]
fn a_limit_set_at_run_time_holds_a_move_up_until_it_is_raised() {
    const LIMIT: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
    let (_dir, server, mut client) = start(None);
    (0..4).for_each(|offset| assert_eq!(produce(&mut client, &[b'v'; 900_000]), offset));
    let limit = || server.broker().shared_config.layers().alter_log_dirs_bytes_per_second();
    assert_eq!(client.alter_broker(&[(LIMIT, "1")]).0, ErrorCode::None);
    until(|| limit() == 1);
    let target = start_move(&server, &mut client);
    let copy = server.broker().logs.future_log(&partition()).expect("the copy");
    until(|| copy.log_end_offset() > 0);
    assert_eq!(client.alter_broker(&[(LIMIT, "2")]).0, ErrorCode::None);
    until(|| limit() == 2);
    assert_eq!(copy.log_end_offset(), 1, "the next slice comes in days");
    assert_eq!(client.alter_broker(&[(LIMIT, "1000000000")]).0, ErrorCode::None);
    assert_eq!(until_moved(&server, target).log_end_offset(), 4);
    server.shutdown();
}
