use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::messages::TxnOffsetCommitRequest;
use ottla_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_protocol::{Str, Uuid};

use crate::records::GroupRecord;
use crate::testing::{CommitSpec, GROUP, JoinSpec, World};
use crate::{Reply, ReplyId};

const PRODUCER: i64 = 7;

fn request(offsets: &[(&'static str, i32, i64)]) -> TxnOffsetCommitRequest {
    let topics = offsets.iter().map(|(topic, partition, offset)| TxnOffsetCommitRequestTopic {
        name: Str::from_static(topic),
        partitions: vec![TxnOffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: 3,
            committed_metadata: Some("m".into()),
        }],
    });
    TxnOffsetCommitRequest {
        transactional_id: "tx".into(),
        group_id: GROUP.into(),
        producer_id: PRODUCER,
        producer_epoch: 1,
        generation_id: -1,
        topics: topics.collect(),
        ..Default::default()
    }
}

fn send(world: &mut World, request: &TxnOffsetCommitRequest) -> ReplyId {
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.commit_transactional_offset(request, id, now_ms))
}

fn errors(world: &mut World, id: ReplyId) -> Vec<ErrorCode> {
    match world.replies.remove(&id) {
        Some(Reply::TxnOffsetCommit(response)) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| ErrorCode::from_code(partition.error_code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn commit(world: &mut World, producer_id: i64, offsets: &[(&'static str, i32, i64)]) {
    let id = send(world, &TxnOffsetCommitRequest { producer_id, ..request(offsets) });
    assert!(errors(world, id).iter().all(|error| *error == None));
}

fn fetch(world: &mut World, topic: &str, partition: i32, require_stable: bool) -> (i64, ErrorCode) {
    let id = world.fetch(&[(topic, &[partition])], require_stable);
    let (_, _, offset, error) = world.fetched(id).remove(0);
    (offset, error)
}

#[test]
fn offsets_of_a_transaction_count_when_it_is_committed() {
    let mut world = World::new();
    commit(&mut world, PRODUCER, &[("foo", 0, 5)]);
    assert_eq!(world.log.records[0].1, Some(PRODUCER));
    let GroupRecord::Offset(_, Some(value)) = &world.log()[0] else { unreachable!() };
    assert_eq!((value.offset, value.leader_epoch, value.topic_id), (5, 3, Uuid::ZERO));
    assert_eq!(fetch(&mut world, "foo", 0, false), (-1, None));
    assert_eq!(fetch(&mut world, "foo", 0, true), (-1, UnstableOffsetCommit));
    assert_eq!(fetch(&mut world, "foo", 1, true), (-1, None));
    world.end_transaction(PRODUCER, true);
    assert_eq!(fetch(&mut world, "foo", 0, false), (5, None));
    assert_eq!(fetch(&mut world, "foo", 0, true), (5, None));
}

#[test]
fn offsets_of_an_aborted_transaction_never_count() {
    let mut world = World::new();
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    commit(&mut world, PRODUCER, &[("foo", 0, 5)]);
    assert_eq!(fetch(&mut world, "foo", 0, false), (1, None));
    assert_eq!(fetch(&mut world, "foo", 0, true), (-1, UnstableOffsetCommit));
    let all = crate::testing::replayed(&world.config, &world.log);
    assert_eq!(all.offsets().count(), 1);
    world.end_transaction(PRODUCER, false);
    assert_eq!(fetch(&mut world, "foo", 0, true), (1, None));
    world.end_transaction(PRODUCER, true);
    assert_eq!(fetch(&mut world, "foo", 0, true), (1, None), "nothing was left");
}

#[test]
fn a_partition_is_unstable_as_long_as_any_transaction_is_open() {
    let mut world = World::new();
    commit(&mut world, 1, &[("foo", 0, 10)]);
    commit(&mut world, 2, &[("foo", 0, 20)]);
    world.end_transaction(2, true);
    assert_eq!(fetch(&mut world, "foo", 0, false), (20, None));
    assert_eq!(fetch(&mut world, "foo", 0, true), (-1, UnstableOffsetCommit));
    // The transaction that ends last wrote first: what was written last stays.
    world.end_transaction(1, true);
    assert_eq!(fetch(&mut world, "foo", 0, true), (20, None));
}

#[test]
fn of_plain_and_transactional_offsets_the_later_record_wins() {
    let mut world = World::new();
    commit(&mut world, PRODUCER, &[("foo", 0, 10), ("bar", 0, 10)]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 11)]));
    world.end_transaction(PRODUCER, true);
    assert_eq!(fetch(&mut world, "foo", 0, false), (11, None));
    assert_eq!(fetch(&mut world, "bar", 0, false), (10, None));
}

#[test]
fn tombstones_remove_pending_offsets_too() {
    let mut world = World::new();
    commit(&mut world, 1, &[("foo", 0, 10), ("foo", 1, 10)]);
    commit(&mut world, 2, &[("foo", 0, 20)]);
    let written = world.log.records.len();
    world.run(|shard, id| shard.delete_groups(&[GROUP.into()], id));
    assert_eq!(world.log.records.len(), written + 3, "two partitions, each once, and the group");
    world.end_transaction(1, true);
    world.end_transaction(2, true);
    assert_eq!(world.runtime.shard().offsets().count(), 0);
    assert_eq!(fetch(&mut world, "foo", 0, true), (-1, None));
}

#[test]
fn a_deleted_topic_takes_its_pending_offsets_along() {
    let mut world = World::new();
    commit(&mut world, PRODUCER, &[("foo", 0, 10), ("bar", 0, 10)]);
    world.run(|shard, _| shard.on_topics_deleted(&[(Uuid::from_parts(0, 1), Str::from("foo"))]));
    world.end_transaction(PRODUCER, true);
    let left: Vec<_> = world.runtime.shard().offsets().map(|(key, _)| key.topic.clone()).collect();
    assert_eq!(left, ["bar"]);
}

#[test]
fn who_commits_is_validated_but_not_the_state_of_the_group() {
    let mut world = World::new();
    let by = |member_id: &str, generation_id, instance_id: Option<&str>| TxnOffsetCommitRequest {
        member_id: member_id.into(),
        generation_id,
        group_instance_id: instance_id.map(Str::from),
        ..request(&[("foo", 0, 1)])
    };
    let check = |world: &mut World, request: TxnOffsetCommitRequest, expect| {
        let id = send(world, &request);
        assert_eq!(errors(world, id), [expect]);
    };
    check(&mut world, by("m", 5, Option::None), IllegalGeneration);
    check(
        &mut world,
        TxnOffsetCommitRequest { group_id: Str::new(), ..by("", -1, Option::None) },
        InvalidGroupId,
    );
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::new()]);
    check(&mut world, by(&ids[1], 1, Option::None), None);
    check(&mut world, by(&ids[1], 2, Option::None), IllegalGeneration);
    check(&mut world, by("nobody", 1, Option::None), UnknownMemberId);
    check(&mut world, by(&ids[1], 1, Some("a")), FencedInstanceId);
    // Producers before KIP-447 do not say who reads.
    check(&mut world, by("", -1, Option::None), None);
    world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[1]));
    world.join(&JoinSpec::instance("a").member(&ids[0]));
    assert_eq!(world.state(), "CompletingRebalance");
    check(&mut world, by(&ids[1], 2, Option::None), None);
}

#[test]
fn metadata_that_are_too_long_fail_their_partition_only() {
    let mut world = World::new();
    let mut request = request(&[("foo", 0, 1), ("foo", 1, 1)]);
    request.topics[0].partitions[0].committed_metadata = Some("m".repeat(4_097).into());
    let id = send(&mut world, &request);
    assert_eq!(errors(&mut world, id), [OffsetMetadataTooLarge, None]);
}

#[test]
fn pending_offsets_survive_a_restart() {
    let mut world = World::new();
    commit(&mut world, PRODUCER, &[("foo", 0, 5)]);
    let mut world = world.restart();
    assert_eq!(fetch(&mut world, "foo", 0, true), (-1, UnstableOffsetCommit));
    world.end_transaction(PRODUCER, true);
    assert_eq!(fetch(&mut world, "foo", 0, true), (5, None));
}
