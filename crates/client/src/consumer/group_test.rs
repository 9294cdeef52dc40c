//! The consumer as a member of a group, against coordinators in memory.

use std::sync::Arc;

use ottla_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;
use ottla_protocol::messages::*;
use ottla_protocol::{ApiKey, ErrorCode, TopicPartition};
use parking_lot::Mutex;

use super::consumer_test::{Cluster, SECOND, read, tp};
use super::*;
use crate::Error;

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        self.0.lock().push(format!("{what} {}", names.join(",")));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Commits what was read before it is given up.
impl RebalanceListener for Diary {
    fn on_partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.note("assigned", partitions);
        Box::pin(std::future::ready(Ok(())))
    }

    fn on_partitions_revoked<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.note("revoked", partitions);
        Box::pin(async move { consumer.commit().await })
    }

    fn on_partitions_lost<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.note("lost", partitions);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A coordinator of the classic protocol with one member, which leads.
struct Classic {
    generation: Arc<Mutex<i32>>,
    heartbeat: Arc<Mutex<ErrorCode>>,
}

impl Classic {
    fn serve(cluster: &Cluster) -> Self {
        let coordinator = Self { generation: Arc::default(), heartbeat: Arc::default() };
        let generation = coordinator.generation.clone();
        cluster.mock.on::<JoinGroupRequest>(move |call, request| {
            if request.member_id.is_empty() {
                let error_code = ErrorCode::MemberIdRequired as i16;
                let member_id = "member".into();
                return call.reply(JoinGroupResponse { error_code, member_id, ..Default::default() });
            }
            *generation.lock() += 1;
            let protocol = request.protocols.first().unwrap();
            let member = JoinGroupResponseMember {
                member_id: request.member_id.clone(),
                metadata: protocol.metadata.clone(),
                ..Default::default()
            };
            call.reply(JoinGroupResponse {
                generation_id: *generation.lock(),
                protocol_type: Some("consumer".into()),
                protocol_name: Some(protocol.name.clone()),
                leader: request.member_id.clone(),
                member_id: request.member_id,
                members: vec![member],
                ..Default::default()
            })
        });
        cluster.mock.on::<SyncGroupRequest>(|call, request| {
            let assignment =
                request.assignments.into_iter().next().map(|found| found.assignment).unwrap_or_default();
            call.reply(SyncGroupResponse {
                protocol_type: Some("consumer".into()),
                protocol_name: request.protocol_name,
                assignment,
                ..Default::default()
            })
        });
        let heartbeat = coordinator.heartbeat.clone();
        cluster.mock.on::<HeartbeatRequest>(move |call, _| {
            let error_code = std::mem::take(&mut *heartbeat.lock()) as i16;
            call.reply(HeartbeatResponse { error_code, ..Default::default() })
        });
        cluster.mock.on::<LeaveGroupRequest>(|call, _| call.reply(LeaveGroupResponse::default()));
        coordinator
    }
}

fn in_group(config: &mut ConsumerConfig) {
    config.group_id = Some("g".into());
}

#[tokio::test(start_paused = true)]
async fn a_member_of_a_classic_group_reads_commits_and_leaves() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    cluster.append(0, 10);
    cluster.append(1, 5);
    let diary = Diary::default();
    let mut consumer = cluster.consumer(|config| {
        in_group(config);
        config.enable_auto_commit = true;
    });
    consumer.subscribe_with(["t"], diary.clone()).await.unwrap();
    assert_eq!(consumer.subscription().into_iter().collect::<Vec<_>>(), ["t"]);
    assert_eq!(read(&mut consumer, 15).await.len(), 15);
    assert_eq!(diary.take(), ["assigned t-0,t-1"]);
    assert_eq!(consumer.assignment(), [tp(0), tp(1)].into());
    let member = consumer.group_metadata().unwrap();
    assert_eq!((member.generation_id, &*member.member_id), (1, "member"));
    assert!(matches!(consumer.assign([tp(0)]), Err(Error::Illegal(_))));
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(cluster.logs.lock().committed, [(0, 10), (1, 5)].into());
    assert_eq!(cluster.logs.lock().commits.last().unwrap().generation_id_or_member_epoch, 1);
    assert_eq!(cluster.mock.count(ApiKey::LeaveGroup), 1);
    assert_eq!(diary.take(), ["revoked t-0,t-1"]);
}

