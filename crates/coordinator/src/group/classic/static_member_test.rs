use ottla_protocol::ErrorCode::*;
use ottla_protocol::Str;

use crate::testing::{JoinSpec, World, heartbeat_key};

/// Three static members; leader, and the other two.
fn stable(world: &mut World) -> (Str, Vec<Str>) {
    let specs = ["a", "b", "c"].map(|id| JoinSpec::instance(id).session(100_000).version(9));
    let ids = world.stable_group(&specs);
    (world.explain().leader.unwrap(), ids)
}

fn instance_of(ids: &[Str], member_id: &Str) -> &'static str {
    ["a", "b", "c"][ids.iter().position(|id| id == member_id).unwrap()]
}

fn rejoin(instance_id: &str) -> JoinSpec {
    JoinSpec::instance(instance_id).session(100_000).version(9)
}

#[test]
fn ids_of_static_members_begin_with_the_instance_id_and_need_no_second_join() {
    let mut world = World::new();
    let id = world.join(&JoinSpec::instance("a"));
    assert!(world.is_waiting(id));
    world.advance(3_000);
    assert_eq!(world.joined(id).member_id, "a-00000000-0000-0000-0000-000000000001");
}

#[test]
fn a_follower_that_comes_back_to_a_stable_group_gets_a_new_id_and_no_rebalance() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    let old = ids.iter().find(|id| **id != leader).unwrap();
    let instance = instance_of(&ids, old);
    let position = ids.iter().position(|id| id == old).unwrap();
    let written = world.log.records.len();
    let join = world.join(&rejoin(instance).session(50_000));
    let response = world.joined(join);
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert_eq!((&response.leader, response.skip_assignment, response.members.len()), (&leader, false, 0));
    assert_ne!(response.member_id, *old);
    assert_eq!(world.state(), "Stable");
    assert_eq!(world.log.records.len(), written + 1);
    let members = world.last_group_members();
    let member = members.iter().find(|member| member.member_id == response.member_id).unwrap();
    assert_eq!(member.assignment, format!("assignment {position}"));
    assert_eq!(member.session_timeout, 50_000);

    assert_eq!(world.heartbeat_as(old, Some(instance), 1), FencedInstanceId);
    assert_eq!(world.heartbeat_as(&response.member_id, Some(instance), 1), None);
    assert_eq!(world.deadline_in(&heartbeat_key(old)), Option::None);
    let sync = world.sync(&response.member_id, 1, &[]);
    assert_eq!(world.synced(sync).assignment, format!("assignment {position}"));
    let id = world.join(&rejoin(instance).member(old));
    assert_eq!(world.join_error(id), FencedInstanceId);
}

#[test]
fn a_leader_that_comes_back_is_told_to_skip_the_assignment() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    let join = world.join(&rejoin(instance_of(&ids, &leader)));
    let response = world.joined(join);
    assert_eq!((response.error_code, response.skip_assignment), (0, true));
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 3, "so that it can watch the topics of all");
    assert_eq!(world.state(), "Stable");
}

#[test]
fn a_leader_that_comes_back_with_an_old_client_is_told_that_its_old_self_leads() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    let join = world.join(&rejoin(instance_of(&ids, &leader)).version(8));
    let response = world.joined(join);
    assert_eq!((&response.leader, response.skip_assignment, response.members.len()), (&leader, false, 0));
    assert_eq!(world.explain().leader, Some(response.member_id), "although it leads");
}

#[test]
fn another_preferred_protocol_begins_a_rebalance_if_it_would_be_selected() {
    let mut world = World::new();
    let both = |id| JoinSpec::instance(id).session(100_000).protocols(&["p", "q"]);
    world.stable_group(&[both("a"), both("b")]);
    // One of two prefers the other: it is not more than that.
    let join = world.join(&both("a").protocols(&["q", "p"]));
    assert_eq!(world.joined(join).generation_id, 1);
    let join = world.join(&both("b").protocols(&["q", "p"]));
    assert!(world.is_waiting(join));
    assert_eq!(world.state(), "PreparingRebalance");
    assert!(world.explain().rebalance_reason.contains("change of the protocol"));
}

#[test]
fn other_metadata_of_the_same_protocol_do_not_begin_a_rebalance() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    let follower = ids.iter().find(|id| **id != leader).unwrap();
    let join = world.join(&rejoin(instance_of(&ids, follower)).topics(&["bar"]));
    assert_eq!(world.joined(join).generation_id, 1);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn an_id_that_is_not_written_is_taken_back() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    for old in &ids {
        let instance = instance_of(&ids, old);
        world.log.fails = Some(NotEnoughReplicas);
        let join = world.join(&rejoin(instance).session(20_000));
        let response = world.joined(join);
        assert_eq!((response.error_code, &*response.member_id), (CoordinatorNotAvailable.code(), ""));
        assert_eq!((response.generation_id, &response.leader), (1, &leader));
        assert_eq!(world.heartbeat_as(old, Some(instance), 1), None);
        assert_eq!(world.deadline_in(&heartbeat_key(old)), Some(100_000));
        assert_eq!(world.explain().leader, Some(leader.clone()));
    }
    world.log.fails = Option::None;
    let sync = world.sync(&ids[1], 1, &[]);
    assert_eq!(world.synced(sync).assignment, "assignment 1");
}

