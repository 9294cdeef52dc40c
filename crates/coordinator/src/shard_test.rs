use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::ErrorCode::*;
use ottla_protocol::Str;
use ottla_protocol::encode_key;
use ottla_protocol::messages::group_metadata_value::MemberMetadata;
use ottla_protocol::messages::{ConsumerGroupMetadataKey, GroupMetadataValue};

use super::*;
use crate::records::{group_metadata_record, offset_commit_tombstone};
use crate::reply::Reply;
use crate::testing::{CommitSpec, GROUP, JoinSpec, MemoryLog, World, heartbeat_key, subscription};

fn member(member_id: &str, instance_id: Option<&str>) -> MemberMetadata {
    MemberMetadata {
        member_id: member_id.into(),
        group_instance_id: instance_id.map(Str::from),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout: 30_000,
        session_timeout: 20_000,
        subscription: subscription(&["foo"]),
        assignment: Bytes::from_static(b"assignment"),
    }
}

fn group(members: Vec<MemberMetadata>) -> GroupMetadataValue {
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: Some("range".into()),
        leader: members.first().map(|member| member.member_id.clone()),
        current_state_timestamp: 4,
        members,
    }
}

fn loaded(value: &GroupMetadataValue) -> World {
    let mut log = MemoryLog { batch_bytes_max: 1 << 20, high_watermark: 1, ..Default::default() };
    log.records.push((group_metadata_record(&GROUP.into(), value).unwrap(), Option::None));
    World::load(Arc::default(), log, 1_000_000)
}

#[test]
fn a_group_with_members_is_stable_after_loading_and_its_members_have_a_session_to_call() {
    let mut world = loaded(&group(vec![member("a", Option::None), member("b", Some("i"))]));
    assert_eq!((world.state(), world.explain().generation_id), ("Stable", 5));
    assert_eq!(world.explain().since_ms, Some(4));
    assert_eq!(world.deadline_in(&heartbeat_key("a")), Some(20_000));
    assert_eq!(world.deadline_in(&TimerKey::GroupExpiration), Some(600_000));
    assert_eq!(world.heartbeat("a", 5), None);
    assert_eq!(world.heartbeat_as("b", Some("i"), 5), None);
    let sync = world.sync("a", 5, &[]);
    assert_eq!(world.synced(sync).assignment, "assignment");
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]).by("a", 5));
    // Who does not call is removed.
    world.advance(15_000);
    world.heartbeat("a", 5);
    world.advance(5_000);
    assert_eq!(world.state(), "PreparingRebalance");
    let join = world.join(&JoinSpec::new().member("a"));
    let response = world.joined(join);
    assert_eq!((response.generation_id, response.members.len()), (6, 1));
}

#[test]
fn a_member_without_rebalance_timeout_has_that_of_its_session() {
    let old = MemberMetadata { rebalance_timeout: -1, ..member("a", Option::None) };
    let world = loaded(&group(vec![old]));
    let members = world.runtime.shard().persistent_groups().next().unwrap().1.members;
    assert_eq!(members[0].rebalance_timeout, 20_000);
}

#[test]
fn an_empty_group_is_empty_after_loading() {
    let world = loaded(&group(Vec::new()));
    assert_eq!((world.state(), world.explain().generation_id), ("Empty", 5));
    assert_eq!(world.runtime.timers().len(), 1);
}

