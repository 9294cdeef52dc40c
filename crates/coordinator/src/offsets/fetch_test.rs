use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::messages::OffsetFetchRequest;
use ottla_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::{Str, Uuid, encode_message};

use super::*;
use crate::testing::{CommitSpec, GROUP, World};

const ID: Uuid = Uuid::from_parts(0, 9);

fn world() -> World {
    let mut world = World::new();
    world.commit_offsets(&CommitSpec::new(&[("bar", 1, 11), ("bar", 0, 10), ("foo", 5, 55)]));
    world
}

fn all(world: &mut World, require_stable: bool) -> Vec<(String, i32, i64, ErrorCode)> {
    let request =
        OffsetFetchRequestGroup { group_id: GROUP.into(), topics: Option::None, ..Default::default() };
    let id = world.run(|shard, id| shard.fetch_offsets(&request, require_stable, id));
    world.fetched(id)
}

#[test]
fn offsets_are_fetched_partition_by_partition() {
    let mut world = world();
    for require_stable in [false, true] {
        let id = world.fetch(&[("foo", &[5, 6]), ("baz", &[0]), ("bar", &[0])], require_stable);
        let expect = [("foo", 5, 55), ("foo", 6, -1), ("baz", 0, -1), ("bar", 0, 10)];
        let expect: Vec<_> = expect.iter().map(|(t, p, o)| (t.to_string(), *p, *o, None)).collect();
        assert_eq!(world.fetched(id), expect);
    }
    let id = world.fetch(&[("foo", &[5, 6])], false);
    let group = world.fetched_group(id);
    assert_eq!(group.group_id, GROUP);
    let partitions = &group.topics[0].partitions;
    assert_eq!(
        (partitions[0].committed_leader_epoch, partitions[0].metadata.as_deref()),
        (7, Some("metadata"))
    );
    assert_eq!((partitions[1].committed_leader_epoch, partitions[1].metadata.as_deref()), (-1, Some("")));
}

#[test]
fn all_offsets_are_fetched_when_no_topics_are_named() {
    let mut world = world();
    let expect = [("bar", 0, 10), ("bar", 1, 11), ("foo", 5, 55)];
    let expect: Vec<_> = expect.iter().map(|(t, p, o)| (t.to_string(), *p, *o, None)).collect();
    assert_eq!(all(&mut world, false), expect);
    assert_eq!(all(&mut world, true), expect);
    // None named is not the same as no names.
    let id = world.fetch(&[], false);
    assert_eq!(world.fetched(id), []);
}

#[test]
fn a_group_that_does_not_exist_has_no_offsets() {
    let mut world = World::new();
    let id = world.fetch(&[("foo", &[0, 1])], false);
    let expect = [("foo".to_owned(), 0, -1, None), ("foo".to_owned(), 1, -1, None)];
    assert_eq!(world.fetched(id), expect);
    assert_eq!(all(&mut world, false), []);
    assert_eq!(all(&mut world, true), []);
}

#[test]
fn offsets_that_are_not_committed_are_not_shown_unless_asked_for() {
    let mut world = world();
    world.log.holds = true;
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 99), ("new", 0, 1)]));
    let plain = world.fetch(&[("bar", &[0]), ("new", &[0])], false);
    let stable = world.fetch(&[("bar", &[0]), ("new", &[0])], true);
    assert_eq!(world.fetched(plain), [("bar".to_owned(), 0, 10, None), ("new".to_owned(), 0, -1, None)]);
    assert_eq!(all(&mut world, false).len(), 3);
    assert!(world.is_waiting(stable));
    world.commit();
    assert_eq!(world.fetched(stable), [("bar".to_owned(), 0, 99, None), ("new".to_owned(), 0, 1, None)]);
    assert_eq!(all(&mut world, false).len(), 4);
    // Had it not been committed, who asked for it would have been told to look for another coordinator.
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 100)]));
    let stable = world.fetch(&[("bar", &[0])], true);
    world.advance(5_000);
    assert_eq!(world.fetched_group(stable).error_code, NotCoordinator.code());
}

