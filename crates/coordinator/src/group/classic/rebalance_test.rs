use ottla_protocol::ErrorCode::*;

use crate::GroupEvent;
use crate::testing::{GROUP, JoinSpec, World, heartbeat_key, join_key, sync_key};

#[test]
fn an_empty_group_waits_for_more_members() {
    let mut world = World::new();
    let first = world.join(&JoinSpec::new().version(3));
    assert_eq!(world.deadline_in(&join_key()), Some(3_000));
    world.advance(2_999);
    assert!(world.is_waiting(first));
    world.advance(1);
    assert_eq!(world.join_error(first), None);
}

#[test]
fn each_round_in_which_a_member_comes_is_followed_by_another() {
    let mut world = World::new();
    let first = world.join(&JoinSpec::new().version(3).rebalance(7_000));
    let mut joins = vec![first];
    for _ in 0..2 {
        world.advance(2_000);
        joins.push(world.join(&JoinSpec::new().version(3).rebalance(7_000)));
        world.advance(1_000);
        assert_eq!(world.state(), "PreparingRebalance");
    }
    // 3 s, 3 s, and then no more than the 1 s that is left of the rebalance timeout.
    assert_eq!(world.deadline_in(&join_key()), Some(1_000));
    joins.push(world.join(&JoinSpec::new().version(3).rebalance(7_000)));
    world.advance(1_000);
    assert_eq!(world.state(), "CompletingRebalance");
    for join in joins {
        assert_eq!(world.joined(join).generation_id, 1);
    }
}

#[test]
fn a_rebalance_timeout_below_the_initial_delay_is_not_extended() {
    let mut world = World::new();
    let first = world.join(&JoinSpec::new().version(3).rebalance(1_000));
    let second = world.join(&JoinSpec::new().version(3).rebalance(1_000));
    world.advance(3_000);
    assert_eq!((world.join_error(first), world.join_error(second)), (None, None));
}

#[test]
fn without_initial_delay_the_first_member_goes_on_at_once() {
    let mut world = World::with(|config| config.group_initial_rebalance_delay_ms = 0);
    let first = world.join(&JoinSpec::new().version(3));
    world.advance(0);
    assert_eq!(world.join_error(first), None);
}

#[test]
fn members_that_do_not_rejoin_are_removed_when_the_longest_rebalance_timeout_ends() {
    let mut world = World::new();
    let ids = world.stable_group(&[
        JoinSpec::new().session(200_000).rebalance(30_000),
        JoinSpec::new().session(200_000).rebalance(50_000),
    ]);
    let rejoin = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]).session(200_000));
    assert_eq!(world.deadline_in(&join_key()), Some(60_000), "the rejoining member brought a longer one");
    assert_eq!(world.heartbeat(&ids[1], 1), RebalanceInProgress);
    world.advance(60_000);
    let joined = world.joined(rejoin);
    assert_eq!((joined.generation_id, &joined.leader, joined.members.len()), (2, &ids[0], 1));
    assert_eq!(world.deadline_in(&heartbeat_key(&ids[1])), Option::None);
    assert_eq!(world.heartbeat(&ids[1], 2), UnknownMemberId);
    let removed = GroupEvent::MemberRemoved {
        group_id: GROUP.into(),
        member_id: ids[1].clone(),
        reason: "it has not rejoined in time".into(),
    };
    assert!(world.events.contains(&removed));
}

#[test]
fn an_id_that_was_given_out_is_waited_for() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    let id = world.join(&JoinSpec::new());
    let pending = world.joined(id).member_id;
    let rejoin = world.join(&JoinSpec::new().member(&ids[0]));
    assert!(world.is_waiting(rejoin));
    assert_eq!(world.explain().waiting_for, std::slice::from_ref(&pending));
    let join = world.join(&JoinSpec::new().member(&pending));
    assert_eq!((world.join_error(rejoin), world.join_error(join)), (None, None));

    // Or until it is too old.
    world.sync_all(&[ids[0].clone(), pending.clone()], 2);
    world.join(&JoinSpec::new());
    let first = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    let second = world.join(&JoinSpec::new().topics(&["bar"]).member(&pending));
    assert!(world.is_waiting(first));
    world.advance(10_000);
    assert_eq!((world.join_error(first), world.join_error(second)), (None, None));
}

#[test]
fn a_leader_that_does_not_rejoin_is_succeeded() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::instance("b")]);
    let leader = world.explain().leader.unwrap();
    let follower = ids.iter().find(|id| **id != leader).unwrap();
    let instance = if *follower == ids[0] { "a" } else { "b" };
    let rejoin = world.join(&JoinSpec::instance(instance).topics(&["bar"]).member(follower).session(100_000));
    // The leader is static: its place is kept as long as its session lasts.
    world.advance(9_000);
    let leads = if *follower == ids[0] { "b" } else { "a" };
    assert_eq!(world.heartbeat_as(&leader, Some(leads), 1), RebalanceInProgress);
    for _ in 0..6 {
        world.advance(9_000);
        world.heartbeat_as(&leader, Some(leads), 1);
    }
    let joined = world.joined(rejoin);
    assert_eq!((&joined.leader, joined.members.len()), (follower, 2));
}

#[test]
fn static_members_of_whom_none_rejoins_are_waited_for_until_their_sessions_end() {
    let mut world = World::new();
    let ids = world.stable_group(&[
        JoinSpec::instance("a").session(100_000),
        JoinSpec::instance("b").session(100_000),
        JoinSpec::new(),
    ]);
    let leave = world.leave(&[(&ids[2], Option::None)]);
    assert_eq!(world.left(leave).members[0].error_code, 0);
    assert_eq!(world.state(), "PreparingRebalance");
    world.advance(60_000);
    assert_eq!(world.state(), "PreparingRebalance", "nobody could lead");
    assert_eq!(world.deadline_in(&join_key()), Some(60_000));
    world.advance(40_000);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.explain().generation_id, 2);
}

