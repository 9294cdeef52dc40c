//! Requests and what answers do to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ottla_protocol::messages::share_acknowledge_response::{
    PartitionData as Acknowledged, ShareAcknowledgeTopicResponse,
};
use ottla_protocol::messages::share_fetch_response::{
    AcquiredRecords, PartitionData, ShareFetchableTopicResponse,
};
use ottla_protocol::messages::{
    ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
};
use ottla_protocol::{ErrorCode, TopicPartition, Uuid};

use super::TopicIdPartition;
use super::acknowledge::{AcknowledgeType, Acknowledgements};
use super::requests::{Outcome, RequestConfig, Requests, ShareRequest};
use super::session::FetchLimits;
use crate::Error;
use crate::cluster::{Metadata, Node, PartitionMetadata, TopicMetadata};

/// Partition 0 is led by node 1, partition 1 by node 2.
fn metadata(leaders: [i32; 2]) -> Metadata {
    let partition = |index: i32, leader: i32| PartitionMetadata {
        index,
        error: ErrorCode::None,
        leader: Some(leader),
        leader_epoch: Some(0),
        replicas: Vec::new(),
        isr: Vec::new(),
        offline: Vec::new(),
    };
    let topic = TopicMetadata {
        name: "t".into(),
        id: Uuid::from_parts(1, 2),
        error: ErrorCode::None,
        is_internal: false,
        partitions: vec![partition(0, leaders[0]), partition(1, leaders[1])],
    };
    let node = |id| Node { id, host: "h".into(), port: 1, rack: None };
    Metadata {
        nodes: BTreeMap::from([(1, node(1)), (2, node(2))]),
        topics: HashMap::from([("t".into(), topic)]),
        ..Metadata::default()
    }
}

fn tip(partition: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: Uuid::from_parts(1, 2), partition, topic: "t".into() }
}

fn acks(offset: i64, kind: AcknowledgeType) -> Acknowledgements {
    let mut acks = Acknowledgements::default();
    acks.insert(offset, kind);
    acks
}

struct World {
    requests: Requests,
    metadata: Metadata,
    assigned: BTreeSet<TopicPartition>,
    now_ms: i64,
}

impl World {
    fn new(record_limit: bool) -> Self {
        let limits =
            FetchLimits { max_wait_ms: 500, min_bytes: 1, max_bytes: 100, max_records: 10, acquire_mode: 0 };
        let requests = Requests::new(RequestConfig {
            group_id: "g".into(),
            member_id: "m".into(),
            limits,
            record_limit,
            retry_backoff_ms: 100,
        });
        let assigned = (0..2).map(|index| TopicPartition::new("t", index)).collect();
        Self { requests, metadata: metadata([1, 2]), assigned, now_ms: 0 }
    }

    fn next(&mut self) -> Option<(i32, ShareRequest)> {
        self.requests.next(self.now_ms, &self.metadata, &self.assigned)
    }

    fn fetch(&mut self) -> (i32, ShareFetchRequest) {
        match self.next() {
            Some((node, ShareRequest::Fetch(request))) => (node, request),
            other => panic!("{other:?}"),
        }
    }

    fn acknowledge(&mut self) -> (i32, ShareAcknowledgeRequest) {
        match self.next() {
            Some((node, ShareRequest::Acknowledge(request))) => (node, request),
            other => panic!("{other:?}"),
        }
    }

    /// Sessions with both nodes, no records yet.
    fn with_sessions() -> Self {
        let mut world = Self::new(false);
        world.requests.fetch(Vec::new());
        assert_eq!([world.fetch().0, world.fetch().0], [1, 2]);
        for node in [1, 2] {
            world.requests.fetched(0, node, Ok(ShareFetchResponse::default()));
        }
        world.requests.wants_records = false;
        world
    }

    fn outcome(&mut self) -> Outcome {
        self.requests.next_outcome().expect("an outcome")
    }
}

fn fetched(partition: i32, acknowledge_error: ErrorCode, acquired: bool) -> ShareFetchResponse {
    let records = AcquiredRecords { first_offset: 0, last_offset: 1, delivery_count: 1 };
    let data = PartitionData {
        partition_index: partition,
        acknowledge_error_code: acknowledge_error as i16,
        acquired_records: if acquired { vec![records] } else { Vec::new() },
        ..Default::default()
    };
    ShareFetchResponse {
        acquisition_lock_timeout_ms: 30_000,
        responses: vec![ShareFetchableTopicResponse {
            topic_id: Uuid::from_parts(1, 2),
            partitions: vec![data],
        }],
        ..Default::default()
    }
}

fn acknowledged(partition: i32, code: ErrorCode) -> ShareAcknowledgeResponse {
    let data = Acknowledged { partition_index: partition, error_code: code as i16, ..Default::default() };
    let topic = ShareAcknowledgeTopicResponse { topic_id: Uuid::from_parts(1, 2), partitions: vec![data] };
    ShareAcknowledgeResponse { responses: vec![topic], ..Default::default() }
}

