use ottla_protocol::messages::DescribeGroupsResponse;
use ottla_protocol::{ErrorCode, Str, encode_message};

use crate::testing::{GROUP, JoinSpec, World, subscription};

#[test]
fn a_stable_group_is_described_with_metadata_and_assignments() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::new()]);
    let groups = world.runtime.shard().describe_groups(6, &[GROUP.into()]);
    let group = &groups[0];
    assert_eq!((group.error_code, &*group.group_state), (0, "Stable"));
    assert_eq!((&*group.protocol_type, &*group.protocol_data), ("consumer", "range"));
    assert_eq!(group.members.len(), 2);
    let member = group.members.iter().find(|member| member.member_id == ids[0]).unwrap();
    assert_eq!(member.group_instance_id.as_deref(), Some("a"));
    assert_eq!((&*member.client_id, &*member.client_host), ("client", "/127.0.0.1"));
    assert_eq!(member.member_metadata, subscription(&["foo"]));
    assert_eq!(member.member_assignment, "assignment 0");
    let response = DescribeGroupsResponse { groups, ..Default::default() };
    encode_message(&response, 5).unwrap();
}

#[test]
fn a_group_in_a_rebalance_is_described_without_them() {
    let mut world = World::new();
    world.join_new(&JoinSpec::new());
    let group = world.runtime.shard().describe_groups(6, &[GROUP.into()]).remove(0);
    assert_eq!((&*group.group_state, &*group.protocol_data), ("PreparingRebalance", ""));
    assert_eq!((group.members.len(), group.members[0].member_metadata.len()), (1, 0));
    world.advance(3_000);
    let group = world.runtime.shard().describe_groups(6, &[GROUP.into()]).remove(0);
    assert_eq!((&*group.group_state, &*group.protocol_data), ("CompletingRebalance", ""));
}

#[test]
fn a_group_that_does_not_exist_is_dead() {
    let world = World::new();
    let describe = |version| world.runtime.shard().describe_groups(version, &[Str::new()]).remove(0);
    for version in 0..=5 {
        assert_eq!((describe(version).error_code, &*describe(version).group_state), (0, "Dead"));
        assert_eq!(describe(version).error_message, None);
    }
    let group = describe(6);
    assert_eq!(ErrorCode::from_code(group.error_code), ErrorCode::GroupIdNotFound);
    assert_eq!((&*group.group_state, group.error_message.as_deref()), ("Dead", Some("Group  not found.")));
}