#[test]
fn a_group_that_is_not_committed_is_not_shown() {
    let mut world = World::new();
    world.log.holds = true;
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 99)]));
    assert_eq!(all(&mut world, false), []);
    assert!(world.runtime.shard().list_groups(&Default::default()).is_empty());
    world.commit();
    assert_eq!(all(&mut world, false).len(), 1);
    assert_eq!(world.runtime.shard().list_groups(&Default::default()).len(), 1);
}

#[test]
fn an_offset_for_another_topic_of_the_same_name_is_none() {
    let check = |committed: Uuid, requested: Uuid, expect: i64| {
        let mut world = World::new();
        world.commit_offsets(&CommitSpec { topic_id: committed, ..CommitSpec::new(&[("foo", 0, 5)]) });
        let topic =
            OffsetFetchRequestTopics { name: "foo".into(), topic_id: requested, partition_indexes: vec![0] };
        let request = OffsetFetchRequestGroup {
            group_id: GROUP.into(),
            topics: Some(vec![topic]),
            ..Default::default()
        };
        let id = world.run(|shard, id| shard.fetch_offsets(&request, false, id));
        let group = world.fetched_group(id);
        assert_eq!(group.topics[0].topic_id, requested);
        assert_eq!(group.topics[0].partitions[0].committed_offset, expect);
    };
    let other = Uuid::from_parts(0, 10);
    check(Uuid::ZERO, Uuid::ZERO, 5);
    check(Uuid::ZERO, ID, 5);
    check(ID, Uuid::ZERO, 5);
    check(ID, ID, 5);
    check(ID, other, -1);
}

#[test]
fn up_to_version_7_there_is_one_group() {
    let topic = OffsetFetchRequestTopic { name: "foo".into(), partition_indexes: vec![5] };
    let request = OffsetFetchRequest {
        group_id: GROUP.into(),
        topics: Some(vec![topic]),
        groups: vec![OffsetFetchRequestGroup::default(); 2],
        ..Default::default()
    };
    assert_eq!(offset_fetch_groups(8, &request).len(), 2);
    let groups = offset_fetch_groups(7, &request);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].group_id, GROUP);
    assert_eq!(groups[0].topics.as_ref().unwrap()[0].partition_indexes, [5]);
    let request = OffsetFetchRequest { topics: Option::None, ..request };
    assert_eq!(offset_fetch_groups(2, &request)[0].topics, Option::None);

    for version in 1..=10 {
        let mut world = world();
        let id = world.fetch(&[("foo", &[5])], false);
        let response = offset_fetch_response(version, vec![world.fetched_group(id)]);
        encode_message(&response, version).unwrap();
        let offset = match version {
            ..=7 => response.topics[0].partitions[0].committed_offset,
            _ => response.groups[0].topics[0].partitions[0].committed_offset,
        };
        assert_eq!(offset, 55);
    }
    assert_eq!(offset_fetch_response(3, Vec::new()).error_code, 0);
}

#[test]
fn errors_of_a_group_are_told_as_the_version_knows() {
    let topic =
        OffsetFetchRequestTopics { name: "foo".into(), partition_indexes: vec![5], ..Default::default() };
    let group =
        OffsetFetchRequestGroup { group_id: GROUP.into(), topics: Some(vec![topic]), ..Default::default() };
    let first = offset_fetch_group_error(1, &group, RequestTimedOut);
    assert_eq!((first.error_code, first.topics[0].partitions[0].error_code), (0, NotCoordinator.code()));
    assert_eq!(first.topics[0].partitions[0].metadata, Some(Str::new()));
    let second = offset_fetch_group_error(2, &group, CoordinatorLoadInProgress);
    assert_eq!((second.error_code, second.topics.len()), (CoordinatorLoadInProgress.code(), 0));
}