#[test]
fn a_new_member_that_waits_too_long_is_told_to_ask_again() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new().session(1_000_000).rebalance(1_000_000)]);
    let join = world.join(&JoinSpec::new().version(3));
    world.advance(299_999);
    assert!(world.is_waiting(join));
    world.advance(1);
    let response = world.joined(join);
    assert_eq!((response.error_code, &*response.member_id), (UnknownMemberId.code(), ""));
    // The rebalance that it began goes on.
    let rejoin = world.join(&JoinSpec::new().member(&ids[0]));
    assert_eq!(world.joined(rejoin).generation_id, 2);
}

#[test]
fn a_member_that_waits_for_others_needs_no_heartbeats() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new().session(100_000)]);
    let rejoin = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    world.advance(50_000);
    assert!(world.is_waiting(rejoin));
    let other = world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!((world.join_error(rejoin), world.join_error(other)), (None, None));
    assert_eq!(world.deadline_in(&heartbeat_key(&ids[0])), Some(10_000), "its session begins anew");
}

#[test]
fn a_member_that_is_not_heard_of_is_removed() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new().session(30_000)]);
    world.advance(9_999);
    assert_eq!(world.state(), "Stable");
    world.advance(1);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.heartbeat(&ids[0], 1), UnknownMemberId);
    assert_eq!(world.heartbeat(&ids[1], 1), RebalanceInProgress);
    let rejoin = world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!(world.joined(rejoin).members.len(), 1);
}

#[test]
fn the_last_member_leaves_an_empty_group_which_is_written() {
    let mut world = World::new();
    world.stable_group(&[JoinSpec::new()]);
    world.advance(10_000);
    assert_eq!(world.state(), "Empty");
    let record = world.last_group_record();
    assert_eq!((record.generation, record.members.len()), (2, 0));
    assert_eq!((record.protocol, record.leader), (Option::None, Option::None));
    assert_eq!((&*record.protocol_type, record.current_state_timestamp), ("consumer", world.now_ms));
    assert!(world.events.contains(&GroupEvent::Emptied { group_id: GROUP.into(), generation_id: 2 }));
    assert_eq!(world.runtime.timers().len(), 1, "only that of the shard");
}

#[test]
fn an_empty_group_that_can_not_be_written_is_empty_nevertheless() {
    let mut world = World::new();
    world.stable_group(&[JoinSpec::new()]);
    world.log.fails = Some(NotEnoughReplicas);
    world.advance(10_000);
    assert_eq!((world.state(), world.explain().generation_id), ("Empty", 2));
    assert!(world.events.iter().any(|event| matches!(event, GroupEvent::WriteFailed { .. })));
}

#[test]
fn members_that_do_not_send_sync_group_in_time_are_removed() {
    let mut world = World::new();
    let (first, first_join) = world.join_new(&JoinSpec::new());
    let (second, _) = world.join_new(&JoinSpec::new());
    world.advance(6_000);
    assert_eq!(world.join_error(first_join), None);
    assert_eq!(world.deadline_in(&sync_key()), Some(60_000));
    let (leader, follower) =
        if world.explain().leader.unwrap() == first { (first, second) } else { (second, first) };
    let sync = world.sync(&follower, 1, &[]);
    assert_eq!(world.explain().waiting_for, std::slice::from_ref(&leader));
    for _ in 0..6 {
        assert_eq!(world.heartbeat(&leader, 1), None);
        assert_eq!(world.heartbeat(&follower, 1), None);
        world.advance(9_000);
    }
    world.heartbeat(&leader, 1);
    world.heartbeat(&follower, 1);
    world.advance(6_000);
    assert_eq!(world.sync_error(sync), RebalanceInProgress);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.heartbeat(&leader, 1), UnknownMemberId);
    assert_eq!(world.heartbeat(&follower, 1), RebalanceInProgress);
}

#[test]
fn a_follower_that_does_not_fetch_its_assignment_is_removed_even_from_a_stable_group() {
    let mut world = World::new();
    let ids = [
        world.join_new(&JoinSpec::new().session(100_000)).0,
        world.join_new(&JoinSpec::new().session(100_000)).0,
    ];
    world.advance(6_000);
    let leader = world.explain().leader.unwrap();
    let sync = world.sync(&leader, 1, &[(&leader, "all")]);
    assert_eq!((world.sync_error(sync), world.state()), (None, "Stable"));
    world.advance(60_000);
    assert_eq!(world.state(), "PreparingRebalance");
    let follower = ids.iter().find(|id| **id != leader).unwrap();
    assert_eq!(world.heartbeat(follower, 1), UnknownMemberId);
    assert_eq!(world.heartbeat(&leader, 1), RebalanceInProgress);
}

#[test]
fn one_who_keeps_asking_does_not_stop_the_others() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    // A rebalance during a rebalance: the timer of the join phase is not set back.
    let first = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    world.advance(9_000);
    world.heartbeat(&ids[1], 1);
    assert_eq!(world.deadline_in(&join_key()), Some(51_000));
    let again = world.join(&JoinSpec::new().topics(&["baz"]).member(&ids[0]));
    assert_eq!(world.join_error(first), RebalanceInProgress);
    assert_eq!(world.deadline_in(&join_key()), Some(51_000));
    let second = world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!((world.join_error(again), world.join_error(second)), (None, None));
}
