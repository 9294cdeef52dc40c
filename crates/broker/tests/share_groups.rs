//! Share groups over a real socket: a member gets its partitions, offsets are altered, described and deleted, the group
//! goes.

mod wire_client;

use std::time::{Duration, Instant};

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::{
    AlterShareGroupOffsetsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequest, FindCoordinatorRequest, ListGroupsRequest, ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, alter_share_group_offsets_request,
    delete_share_group_offsets_request, describe_share_group_offsets_request,
};
use wire_client::WireClient;

/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(dir: &std::path::Path) -> (Server, WireClient) {
    let properties = RawMap::from([
        ("log.dirs".to_string(), dir.display().to_string()),
        ("listeners".to_string(), "PLAINTEXT://127.0.0.1:0".to_string()),
        ("share.coordinator.state.topic.num.partitions".to_string(), "3".to_string()),
        ("offsets.topic.num.partitions".to_string(), "3".to_string()),
        ("group.share.assignment.interval.ms".to_string(), "0".to_string()),
    ]);
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    let server = Server::start(config, NodeOptions::default()).expect("the node starts");
    let client = WireClient::connect(server.addresses()[0].1);
    (server, client)
}

/// Repeats a request until its answer is as wanted.
fn until<T: std::fmt::Debug>(mut call: impl FnMut() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let begin = Instant::now();
    loop {
        let answer = call();
        if is_wanted(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "{answer:?}");
        std::thread::yield_now();
    }
}

fn heartbeat(client: &mut WireClient, epoch: i32) -> ShareGroupHeartbeatResponse {
    let request = ShareGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: epoch,
        subscribed_topic_names: Some(vec!["t".into()]),
        ..Default::default()
    };
    client.call(&request, 1)
}

fn described(client: &mut WireClient) -> Vec<(i32, i64, i64)> {
    let group = describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup {
        group_id: "g".into(),
        topics: None,
    };
    let request = DescribeShareGroupOffsetsRequest { groups: vec![group] };
    let group = client.call(&request, 1).groups.remove(0);
    assert_eq!(group.error_code, 0);
    let partitions = group.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|partition| (partition.partition_index, partition.start_offset, partition.lag)).collect()
}

fn alter(client: &mut WireClient) -> i16 {
    use alter_share_group_offsets_request as alter;
    let partition = alter::AlterShareGroupOffsetsRequestPartition { partition_index: 1, start_offset: 0 };
    let topic =
        alter::AlterShareGroupOffsetsRequestTopic { topic_name: "t".into(), partitions: vec![partition] };
    let request = AlterShareGroupOffsetsRequest { group_id: "g".into(), topics: vec![topic] };
    let response = client.call(&request, 0);
    match response.responses.first() {
        Some(topic) => topic.partitions[0].error_code,
        None => response.error_code,
    }
}

#[test]
fn a_share_group_lives_and_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, mut client) = start(dir.path());
    let topic =
        CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    client.call(&request, 7);
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    until(|| client.call(&find, 6).coordinators[0].error_code, |code| *code == 0);
    let mut joined = until(|| heartbeat(&mut client, 0), |response| response.error_code == 0);
    let begin = Instant::now();
    while joined.assignment.as_ref().is_none_or(|assignment| assignment.topic_partitions.is_empty()) {
        joined = heartbeat(&mut client, joined.member_epoch);
        assert_eq!(joined.error_code, 0, "{joined:?}");
        assert!(begin.elapsed() < PATIENCE, "{joined:?}");
    }
    assert_eq!(joined.assignment.expect("partitions").topic_partitions[0].partitions, [0, 1]);
    let describe = ShareGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    let group = client.call(&describe, 1).groups.remove(0);
    assert_eq!((&*group.group_state, group.members.len()), ("Stable", 1));
    assert_eq!(alter(&mut client), ErrorCode::NonEmptyGroup.code());
    assert_eq!(heartbeat(&mut client, -1).error_code, 0);
    assert_eq!(described(&mut client), [(0, -1, -1), (1, -1, -1)]);
    assert_eq!(alter(&mut client), 0);
    assert_eq!(described(&mut client), [(0, -1, -1), (1, 0, 0)]);
    let topic =
        delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic { topic_name: "t".into() };
    let request = DeleteShareGroupOffsetsRequest { group_id: "g".into(), topics: vec![topic] };
    let deleted = client.call(&request, 0);
    assert_eq!((deleted.error_code, deleted.responses[0].error_code), (0, 0));
    assert_eq!(described(&mut client), []);
    assert_eq!(alter(&mut client), 0);
    let list = ListGroupsRequest { types_filter: vec!["share".into()], ..Default::default() };
    assert_eq!(client.call(&list, 5).groups.len(), 1);
    let request = DeleteGroupsRequest { groups_names: vec!["g".into()] };
    assert_eq!(client.call(&request, 2).results[0].error_code, 0);
    assert_eq!(client.call(&list, 5).groups.len(), 0);
    drop(client);
    server.shutdown();
}
