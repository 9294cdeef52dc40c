use ottla_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};

use super::*;

const ID: Uuid = Uuid::from_parts(7, 7);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn fetch(topic_id: Uuid, fetch_offset: i64) -> PartitionFetch {
    PartitionFetch { topic_id, fetch_offset, current_leader_epoch: Some(1), max_bytes: 1000 }
}

/// Partitions with their offsets, of topic `t`.
fn wanted(partitions: &[(i32, i64)]) -> Vec<(TopicPartition, PartitionFetch)> {
    partitions.iter().map(|(partition, offset)| (tp(*partition), fetch(ID, *offset))).collect()
}

fn response(session_id: i32, partitions: &[i32]) -> FetchResponse {
    let partition = |index: &i32| PartitionData { partition_index: *index, ..Default::default() };
    let topic = FetchableTopicResponse {
        topic: "t".into(),
        topic_id: ID,
        partitions: partitions.iter().map(partition).collect(),
    };
    FetchResponse { session_id, responses: vec![topic], ..Default::default() }
}

fn filled(request: SessionRequest, version: i16) -> FetchRequest {
    let mut out = FetchRequest::default();
    request.fill(&mut out, version);
    out
}

fn offsets(request: &FetchRequest) -> Vec<(i32, i64)> {
    request.topics.iter().flat_map(|t| &t.partitions).map(|p| (p.partition, p.fetch_offset)).collect()
}

fn forgotten(request: &FetchRequest) -> Vec<i32> {
    request.forgotten_topics_data.iter().flat_map(|t| t.partitions.clone()).collect()
}

/// A session with partitions 0 and 1 at offset 0, whose next request has epoch 1.
fn established() -> FetchSession {
    let mut session = FetchSession::default();
    let request = session.request(wanted(&[(0, 0), (1, 0)]));
    assert!(request.has_topic_ids);
    let request = filled(request, 18);
    assert_eq!((request.session_id, request.session_epoch), (0, 0));
    assert_eq!(offsets(&request), [(0, 0), (1, 0)]);
    assert_eq!(session.handle_response(&response(42, &[0, 1]), 18), Outcome::Usable);
    session
}

#[test]
fn only_changes_are_sent() {
    let mut session = established();
    let request = filled(session.request(wanted(&[(1, 0), (2, 0), (0, 5)])), 18);
    assert_eq!((request.session_id, request.session_epoch), (42, 1));
    assert_eq!(offsets(&request), [(2, 0), (0, 5)]);
    assert!(forgotten(&request).is_empty());
    assert_eq!(session.handle_response(&response(42, &[0]), 18), Outcome::Usable);
    assert_eq!(session.asked(&tp(0)).unwrap().fetch_offset, 5);

    let request = filled(session.request(wanted(&[(2, 0)])), 18);
    assert_eq!(request.session_epoch, 2);
    assert!(offsets(&request).is_empty());
    assert_eq!(forgotten(&request), [0, 1]);
}

#[test]
fn a_broker_without_room_for_a_session_gets_full_requests() {
    let mut session = FetchSession::default();
    for _ in 0..2 {
        let request = filled(session.request(wanted(&[(0, 0)])), 18);
        assert_eq!((request.session_id, request.session_epoch), (0, 0));
        assert_eq!(session.handle_response(&response(0, &[0]), 18), Outcome::Usable);
    }
}

#[test]
fn a_session_that_the_broker_lost_begins_anew() {
    let lost = |code: ErrorCode| {
        let mut session = established();
        session.request(wanted(&[(0, 1)]));
        let answer = FetchResponse { error_code: code as i16, ..Default::default() };
        assert_eq!(session.handle_response(&answer, 18), Outcome::Failed(code));
        let request = filled(session.request(wanted(&[(0, 1)])), 18);
        (request.session_id, request.session_epoch)
    };
    assert_eq!(lost(ErrorCode::FetchSessionIdNotFound), (0, 0));
    // The broker may still have it: it is named, so that it is dropped there.
    assert_eq!(lost(ErrorCode::InvalidFetchSessionEpoch), (42, 0));
    let mut session = established();
    session.request(wanted(&[(0, 1)]));
    session.handle_failure();
    let request = filled(session.request(wanted(&[(0, 1)])), 18);
    assert_eq!((request.session_id, request.session_epoch), (42, 0));
    assert_eq!(offsets(&request), [(0, 1)]);
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let mut session = FetchSession::default();
    session.request(wanted(&[(0, 0), (1, 0)]));
    assert_eq!(session.handle_response(&response(42, &[0]), 18), Outcome::Failed(ErrorCode::None));
    session.request(wanted(&[(0, 0)]));
    let mut throttled = response(42, &[]);
    throttled.responses.clear();
    throttled.throttle_time_ms = 5;
    assert_eq!(session.handle_response(&throttled, 18), Outcome::Failed(ErrorCode::None));
    let mut session = established();
    session.request(wanted(&[(0, 0)]));
    assert_eq!(session.handle_response(&response(42, &[3]), 18), Outcome::Failed(ErrorCode::None));
    let mut session = established();
    let mut other_id = response(42, &[0]);
    other_id.responses[0].topic_id = Uuid::from_parts(8, 8);
    assert_eq!(session.handle_response(&other_id, 18), Outcome::Failed(ErrorCode::None));
}

#[test]
fn a_topic_created_anew_replaces_the_old_one() {
    let mut session = established();
    let other = Uuid::from_parts(8, 8);
    let request = session.request(vec![(tp(0), fetch(other, 0)), (tp(1), fetch(ID, 0))]);
    let by_id = filled(request.clone(), 18);
    assert_eq!(forgotten(&by_id), [0]);
    assert_eq!(by_id.forgotten_topics_data[0].topic_id, ID);
    assert_eq!(offsets(&by_id), [(0, 0)]);
    assert!(forgotten(&filled(request, 12)).is_empty());
    assert_eq!(session.topic_name(18, &Str::default(), other).as_deref(), Some("t"));
}

#[test]
fn a_topic_without_id_is_asked_for_by_name() {
    let mut session = established();
    let request =
        session.request(vec![(tp(0), fetch(ID, 0)), (TopicPartition::new("u", 0), fetch(Uuid::ZERO, 0))]);
    assert!(!request.has_topic_ids);
    assert_eq!(session.topic_name(12, &"t".into(), Uuid::ZERO).as_deref(), Some("t"));
    let mut session = FetchSession::default();
    session.request(vec![(tp(0), fetch(Uuid::ZERO, 0))]);
    session.handle_response(&response(9, &[0]), 12);
    assert!(!session.request(Vec::new()).has_topic_ids, "what the broker knows by name is forgotten by name");
}

#[test]
fn closing_names_the_session_once() {
    let mut session = established();
    let request = filled(session.close().unwrap(), 18);
    assert_eq!((request.session_id, request.session_epoch), (42, -1));
    assert_eq!(session.close(), None);
}
