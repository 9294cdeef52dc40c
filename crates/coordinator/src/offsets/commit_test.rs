use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::{Str, Uuid};

use crate::records::GroupRecord;
use crate::testing::{CommitSpec, JoinSpec, World, heartbeat_key};

fn check(world: &mut World, commit: &CommitSpec, expect: ErrorCode) {
    let written = world.log.records.len();
    let id = world.commit_offsets(commit);
    let errors = world.commit_errors(id);
    assert!(errors.iter().all(|error| *error == expect), "{errors:?} instead of {expect:?}");
    let records = if expect == None { commit.offsets.len() } else { 0 };
    assert_eq!(world.log.records.len() - written, records);
}

fn one() -> CommitSpec {
    CommitSpec::new(&[("bar", 0, 100)])
}

#[test]
fn a_consumer_without_a_group_makes_a_simple_one() {
    let mut world = World::new();
    let topic_id = Uuid::from_parts(3, 4);
    check(&mut world, &CommitSpec { topic_id, ..CommitSpec::new(&[("bar", 0, 100), ("foo", 2, 5)]) }, None);
    assert_eq!(world.state(), "Empty");
    let GroupRecord::Offset(key, Some(value)) = &world.log()[0] else { unreachable!() };
    assert_eq!((&*key.group_id, &*key.topic, key.partition), ("group", "bar", 0));
    assert_eq!((value.offset, value.leader_epoch, &*value.metadata), (100, 7, "metadata"));
    assert_eq!((value.commit_timestamp, value.expire_timestamp), (world.now_ms, -1));
    assert_eq!(value.topic_id, topic_id);
    let offsets: Vec<_> = world
        .runtime
        .shard()
        .offsets()
        .map(|(k, o)| (k.topic.clone(), k.partition, o.committed_offset, o.record_offset))
        .collect();
    assert_eq!(offsets, [(Str::from("bar"), 0, 100, 0), (Str::from("foo"), 2, 5, 1)]);
    // And again.
    check(&mut world, &one(), None);
}

#[test]
fn a_generation_of_no_group_is_refused_as_the_version_knows() {
    let mut world = World::new();
    for version in 2..=8 {
        check(&mut world, &CommitSpec { version, ..one().by("m", 10) }, IllegalGeneration);
    }
    for version in 9..=10 {
        check(&mut world, &CommitSpec { version, ..one().by("m", 10) }, GroupIdNotFound);
    }
    assert_eq!(world.state(), "-");
}

#[test]
fn members_commit_in_their_generation() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::new()]);
    check(&mut world, &one().by(&ids[1], 1), None);
    check(&mut world, &one().by(&ids[1], 2), IllegalGeneration);
    check(&mut world, &one().by(&ids[1], 0), IllegalGeneration);
    check(&mut world, &one().by("nobody", 1), UnknownMemberId);
    check(&mut world, &one(), UnknownMemberId);
    check(&mut world, &one().by(&ids[1], -1), IllegalGeneration);
    let instance = |id: &str| Some(Str::from(id));
    check(&mut world, &CommitSpec { instance_id: instance("a"), ..one().by(&ids[0], 1) }, None);
    check(&mut world, &CommitSpec { instance_id: instance("a"), ..one().by(&ids[1], 1) }, FencedInstanceId);
    check(&mut world, &CommitSpec { instance_id: instance("x"), ..one().by(&ids[0], 1) }, UnknownMemberId);
    check(&mut world, &CommitSpec { instance_id: instance("x"), ..one() }, UnknownMemberId);
}

#[test]
fn members_may_commit_while_others_join_but_not_while_the_assignment_is_awaited() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let first = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    assert!(world.is_waiting(first));
    check(&mut world, &one().by(&ids[1], 1), None);
    world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!(world.state(), "CompletingRebalance");
    check(&mut world, &one().by(&ids[1], 2), RebalanceInProgress);
    check(&mut world, &one().by(&ids[1], 1), IllegalGeneration);
    world.sync_all(&ids, 2);
    check(&mut world, &one().by(&ids[1], 2), None);
}

#[test]
fn an_administrator_may_commit_to_a_group_that_is_empty() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    check(&mut world, &one(), UnknownMemberId);
    world.leave(&[(&ids[0], Option::None)]);
    assert_eq!(world.state(), "Empty");
    check(&mut world, &one(), None);
    check(&mut world, &one().by("whoever", -1), None);
    check(&mut world, &one().by(&ids[0], 2), UnknownMemberId);
}

