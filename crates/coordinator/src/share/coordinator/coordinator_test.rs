//! The share coordinator over a log in memory.

use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{PartitionRecord, RemoveTopicRecord, TopicRecord};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::*;
use crate::share::partition::StateBatch;
use crate::{CoordinatorRecord, CoordinatorResult, CoordinatorShard, ReplyId};

const TOPIC: Uuid = Uuid([7; 16]);

struct World {
    shard: ShareCoordinatorShard,
    config: Arc<ShareCoordinatorConfig>,
    image: Arc<MetadataImage>,
    log: Vec<CoordinatorRecord>,
    now_ms: i64,
}

fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    let topic = TopicRecord { name: Str::from_static("t"), topic_id: TOPIC };
    image.replay(&MetadataRecord::Topic(topic)).unwrap();
    for partition_id in 0..2 {
        let partition = PartitionRecord {
            topic_id: TOPIC,
            partition_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            ..Default::default()
        };
        image.replay(&MetadataRecord::Partition(partition)).unwrap();
    }
    image
}

fn key(partition: i32) -> SharePartitionKey {
    SharePartitionKey { group_id: Str::from_static("g"), topic_id: TOPIC, partition }
}

fn batch(first_offset: i64, last_offset: i64, delivery_state: i8, delivery_count: i16) -> StateBatch {
    StateBatch { first_offset, last_offset, delivery_state, delivery_count }
}

fn write(state_epoch: i32, leader_epoch: i32, start_offset: i64, batches: &[StateBatch]) -> StateWrite {
    StateWrite {
        state_epoch,
        leader_epoch,
        start_offset,
        delivery_complete_count: 0,
        state_batches: batches.to_vec(),
    }
}

impl World {
    fn new(snapshot_update_records_per_snapshot: i32) -> Self {
        let config = ShareCoordinatorConfig { snapshot_update_records_per_snapshot, ..Default::default() };
        let (config, image) = (Arc::new(config), Arc::new(image()));
        let shard = ShareCoordinatorShard::new(config.clone(), image.clone());
        Self { shard, config, image, log: Vec::new(), now_ms: 1_000 }
    }

    fn perform(&mut self, result: CoordinatorResult<ShareCoordinatorShard>) -> Vec<ShareCoordinatorEvent> {
        let base_offset = self.log.len() as i64;
        self.shard.on_records_appended(result.write, &result.records, base_offset).unwrap();
        self.log.extend(result.records);
        self.shard.on_high_watermark(self.log.len() as i64);
        let mut fresh = ShareCoordinatorShard::new(self.config.clone(), self.image.clone());
        for (offset, record) in (0..).zip(&self.log) {
            fresh.replay(offset, None, &record.key, record.value.as_ref()).unwrap();
        }
        for partition in 0..2 {
            let key = key(partition);
            assert_eq!(fresh.partition_state(&key), self.shard.partition_state(&key), "replay");
        }
        result.events
    }

    fn answer(
        &mut self,
        operation: impl FnOnce(&ShareCoordinatorShard, ReplyId, i64) -> CoordinatorResult<ShareCoordinatorShard>,
    ) -> Result<StateReply, StateError> {
        let mut result = operation(&self.shard, ReplyId(1), self.now_ms);
        let mut replies = std::mem::take(&mut result.replies);
        replies.append(&mut result.deferred.replies);
        self.perform(result);
        assert_eq!(replies.len(), 1);
        replies.remove(0).1
    }

    fn initialize(
        &mut self,
        partition: i32,
        epoch: i32,
        start_offset: i64,
    ) -> Result<StateReply, StateError> {
        let key = key(partition);
        self.answer(|shard, id, now_ms| shard.initialize_state(&key, epoch, start_offset, id, now_ms))
    }

    fn write(&mut self, partition: i32, write: &StateWrite) -> Result<StateReply, StateError> {
        let key = key(partition);
        self.answer(|shard, id, now_ms| shard.write_state(&key, write, id, now_ms))
    }

    fn read(&mut self, partition: i32, leader_epoch: i32) -> Result<ReadState, StateError> {
        let key = key(partition);
        let reply = self.answer(|shard, id, now_ms| shard.read_state(&key, leader_epoch, id, now_ms))?;
        let StateReply::State(state) = reply else { panic!("{reply:?}") };
        Ok(state)
    }

