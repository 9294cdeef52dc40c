use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::messages::OffsetDeleteRequest;
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::{Str, Uuid};

use crate::Reply;
use crate::testing::{CommitSpec, GROUP, JoinSpec, World};

fn delete(world: &mut World, topic: &'static str, partitions: &[i32]) -> Result<Vec<ErrorCode>, ErrorCode> {
    let partitions = partitions.iter().map(|index| OffsetDeleteRequestPartition { partition_index: *index });
    let topic = OffsetDeleteRequestTopic { name: topic.into(), partitions: partitions.collect() };
    let request = OffsetDeleteRequest { group_id: GROUP.into(), topics: vec![topic] };
    let id = world.run(|shard, id| shard.delete_offsets(&request, id));
    match world.replies.remove(&id) {
        Some(Reply::OffsetDelete(response)) if response.error_code != 0 => {
            assert!(response.topics.is_empty());
            Err(ErrorCode::from_code(response.error_code))
        }
        Some(Reply::OffsetDelete(response)) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            Ok(partitions.map(|partition| ErrorCode::from_code(partition.error_code)).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn offsets(world: &World) -> Vec<(String, i32)> {
    world.runtime.shard().offsets().map(|(key, _)| (key.topic.to_string(), key.partition)).collect()
}

#[test]
fn offsets_are_removed_if_they_exist() {
    let mut world = World::new();
    assert_eq!(delete(&mut world, "foo", &[0]), Err(GroupIdNotFound));
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1), ("foo", 1, 1)]));
    assert_eq!(delete(&mut world, "foo", &[1, 2]), Ok(vec![None, None]));
    assert_eq!(offsets(&world), [("foo".to_owned(), 0)]);
    assert_eq!(world.log.records.len(), 3, "one tombstone");
    assert_eq!(delete(&mut world, "bar", &[0]), Ok(vec![None]));
    assert_eq!(world.log.records.len(), 3);
}

#[test]
fn offsets_of_topics_that_are_read_stay() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new().topics(&["foo"])]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1), ("bar", 0, 1)]).by(&ids[0], 1));
    assert_eq!(delete(&mut world, "foo", &[0]), Ok(vec![GroupSubscribedToTopic]));
    assert_eq!(delete(&mut world, "bar", &[0]), Ok(vec![None]));
    assert_eq!(offsets(&world), [("foo".to_owned(), 0)]);
}

#[test]
fn groups_whose_topics_are_not_known_have_to_be_empty() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new().protocol_type("connect")]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]).by(&ids[0], 1));
    assert_eq!(delete(&mut world, "foo", &[0]), Err(NonEmptyGroup));
    world.leave(&[(&ids[0], Option::None)]);
    assert_eq!(delete(&mut world, "foo", &[0]), Ok(vec![None]));

    // Consumers that are taken to read everything, for their subscriptions can't be read.
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new().protocols(&["x"])]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]).by(&ids[0], 1));
    assert_eq!(delete(&mut world, "foo", &[0]), Ok(vec![GroupSubscribedToTopic]));
}

#[test]
fn offsets_of_a_deleted_topic_go_but_not_those_of_its_successor() {
    let mut world = World::new();
    let (old, new) = (Uuid::from_parts(0, 1), Uuid::from_parts(0, 2));
    let commit = |topic_id, offsets| CommitSpec { topic_id, ..CommitSpec::new(offsets) };
    world.commit_offsets(&commit(old, &[("foo", 0, 1), ("bar", 0, 1)]));
    world.commit_offsets(&commit(new, &[("foo", 1, 1)]));
    world.commit_offsets(&commit(Uuid::ZERO, &[("foo", 2, 1)]));
    world.run(|shard, _| shard.on_topics_deleted(&[(old, Str::from("foo")), (new, Str::from("other"))]));
    assert_eq!(offsets(&world), [("bar".to_owned(), 0), ("foo".to_owned(), 1)]);
}

#[test]
fn many_tombstones_go_into_several_batches() {
    let mut world = World::new();
    let offsets_of: Vec<_> = (0..100).map(|partition| ("foo", partition, 1)).collect();
    world.commit_offsets(&CommitSpec::new(&offsets_of));
    // 16 bytes of key each.
    world.log.batch_bytes_max = 160;
    world.run(|shard, _| shard.on_topics_deleted(&[(Uuid::ZERO, Str::from("foo"))]));
    assert!(offsets(&world).is_empty());
    assert_eq!(world.log.batches[0], 100);
    assert!(world.log.batches.len() > 5);
    assert!(world.log.batches[1..].iter().all(|records| *records <= 10));
}
