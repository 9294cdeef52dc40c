//! The share consumer as a whole, against a broker in memory.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use ottla_protocol::messages::share_fetch_response::{
    AcquiredRecords, PartitionData, ShareFetchableTopicResponse,
};
use ottla_protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::messages::*;
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_protocol::{Records, Uuid};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::*;
use crate::testing::Mock;

const SECOND: Duration = Duration::from_secs(1);

/// First offset and types of acknowledgements.
type Batches = Vec<(i64, Vec<i8>)>;

/// What the broker gives and is told.
#[derive(Default)]
struct Broker {
    /// Batches with the offset of their only record, one for each answer.
    batches: VecDeque<(i64, Vec<u8>)>,
    acknowledged: Batches,
}

struct World {
    mock: Mock,
    broker: Arc<Mutex<Broker>>,
}

/// A batch of one record.
fn batch(base_offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..BatchOptions::default() });
    builder.append(1000, None, Some(b"value"), &[]).unwrap();
    builder.build().unwrap().to_vec()
}

/// A batch of one record that does not match its CRC.
fn broken_batch(base_offset: i64) -> Vec<u8> {
    let mut batch = batch(base_offset);
    *batch.last_mut().unwrap() ^= 1;
    batch
}

impl World {
    /// One broker with topic `t` of one partition.
    fn start() -> Self {
        let mock = Mock::start(1);
        mock.topic("t", 1);
        let id = mock.topic_id("t");
        let world = Self { mock, broker: Arc::default() };
        world.mock.on::<ShareGroupHeartbeatRequest>(move |call, request| {
            let topic_partitions = vec![TopicPartitions { topic_id: id, partitions: vec![0] }];
            call.reply(ShareGroupHeartbeatResponse {
                member_id: Some(request.member_id),
                member_epoch: if request.member_epoch < 0 { -1 } else { 1 },
                heartbeat_interval_ms: 1000,
                assignment: (request.member_epoch == 0).then_some(Assignment { topic_partitions }),
                ..Default::default()
            })
        });
        world.serve_records(id);
        world
    }

    fn serve_records(&self, topic_id: Uuid) {
        let broker = self.broker.clone();
        self.mock.on::<ShareFetchRequest>(move |call, request| {
            let mut broker = broker.lock();
            for partition in request.topics.into_iter().flat_map(|topic| topic.partitions) {
                let batches = partition.acknowledgement_batches.into_iter();
                broker.acknowledged.extend(batches.map(|acks| (acks.first_offset, acks.acknowledge_types)));
            }
            let Some((offset, batch)) = broker.batches.pop_front() else {
                let pause = Duration::from_millis(request.max_wait_ms as u64);
                return call.reply_after(pause, ShareFetchResponse::default());
            };
            let acquired = AcquiredRecords { first_offset: offset, last_offset: offset, delivery_count: 1 };
            let data = PartitionData {
                records: Records::Bytes(batch.into()),
                acquired_records: vec![acquired],
                ..Default::default()
            };
            let responses = vec![ShareFetchableTopicResponse { topic_id, partitions: vec![data] }];
            call.reply(ShareFetchResponse {
                acquisition_lock_timeout_ms: 30_000,
                responses,
                ..Default::default()
            })
        });
        let broker = self.broker.clone();
        self.mock.on::<ShareAcknowledgeRequest>(move |call, request| {
            let partitions = request.topics.into_iter().flat_map(|topic| topic.partitions);
            for acks in partitions.flat_map(|partition| partition.acknowledgement_batches) {
                broker.lock().acknowledged.push((acks.first_offset, acks.acknowledge_types));
            }
            call.reply(ShareAcknowledgeResponse::default())
        });
    }

    fn give(&self, offset: i64, batch: Vec<u8>) {
        self.broker.lock().batches.push_back((offset, batch));
    }

    fn acknowledged(&self) -> Batches {
        std::mem::take(&mut self.broker.lock().acknowledged)
    }

    fn consumer(&self, acknowledgement_mode: AcknowledgementMode) -> ShareConsumer {
        let config =
            ShareConsumerConfig { acknowledgement_mode, ..ShareConsumerConfig::new(self.mock.config(), "g") };
        let mut consumer = ShareConsumer::new(config).unwrap();
        consumer.subscribe(["t"]).unwrap();
        consumer
    }
}

