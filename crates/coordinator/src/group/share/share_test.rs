use std::collections::BTreeMap;

use ottla_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla_protocol::messages::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, ListGroupsRequest,
    ShareGroupHeartbeatRequest,
};
use ottla_protocol::{ErrorCode, Str};

use super::testing::ShareMember;
use super::validate_share_group_heartbeat;
use crate::consumer_testing::{Consumer, topic_id};
use crate::reply::{AlterShareGroupOffsetsReply, DeleteShareGroupOffsetsReply};
use crate::testing::{CommitSpec, GROUP, JoinSpec, World};
use crate::{Reply, TimerKey};

const NAMES: &[&str] = &["foo", "bar"];

fn world() -> World {
    let mut world = World::with(|config| config.share.assignment_interval_ms.value = 0);
    world.set_topics(&[("foo", 3), ("bar", 2)]);
    world
}

/// A group with one member that has `foo`.
fn joined() -> (World, ShareMember) {
    let mut world = world();
    let mut member = ShareMember::new("m1", &["foo"]);
    for _ in 0..3 {
        assert_eq!(world.share_beat(&mut member, NAMES), ErrorCode::None);
    }
    assert_eq!(member.assigned, [("foo".into(), vec![0, 1, 2])]);
    (world, member)
}

fn beat_error(world: &mut World, member: &ShareMember) -> (ErrorCode, String) {
    let (response, _) = world.share_request(&member.request()).unwrap();
    (ErrorCode::from_code(response.error_code), response.error_message.unwrap_or_default().to_string())
}