#[test]
fn the_new_id_is_told_once_it_is_committed() {
    let mut world = World::new();
    let (_, ids) = stable(&mut world);
    world.log.holds = true;
    let first = world.join(&rejoin("a"));
    assert!(world.is_waiting(first));
    // The member comes back yet again: the first of the two is fenced.
    let second = world.join(&rejoin("a"));
    assert_eq!(world.join_error(first), FencedInstanceId);
    world.commit();
    let response = world.joined(second);
    assert_eq!(response.error_code, 0);
    assert_ne!(response.member_id, ids[0]);
}

#[test]
fn a_rebalance_that_begins_before_the_new_id_is_committed_answers_the_member() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    world.log.holds = true;
    let follower = ids.iter().find(|id| **id != leader).unwrap();
    let waiting = world.join(&rejoin(instance_of(&ids, follower)));
    world.join(&rejoin(instance_of(&ids, &leader)).member(&leader));
    assert_eq!(world.state(), "PreparingRebalance");
    world.commit();
    assert!(world.is_waiting(waiting));
    let other = ids.iter().find(|id| **id != leader && *id != follower).unwrap();
    world.join(&rejoin(instance_of(&ids, other)).member(other));
    assert_eq!(world.joined(waiting).generation_id, 2);
}

#[test]
fn whoever_waits_under_the_old_id_is_fenced() {
    let mut world = World::new();
    // While members join.
    let (first, waiting) = world.join_new(&rejoin("a"));
    let (_, again) = world.join_new(&rejoin("a"));
    let fenced = world.joined(waiting);
    assert_eq!((fenced.error_code, &fenced.member_id), (FencedInstanceId.code(), &first));
    let (_, other) = world.join_new(&rejoin("b"));
    world.advance(6_000);
    assert_eq!((world.join_error(again), world.join_error(other)), (None, None));

    // While the assignment is awaited: the leader may have been told the old id, so that all join again.
    let leader = world.explain().leader.unwrap();
    let (leads, follows) = if leader.starts_with('a') { ("a", "b") } else { ("b", "a") };
    let follower = world.explain().waiting_for.into_iter().find(|id| *id != leader).unwrap();
    let waiting = world.sync(&follower, 1, &[]);
    let back = world.join(&rejoin(follows));
    assert_eq!(world.sync_error(waiting), FencedInstanceId);
    assert_eq!(world.state(), "PreparingRebalance");
    let lead = world.join(&rejoin(leads).member(&leader));
    assert_eq!((world.joined(back).generation_id, world.joined(lead).generation_id), (2, 2));
}

#[test]
fn a_static_member_keeps_its_place_through_rebalances_until_its_session_ends() {
    let mut world = World::new();
    let (leader, ids) = stable(&mut world);
    let absent = ids.iter().find(|id| **id != leader).unwrap();
    let others: Vec<_> = ids.iter().filter(|id| *id != absent).collect();
    let joins = [leader.clone(), (*others.iter().find(|id| ***id != leader).unwrap()).clone()]
        .map(|id| world.join(&rejoin(instance_of(&ids, &id)).member(&id)));
    world.advance(60_000);
    let members: usize = joins.iter().map(|join| world.joined(*join).members.len()).sum();
    assert_eq!(members, 3, "the absent one is assigned to");
    for id in &others {
        world.heartbeat_as(id, Some(instance_of(&ids, id)), 2);
    }
    world.advance(100_000);
    assert_eq!(world.heartbeat_as(absent, Some(instance_of(&ids, absent)), 2), UnknownMemberId);
}

#[test]
fn static_members_are_known_after_a_restart() {
    let mut world = World::new();
    let (_, ids) = stable(&mut world);
    let mut world = world.restart();
    assert_eq!(world.state(), "Stable");
    let join = world.join(&rejoin("a"));
    let response = world.joined(join);
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert_eq!(world.heartbeat_as(&ids[0], Some("a"), 1), FencedInstanceId);
}

#[test]
fn a_member_that_comes_back_before_it_has_fetched_its_assignment_is_awaited_under_its_new_id() {
    let mut world = World::new();
    world.join(&rejoin("a"));
    world.join(&rejoin("b"));
    world.advance(6_000);
    let leader = world.explain().leader.unwrap();
    let (leads, follows) = if leader.starts_with('a') { ("a", "b") } else { ("b", "a") };
    world.sync(&leader, 1, &[(&leader, "one")]);
    let join = world.join(&rejoin(follows));
    let member_id = world.joined(join).member_id;
    assert_eq!(world.explain().waiting_for, std::slice::from_ref(&member_id));
    let sync = world.sync(&member_id, 1, &[]);
    assert_eq!(world.sync_error(sync), None);
    world.advance(60_000);
    assert_eq!(world.heartbeat_as(&leader, Some(leads), 1), None);
    assert_eq!(world.state(), "Stable");
}