/// What can't be read is rejected, but not before the application had its say.
#[tokio::test(start_paused = true)]
async fn the_application_may_say_what_becomes_of_records_that_cannot_be_read() {
    for (said, told) in [(Some(AcknowledgeType::Release), 2), (None, 3)] {
        let world = World::start();
        world.give(7, broken_batch(7));
        world.give(8, batch(8));
        let mut consumer = world.consumer(AcknowledgementMode::Explicit);
        let error = consumer.poll(10 * SECOND).await.unwrap_err().to_string();
        assert!(error.contains("t-0 is invalid"), "{error}");
        // Were anything on its way, it would arrive.
        tokio::time::sleep(SECOND).await;
        assert_eq!(world.acknowledged(), []);
        if let Some(kind) = said {
            consumer.acknowledge_offset("t", 0, 7, kind).unwrap();
        }
        let records = consumer.poll(10 * SECOND).await.unwrap();
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [8]);
        assert_eq!(world.acknowledged(), [(7, vec![told])]);
        assert!(consumer.acknowledge_offset("t", 0, 7, AcknowledgeType::Release).is_err(), "too late");
        consumer.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
        consumer.close(10 * SECOND).await.unwrap();
        assert_eq!(world.acknowledged(), [(8, vec![1])]);
    }
}

/// Without a say in it, and when no other poll follows.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_rejected_at_the_end() {
    for mode in [AcknowledgementMode::Implicit, AcknowledgementMode::Explicit] {
        let world = World::start();
        world.give(7, broken_batch(7));
        let mut consumer = world.consumer(mode);
        assert!(consumer.poll(10 * SECOND).await.is_err());
        consumer.close(10 * SECOND).await.unwrap();
        assert_eq!(world.acknowledged(), [(7, vec![3])]);
    }
}

/// Tasks of a runtime with several threads may use it.
#[tokio::test(start_paused = true)]
async fn its_futures_go_from_thread_to_thread() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let world = World::start();
    let mut consumer = world.consumer(AcknowledgementMode::Implicit);
    is_send(consumer.poll(Duration::ZERO)).await.unwrap();
    is_send(consumer.commit()).await.unwrap();
    is_send(consumer.unsubscribe()).await.unwrap();
    is_send(consumer.close(SECOND)).await.unwrap();
}

/// Leaves of the group that the broker has seen; it gives a member no partitions, and answers that it left after a while.
fn serve_an_idle_group(world: &World) -> Arc<Mutex<usize>> {
    let leaves: Arc<Mutex<usize>> = Arc::default();
    let seen = leaves.clone();
    world.mock.on::<ShareGroupHeartbeatRequest>(move |call, request| {
        let leaves = request.member_epoch < 0;
        *seen.lock() += usize::from(leaves);
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(request.member_id),
            member_epoch: if leaves { -1 } else { 1 },
            heartbeat_interval_ms: 1000,
            assignment: (request.member_epoch == 0).then_some(Assignment::default()),
            ..Default::default()
        };
        if leaves { call.reply_after(3 * SECOND, response) } else { call.reply(response) }
    });
    leaves
}

#[tokio::test(start_paused = true)]
async fn an_unsubscribe_that_is_dropped_midway_leaves_the_group_all_the_same() {
    let world = World::start();
    let leaves = serve_an_idle_group(&world);
    let mut consumer = world.consumer(AcknowledgementMode::Implicit);
    assert_eq!(consumer.poll(SECOND).await.unwrap(), []);
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(consumer.unsubscribe()).poll(&mut context).is_pending());
    tokio::time::sleep(SECOND).await;
    assert_eq!(*leaves.lock(), 1);
    let began = Instant::now();
    consumer.unsubscribe().await.unwrap();
    assert_eq!((*leaves.lock(), began.elapsed() > SECOND), (1, true), "the answer is waited for");
}

/// What a group gave is nothing to the next subscription, however the leaving went.
#[tokio::test(start_paused = true)]
async fn what_was_assigned_is_forgotten_with_the_subscription() {
    let world = World::start();
    world.give(7, batch(7));
    let mut consumer = world.consumer(AcknowledgementMode::Implicit);
    assert_eq!(consumer.poll(10 * SECOND).await.unwrap().len(), 1);
    assert_eq!(consumer.assignment().len(), 1);
    serve_an_idle_group(&world);
    assert!(timeout(SECOND, consumer.unsubscribe()).await.is_err(), "it takes longer");
    assert_eq!((consumer.assignment().len(), consumer.subscription().len()), (0, 0));
}

/// Results of a commit that nobody waits for any more are not kept.
#[tokio::test(start_paused = true)]
async fn commits_that_are_dropped_midway_leave_nothing_behind() {
    let world = World::start();
    let mut consumer = world.consumer(AcknowledgementMode::Implicit);
    let mut context = Context::from_waker(Waker::noop());
    for offset in 0..10 {
        world.give(offset, batch(offset));
        assert_eq!(consumer.poll(10 * SECOND).await.unwrap().len(), 1);
        assert!(pin!(consumer.commit()).poll(&mut context).is_pending());
    }
    assert!(consumer.results_kept() <= 1);
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(world.acknowledged().len(), 10);
}
