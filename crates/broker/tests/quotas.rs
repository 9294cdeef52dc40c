//! A node whose clients have quotas: what they are told, and for how long they are not heard then.

mod wire_client;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::describe_client_quotas_request::ComponentData;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ApiVersionsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DescribeClientQuotasRequest,
    FetchRequest, FetchResponse, MetadataRequest, ProduceRequest,
};
use ottla_protocol::{ErrorCode, Records};
use wire_client::{WireClient, produce_request};

const TOPIC: &str = "t";
/// As the test's client calls itself.
const CLIENT: &[(&str, Option<&str>)] = &[("client-id", Some("wire-client"))];

/// ApiVersions in version 0, of nobody.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    let properties = RawMap::from([
        ("log.dirs".to_string(), dir.path().display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    (dir, Server::start(config, NodeOptions::default()).expect("the node starts"))
}

fn client(server: &Server) -> WireClient {
    WireClient::connect(server.addresses()[0].1)
}

fn alter(
    client: &mut WireClient,
    entity: &[(&str, Option<&str>)],
    key: &str,
    value: Option<f64>,
) -> AlterClientQuotasResponse {
    let part = |(entity_type, name): &(&str, Option<&str>)| EntityData {
        entity_type: (*entity_type).into(),
        entity_name: name.map(Into::into),
    };
    let op = OpData { key: key.into(), value: value.unwrap_or(0.0), remove: value.is_none() };
    let entries = vec![EntryData { entity: entity.iter().map(part).collect(), ops: vec![op] }];
    client.call(&AlterClientQuotasRequest { entries, validate_only: false }, 1)
}

fn set(client: &mut WireClient, entity: &[(&str, Option<&str>)], key: &str, value: f64) {
    let altered = alter(client, entity, key, Some(value));
    assert_eq!(altered.entries[0].error_code, 0, "{:?}", altered.entries[0].error_message);
}

fn create(client: &mut WireClient, name: &str, num_partitions: i32, version: i16) -> CreateTopicsResponse {
    let topic =
        CreatableTopic { name: name.into(), num_partitions, replication_factor: 1, ..Default::default() };
    client.call(&CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() }, version)
}

fn batch(acks: i16, bytes: usize) -> ProduceRequest {
    produce_request(TOPIC, 0, &vec![7; bytes], acks)
}

