use ottla_protocol::Str;
use ottla_protocol::messages::ListGroupsRequest;

use crate::testing::{CommitSpec, GROUP, JoinSpec, World, context};

fn list(world: &World, states: &[&str], types: &[&str]) -> Vec<String> {
    let texts = |list: &[&str]| list.iter().map(|text| Str::from(*text)).collect();
    let request = ListGroupsRequest { states_filter: texts(states), types_filter: texts(types) };
    world.runtime.shard().list_groups(&request).iter().map(|group| group.group_id.to_string()).collect()
}

/// A stable group, and a simple one.
fn world() -> World {
    let mut world = World::new();
    world.stable_group(&[JoinSpec::new()]);
    let mut request = CommitSpec::new(&[("foo", 0, 1)]).request();
    request.group_id = "another".into();
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.commit_offset(&context(8), &request, id, now_ms));
    world
}

#[test]
fn groups_are_listed_with_state_and_type() {
    let world = world();
    let groups = world.runtime.shard().list_groups(&ListGroupsRequest::default());
    let listed: Vec<_> = groups
        .iter()
        .map(|group| (&*group.group_id, &*group.protocol_type, &*group.group_state, &*group.group_type))
        .collect();
    assert_eq!(listed, [("another", "", "Empty", "classic"), (GROUP, "consumer", "Stable", "classic")]);
}

#[test]
fn filters_know_no_case() {
    let world = world();
    assert_eq!(list(&world, &["stable"], &[]), [GROUP]);
    assert_eq!(list(&world, &[" EMPTY "], &[]), ["another"]);
    assert_eq!(list(&world, &["Empty", "Stable"], &["Classic"]), ["another", GROUP]);
    assert_eq!(list(&world, &["PreparingRebalance"], &[]), [] as [&str; 0]);
    assert_eq!(list(&world, &["nonsense"], &[]), [] as [&str; 0]);
    assert_eq!(list(&world, &[], &["consumer", "share"]), [] as [&str; 0]);
    assert_eq!(list(&world, &[], &["nonsense"]), [] as [&str; 0]);
}