fn alter(world: &mut World, partitions: &[(i32, i64)], topic: &str) -> AlterShareGroupOffsetsReply {
    let partitions =
        partitions.iter().map(|(partition_index, start_offset)| AlterShareGroupOffsetsRequestPartition {
            partition_index: *partition_index,
            start_offset: *start_offset,
        });
    let request = AlterShareGroupOffsetsRequest {
        group_id: GROUP.into(),
        topics: vec![AlterShareGroupOffsetsRequestTopic {
            topic_name: topic.into(),
            partitions: partitions.collect(),
        }],
    };
    let now_ms = world.now_ms;
    let id = world.run(|shard, id| shard.alter_share_group_offsets(&request, id, now_ms));
    match world.replies.remove(&id) {
        Some(Reply::AlterShareGroupOffsets(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn delete_offsets(world: &mut World, topics: &[&str]) -> DeleteShareGroupOffsetsReply {
    let topics = topics.iter().map(|name| DeleteShareGroupOffsetsRequestTopic { topic_name: (*name).into() });
    let request = DeleteShareGroupOffsetsRequest { group_id: GROUP.into(), topics: topics.collect() };
    let now_ms = world.now_ms;
    let id = world.run(|shard, id| shard.delete_share_group_offsets(&request, id, now_ms));
    match world.replies.remove(&id) {
        Some(Reply::DeleteShareGroupOffsets(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_are_checked_in_kafkas_order() {
    let good = ShareMember::new("m", &["foo"]).request();
    let check = |request: ShareGroupHeartbeatRequest, message: &str| {
        let error = validate_share_group_heartbeat(&request).unwrap_err();
        assert_eq!((error.code, error.message.as_deref()), (ErrorCode::InvalidRequest, Some(message)));
    };
    assert_eq!(validate_share_group_heartbeat(&good), Ok(()));
    let empty = ShareGroupHeartbeatRequest::default();
    check(empty.clone(), "MemberId can't be empty.");
    check(ShareGroupHeartbeatRequest { member_id: "m".into(), ..empty }, "GroupId can't be empty.");
    check(ShareGroupHeartbeatRequest { rack_id: Some(" ".into()), ..good.clone() }, "RackId can't be empty.");
    let no_topics = "SubscribedTopicNames must be set in first request.";
    check(ShareGroupHeartbeatRequest { subscribed_topic_names: None, ..good.clone() }, no_topics);
    check(ShareGroupHeartbeatRequest { subscribed_topic_names: Some(vec![]), ..good.clone() }, no_topics);
    check(ShareGroupHeartbeatRequest { member_epoch: -2, ..good }, "MemberEpoch is invalid.");
}

#[test]
fn partitions_are_assigned_once_their_state_is_initialized() {
    let mut world = world();
    let mut member = ShareMember::new("m1", &["foo"]);
    let (response, initialize) = world.share_request(&member.request()).unwrap();
    assert_eq!((response.error_code, response.member_epoch), (0, 2));
    assert_eq!(response.assignment.as_ref().map(|a| a.topic_partitions.len()), Some(0));
    let initialize = initialize.unwrap();
    assert_eq!(initialize.state_epoch, 2);
    let offsets = BTreeMap::from([(0, -1), (1, -1), (2, -1)]);
    assert_eq!(initialize.start_offsets, BTreeMap::from([(topic_id("foo"), offsets)]));
    member.take(&response, NAMES);
    // What has begun is not begun again before the retry interval is over.
    world.advance(29_999);
    assert_eq!(world.share_request(&member.request()).unwrap().1, None);
    world.advance(1);
    assert!(world.share_request(&member.request()).unwrap().1.is_some());
    world.share_initialized(&initialize);
    assert!(world.share_metadata().initializing.is_empty());
    member.topics = None;
    let (response, _) = world.share_request(&member.request()).unwrap();
    assert_eq!(response.member_epoch, 3);
    member.take(&response, NAMES);
    assert_eq!(member.load(), 3);
    // Nothing is new: no epoch, no assignment in the answer, no record.
    let records = world.log.records.len();
    let (response, _) = world.share_request(&member.request()).unwrap();
    assert_eq!((response.member_epoch, response.assignment), (3, None));
    assert_eq!(world.log.records.len(), records);
}

#[test]
fn what_could_not_be_initialized_is_asked_for_at_once() {
    let mut world = world();
    let member = ShareMember::new("m1", &["foo"]);
    let initialize = world.share_request(&member.request()).unwrap().1.unwrap();
    let now_ms = world.now_ms;
    let partitions = initialize.partitions();
    world.run(|shard, id| shard.on_share_state_uninitialized(GROUP, &partitions, id, now_ms));
    assert_eq!(world.share_request(&member.request()).unwrap().1.unwrap().partitions(), partitions);
}

#[test]
fn new_partitions_and_deleted_topics_are_noticed() {
    let (mut world, mut member) = joined();
    world.set_topics(&[("foo", 5), ("bar", 2)]);
    for _ in 0..3 {
        world.share_beat(&mut member, NAMES);
    }
    assert_eq!(member.load(), 5);
    world.set_topics(&[("bar", 2)]);
    let deleted = [(topic_id("foo"), Str::from_static("foo"))];
    world.run(|shard, _| shard.on_topics_deleted(&deleted));
    assert_eq!(world.share_metadata(), Default::default());
    world.share_beat(&mut member, NAMES);
    assert_eq!(member.load(), 0);
}

#[test]
fn epochs_are_fenced() {
    let (mut world, member) = joined();
    let at = |epoch| ShareMember { epoch, ..member.clone() };
    let (error, message) = beat_error(&mut world, &at(99));
    assert_eq!(error, ErrorCode::FencedMemberEpoch);
    assert!(message.starts_with("The share group member has a greater member epoch (99) than"), "{message}");
    let (error, message) = beat_error(&mut world, &at(1));
    assert_eq!(error, ErrorCode::FencedMemberEpoch);
    assert!(message.contains("it does not match the previous member epoch (2)"), "{message}");
    assert_eq!(beat_error(&mut world, &at(2)).0, ErrorCode::None);
    assert_eq!(beat_error(&mut world, &at(0)).0, ErrorCode::None);
    let stranger = ShareMember { epoch: 1, ..ShareMember::new("m2", &["foo"]) };
    assert_eq!(
        beat_error(&mut world, &stranger),
        (ErrorCode::UnknownMemberId, format!("Member m2 is not a member of group {GROUP}."))
    );
    let mut empty = self::world();
    assert_eq!(
        beat_error(&mut empty, &stranger),
        (ErrorCode::GroupIdNotFound, format!("Share group {GROUP} not found."))
    );
    assert_eq!(empty.share_leave(&stranger), ErrorCode::GroupIdNotFound);
}

#[test]
fn a_full_group_takes_nobody_in() {
    let mut world = World::with(|config| config.share.max_size = 1);
    world.set_topics(&[("foo", 1)]);
    let first = ShareMember::new("m1", &["foo"]);
    assert_eq!(beat_error(&mut world, &first).0, ErrorCode::None);
    assert_eq!(beat_error(&mut world, &first).0, ErrorCode::None);
    let (error, message) = beat_error(&mut world, &ShareMember::new("m2", &["foo"]));
    assert_eq!(error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(message, "The share group has reached its maximum capacity of 1 members.");
}

#[test]
fn members_leave_and_time_out() {
    let (mut world, mut first) = joined();
    let mut second = ShareMember::new("m2", &["foo"]);
    world.share_beat(&mut second, NAMES);
    assert_eq!(world.share_leave(&first), ErrorCode::None);
    assert_eq!(world.share_leave(&first), ErrorCode::UnknownMemberId);
    first.epoch = 0;
    world.share_beat(&mut second, NAMES);
    assert_eq!(second.load(), 3);
    let key = TimerKey::ShareSession { group_id: GROUP.into(), member_id: "m2".into() };
    assert_eq!(world.deadline_in(&key), Some(45_000));
    // A removal that can't be written is tried again.
    world.log.fails = Some(ErrorCode::NotEnoughReplicas);
    world.advance(45_000);
    assert_eq!(world.state(), "Stable");
    world.log.fails = None;
    world.advance(1_000);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.deadline_in(&key), None);
    let mut world = world.restart();
    assert_eq!(world.state(), "Empty");
    // An empty share group does not expire.
    world.advance(8 * 24 * 3_600_000);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn sessions_run_after_a_restart() {
    let (world, _) = joined();
    let world = world.restart();
    let key = TimerKey::ShareSession { group_id: GROUP.into(), member_id: "m1".into() };
    assert_eq!(world.deadline_in(&key), Some(45_000));
    assert_eq!(world.explain().state, "Stable");
}

#[test]
fn groups_are_described_and_listed() {
    let (world, _) = joined();
    let shard = world.runtime.shard();
    let group = shard.share_group_describe(&[GROUP.into()]).remove(0);
    assert_eq!((&*group.group_state, &*group.assignor_name, group.group_epoch), ("Stable", "simple", 3));
    assert_eq!((group.assignment_epoch, group.members.len()), (3, 1));
    assert_eq!(group.members[0].assignment.topic_partitions[0].partitions, [0, 1, 2]);
    let listed = shard.list_groups(&ListGroupsRequest {
        types_filter: vec!["Share".into()],
        states_filter: vec!["stable".into()],
    });
    assert_eq!((&*listed[0].group_type, &*listed[0].protocol_type), ("share", "share"));
    let group = shard.share_group_describe(&["none".into()]).remove(0);
    assert_eq!(group.error_message.as_deref(), Some("Group none not found."));
}

#[test]
fn other_protocols_are_refused() {
    let (mut world, member) = joined();
    let id = world.join(&JoinSpec::new());
    assert_eq!(world.join_error(id), ErrorCode::InconsistentGroupProtocol);
    let id = world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    assert_eq!(world.commit_errors(id), [ErrorCode::GroupIdNotFound]);
    let response = world.consumer_request(&Consumer::new("c", &["foo"]).request());
    assert_eq!(response.error_code, ErrorCode::GroupIdNotFound.code());
    let mut world = self::world();
    world.consumer_request(&Consumer::new("c", &["foo"]).request());
    let expect = (ErrorCode::GroupIdNotFound, format!("Group {GROUP} is not a share group."));
    assert_eq!(beat_error(&mut world, &member), expect);
    let described = world.runtime.shard().share_group_describe(&[GROUP.into()]).remove(0);
    assert_eq!(described.error_message.as_deref(), Some(&*expect.1));
}

#[test]
fn offsets_are_altered_in_groups_without_members() {
    let mut world = world();
    let reply = alter(&mut world, &[(0, 7), (9, 7)], "foo");
    let codes: Vec<i16> = reply.response.responses[0].partitions.iter().map(|p| p.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
    let initialize = reply.initialize.unwrap();
    assert_eq!(initialize.start_offsets, BTreeMap::from([(topic_id("foo"), BTreeMap::from([(0, 7)]))]));
    world.share_initialized(&initialize);
    let initialized = world.runtime.shard().initialized_share_partitions(GROUP);
    assert_eq!(initialized, initialize.partitions());
    let reply = alter(&mut world, &[(0, 7)], "none");
    assert_eq!(reply.initialize, None);
    assert_eq!(reply.response.responses[0].partitions[0].error_code, 3);
    let (mut world, _) = joined();
    let reply = alter(&mut world, &[(0, 7)], "foo");
    assert_eq!((reply.response.error_code, reply.initialize), (ErrorCode::NonEmptyGroup.code(), None));
    assert_eq!(reply.response.error_message.as_deref(), Some(ErrorCode::NonEmptyGroup.message()));
}

#[test]
fn offsets_are_deleted_in_two_steps() {
    let (mut world, member) = joined();
    let reply = delete_offsets(&mut world, &["foo"]);
    assert_eq!(reply.response.error_code, ErrorCode::NonEmptyGroup.code());
    world.share_leave(&member);
    let reply = delete_offsets(&mut world, &["foo", "bar", "none"]);
    let delete = reply.delete.unwrap();
    assert_eq!(delete.partitions, BTreeMap::from([(topic_id("foo"), [0, 1, 2].into())]));
    let messages: Vec<&str> =
        reply.response.responses.iter().filter_map(|topic| topic.error_message.as_deref()).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.message();
    assert_eq!(messages, ["There is no offset information to delete.", unknown]);
    // Until the share coordinator has done its part, it can be asked again.
    assert_eq!(delete_offsets(&mut world, &["foo"]).delete.unwrap(), delete);
    let topics = BTreeMap::from([(topic_id("foo"), Str::from_static("foo"))]);
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.complete_delete_share_group_offsets(GROUP, &topics, id, now_ms));
    assert_eq!(world.share_metadata(), Default::default());
}

#[test]
fn a_group_is_deleted_after_its_state() {
    let (mut world, member) = joined();
    let delete_state = |world: &mut World| {
        let now_ms = world.now_ms;
        let id = world.run(|shard, id| shard.delete_share_group_state(GROUP, id, now_ms));
        match world.replies.remove(&id) {
            Some(Reply::DeleteShareGroupState(outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete_state(&mut world), Err(ErrorCode::NonEmptyGroup));
    world.share_leave(&member);
    let delete = delete_state(&mut world).unwrap().unwrap();
    assert_eq!(delete.partitions, BTreeMap::from([(topic_id("foo"), [0, 1, 2].into())]));
    assert_eq!(world.share_metadata().deleting.len(), 1);
    assert_eq!(delete_state(&mut world).unwrap().unwrap(), delete);
    world.run(|shard, id| shard.delete_groups(&[GROUP.into()], id));
    assert_eq!(world.runtime.shard().groups_len(), 0);
    assert_eq!(world.restart().runtime.shard().groups_len(), 0);
}
