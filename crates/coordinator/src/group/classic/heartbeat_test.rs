use ottla_protocol::ErrorCode::*;

use crate::testing::{JoinSpec, World, heartbeat_key};

#[test]
fn heartbeats_are_answered_by_state() {
    let mut world = World::new();
    assert_eq!(world.heartbeat("nobody", 1), UnknownMemberId, "no group");
    let (first, _) = world.join_new(&JoinSpec::new());
    let (second, _) = world.join_new(&JoinSpec::new());
    assert_eq!(world.heartbeat(&first, 0), RebalanceInProgress);
    world.advance(6_000);
    assert_eq!(world.state(), "CompletingRebalance");
    assert_eq!(world.heartbeat(&first, 1), None);
    world.sync_all(&[first.clone(), second.clone()], 1);
    assert_eq!(world.heartbeat(&first, 1), None);
    assert_eq!(world.heartbeat(&first, 0), IllegalGeneration);
    assert_eq!(world.heartbeat("nobody", 1), UnknownMemberId);
    world.leave(&[(&first, Option::None), (&second, Option::None)]);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.heartbeat(&first, 2), UnknownMemberId);
}

#[test]
fn a_heartbeat_begins_the_session_anew() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    for _ in 0..10 {
        world.advance(9_000);
        assert_eq!(world.heartbeat(&ids[0], 1), None);
        assert_eq!(world.deadline_in(&heartbeat_key(&ids[0])), Some(10_000));
    }
    // One of another generation does not.
    world.advance(9_000);
    assert_eq!(world.heartbeat(&ids[0], 2), IllegalGeneration);
    world.advance(1_000);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn a_static_member_is_known_by_both_its_ids() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::instance("b")]);
    assert_eq!(world.heartbeat_as(&ids[0], Some("a"), 1), None);
    assert_eq!(world.heartbeat_as(&ids[0], Some("b"), 1), FencedInstanceId);
    assert_eq!(world.heartbeat_as(&ids[0], Some("c"), 1), UnknownMemberId);
    assert_eq!(world.heartbeat_as("nobody", Some("a"), 1), FencedInstanceId);
}