#[test]
fn damaged_members_do_no_harm() {
    // Twice the same id, twice the same instance, no protocol.
    let value = GroupMetadataValue {
        protocol: Option::None,
        ..group(vec![member("a", Some("i")), member("a", Option::None), member("b", Some("i"))])
    };
    let mut world = loaded(&value);
    assert_eq!(world.heartbeat("a", 5), None);
    assert_eq!(world.heartbeat("b", 5), UnknownMemberId);
    world.runtime.shard().describe_groups(6, &[GROUP.into()]);
    world.advance(100_000);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn the_last_record_counts() {
    let world = World::new();
    let mut shard = GroupCoordinatorShard::new(world.config.clone());
    let mut offset = 0;
    let mut replay = |record: CoordinatorRecord| {
        shard.replay(offset, Option::None, &record.key, record.value.as_ref()).unwrap();
        offset += 1;
        shard.explain_group(GROUP).map(|group| (group.state, group.generation_id))
    };
    let record = |value: &GroupMetadataValue| group_metadata_record(&GROUP.into(), value).unwrap();
    assert_eq!(replay(record(&group(vec![member("a", Option::None)]))), Some(("Stable", 5)));
    let next = GroupMetadataValue { generation: 6, ..group(Vec::new()) };
    assert_eq!(replay(record(&next)), Some(("Empty", 6)));
    let tombstone = CoordinatorRecord { value: Option::None, ..record(&next) };
    assert_eq!(replay(tombstone.clone()), Option::None);
    assert_eq!(replay(tombstone), Option::None);
    assert_eq!(shard.log_end_offset(), 4);
}

#[test]
fn offsets_without_a_group_make_one_when_they_are_loaded() {
    let mut world = World::new();
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    let world = world.restart();
    assert_eq!((world.state(), world.runtime.shard().groups_len()), ("Empty", 1));
    // A tombstone alone does not.
    let mut shard = GroupCoordinatorShard::new(world.config.clone());
    let tombstone = offset_commit_tombstone(&OffsetKey::new("g".into(), "t".into(), 0)).unwrap();
    assert_eq!(shard.replay(0, Option::None, &tombstone.key, Option::None), Ok(Replayed::Applied));
    assert_eq!(shard.groups_len(), 0);
}

#[test]
fn records_of_other_kinds_are_left_alone_and_damaged_ones_are_told() {
    let mut shard = GroupCoordinatorShard::new(Arc::default());
    let key = encode_key(&ConsumerGroupMetadataKey { group_id: "g".into() }, 99).unwrap();
    let value = Bytes::from_static(b"\0\0");
    assert_eq!(shard.replay(0, Option::None, &key, Some(&value)), Ok(Replayed::Ignored(99)));
    let error = shard.replay(1, Option::None, &Bytes::from_static(b"\0\x01"), Some(&value)).unwrap_err();
    assert_eq!(error.offset, 1);
    assert_eq!(shard.groups_len(), 0);
}

#[test]
fn when_the_partition_goes_all_who_wait_are_sent_away() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let join = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    let outcome = world.runtime.unload(world.now_ms);
    assert_eq!(outcome.replies.len(), 1);
    let (id, reply) = &outcome.replies[0];
    let Reply::JoinGroup(response) = reply else { unreachable!() };
    assert_eq!((*id, response.error_code, &response.member_id), (join, NotCoordinator.code(), &ids[0]));

    let mut world = World::new();
    let (first, _) = world.join_new(&JoinSpec::new());
    let (second, _) = world.join_new(&JoinSpec::new());
    world.advance(6_000);
    world.log.holds = true;
    let syncs = [world.sync(&first, 1, &[]), world.sync(&second, 1, &[])];
    let commit = world.commit_offsets(&CommitSpec { ..CommitSpec::new(&[("foo", 0, 1)]) });
    assert_eq!(world.commit_errors(commit), [UnknownMemberId]);
    let outcome = world.runtime.unload(world.now_ms);
    let mut answered: Vec<_> = outcome.replies.iter().map(|(id, _)| *id).collect();
    answered.sort();
    assert_eq!(answered, syncs);
    for (_, reply) in &outcome.replies {
        let Reply::SyncGroup(response) = reply else { unreachable!() };
        assert_eq!(response.error_code, NotCoordinator.code());
    }
}

#[test]
fn timers_of_what_is_gone_do_nothing() {
    let mut world = World::new();
    for key in [heartbeat_key("m"), crate::testing::join_key(), crate::testing::sync_key()] {
        let now_ms = world.now_ms;
        world.run(|shard, _| shard.on_timer(&key, now_ms));
    }
    let ids = world.stable_group(&[JoinSpec::new()]);
    for key in [heartbeat_key("m"), crate::testing::join_key(), crate::testing::sync_key()] {
        let now_ms = world.now_ms;
        world.run(|shard, _| shard.on_timer(&key, now_ms));
    }
    assert_eq!((world.state(), world.heartbeat(&ids[0], 1)), ("Stable", None));
}

#[test]
fn the_silence_of_members_is_told() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new().session(30_000)]);
    world.advance(4_000);
    assert_eq!(world.heartbeat(&ids[1], 1), None);
    world.advance(3_000);
    let sessions =
        |world: &World| world.runtime.shard().member_sessions(GROUP, world.runtime.timers(), world.now_ms);
    let told = |world: &World, id: &Str| {
        let all = sessions(world);
        let found = all.iter().find(|it| it.member_id == *id).expect("it is a member");
        (found.session_timeout_ms, found.silent_ms, found.must_act_within_ms)
    };
    assert_eq!(told(&world, &ids[0]), (10_000, Some(7_000), Option::None));
    assert_eq!(told(&world, &ids[1]), (30_000, Some(3_000), Option::None));
    world.leave(&[(&ids[0], Option::None)]);
    let (_, _, within_ms) = told(&world, &ids[1]);
    assert!(within_ms.is_some_and(|ms| ms > 0), "it has to join again: {within_ms:?}");
    assert!(world.runtime.shard().member_sessions("nobody", world.runtime.timers(), 0).is_empty());
}

#[test]
fn a_group_is_explained() {
    let mut world = World::new();
    assert_eq!(world.runtime.shard().explain_group(GROUP), Option::None);
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    world.advance(1_000);
    world.leave(&[(&ids[0], Option::None)]);
    let group = world.explain();
    assert_eq!((group.state, group.since_ms), ("PreparingRebalance", Some(world.now_ms)));
    assert!(group.rebalance_reason.contains(&*ids[0]));
    assert_eq!((group.waiting_for, group.leader), (vec![ids[1].clone()], Some(ids[1].clone())));
}
