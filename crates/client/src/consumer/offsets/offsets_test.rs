use ottla_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use ottla_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};
use ottla_protocol::{Message, decode_message, encode_message};

use super::super::state::{FetchPosition, LeaderAndEpoch};
use super::super::{ConsumerGroupMetadata, IsolationLevel, OffsetAndMetadata};
use super::*;
use crate::cluster::TopicMetadata;

const ID: Uuid = Uuid::from_parts(1, 2);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn ids() -> TopicIds {
    let topic = TopicMetadata {
        name: "t".into(),
        id: ID,
        error: ErrorCode::None,
        is_internal: false,
        partitions: Vec::new(),
    };
    let mut metadata = Metadata::default();
    metadata.topics.insert("t".into(), topic);
    TopicIds::of(&metadata, [Str::from("t"), Str::from("u")].iter())
}

fn member() -> ConsumerGroupMetadata {
    ConsumerGroupMetadata { generation_id: 3, member_id: "m".into(), ..ConsumerGroupMetadata::new("g") }
}

fn offsets_of(topics: &[&str]) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
    topics.iter().map(|topic| (TopicPartition::new(*topic, 0), OffsetAndMetadata::new(5))).collect()
}

#[test]
fn commits_go_out_in_all_versions() {
    let ids = ids();
    assert_eq!(commit_versions(&offsets_of(&["t"]), &ids, false), (2, 10));
    assert_eq!(commit_versions(&offsets_of(&["t", "u"]), &ids, true), (7, 9));
    for version in OffsetCommitRequest::MIN_VERSION..=OffsetCommitRequest::MAX_VERSION {
        let request = commit_request(&offsets_of(&["t"]), &member(), &ids);
        let read: OffsetCommitRequest =
            decode_message(encode_message(&request, version).unwrap(), version).unwrap();
        assert_eq!(read.generation_id_or_member_epoch, 3);
        let topic = &read.topics[0];
        let is_named = if version >= 10 { topic.topic_id == ID } else { &*topic.name == "t" };
        assert!(is_named, "{version}");
        assert_eq!(topic.partitions[0].committed_offset, 5);
    }
}

fn commit_answer(codes: &[ErrorCode]) -> CommitAnswer {
    let partition =
        |code: &ErrorCode| OffsetCommitResponsePartition { partition_index: 0, error_code: *code as i16 };
    let topic = OffsetCommitResponseTopic {
        topic_id: ID,
        partitions: codes.iter().map(partition).collect(),
        ..OffsetCommitResponseTopic::default()
    };
    read_commit("g", &ids(), &OffsetCommitResponse { topics: vec![topic], ..Default::default() })
}

#[test]
fn answers_to_commits() {
    use ErrorCode as E;
    assert!(matches!(commit_answer(&[E::None, E::None]), CommitAnswer::Done));
    for code in [E::NotCoordinator, E::CoordinatorNotAvailable, E::RequestTimedOut] {
        assert!(matches!(commit_answer(&[code]), CommitAnswer::Retry { find_coordinator: true, .. }));
    }
    for code in [E::CoordinatorLoadInProgress, E::UnknownTopicOrPartition, E::UnknownTopicId] {
        assert!(matches!(
            commit_answer(&[E::None, code]),
            CommitAnswer::Retry { find_coordinator: false, .. }
        ));
    }
    for code in [E::IllegalGeneration, E::UnknownMemberId, E::RebalanceInProgress, E::StaleMemberEpoch] {
        assert!(matches!(commit_answer(&[code]), CommitAnswer::Refused(refused) if refused == code));
    }
    let CommitAnswer::Failed(error) = commit_answer(&[E::TopicAuthorizationFailed]) else { panic!() };
    assert_eq!(error.to_string(), "Not authorized to access topics: [t]");
    let CommitAnswer::Failed(error) = commit_answer(&[E::GroupAuthorizationFailed]) else { panic!() };
    assert_eq!(error.to_string(), "Not authorized to access group: g");
    assert!(matches!(refusal(E::UnknownMemberId), Error::CommitFailed(_)));
    assert!(refusal(E::RebalanceInProgress).code().is_some());
}

#[test]
fn look_ups_of_commits_go_out_in_all_versions() {
    let ids = ids();
    assert_eq!(highest_version(&[tp(0)], &ids), 10);
    assert_eq!(highest_version(&[tp(0), TopicPartition::new("x", 0)], &ids), 9);
    for version in OffsetFetchRequest::MIN_VERSION..=OffsetFetchRequest::MAX_VERSION {
        let request = committed_request(version, &[tp(1), tp(0)], &member(), true, &ids);
        let read: OffsetFetchRequest =
            decode_message(encode_message(&request, version).unwrap(), version).unwrap();
        if version < 8 {
            assert_eq!((&*read.group_id, read.topics.unwrap()[0].partition_indexes.len()), ("g", 2));
        } else {
            let group = &read.groups[0];
            assert_eq!(group.member_epoch, if version >= 9 { 3 } else { -1 });
            assert_eq!(group.topics.as_ref().unwrap()[0].partition_indexes, [1, 0]);
        }
    }
    let outside = committed_request(9, &[tp(0)], &member(), false, &ids);
    assert_eq!((outside.groups[0].member_epoch, outside.groups[0].member_id.clone()), (-1, None));
}

