use ottla_protocol::ErrorCode::*;

use super::*;
use crate::GroupCoordinatorConfig;
use crate::reply::Reply;
use crate::testing::{CommitSpec, JoinSpec, World};

fn record(size: usize) -> CoordinatorRecord {
    CoordinatorRecord { key: vec![0; size].into(), value: Option::None }
}

#[test]
fn records_are_cut_into_batches_by_size() {
    let check = |sizes: &[usize], expect: &[usize]| {
        let records: Vec<_> = sizes.iter().map(|size| record(*size)).collect();
        let batches: Vec<_> = split(&records, 10).iter().map(|batch| batch.len()).collect();
        assert_eq!(batches, expect);
    };
    check(&[], &[0]);
    check(&[5], &[1]);
    check(&[5, 5], &[2]);
    check(&[5, 6], &[1, 1]);
    check(&[50, 1, 1, 50], &[1, 2, 1]);
}

#[test]
fn answers_leave_in_the_order_of_the_log() {
    let mut world = World::new();
    world.log.holds = true;
    let first = world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    let second = world.commit_offsets(&CommitSpec::new(&[("foo", 0, 2)]));
    let read = world.fetch(&[("foo", &[0])], true);
    let outcome = world.runtime.on_high_watermark(&mut world.log, 1, world.now_ms);
    assert_eq!(outcome.replies.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first]);
    let outcome = world.runtime.on_high_watermark(&mut world.log, 1, world.now_ms);
    assert!(outcome.replies.is_empty());
    let outcome = world.runtime.on_high_watermark(&mut world.log, 2, world.now_ms);
    assert_eq!(outcome.replies.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [second, read]);
}

#[test]
fn a_read_that_writes_nothing_waits_for_the_writes_before_it() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    world.log.holds = true;
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]).by(&ids[0], 1));
    let leave = world.leave(&[("nobody", Option::None)]);
    assert!(world.is_waiting(leave));
    world.commit();
    assert!(!world.is_waiting(leave));
}

#[test]
fn the_next_deadline_is_that_of_a_timer_or_of_a_commit() {
    let mut world = World::new();
    assert_eq!(world.runtime.next_deadline_ms(), Some(world.now_ms + 600_000));
    world.log.holds = true;
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    world.advance(1_000);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 2)]));
    assert_eq!(world.runtime.next_deadline_ms(), Some(world.now_ms + 4_000));
    world.advance(4_000);
    assert_eq!(world.runtime.next_deadline_ms(), Some(world.now_ms + 1_000));
    world.commit();
    assert_eq!(world.runtime.next_deadline_ms(), Some(world.now_ms + 595_000));
}

#[test]
fn what_waits_for_a_commit_is_failed_when_the_partition_goes() {
    let mut world = World::new();
    world.log.holds = true;
    let commit = world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    let join = world.join(&JoinSpec::new().version(3));
    let outcome = world.runtime.unload(world.now_ms);
    let mut replies = outcome.replies.into_iter();
    let (id, Reply::OffsetCommit(response)) = replies.next().unwrap() else { unreachable!() };
    assert_eq!((id, response.topics[0].partitions[0].error_code), (commit, NotCoordinator.code()));
    let (id, Reply::JoinGroup(response)) = replies.next().unwrap() else { unreachable!() };
    assert_eq!((id, response.error_code), (join, NotCoordinator.code()));
    assert!(replies.next().is_none());
}

#[test]
fn a_record_that_can_not_be_read_back_is_told() {
    struct Strange;
    impl RecordLog for Strange {
        fn append(&mut self, _: Append<'_>) -> Result<Appended, ErrorCode> {
            Ok(Appended { base_offset: 0, high_watermark: 1 })
        }
        fn batch_bytes_max(&self) -> usize {
            1
        }
    }
    let config = Arc::new(GroupCoordinatorConfig::default());
    let shard = GroupCoordinatorShard::new(config);
    let (mut runtime, _) = CoordinatorRuntime::new(shard, Option::None, 0, &mut Strange, 0);
    let outcome = runtime.run(&mut Strange, 0, |_| {
        let mut result = CoordinatorResult::default();
        result.records.push(record(1));
        result
    });
    assert!(outcome.broken.is_some());
}

#[test]
fn a_group_whose_first_record_is_not_committed_when_the_partition_goes_leaves_nobody_waiting() {
    let mut world = World::with(|config| config.group_initial_rebalance_delay_ms = 0);
    world.log.holds = true;
    let (member_id, join) = world.join_new(&JoinSpec::new());
    let (other, _) = world.join_new(&JoinSpec::new());
    world.advance(1);
    assert_eq!(world.join_error(join), None);
    let syncs = [world.sync(&other, 1, &[]), world.sync(&member_id, 1, &[])];
    let (_, replies) = world.unload();
    for id in syncs {
        let Some(Reply::SyncGroup(response)) = replies.get(&id) else { unreachable!() };
        assert_eq!(response.error_code, NotCoordinator.code());
    }
}