#[test]
fn a_session_names_its_partitions_once() {
    let mut world = World::new(false);
    assert!(world.next().is_none(), "nobody asked for records");
    world.requests.fetch(Vec::new());
    let (node, first) = world.fetch();
    assert_eq!((node, first.share_session_epoch, first.topics.len(), first.max_wait_ms), (1, 0, 1, 500));
    assert_eq!(world.fetch().0, 2);
    assert!(world.next().is_none(), "both nodes are busy");
    world.requests.fetched(0, 1, Ok(ShareFetchResponse::default()));
    let (_, second) = world.fetch();
    assert_eq!((second.share_session_epoch, second.topics.len()), (1, 0));
    world.assigned.remove(&TopicPartition::new("t", 1));
    world.requests.fetched(0, 2, Ok(ShareFetchResponse::default()));
    assert!(world.next().is_none());
}

#[test]
fn acknowledgements_go_along_with_a_fetch() {
    let mut world = World::with_sessions();
    world.requests.fetch(vec![(1, tip(0), acks(5, AcknowledgeType::Accept))]);
    let (node, request) = world.fetch();
    assert_eq!(node, 1);
    let batch = &request.topics[0].partitions[0].acknowledgement_batches[0];
    assert_eq!((batch.first_offset, batch.last_offset, &batch.acknowledge_types[..]), (5, 5, &[1][..]));
    let brought = world.requests.fetched(0, 1, Ok(fetched(0, ErrorCode::None, true)));
    assert_eq!((brought.records.len(), brought.lock_timeout_ms), (1, Some(30_000)));
    assert!(world.outcome().error.is_none());
    assert!(!world.requests.wants_records);
}

#[test]
fn renewing_fetches_bring_no_records() {
    let mut world = World::with_sessions();
    world.requests.fetch(vec![(1, tip(0), acks(5, AcknowledgeType::Renew))]);
    let (_, request) = world.fetch();
    assert_eq!((request.is_renew_ack, request.max_wait_ms, request.max_records), (true, 0, 0));
}

#[test]
fn refused_and_lost_fetches_begin_a_session_anew_where_needed() {
    for (code, epoch) in [
        (ErrorCode::ShareSessionNotFound, 0),
        (ErrorCode::InvalidShareSessionEpoch, 0),
        (ErrorCode::ShareSessionLimitReached, 0),
        (ErrorCode::UnknownServerError, 2),
        (ErrorCode::GroupAuthorizationFailed, 2),
    ] {
        let mut world = World::with_sessions();
        world.requests.fetch(vec![(1, tip(0), acks(5, AcknowledgeType::Accept))]);
        world.fetch();
        let response = ShareFetchResponse { error_code: code as i16, ..Default::default() };
        let brought = world.requests.fetched(0, 1, Ok(response));
        assert_eq!(!brought.errors.is_empty(), code == ErrorCode::GroupAuthorizationFailed, "{code:?}");
        assert_eq!(world.outcome().error.unwrap().code(), Some(code));
        assert_eq!(world.fetch().0, 2);
        assert!(world.next().is_none(), "that node has to wait");
        world.now_ms = world.requests.wake_at_ms().unwrap();
        assert_eq!(world.fetch().1.share_session_epoch, epoch, "{code:?}");
    }
    let mut world = World::with_sessions();
    world.requests.fetch(Vec::new());
    world.fetch();
    assert!(world.requests.fetched(0, 1, Err(Error::Disconnected("cut".into()))).refresh);
    world.now_ms = 100;
    let epochs: Vec<i32> =
        [world.fetch(), world.fetch()].iter().map(|(_, r)| r.share_session_epoch).collect();
    assert_eq!(epochs, [0, 1]);
}

#[test]
fn commits_are_tried_again_until_their_time_is_up() {
    let mut world = World::with_sessions();
    let metadata = world.metadata.clone();
    world.requests.commit(&metadata, vec![(2, tip(1), acks(1, AcknowledgeType::Reject))], Some(7), 1000);
    let (node, request) = world.acknowledge();
    assert_eq!((node, request.share_session_epoch), (2, 1));
    world.requests.acknowledged(0, 2, Ok(acknowledged(1, ErrorCode::CoordinatorNotAvailable)));
    assert!(world.next().is_none() && world.requests.is_pending(7));
    world.now_ms = world.requests.wake_at_ms().unwrap();
    assert_eq!((world.now_ms, world.acknowledge().1.share_session_epoch), (100, 2));
    world.requests.acknowledged(100, 2, Ok(acknowledged(1, ErrorCode::CoordinatorNotAvailable)));
    world.now_ms = 1000;
    assert!(world.next().is_none() && !world.requests.is_pending(7));
    let outcome = world.outcome();
    assert_eq!((outcome.ticket, outcome.error.unwrap().code()), (Some(7), Some(ErrorCode::RequestTimedOut)));
}

