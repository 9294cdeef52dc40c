use super::*;
use ottla_protocol::encode_message;
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

fn node() -> Node {
    Node { id: 1, host: "h".into(), port: 9092, rack: None }
}

fn key(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[test]
fn all_versions_can_carry_the_requests() {
    let groups = BTreeMap::from([(Str::from("a"), None), (Str::from("b"), Some(vec![key(0), key(3)]))]);
    let options = ListGroupOffsetsOptions::default();
    let many = FetchMany { groups: &groups, options: &options };
    for version in 8..=9 {
        let request = many.request(&["a".into(), "b".into()], version, 0).unwrap();
        assert_eq!(request.groups[0].topics, None);
        assert_eq!(request.groups[1].topics.as_ref().unwrap()[0].partition_indexes, [0, 3]);
        encode_message(&request, version).unwrap();
    }
    let one = FetchOne { groups: &groups, options: &options };
    for id in ["a", "b"] {
        let (lowest, highest) = one.versions(&[id.into()]);
        assert_eq!(lowest, if id == "a" { 2 } else { 1 });
        for version in lowest..=highest {
            encode_message(&one.request(&[id.into()], version, 0).unwrap(), version).unwrap();
        }
    }
    let offsets = BTreeMap::from([(key(1), OffsetAndMetadata { offset: 5, ..Default::default() })]);
    for version in 2..=9 {
        let request = Commit { offsets: &offsets }.request(&["a".into()], version, 0).unwrap();
        encode_message(&request, version).unwrap();
    }
}

#[test]
fn partitions_without_an_offset_are_listed_and_those_with_errors_are_not() {
    let groups = BTreeMap::new();
    let options = ListGroupOffsetsOptions::default();
    let partition = |index, offset, code: ErrorCode| OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: offset,
        committed_leader_epoch: -1,
        error_code: code as i16,
        ..Default::default()
    };
    let partitions = vec![
        partition(0, 7, ErrorCode::None),
        partition(1, -1, ErrorCode::None),
        partition(2, -1, ErrorCode::TopicAuthorizationFailed),
    ];
    let topics = vec![OffsetFetchResponseTopics { name: "t".into(), partitions, ..Default::default() }];
    let group = OffsetFetchResponseGroup { group_id: "a".into(), topics, ..Default::default() };
    let other = OffsetFetchResponseGroup {
        group_id: "b".into(),
        error_code: ErrorCode::NotCoordinator as i16,
        ..Default::default()
    };
    let response = OffsetFetchResponse { groups: vec![group, other], ..Default::default() };
    let answer = FetchMany { groups: &groups, options: &options }.respond(&node(), &[], 9, response);
    assert_eq!(answer.unmapped, ["b"]);
    let offsets = answer.settled[0].1.as_ref().unwrap();
    assert_eq!(offsets[&key(0)].as_ref().map(|it| it.offset), Some(7));
    assert_eq!(offsets[&key(1)], None);
    assert!(!offsets.contains_key(&key(2)));
}

#[test]
fn old_brokers_put_errors_of_the_group_at_partitions() {
    let groups = BTreeMap::new();
    let options = ListGroupOffsetsOptions::default();
    let respond = |code: ErrorCode| {
        let partition = OffsetFetchResponsePartition { error_code: code as i16, ..Default::default() };
        let topic = OffsetFetchResponseTopic { name: "t".into(), partitions: vec![partition] };
        let response = OffsetFetchResponse { topics: vec![topic], ..Default::default() };
        FetchOne { groups: &groups, options: &options }.respond(&node(), &["a".into()], 1, response)
    };
    assert_eq!(respond(ErrorCode::NotCoordinator).unmapped, ["a"]);
    assert!(respond(ErrorCode::GroupAuthorizationFailed).settled[0].1.is_err());
    assert!(respond(ErrorCode::UnknownTopicOrPartition).settled[0].1.as_ref().unwrap().is_empty());
}

#[test]
fn a_commit_is_repeated_whole() {
    let offsets = BTreeMap::new();
    let respond = |codes: &[ErrorCode]| {
        let partitions = codes
            .iter()
            .zip(0..)
            .map(|(code, index)| OffsetCommitResponsePartition {
                partition_index: index,
                error_code: *code as i16,
            })
            .collect();
        let topics = vec![OffsetCommitResponseTopic { name: "t".into(), partitions, ..Default::default() }];
        let response = OffsetCommitResponse { topics, ..Default::default() };
        Commit { offsets: &offsets }.respond(&node(), &["a".into()], 9, response)
    };
    let answer = respond(&[ErrorCode::None, ErrorCode::UnknownMemberId]);
    let results = answer.settled[0].1.as_ref().unwrap();
    assert!(results[&key(0)].is_ok());
    assert_eq!(results[&key(1)].as_ref().unwrap_err().code(), Some(ErrorCode::UnknownMemberId));
    let answer = respond(&[ErrorCode::None, ErrorCode::RebalanceInProgress]);
    assert!(answer.settled.is_empty() && answer.unmapped.is_empty());
    assert_eq!(respond(&[ErrorCode::NotCoordinator]).unmapped, ["a"]);
}
