use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::Str;

use crate::Reply;
use crate::records::GroupRecord;
use crate::testing::{CommitSpec, GROUP, JoinSpec, World};

fn delete(world: &mut World, groups: &[&str]) -> Vec<(String, ErrorCode)> {
    let groups: Vec<Str> = groups.iter().map(|group| Str::from(*group)).collect();
    let id = world.run(|shard, id| shard.delete_groups(&groups, id));
    match world.replies.remove(&id) {
        Some(Reply::DeleteGroups(results)) => results
            .iter()
            .map(|result| (result.group_id.to_string(), ErrorCode::from_code(result.error_code)))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1), ("foo", 1, 1)]).by(&ids[0], 1));
    assert_eq!(
        delete(&mut world, &[GROUP, "other"]),
        [(GROUP.into(), NonEmptyGroup), ("other".into(), GroupIdNotFound)]
    );
    world.leave(&[(&ids[0], Option::None)]);
    assert_eq!(delete(&mut world, &[GROUP]), [(GROUP.into(), None)]);
    assert_eq!((world.state(), world.runtime.shard().offsets().count()), ("-", 0));
    let log = world.log();
    assert!(matches!(
        &log[log.len() - 3..],
        [
            GroupRecord::Offset(_, Option::None),
            GroupRecord::Offset(_, Option::None),
            GroupRecord::ClassicGroup(_, Option::None)
        ]
    ));
    assert_eq!(delete(&mut world, &[GROUP]), [(GROUP.into(), GroupIdNotFound)]);
}

#[test]
fn a_group_that_could_not_be_deleted_lives() {
    let mut world = World::new();
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    world.log.fails = Some(NotLeaderOrFollower);
    assert_eq!(delete(&mut world, &[GROUP]), [(GROUP.into(), NotCoordinator)]);
    assert_eq!((world.state(), world.runtime.shard().offsets().count()), ("Empty", 1));
}

#[test]
fn a_group_is_shown_until_its_deletion_is_committed() {
    let mut world = World::new();
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]));
    world.log.holds = true;
    let id = world.run(|shard, id| shard.delete_groups(&[GROUP.into()], id));
    assert!(world.is_waiting(id));
    let shown =
        |world: &World| &*world.runtime.shard().describe_groups(5, &[GROUP.into()])[0].group_state == "Empty";
    assert!(shown(&world));
    let fetch = world.fetch(&[("foo", &[0])], false);
    assert_eq!(world.fetched(fetch)[0].2, 1);
    world.commit();
    assert!(!world.is_waiting(id) && !shown(&world));
}