fn committed_answer(group: ErrorCode, partitions: &[(i32, i64, ErrorCode)]) -> CommittedAnswer {
    let partition = |(index, offset, code): &(i32, i64, ErrorCode)| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: *offset,
        error_code: *code as i16,
        ..Default::default()
    };
    let topic = OffsetFetchResponseTopics {
        topic_id: ID,
        partitions: partitions.iter().map(partition).collect(),
        ..Default::default()
    };
    let group =
        OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic], error_code: group as i16 };
    read_committed("g", &ids(), 10, OffsetFetchResponse { groups: vec![group], ..Default::default() })
}

#[test]
fn answers_to_look_ups_of_commits() {
    use ErrorCode as E;
    let CommittedAnswer::Found(found) = committed_answer(E::None, &[(0, 7, E::None), (1, -1, E::None)])
    else {
        panic!()
    };
    assert_eq!(found[&tp(0)], Some(OffsetAndMetadata::new(7)));
    assert_eq!(found[&tp(1)], None);
    for (group, partition, find) in [
        (E::NotCoordinator, E::None, true),
        (E::CoordinatorLoadInProgress, E::None, false),
        (E::StaleMemberEpoch, E::None, false),
        (E::UnknownMemberId, E::None, false),
        (E::None, E::UnstableOffsetCommit, false),
        (E::None, E::UnknownTopicId, false),
    ] {
        let answer = committed_answer(group, &[(0, 7, partition)]);
        assert!(
            matches!(answer, CommittedAnswer::Retry { find_coordinator, .. } if find_coordinator == find)
        );
    }
    for (group, partition) in [
        (E::GroupAuthorizationFailed, E::None),
        (E::None, E::UnknownTopicOrPartition),
        (E::None, E::TopicAuthorizationFailed),
    ] {
        assert!(matches!(committed_answer(group, &[(0, 7, partition)]), CommittedAnswer::Failed(_)));
    }
    let empty = read_committed("g", &ids(), 10, OffsetFetchResponse::default());
    assert!(matches!(empty, CommittedAnswer::Failed(_)), "an answer without the group");
}

#[test]
fn answers_to_look_ups_by_time() {
    let partition = |index, offset, error: ErrorCode| ListOffsetsPartitionResponse {
        partition_index: index,
        offset,
        error_code: error as i16,
        ..Default::default()
    };
    let response = |partitions| ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse { name: "t".into(), partitions }],
        ..Default::default()
    };
    let answer = read_list(response(vec![
        partition(0, 4, ErrorCode::None),
        partition(1, -1, ErrorCode::None),
        partition(2, -1, ErrorCode::NotLeaderOrFollower),
        partition(3, -1, ErrorCode::UnsupportedForMessageFormat),
        partition(4, -1, ErrorCode::UnknownServerError),
    ]))
    .unwrap();
    assert_eq!(answer.found, [(tp(0), ListedOffset { offset: 4, timestamp_ms: -1, leader_epoch: None })]);
    assert_eq!((answer.missing, answer.retry), (vec![tp(1), tp(3)], vec![tp(2), tp(4)]));
    let error = read_list(response(vec![partition(0, -1, ErrorCode::TopicAuthorizationFailed)])).unwrap_err();
    assert_eq!(error.to_string(), "Not authorized to access topics: [t]");
    let request = list_request([(tp(0), (-2, Some(4)))], IsolationLevel::ReadCommitted, 1000);
    assert_eq!((request.isolation_level, request.topics[0].partitions[0].current_leader_epoch), (1, 4));
}

#[test]
fn answers_about_epochs() {
    let leader = LeaderAndEpoch { leader: Some(1), epoch: Some(4) };
    let position = |offset| FetchPosition { offset, offset_epoch: Some(3), current_leader: leader };
    let asked = [(tp(0), position(10)), (tp(1), position(20)), (tp(2), position(30))];
    let request = epochs_request(&asked);
    assert_eq!((request.replica_id, request.topics[0].partitions.len()), (-1, 3));
    let end = |partition, error: ErrorCode| EpochEndOffset {
        partition,
        error_code: error as i16,
        leader_epoch: 3,
        end_offset: 15,
    };
    let topic = OffsetForLeaderTopicResult {
        topic: "t".into(),
        partitions: vec![end(0, ErrorCode::None), end(1, ErrorCode::FencedLeaderEpoch)],
    };
    let response = OffsetForLeaderEpochResponse { topics: vec![topic], ..Default::default() };
    let answer = read_epochs(&asked, response).unwrap();
    assert_eq!(answer.ends, [(tp(0), 3, 15)]);
    assert_eq!(answer.retry, [tp(1), tp(2)], "also what was not answered");
}