/// What waits behind a commit that is tried again is not due before that is.
#[test]
fn a_commit_that_waits_holds_up_those_behind_it_and_the_clock() {
    let mut world = World::with_sessions();
    let metadata = world.metadata.clone();
    world.requests.commit(&metadata, vec![(1, tip(0), acks(1, AcknowledgeType::Accept))], None, 1000);
    world.acknowledge();
    world.requests.acknowledged(0, 1, Ok(acknowledged(0, ErrorCode::CoordinatorNotAvailable)));
    world.requests.commit(&metadata, vec![(1, tip(0), acks(2, AcknowledgeType::Accept))], None, 1000);
    assert!(world.next().is_none());
    assert_eq!(world.requests.wake_at_ms(), Some(100));
    world.requests.commit(&metadata, vec![(2, tip(1), acks(1, AcknowledgeType::Accept))], None, 1000);
    assert_eq!(world.requests.wake_at_ms(), Some(i64::MIN), "the other node need not wait");
    assert_eq!(world.acknowledge().0, 2);
    assert_eq!(world.requests.wake_at_ms(), Some(100));
    world.now_ms = 100;
    assert_eq!(world.acknowledge().0, 1);
    assert_eq!(world.requests.wake_at_ms(), None, "both nodes are busy");
}

#[test]
fn every_error_of_an_acknowledgement_has_an_outcome() {
    for code in [
        ErrorCode::None,
        ErrorCode::InvalidRecordState,
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicId,
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::InvalidRequest,
        ErrorCode::UnknownServerError,
    ] {
        let mut world = World::with_sessions();
        let metadata = world.metadata.clone();
        world.requests.commit(&metadata, vec![(1, tip(0), acks(1, AcknowledgeType::Accept))], Some(1), 1000);
        world.acknowledge();
        world.requests.acknowledged(0, 1, Ok(acknowledged(0, code)));
        let found = world.outcome().error.and_then(|error| error.code()).unwrap_or(ErrorCode::None);
        assert_eq!((found, world.requests.is_pending(1)), (code, false));
    }
    // An answer that does not mention the partition, and one to another.
    let mut world = World::with_sessions();
    let metadata = world.metadata.clone();
    world.requests.commit(&metadata, vec![(1, tip(0), acks(1, AcknowledgeType::Accept))], None, 1000);
    world.acknowledge();
    world.requests.acknowledged(0, 1, Ok(acknowledged(1, ErrorCode::None)));
    assert_eq!(world.outcome().error.unwrap().code(), Some(ErrorCode::InvalidRecordState));
}

#[test]
fn acknowledgements_do_not_follow_a_leader() {
    let mut world = World::with_sessions();
    let moved = metadata([2, 2]);
    world.requests.commit(&moved, vec![(1, tip(0), acks(1, AcknowledgeType::Accept))], Some(1), 1000);
    assert_eq!(world.outcome().error.unwrap().code(), Some(ErrorCode::NotLeaderOrFollower));
    world.metadata = moved;
    world.requests.fetch(vec![(1, tip(0), acks(2, AcknowledgeType::Accept))]);
    let (node, request) = world.fetch();
    assert_eq!((node, request.forgotten_topics_data.len()), (1, 1), "the old leader forgets the partition");
    assert_eq!(world.outcome().error.unwrap().code(), Some(ErrorCode::NotLeaderOrFollower));
    let (node, request) = world.fetch();
    assert_eq!((node, request.topics[0].partitions[0].partition_index), (2, 0));
}

#[test]
fn closing_ends_every_session_with_what_is_left() {
    let mut world = World::with_sessions();
    world.requests.fetch(vec![(1, tip(0), acks(3, AcknowledgeType::Release))]);
    let metadata = world.metadata.clone();
    world.requests.close(&metadata, Vec::new(), 9, 1000);
    for (node, topics) in [(1, 1), (2, 0)] {
        let (to, request) = world.acknowledge();
        assert_eq!((to, request.share_session_epoch, request.topics.len()), (node, -1, topics));
        world.requests.acknowledged(0, node, Ok(acknowledged(0, ErrorCode::None)));
    }
    assert!(!world.requests.is_pending(9) && world.next().is_none());
    assert!(world.outcome().error.is_none());
}

#[test]
fn with_a_record_limit_one_node_at_a_time_gives_records() {
    let mut world = World::new(true);
    world.requests.fetch(Vec::new());
    let asked: Vec<(i32, i32)> =
        [world.fetch(), world.fetch()].iter().map(|(n, r)| (*n, r.max_records)).collect();
    assert_eq!(asked, [(1, 10), (2, 0)], "the other only begins its session");
    world.requests.fetched(0, 2, Ok(ShareFetchResponse::default()));
    assert!(world.next().is_none());
    world.requests.fetched(0, 1, Ok(ShareFetchResponse::default()));
    let (node, request) = world.fetch();
    assert_eq!((node, request.max_records), (2, 10), "the next turn is the other's");
}
