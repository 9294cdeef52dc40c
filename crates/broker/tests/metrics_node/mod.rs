//! A node with an HTTP listener, and clients to it.

pub mod client_metrics;
pub mod share_group;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server, ServerError};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, FindCoordinatorRequest, OffsetCommitRequest,
    ProduceRequest,
};
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_protocol::{ErrorCode, Records, Str};

use crate::exposition::Exposition;
use crate::wire_client::WireClient;

pub const TOPIC: &str = "greetings";
/// How long something may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
const NO_TIMESTAMP: i64 = -1;

/// A node with [`TOPIC`], which has two partitions.
pub struct Node {
    pub server: Server,
    _dir: tempfile::TempDir,
}

pub fn try_start(dir: &Path, more: &[(&str, &str)]) -> Result<Server, ServerError> {
    let mut properties = RawMap::from([
        ("log.dirs".to_string(), dir.display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ("offsets.topic.num.partitions".to_string(), "3".to_string()),
        ("share.coordinator.state.topic.num.partitions".to_string(), "2".to_string()),
    ]);
    properties.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default())
}

pub fn start_server(dir: &Path, more: &[(&str, &str)], has_http: bool) -> Server {
    let mut properties = more.to_vec();
    if has_http {
        properties.push(("ottla.http.listener", "127.0.0.1:0"));
    }
    try_start(dir, &properties).expect("the node starts")
}

impl Node {
    pub fn start(more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let node = Self { server: start_server(dir.path(), more, true), _dir: dir };
        node.create_topic(&mut node.client(), TOPIC, 2);
        node
    }

    /// With another log directory beside its own.
    pub fn start_with_dir(other: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let dirs = format!("{},{}", dir.path().display(), other.display());
        Self { server: start_server(dir.path(), &[("log.dirs", &dirs)], true), _dir: dir }
    }

    pub fn client(&self) -> WireClient {
        WireClient::connect(self.server.addresses()[0].1)
    }

    pub fn http(&self) -> SocketAddr {
        self.server.http_address().expect("it is served")
    }

    /// Status and body of what a request is answered with.
    pub fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http()).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        // Behind the answer to a request that was not read to its end, the connection is reset.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        (status, if is_chunked { unchunked(body) } else { body.to_owned() })
    }

    /// Status and JSON of a path.
    pub fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let (status, body) =
            self.raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    pub fn scrape(&self) -> Exposition {
        self.scrape_as("text/plain")
    }

    pub fn scrape_as(&self, accept: &str) -> Exposition {
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        let (status, body) = self.raw(&request);
        assert_eq!(status, 200);
        Exposition::parse(&body, accept.contains("openmetrics"))
    }

    /// Scrapes until it is so.
    pub fn until(&self, is_so: impl Fn(&Exposition) -> bool) {
        let began = Instant::now();
        while !is_so(&self.scrape()) {
            assert!(began.elapsed() < PATIENCE, "it did not come to be");
        }
    }

    /// Asks until the status is this.
    pub fn until_status(&self, path: &str, status: u16) {
        let began = Instant::now();
        while self.get(path).0 != status {
            assert!(began.elapsed() < PATIENCE, "{path} did not become {status}");
        }
    }

    pub fn create_topic(&self, client: &mut WireClient, name: &str, num_partitions: i32) {
        let topic =
            CreatableTopic { name: name.into(), num_partitions, replication_factor: 1, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        assert_eq!(client.call(&request, 7).topics[0].error_code, 0);
    }

    pub fn delete_topic(&self, client: &mut WireClient, name: &str) {
        let topic = DeleteTopicState { name: Some(name.into()), ..Default::default() };
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        assert_eq!(client.call(&request, 6).responses[0].error_code, 0);
    }

    pub fn produce(&self, client: &mut WireClient, topic: &str, partition: i32, values: &[&str]) {
        assert_eq!(self.try_produce(client, topic, partition, values), ErrorCode::None);
    }

    pub fn try_produce(
        &self,
        client: &mut WireClient,
        topic: &str,
        index: i32,
        values: &[&str],
    ) -> ErrorCode {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for value in values {
            builder.append(NO_TIMESTAMP, None, Some(value.as_bytes()), &[]).expect("a record");
        }
        let records = Some(Records::Bytes(builder.build().expect("a batch")));
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![TopicProduceData {
                name: Str::from(topic),
                partition_data: vec![PartitionProduceData { index, records }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = client.call(&request, 12);
        ErrorCode::from_code(response.responses[0].partition_responses[0].error_code)
    }

    /// Bytes that were fetched.
    pub fn fetch(&self, client: &mut WireClient, topic: &str, partition: i32, offset: i64) -> usize {
        let response = client.call(&fetch_request(topic, partition, offset, 0), 12);
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, 0);
        data.records.as_ref().map_or(0, Records::len)
    }

    pub fn try_fetch(&self, client: &mut WireClient, topic: &str, partition: i32, offset: i64) -> ErrorCode {
        let response = client.call(&fetch_request(topic, partition, offset, 0), 12);
        ErrorCode::from_code(response.responses[0].partitions[0].error_code)
    }

    /// A fetch that waits for what never comes.
    pub fn send_waiting_fetch(&self, client: &mut WireClient, topic: &str, partition: i32) {
        client.send(&fetch_request(topic, partition, 0, 1_000_000), 12, 12);
    }

    pub fn commit(&self, client: &mut WireClient, group: &str, topic: &str, offsets: &[(i32, i64)]) {
        let find = FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
        let began = Instant::now();
        // The first time creates the topic of the offsets.
        while client.call(&find, 4).coordinators[0].error_code != 0 {
            assert!(began.elapsed() < PATIENCE, "there is no coordinator");
        }
        let partitions =
            offsets.iter().map(|(partition_index, committed_offset)| OffsetCommitRequestPartition {
                partition_index: *partition_index,
                committed_offset: *committed_offset,
                ..Default::default()
            });
        let topic = OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request =
            OffsetCommitRequest { group_id: group.into(), topics: vec![topic], ..Default::default() };
        while client.call(&request, 8).topics[0].partitions.iter().any(|p| p.error_code != 0) {
            assert!(began.elapsed() < PATIENCE, "the offsets are not taken");
        }
    }
}

fn fetch_request(topic: &str, partition: i32, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    }
}

/// A chunked body as a whole; it must have its end.
fn unchunked(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    loop {
        let (size, behind) = rest.split_once("\r\n").expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            assert_eq!(behind, "\r\n");
            return whole;
        }
        whole += &behind[..size];
        rest = behind[size..].strip_prefix("\r\n").expect("the chunk's end");
    }
}