/// How applications end: a flag, a wakeup, and then close.
#[tokio::test(start_paused = true)]
async fn a_wakeup_does_not_keep_a_consumer_from_leaving() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    let mut consumer = cluster.consumer(in_group);
    consumer.subscribe(["t"]).await.unwrap();
    cluster.append(0, 1);
    assert_eq!(read(&mut consumer, 1).await.len(), 1);
    consumer.wakeup_handle().wakeup();
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(cluster.mock.count(ApiKey::LeaveGroup), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_assigned_by_hand_after_a_group_is_committed_without_it() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    let mut consumer = cluster.consumer(in_group);
    consumer.subscribe(["t"]).await.unwrap();
    cluster.append(0, 1);
    assert_eq!(read(&mut consumer, 1).await.len(), 1);
    consumer.unsubscribe().await.unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer.commit_offsets([(tp(0), OffsetAndMetadata::new(1))].into()).await.unwrap();
    assert_eq!(cluster.logs.lock().commits.last().unwrap().generation_id_or_member_epoch, -1);
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_gives_the_listener_the_last_word() {
    let cluster = Cluster::start(1);
    let coordinator = Classic::serve(&cluster);
    cluster.append(0, 10);
    let diary = Diary::default();
    let mut consumer = cluster.consumer(|config| {
        in_group(config);
        config.partition_assignment_strategy = vec!["range".to_owned()];
    });
    consumer.subscribe_with(["t"], diary.clone()).await.unwrap();
    read(&mut consumer, 10).await;
    *coordinator.heartbeat.lock() = ErrorCode::RebalanceInProgress;
    while *coordinator.generation.lock() < 2 {
        consumer.poll(SECOND).await.unwrap();
    }
    cluster.append(0, 1);
    assert_eq!(read(&mut consumer, 1).await, [(0, 10)], "it goes on where it committed");
    assert_eq!(diary.take(), ["assigned t-0,t-1", "revoked t-0,t-1", "assigned t-0,t-1"]);
    assert_eq!(cluster.logs.lock().committed[&0], 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_keeps_its_membership_until_max_poll_interval() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    cluster.append(0, 1);
    let mut consumer = cluster.consumer(in_group);
    consumer.subscribe(["t"]).await.unwrap();
    read(&mut consumer, 1).await;
    tokio::time::sleep(200 * SECOND).await;
    assert!(cluster.mock.count(ApiKey::Heartbeat) > 50, "heartbeats leave without polls");
    assert_eq!(cluster.mock.count(ApiKey::LeaveGroup), 0);
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(cluster.mock.count(ApiKey::LeaveGroup), 1);
    assert!(matches!(consumer.commit().await, Err(Error::CommitFailed(_))));
    cluster.append(0, 1);
    read(&mut consumer, 1).await;
    consumer.commit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pattern_finds_topics() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    cluster.append(0, 1);
    let mut consumer = cluster.consumer(in_group);
    assert!(consumer.subscribe_pattern("(").is_err());
    consumer.subscribe_pattern("t|other-.*").unwrap();
    read(&mut consumer, 1).await;
    assert!(consumer.subscribe(["t"]).await.is_err());
    consumer.unsubscribe().await.unwrap();
    cluster.mock.wait_for(ApiKey::LeaveGroup, 1).await;
    assert!(consumer.assignment().is_empty());
    consumer.subscribe(["t"]).await.unwrap();
    cluster.append(1, 1);
    read(&mut consumer, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_of_a_consumer_group_takes_what_the_broker_gives() {
    let cluster = Cluster::start(1);
    cluster.append(0, 10);
    cluster.append(1, 10);
    let given: Arc<Mutex<Option<Vec<i32>>>> = Arc::new(Mutex::new(Some(vec![0, 1])));
    let epoch = Arc::new(Mutex::new(0));
    let heartbeats: Arc<Mutex<Vec<ConsumerGroupHeartbeatRequest>>> = Arc::default();
    let (gives, requests, id, epochs) = (given.clone(), heartbeats.clone(), cluster.id, epoch.clone());
    cluster.mock.on::<ConsumerGroupHeartbeatRequest>(move |call, request| {
        let given = if request.member_epoch < 0 { None } else { gives.lock().take() };
        if given.is_some() {
            *epochs.lock() += 1;
        }
        let member_epoch = if request.member_epoch < 0 { request.member_epoch } else { *epochs.lock() };
        let member_id = Some(request.member_id.clone());
        requests.lock().push(request);
        let assignment = given.map(|partitions| Assignment {
            topic_partitions: vec![TopicPartitions { topic_id: id, partitions }],
        });
        call.reply(ConsumerGroupHeartbeatResponse {
            member_id,
            member_epoch,
            heartbeat_interval_ms: 5000,
            assignment,
            ..Default::default()
        })
    });
    let diary = Diary::default();
    let mut consumer = cluster.consumer(|config| {
        in_group(config);
        config.group_protocol = GroupProtocol::Consumer;
        config.enable_auto_commit = true;
    });
    consumer.subscribe_with(["t"], diary.clone()).await.unwrap();
    read(&mut consumer, 20).await;
    assert_eq!(diary.take(), ["assigned t-0,t-1"]);
    *given.lock() = Some(vec![1]);
    while consumer.assignment().len() > 1 {
        consumer.poll(SECOND).await.unwrap();
    }
    assert_eq!(diary.take()[0], "revoked t-0");
    assert_eq!(cluster.logs.lock().committed[&0], 10);
    assert_eq!(consumer.group_metadata().unwrap().generation_id, 2);
    cluster.append(0, 1);
    cluster.append(1, 1);
    assert_eq!(read(&mut consumer, 1).await, [(1, 10)]);
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(heartbeats.lock().last().unwrap().member_epoch, -1);
    let member = &heartbeats.lock()[0].member_id;
    assert_eq!(&cluster.logs.lock().commits[0].member_id, member);
}

/// Fails once.
struct Fails(bool);

impl RebalanceListener for Fails {
    fn on_partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        _partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let fails = std::mem::take(&mut self.0);
        let result = if fails { Err(Error::Illegal("not today".to_owned())) } else { Ok(()) };
        Box::pin(std::future::ready(result))
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_listener_comes_out_of_poll_once() {
    let cluster = Cluster::start(1);
    Classic::serve(&cluster);
    cluster.append(0, 3);
    let mut consumer = cluster.consumer(in_group);
    consumer.subscribe_with(["t"], Fails(true)).await.unwrap();
    let error = loop {
        if let Err(error) = consumer.poll(SECOND).await {
            break error.to_string();
        }
    };
    assert!(error.ends_with("not today"), "{error}");
    assert_eq!(read(&mut consumer, 3).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn group_errors_end_a_poll() {
    let cluster = Cluster::start(1);
    cluster.mock.on::<JoinGroupRequest>(|call, _| {
        let error_code = ErrorCode::GroupAuthorizationFailed as i16;
        call.reply(JoinGroupResponse { error_code, ..Default::default() })
    });
    let mut consumer = cluster.consumer(in_group);
    consumer.subscribe(["t"]).await.unwrap();
    let error = loop {
        if let Err(error) = consumer.poll(SECOND).await {
            break error;
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::GroupAuthorizationFailed));
}