fn fetch(client: &mut WireClient) -> FetchResponse {
    let partition = FetchPartition { partition_max_bytes: 1 << 24, ..Default::default() };
    let request = FetchRequest {
        min_bytes: 1,
        max_bytes: 1 << 24,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    client.call(&request, 12)
}

/// The next request of a client is not answered before `throttle_ms` after `since`.
fn check_muted(client: &mut WireClient, since: Instant, throttle_ms: i32) {
    client.call(&ApiVersionsRequest::default(), 0);
    let waited = since.elapsed();
    let throttle = Duration::from_millis(u64::try_from(throttle_ms).expect("a time"));
    assert!(waited >= throttle, "answered after {waited:?} of {throttle:?}");
}

#[test]
fn limits_are_set_described_and_taken_away() {
    let (_dir, server) = start();
    let mut admin = client(&server);
    let alice: &[(&str, Option<&str>)] = &[("user", Some("alice")), ("client-id", None)];
    set(&mut admin, alice, "producer_byte_rate", 1024.0);
    set(&mut admin, alice, "request_percentage", 12.5);
    let mut describe = || {
        let component = ComponentData { entity_type: "user".into(), match_type: 2, match_: None };
        let request = DescribeClientQuotasRequest { components: vec![component], strict: false };
        admin.call(&request, 1).entries.expect("entries")
    };
    let described = describe();
    let values: Vec<_> = described[0].values.iter().map(|value| (&*value.key, value.value)).collect();
    assert_eq!(values, [("producer_byte_rate", 1024.0), ("request_percentage", 12.5)]);
    let mut admin = client(&server);
    alter(&mut admin, alice, "producer_byte_rate", None);
    alter(&mut admin, alice, "request_percentage", None);
    assert!(describe().is_empty());
    for (entity, key, value, message) in [
        (alice, "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        (alice, "nonsense", 1.0, "Invalid configuration key nonsense"),
        (
            &[("ip", Some("127.0.0.1"))],
            "producer_byte_rate",
            1.0,
            "Invalid configuration key producer_byte_rate",
        ),
        (&[], "producer_byte_rate", 1.0, "Invalid empty client quota entity"),
    ] {
        let refused = alter(&mut admin, entity, key, Some(value));
        assert_eq!(refused.entries[0].error_code, ErrorCode::InvalidRequest.code());
        assert_eq!(refused.entries[0].error_message.as_deref(), Some(message));
    }
    server.shutdown();
}

#[test]
fn a_producer_is_answered_at_once_and_then_not_heard() {
    let (_dir, server) = start();
    let (mut admin, mut producer) = (client(&server), client(&server));
    create(&mut admin, TOPIC, 1, 7);
    let free = producer.call(&batch(-1, 10_000), 12);
    assert_eq!(free.throttle_time_ms, 0);
    // Set while the producer is connected. Ten seconds are 100,000 bytes.
    set(&mut admin, CLIENT, "producer_byte_rate", 10_000.0);
    let sent = Instant::now();
    let throttled = producer.call(&batch(-1, 120_000), 12);
    assert_eq!(throttled.responses[0].partition_responses[0].error_code, 0, "it is appended all the same");
    assert!((2_000..2_100).contains(&throttled.throttle_time_ms), "{}", throttled.throttle_time_ms);
    assert!(sent.elapsed() < Duration::from_millis(1_900), "the answer did not wait");
    check_muted(&mut producer, sent, throttled.throttle_time_ms);
    alter(&mut admin, CLIENT, "producer_byte_rate", None);
    assert_eq!(producer.call(&batch(-1, 10_000), 12).throttle_time_ms, 0);
    server.shutdown();
}

#[test]
fn a_producer_without_answers_is_not_heard_either() {
    let (_dir, server) = start();
    let (mut admin, mut producer) = (client(&server), client(&server));
    create(&mut admin, TOPIC, 1, 7);
    set(&mut admin, CLIENT, "producer_byte_rate", 10_000.0);
    let sent = Instant::now();
    producer.send(&batch(0, 110_000), 12, 12);
    check_muted(&mut producer, sent, 1_000);
    server.shutdown();
}

#[test]
fn a_consumer_gets_its_records_later() {
    let (_dir, server) = start();
    let (mut admin, mut consumer) = (client(&server), client(&server));
    create(&mut admin, TOPIC, 1, 7);
    admin.call(&batch(-1, 90_000), 12);
    let records = |response: &FetchResponse| -> usize {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.records.as_ref().map_or(0, Records::len)).sum()
    };
    set(&mut admin, CLIENT, "consumer_byte_rate", 15_000.0);
    let first = fetch(&mut consumer);
    assert_eq!((first.throttle_time_ms, records(&first) > 90_000), (0, true));
    let asked = Instant::now();
    let second = fetch(&mut consumer);
    assert_eq!((second.error_code, second.responses.len()), (0, 0), "nothing to read, and no error");
    assert!((1..=2_100).contains(&second.throttle_time_ms), "{}", second.throttle_time_ms);
    check_muted(&mut consumer, asked, second.throttle_time_ms);
    alter(&mut admin, CLIENT, "consumer_byte_rate", None);
    let third = fetch(&mut consumer);
    assert_eq!((third.throttle_time_ms, records(&third) > 90_000), (0, true));
    server.shutdown();
}

#[test]
fn topics_are_refused_or_answered_late() {
    let (_dir, server) = start();
    let mut admin = client(&server);
    set(&mut admin, CLIENT, "controller_mutation_rate", 1.0);
    // Eleven partitions at once, and a debt of nine.
    assert_eq!(create(&mut admin, "many", 20, 7).topics[0].error_code, 0);
    let refused = create(&mut admin, "more", 1, 7);
    assert_eq!(refused.topics[0].error_code, ErrorCode::ThrottlingQuotaExceeded.code());
    assert_eq!(refused.topics[0].error_message, None);
    assert!((1..=9_000).contains(&refused.throttle_time_ms), "{}", refused.throttle_time_ms);
    let topics = vec![CreatePartitionsTopic { name: "many".into(), count: 21, assignments: None }];
    let request = CreatePartitionsRequest { topics, timeout_ms: 1000, validate_only: false };
    let refused = client(&server).call(&request, 3);
    assert_eq!(refused.results[0].error_code, ErrorCode::ThrottlingQuotaExceeded.code());
    assert!(refused.throttle_time_ms > 0);
    let request =
        DeleteTopicsRequest { topic_names: vec!["many".into()], timeout_ms: 1000, ..Default::default() };
    let refused = client(&server).call(&request, 5);
    assert_eq!(refused.responses[0].error_code, ErrorCode::ThrottlingQuotaExceeded.code());
    // Clients that do not know the error get what they want, and wait.
    let done = client(&server).call(&request, 4);
    assert_eq!(done.responses[0].error_code, 0);
    assert!((9_000..=29_000).contains(&done.throttle_time_ms), "{}", done.throttle_time_ms);
    let done = create(&mut client(&server), "more", 1, 5);
    assert_eq!(done.topics[0].error_code, 0);
    assert!(done.throttle_time_ms > 9_000);
    server.shutdown();
}

#[test]
fn time_is_told_by_every_api() {
    let (_dir, server) = start();
    let mut admin = client(&server);
    create(&mut admin, TOPIC, 1, 7);
    set(&mut admin, CLIENT, "request_percentage", 0.000_001);
    // Some take less than a microsecond.
    for _ in 0..5 {
        client(&server).call(&MetadataRequest::default(), 12);
    }
    let is_throttled = |throttle_time_ms: i32| {
        assert!((1..=1_000).contains(&throttle_time_ms), "{throttle_time_ms}");
    };
    is_throttled(client(&server).call(&ApiVersionsRequest::default(), 4).throttle_time_ms);
    is_throttled(client(&server).call(&MetadataRequest::default(), 12).throttle_time_ms);
    is_throttled(client(&server).call(&batch(-1, 10), 12).throttle_time_ms);
    is_throttled(fetch(&mut client(&server)).throttle_time_ms);
    let mut muted = client(&server);
    let asked = Instant::now();
    let answer = muted.call(&DescribeClientQuotasRequest::default(), 1);
    is_throttled(answer.throttle_time_ms);
    check_muted(&mut muted, asked, answer.throttle_time_ms);
    server.shutdown();
}

#[test]
fn addresses_connect_no_faster_than_they_may() {
    let (_dir, server) = start();
    let address = server.addresses()[0].1;
    let mut admin = client(&server);
    let (slow, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    set(&mut admin, &[("ip", Some("127.0.0.2"))], "connection_creation_rate", 1.0);
    let from = |source: Ipv4Addr| WireClient::connect_from(IpAddr::V4(source), address);
    let mut served = Vec::new();
    for _ in 0..10 {
        let mut client = from(slow);
        client.call(&ApiVersionsRequest::default(), 0);
        served.push(client);
    }
    // Meanwhile a token a second flows in: some of these may be served.
    let is_refused = || {
        let mut client = from(slow);
        client.send_bytes(API_VERSIONS);
        client.is_closed()
    };
    let refused = (0..5).filter(|_| is_refused()).count();
    assert!(refused >= 1, "more than ten at once");
    for _ in 0..20 {
        from(other).call(&ApiVersionsRequest::default(), 0);
    }
    alter(&mut admin, &[("ip", Some("127.0.0.2"))], "connection_creation_rate", None);
    for _ in 0..20 {
        from(slow).call(&ApiVersionsRequest::default(), 0);
    }
    server.shutdown();
}
