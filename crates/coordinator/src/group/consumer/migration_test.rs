use bytes::Bytes;
use ottla_protocol::messages::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::messages::{ConsumerProtocolAssignment, DeleteGroupsRequest};
use ottla_protocol::{ErrorCode, Message, Reader, Str, encode_versioned};

use crate::consumer_testing::Consumer;
use crate::testing::{GROUP, JoinSpec, World};
use crate::{ConsumerGroupMigrationPolicy, Reply};

const NAMES: &[&str] = &["foo"];

fn world() -> World {
    let mut world = World::with(|config| config.group_initial_rebalance_delay_ms = 0);
    world.set_topics(&[("foo", 6)]);
    world
}

fn assignment(partitions: &[i32]) -> Bytes {
    let topic = TopicPartition { topic: "foo".into(), partitions: partitions.to_vec() };
    let assignment = ConsumerProtocolAssignment { assigned_partitions: vec![topic], ..Default::default() };
    encode_versioned(&assignment, 0).unwrap()
}

fn partitions(bytes: &Bytes) -> Vec<i32> {
    let mut reader = Reader::new(bytes.clone());
    let version = reader.i16().unwrap();
    let parsed = ConsumerProtocolAssignment::decode(&mut reader, version).unwrap();
    parsed.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect()
}

/// A classic group of one member that has all six partitions.
fn classic_group(world: &mut World) -> Str {
    let (id, reply) = world.join_new(&JoinSpec::new());
    world.advance(0);
    let generation_id = world.joined(reply).generation_id;
    let now_ms = world.now_ms;
    let mut request = crate::testing::sync_request(&id, generation_id, &[(&id, "")]);
    request.assignments[0].assignment = assignment(&[0, 1, 2, 3, 4, 5]);
    let context = crate::testing::context(3);
    let reply = world.run(|shard, id| shard.sync_group(&context, &request, id, now_ms));
    assert_eq!(partitions(&world.synced(reply).assignment), [0, 1, 2, 3, 4, 5]);
    id
}

fn group_type(world: &World) -> String {
    world.runtime.shard().list_groups(&Default::default())[0].group_type.to_string()
}

#[test]
fn a_group_goes_over_and_back_while_its_members_are_there() {
    let mut world = world();
    let classic = classic_group(&mut world);
    assert_eq!(group_type(&world), "classic");
    let mut member = Consumer::new("new", &["foo"]);
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::None);
    assert_eq!((group_type(&world).as_str(), member.epoch, member.load()), ("consumer", 2, 0));
    // The classic member is asked to join again, gives up three, and goes on.
    assert_eq!(world.heartbeat(&classic, 1), ErrorCode::RebalanceInProgress);
    let join = JoinSpec::new().member(&classic);
    let reply = world.join(&join);
    let joined = world.joined(reply);
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    let reply = world.sync(&classic, 2, &[]);
    assert_eq!(partitions(&world.synced(reply).assignment).len(), 3);
    world.beat(&mut member, NAMES);
    assert_eq!((member.load(), world.state()), (3, "Stable"));
    assert_eq!(world.heartbeat(&classic, 2), ErrorCode::None);
    // It outlives the broker.
    let mut world = world.restart();
    world.set_topics(&[("foo", 6)]);
    assert_eq!(world.heartbeat(&classic, 2), ErrorCode::None);
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::None);
    // The last member of the new protocol goes: classic again, and in a rebalance.
    assert_eq!(world.consumer_leave(&member, -1), ErrorCode::None);
    assert_eq!((group_type(&world).as_str(), world.state()), ("classic", "PreparingRebalance"));
    assert_eq!(world.heartbeat(&classic, 2), ErrorCode::RebalanceInProgress);
    let reply = world.join(&join);
    assert_eq!(world.joined(reply).error_code, 0);
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn classic_members_that_do_not_follow_are_removed() {
    let mut world = world();
    let classic = classic_group(&mut world);
    let mut member = Consumer::new("new", &["foo"]);
    world.beat(&mut member, NAMES);
    for _ in 0..70 {
        world.heartbeat(&classic, 1);
        world.advance(1_000);
        world.beat(&mut member, NAMES);
    }
    assert_eq!(member.load(), 6);
    assert_eq!(world.heartbeat(&classic, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_static_member_changes_its_protocol_in_place() {
    let mut world = world();
    let (id, reply) = world.join_new(&JoinSpec::instance("i"));
    world.advance(0);
    let generation_id = world.joined(reply).generation_id;
    world.sync_all(&[id], generation_id);
    // What the assignor of the members wrote is none of the consumer protocol's.
    let mut member = Consumer::new("new", &["foo"]).instance("i");
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::GroupIdNotFound);
}

#[test]
fn the_policy_is_kept() {
    let mut world = World::with(|config| {
        config.group_initial_rebalance_delay_ms = 0;
        config.consumer.migration_policy = ConsumerGroupMigrationPolicy::Disabled;
    });
    world.set_topics(&[("foo", 6)]);
    classic_group(&mut world);
    let mut member = Consumer::new("new", &["foo"]);
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::GroupIdNotFound);
    assert_eq!(group_type(&world), "classic");
}

#[test]
fn empty_groups_change_their_type_and_are_deleted() {
    let mut world = world();
    let classic = classic_group(&mut world);
    let reply = world.leave(&[(&classic, None)]);
    world.left(reply);
    let mut member = Consumer::new("new", &["foo"]);
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::None);
    assert_eq!((group_type(&world).as_str(), member.load()), ("consumer", 6));
    let delete = |world: &mut World| {
        let ids = DeleteGroupsRequest { groups_names: vec![GROUP.into()] }.groups_names;
        let id = world.run(|shard, id| shard.delete_groups(&ids, id));
        match world.replies.remove(&id) {
            Some(Reply::DeleteGroups(results)) => ErrorCode::from_code(results[0].error_code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete(&mut world), ErrorCode::NonEmptyGroup);
    world.consumer_leave(&member, -1);
    assert_eq!(group_type(&world), "consumer");
    classic_group(&mut world);
    assert_eq!((group_type(&world).as_str(), world.state()), ("classic", "Stable"));
    let world_after = world.restart();
    assert_eq!(group_type(&world_after), "classic");
    let mut world = self::world();
    world.beat(&mut member, NAMES);
    let mut member = Consumer::new("m", &["foo"]);
    world.beat(&mut member, NAMES);
    world.consumer_leave(&member, -1);
    assert_eq!(delete(&mut world), ErrorCode::None);
    assert!(world.runtime.shard().list_groups(&Default::default()).is_empty());
}