#[test]
fn committing_begins_the_session_anew() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    for _ in 0..5 {
        world.advance(9_000);
        world.heartbeat(&ids[1], 1);
        check(&mut world, &one().by(&ids[0], 1), None);
        assert_eq!(world.deadline_in(&heartbeat_key(&ids[0])), Some(10_000));
    }
    world.advance(5_000);
    check(&mut world, &one().by(&ids[0], 2), IllegalGeneration);
    assert_eq!(world.deadline_in(&heartbeat_key(&ids[0])), Some(5_000));
}

#[test]
fn metadata_that_are_too_long_fail_their_partition_only() {
    let mut world = World::with(|config| config.offset_metadata_max_bytes = 5);
    let long = CommitSpec { metadata: Some("123456".into()), ..one() };
    check(&mut world, &long, OffsetMetadataTooLarge);
    assert_eq!(world.state(), "Empty", "the group exists nevertheless, as in Kafka");
    check(&mut world, &CommitSpec { metadata: Some("12345".into()), ..one() }, None);
    check(&mut world, &CommitSpec { metadata: Option::None, ..one() }, None);
    // Kafka counts UTF-16 units: five of one, two of the other.
    check(&mut world, &CommitSpec { metadata: Some("üüüüü".into()), ..one() }, None);
    check(&mut world, &CommitSpec { metadata: Some("😀😀😀".into()), ..one() }, OffsetMetadataTooLarge);

    let mut request = CommitSpec::new(&[("bar", 0, 1), ("bar", 1, 2)]).request();
    request.topics[0].partitions[0].committed_metadata = Some("123456".into());
    request.topics[1].partitions[0].committed_metadata = Option::None;
    let now_ms = world.now_ms;
    let id = world.run(|shard, id| shard.commit_offset(&crate::testing::context(8), &request, id, now_ms));
    assert_eq!(world.commit_errors(id), [OffsetMetadataTooLarge, None]);
}

#[test]
fn a_retention_time_of_the_request_is_written() {
    let mut world = World::new();
    check(&mut world, &CommitSpec { version: 3, retention_time_ms: 1_234, ..one() }, None);
    let GroupRecord::Offset(_, Some(value)) = &world.log()[0] else { unreachable!() };
    assert_eq!(value.expire_timestamp, world.now_ms + 1_234);
    assert_eq!(value.leader_epoch, -1, "version 1 of the record has none");
    check(&mut world, &CommitSpec { retention_time_ms: i64::MAX, ..one() }, None);
    // Metadata that this version of the record can't hold.
    world = World::with(|config| config.offset_metadata_max_bytes = 1 << 20);
    let long = CommitSpec { metadata: Some("m".repeat(40_000).into()), ..one() };
    check(&mut world, &CommitSpec { retention_time_ms: 5, ..long.clone() }, OffsetMetadataTooLarge);
    check(&mut world, &long, None);
}

#[test]
fn the_answer_waits_for_the_commit_and_tells_if_it_fails() {
    let mut world = World::new();
    world.log.holds = true;
    let id = world.commit_offsets(&one());
    assert!(world.is_waiting(id));
    world.commit();
    assert_eq!(world.commit_errors(id), [None]);

    let id = world.commit_offsets(&one());
    world.advance(5_000);
    assert_eq!(world.commit_errors(id), [CoordinatorNotAvailable]);

    for (error, told) in [
        (NotEnoughReplicas, CoordinatorNotAvailable),
        (NotLeaderOrFollower, NotCoordinator),
        (MessageTooLarge, UnknownServerError),
        (RebalanceInProgress, RebalanceInProgress),
    ] {
        world.log.fails = Some(error);
        let id = world.commit_offsets(&CommitSpec::new(&[("bar", 0, 999), ("foo", 0, 999)]));
        assert_eq!(world.commit_errors(id), [told, told]);
    }
    assert!(world.runtime.shard().offsets().all(|(_, offset)| offset.committed_offset == 100));
}

#[test]
fn the_empty_group_id_is_allowed_and_a_very_long_one_is_not() {
    let mut world = World::new();
    let mut commit = |group: &str| {
        let mut request = one().request();
        request.group_id = group.into();
        let now_ms = world.now_ms;
        let id =
            world.run(|shard, id| shard.commit_offset(&crate::testing::context(8), &request, id, now_ms));
        world.commit_errors(id)
    };
    assert_eq!(commit(""), [None]);
    assert_eq!(commit(&"g".repeat(32_767)), [None]);
    assert_eq!(commit(&"g".repeat(32_768)), [InvalidGroupId]);
}
