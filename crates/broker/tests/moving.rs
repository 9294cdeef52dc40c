//! A partition that moves to another log directory, held in the middle by its disk.

mod wire_client;

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::TopicPartition;
use ottla_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::{
    AlterReplicaLogDirsRequest, CreateTopicsRequest, IncrementalAlterConfigsRequest,
};
use ottla_storage::fs::Disk;
use wire_client::{WireClient, produce_request};

const TOPIC: &str = "greetings";
const PRODUCE_VERSION: i16 = 12;
/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;

/// A disk that writes to copies only while its gate is open.
#[derive(Default)]
struct GateDisk {
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    waiting: usize,
}

impl GateDisk {
    fn close(&self) {
        self.gate.lock().expect("gate").is_closed = true;
    }

    fn open(&self) {
        self.gate.lock().expect("gate").is_closed = false;
        self.changed.notify_all();
    }

    fn until_somebody_waits(&self) {
        let gate = self.gate.lock().expect("gate");
        drop(self.changed.wait_while(gate, |gate| gate.waiting == 0).expect("gate"));
    }
}

impl Disk for GateDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        if path.to_string_lossy().contains("-future/") {
            let mut gate = self.gate.lock().expect("gate");
            gate.waiting += 1;
            self.changed.notify_all();
            gate = self.changed.wait_while(gate, |gate| gate.is_closed).expect("gate");
            gate.waiting -= 1;
        }
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        file.write_all_at(&bytes, position)?;
        Ok(bytes.len())
    }
}

/// Waits until it is so, a minute at most.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come to that");
        std::thread::yield_now();
    }
}

#[test]
fn settings_reach_a_copy_and_the_partition_is_served_after_the_move() {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = ["d0", "d1"].map(|name| dir.path().join(name).display().to_string());
    let properties = RawMap::from([
        ("log.dirs".to_string(), dirs.join(",")),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    let disk = Arc::new(GateDisk::default());
    let options = NodeOptions { disk: Some(disk.clone()), data_threads: 1, ..Default::default() };
    let server = Server::start(config, options).expect("the node starts");
    let mut client = WireClient::connect(server.addresses()[0].1);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(client.call(&request, 7).topics[0].error_code, 0);
    let produce = |client: &mut WireClient| {
        let response = client.call(&produce_request(TOPIC, 0, b"hello", -1), PRODUCE_VERSION);
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0);
        answer.base_offset
    };
    assert_eq!(produce(&mut client), 0);

    let logs = &server.broker().logs;
    let partition = TopicPartition::new(TOPIC, 0);
    let from = logs.log(&partition).expect("log").log_dir().id();
    let target = logs.log_dirs().iter().find(|dir| dir.id() != from).expect("the other one");
    disk.close();
    let topics = vec![AlterReplicaLogDirTopic { name: TOPIC.into(), partitions: vec![0] }];
    let path = target.path().display().to_string().into();
    let request = AlterReplicaLogDirsRequest { dirs: vec![AlterReplicaLogDir { path, topics }] };
    assert_eq!(client.call(&request, 2).results[0].partitions[0].error_code, 0);
    disk.until_somebody_waits();

    let setting =
        AlterableConfig { name: "retention.ms".into(), value: Some("12345".into()), ..Default::default() };
    let resource = AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: TOPIC.into(),
        configs: vec![setting],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    assert_eq!(client.call(&request, 1).responses[0].error_code, 0);
    let copy = logs.future_log(&partition).expect("the copy");
    until(|| copy.config().retention_ms == 12345);

    disk.open();
    let hosted = server.broker().partitions.get(TOPIC, 0).expect("it is hosted");
    until(|| hosted.log().is_ok_and(|log| log.log_dir().id() == target.id()));
    assert_eq!(produce(&mut client), 1);
    assert_eq!(hosted.log().expect("log").config().retention_ms, 12345);
    server.shutdown();
}