    fn summary(&mut self, partition: i32) -> Result<StateSummary, StateError> {
        let key = key(partition);
        let reply = self.answer(|shard, id, _| shard.read_state_summary(&key, id))?;
        let StateReply::Summary(summary) = reply else { panic!("{reply:?}") };
        Ok(summary)
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, StateError>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn what_is_written_is_read() {
    let mut world = World::new(500);
    assert_eq!(world.initialize(0, 1, -1), Ok(StateReply::Done));
    let read = world.read(0, 3).unwrap();
    assert_eq!((read.state_epoch, read.start_offset, read.state_batches), (1, -1, vec![]));
    world.write(0, &write(1, 3, 0, &[batch(0, 9, 0, 1)])).unwrap();
    world.write(0, &write(1, 3, 2, &[batch(2, 4, 2, 1)])).unwrap();
    world.write(0, &write(1, 3, -1, &[batch(10, 12, 2, 1)])).unwrap();
    let read = world.read(0, 3).unwrap();
    assert_eq!(read.start_offset, 2);
    assert_eq!(read.state_batches, [batch(2, 4, 2, 1), batch(5, 9, 0, 1), batch(10, 12, 2, 1)]);
    let summary = world.summary(0).unwrap();
    assert_eq!((summary.start_offset, summary.state_epoch, summary.leader_epoch), (2, 1, 3));
    assert_eq!(world.summary(1).unwrap().start_offset, -1);
}

#[test]
fn old_epochs_are_fenced() {
    let mut world = World::new(500);
    world.initialize(0, 5, 0).unwrap();
    world.read(0, 3).unwrap();
    assert_eq!(code(world.read(0, 2)), ErrorCode::FencedLeaderEpoch);
    assert_eq!(code(world.write(0, &write(5, 2, 0, &[]))), ErrorCode::FencedLeaderEpoch);
    assert_eq!(code(world.write(0, &write(4, 3, 0, &[]))), ErrorCode::FencedStateEpoch);
    assert_eq!(code(world.initialize(0, 4, 0)), ErrorCode::FencedStateEpoch);
    world.initialize(0, 6, 77).unwrap();
    assert_eq!(world.read(0, -1).unwrap().start_offset, 77);
    assert_eq!(code(world.write(0, &write(5, 3, 0, &[]))), ErrorCode::FencedStateEpoch);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut world = World::new(500);
    assert_eq!(
        world.write(0, &write(0, 0, 0, &[])).unwrap_err().message,
        "Write operation on uninitialized share partition not allowed."
    );
    assert_eq!(code(world.read(0, 0)), ErrorCode::InvalidRequest);
    assert_eq!(code(world.initialize(-1, 0, 0)), ErrorCode::InvalidRequest);
    assert_eq!(code(world.initialize(2, 0, 0)), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code(world.summary(2)), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn after_so_many_updates_there_is_a_snapshot() {
    let mut world = World::new(2);
    world.initialize(0, 1, 0).unwrap();
    for offset in 0..6 {
        world.write(0, &write(1, 0, offset, &[batch(offset, offset + 5, 0, 1)])).unwrap();
    }
    let kinds: Vec<u8> = world.log.iter().map(|record| record.key[1]).collect();
    assert_eq!(kinds, [0, 1, 1, 0, 1, 1, 0]);
    let state = world.shard.partition_state(&key(0)).unwrap();
    assert_eq!((state.snapshot_epoch, state.start_offset), (2, 5));
    assert_eq!(state.state_batches, [batch(5, 10, 0, 1)]);
}

#[test]
fn cold_partitions_get_snapshots_and_the_log_is_pruned() {
    let mut world = World::new(500);
    world.initialize(0, 1, 0).unwrap();
    world.initialize(1, 1, 0).unwrap();
    world.write(1, &write(1, 0, 4, &[])).unwrap();
    let prune = |world: &mut World| {
        let result = world.shard.on_timer(&ShareCoordinatorTimer::Prune, 0);
        world.perform(result)
    };
    assert_eq!(prune(&mut world), []);
    world.now_ms += 300_000;
    let cold = ShareCoordinatorTimer::SnapshotColdPartitions;
    let result = world.shard.on_timer(&cold, world.now_ms);
    assert_eq!((result.records.len(), result.timers.len()), (2, 1));
    world.perform(result);
    assert_eq!(prune(&mut world), [ShareCoordinatorEvent::Prune { before_offset: 3 }]);
    assert_eq!(prune(&mut world), []);
    // Once is enough.
    let result = world.shard.on_timer(&cold, world.now_ms + 300_000);
    assert!(result.records.is_empty());
}

#[test]
fn state_is_deleted_by_request_and_with_its_topic() {
    let mut world = World::new(500);
    world.initialize(0, 1, 0).unwrap();
    world.initialize(1, 1, 0).unwrap();
    assert_eq!(world.answer(|shard, id, _| shard.delete_state(&key(0), id)), Ok(StateReply::Done));
    assert_eq!(world.answer(|shard, id, _| shard.delete_state(&key(0), id)), Ok(StateReply::Done));
    assert_eq!((world.log.len(), world.shard.partitions_len()), (3, 1));
    let mut without = image();
    without.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: TOPIC })).unwrap();
    let result = world.shard.on_metadata(Arc::new(without), 0);
    world.perform(result);
    assert_eq!(world.shard.partitions_len(), 0);
}
