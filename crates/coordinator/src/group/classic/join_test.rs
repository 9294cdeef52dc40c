use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::Str;

use crate::records::GroupRecord;
use crate::testing::{GROUP, JoinSpec, World, context, heartbeat_key, join_key, subscription};
use crate::{GroupEvent, validate_join_group};

#[test]
fn a_new_member_is_given_an_id_and_asked_to_join_with_it() {
    let mut world = World::new();
    let id = world.join(&JoinSpec::new());
    let response = world.joined(id);
    assert_eq!(ErrorCode::from_code(response.error_code), MemberIdRequired);
    assert_eq!(response.member_id, "client-00000000-0000-0000-0000-000000000001");
    assert_eq!((response.generation_id, &*response.leader), (-1, ""));
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.deadline_in(&heartbeat_key(&response.member_id)), Some(10_000), "its session timeout");

    // The group is written, so that the id is known after a restart of the group, if not of the broker.
    let record = world.last_group_record();
    assert_eq!((&*record.protocol_type, record.generation, record.members.len()), ("", 0, 0));
    assert_eq!(record.current_state_timestamp, world.now_ms);

    let id = world.join(&JoinSpec::new().member(&response.member_id));
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.log.records.len(), 1);
    world.advance(3_000);
    let joined = world.joined(id);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!((&joined.leader, &joined.member_id), (&response.member_id, &response.member_id));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&["foo"]));
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn before_version_4_a_new_member_joins_at_once() {
    for version in 0..=3 {
        let mut world = World::new();
        let id = world.join(&JoinSpec::new().version(version));
        assert!(world.is_waiting(id));
        assert_eq!(world.state(), "PreparingRebalance");
        let member_id = "client-00000000-0000-0000-0000-000000000001";
        assert_eq!(
            world.deadline_in(&heartbeat_key(member_id)),
            Some(300_000),
            "it can't send heartbeats yet"
        );
        world.advance(3_000);
        let joined = world.joined(id);
        assert_eq!((joined.error_code, &*joined.member_id), (0, member_id));
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(world.deadline_in(&heartbeat_key(member_id)), Some(10_000), "now it can");
    }
}

#[test]
fn version_0_has_one_timeout_for_session_and_rebalance() {
    let mut world = World::new();
    let (member_id, join) = world.join_new(&JoinSpec::new().version(0).session(20_000).rebalance(-1));
    world.advance(3_000);
    assert_eq!(world.join_error(join), None);
    world.sync(&member_id, 1, &[]);
    assert_eq!(world.last_group_members()[0].rebalance_timeout, 20_000);
}

#[test]
fn what_is_wrong_whatever_the_group_is_found_first() {
    let mut world = World::new();
    let check = |join: JoinSpec, group: &str, expect: ErrorCode| {
        let mut request = join.request();
        request.group_id = Str::from(group);
        let found = validate_join_group(&world.config, &context(4), &request).err().unwrap_or(None);
        assert_eq!(found, expect);
    };
    check(JoinSpec::new(), "g", None);
    check(JoinSpec::new(), "", InvalidGroupId);
    check(JoinSpec::new().session(5_999), "g", InvalidSessionTimeout);
    check(JoinSpec::new().session(6_000), "g", None);
    check(JoinSpec::new().session(1_800_000), "g", None);
    check(JoinSpec::new().session(1_800_001), "g", InvalidSessionTimeout);
    check(JoinSpec::new(), &"g".repeat(32_768), InvalidRequest);
    check(JoinSpec::instance(&"i".repeat(32_740)), "g", InvalidRequest);
    check(JoinSpec::new().protocols(&[&"p".repeat(32_768)]), "g", InvalidRequest);

    let id = world.join(&JoinSpec::new().session(1));
    assert_eq!((world.join_error(id), world.state()), (InvalidSessionTimeout, "-"));
}

#[test]
fn an_unknown_member_id_is_refused() {
    let mut world = World::new();
    let id = world.join(&JoinSpec::new().member("someone"));
    let response = world.joined(id);
    assert_eq!((response.error_code, &*response.member_id), (UnknownMemberId.code(), "someone"));
    assert_eq!(world.state(), "-", "no group is created for it");

    world.stable_group(&[JoinSpec::new()]);
    let id = world.join(&JoinSpec::new().member("someone"));
    assert_eq!(world.join_error(id), UnknownMemberId);
}

#[test]
fn members_must_have_a_protocol_in_common() {
    let mut world = World::new();
    // Even then the group comes into being, as it does in Kafka.
    let id = world.join(&JoinSpec::new().protocols(&[]));
    assert_eq!((world.join_error(id), world.state()), (InconsistentGroupProtocol, "Empty"));
    let id = world.join(&JoinSpec::new().protocol_type(""));
    assert_eq!(world.join_error(id), InconsistentGroupProtocol);

    let ids =
        world.stable_group(&[JoinSpec::new().protocols(&["a", "b"]), JoinSpec::new().protocols(&["b", "c"])]);
    for names in [&["a"][..], &["c"], &["d"], &["a", "c"]] {
        let id = world.join(&JoinSpec::new().protocols(names));
        assert_eq!(world.join_error(id), InconsistentGroupProtocol);
    }
    let id = world.join(&JoinSpec::new().protocols(&["b"]).protocol_type("connect"));
    assert_eq!(world.join_error(id), InconsistentGroupProtocol);
    let id = world.join(&JoinSpec::new().protocols(&["c"]).member(&ids[0]));
    assert_eq!(world.join_error(id), InconsistentGroupProtocol);
    let id = world.join(&JoinSpec::new().protocols(&["d", "b"]));
    assert_eq!(world.join_error(id), MemberIdRequired);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new().protocols(&["a", "a"])]);
    let id = world.join(&JoinSpec::new().version(3).protocols(&["a"]));
    world.join(&JoinSpec::new().protocols(&["a"]).member(&ids[0]));
    assert_eq!(world.joined(id).protocol_name.as_deref(), Some("a"));
}

#[test]
fn a_full_group_takes_no_new_members() {
    let mut world = World::with(|config| config.group_max_size = 2);
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let id = world.join(&JoinSpec::new());
    let response = world.joined(id);
    assert_eq!((response.error_code, &*response.member_id), (GroupMaxSizeReached.code(), ""));
    // Those who belong to it may rejoin, in any state.
    let first = world.join(&JoinSpec::new().member(&ids[0]));
    let second = world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!((world.join_error(first), world.join_error(second)), (None, None));
    assert_eq!(world.state(), "CompletingRebalance");
    let third = world.join(&JoinSpec::new().version(3));
    assert_eq!(world.join_error(third), GroupMaxSizeReached);
}

#[test]
fn while_members_join_those_who_have_joined_count() {
    let mut world = World::with(|config| config.group_max_size = 2);
    let (first, first_join) = world.join_new(&JoinSpec::new());
    let (_, second_join) = world.join_new(&JoinSpec::new());
    // An id that was given out has no right to a place.
    let third = world.join(&JoinSpec::new());
    assert_eq!(world.join_error(third), GroupMaxSizeReached);
    // One who waits may ask again.
    let again = world.join(&JoinSpec::new().member(&first));
    assert_eq!(world.join_error(first_join), RebalanceInProgress);
    world.advance(6_000);
    assert_eq!((world.join_error(again), world.join_error(second_join)), (None, None));
}

#[test]
fn a_group_that_is_too_large_after_loading_loses_the_last_to_rejoin() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new(), JoinSpec::new()]);
    let mut config = (*world.config).clone();
    config.group_max_size = 2;
    let mut world = World::load(config.into(), world.log, world.now_ms);
    assert_eq!(world.state(), "PreparingRebalance");
    let joins: Vec<_> = ids.iter().map(|id| world.join(&JoinSpec::new().member(id))).collect();
    assert_eq!(world.join_error(joins[2]), GroupMaxSizeReached);
    world.advance(60_000);
    assert_eq!((world.join_error(joins[0]), world.join_error(joins[1])), (None, None));
    assert_eq!(world.explain().generation_id, 2);
}

#[test]
fn in_a_rebalance_that_awaits_the_assignment_the_same_join_gets_the_same_answer() {
    let mut world = World::new();
    let joins = [world.join_new(&JoinSpec::new()), world.join_new(&JoinSpec::new())];
    world.advance(6_000);
    let leader = world.explain().leader.unwrap();
    for (member_id, join) in joins {
        let before = world.joined(join);
        assert_eq!(before.members.len(), if member_id == leader { 2 } else { 0 });
        let again = world.join(&JoinSpec::new().member(&member_id));
        assert_eq!(world.joined(again), before);
    }
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn in_a_rebalance_that_awaits_the_assignment_other_metadata_begin_another() {
    let mut world = World::new();
    let (first, first_join) = world.join_new(&JoinSpec::new());
    let (second, second_join) = world.join_new(&JoinSpec::new());
    world.advance(6_000);
    assert_eq!((world.join_error(first_join), world.join_error(second_join)), (None, None));
    let follower = if world.explain().leader.unwrap() == first { &second } else { &first };
    let leader = if *follower == first { &second } else { &first };
    let waiting = world.sync(follower, 1, &[]);
    let rejoin = world.join(&JoinSpec::new().topics(&["bar"]).member(leader));
    assert_eq!(world.sync_error(waiting), RebalanceInProgress);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.deadline_in(&join_key()), Some(60_000));
    let other = world.join(&JoinSpec::new().member(follower));
    assert_eq!(world.joined(rejoin).generation_id, 2);
    assert_eq!(world.joined(other).generation_id, 2);
}

#[test]
fn a_stable_group_is_rebalanced_by_its_leader_or_by_other_metadata_only() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let leader = world.explain().leader.unwrap();
    let follower = ids.iter().find(|id| **id != leader).unwrap();

    let same = world.join(&JoinSpec::new().member(follower));
    let response = world.joined(same);
    assert_eq!((response.error_code, response.generation_id, response.members.len()), (0, 1, 0));
    assert_eq!((&response.leader, world.state()), (&leader, "Stable"));

    let changed = world.join(&JoinSpec::new().topics(&["bar"]).member(follower));
    assert!(world.is_waiting(changed));
    assert_eq!(world.state(), "PreparingRebalance");
    assert!(world.explain().rebalance_reason.contains("updating its metadata"));
    assert_eq!(world.explain().waiting_for, std::slice::from_ref(&leader));

    let rejoin = world.join(&JoinSpec::new().member(&leader));
    assert_eq!((world.joined(changed).generation_id, world.joined(rejoin).generation_id), (2, 2));
    world.sync_all(&ids, 2);
    world.join(&JoinSpec::new().member(&leader));
    assert_eq!(world.state(), "PreparingRebalance");
    assert!(world.explain().rebalance_reason.contains("leader"));
}

#[test]
fn a_static_member_that_joins_with_an_id_given_to_a_dynamic_one_is_refused() {
    let mut world = World::new();
    let id = world.join(&JoinSpec::new());
    let pending = world.joined(id).member_id;
    let id = world.join(&JoinSpec::instance("i").member(&pending));
    assert_eq!(world.join_error(id), UnknownServerError);
}

#[test]
fn an_id_that_is_not_used_in_time_is_forgotten() {
    let mut world = World::new();
    let id = world.join(&JoinSpec::new());
    let pending = world.joined(id).member_id;
    world.advance(10_000);
    let id = world.join(&JoinSpec::new().member(&pending));
    assert_eq!(world.join_error(id), UnknownMemberId);
    let removed = GroupEvent::MemberRemoved {
        group_id: GROUP.into(),
        member_id: pending,
        reason: "it has not joined with its new member id in time".into(),
    };
    assert!(world.events.contains(&removed));
}

#[test]
fn a_group_that_can_not_be_written_is_taken_back() {
    // An id was given out: the answer is on its way, the group is not.
    let mut world = World::new();
    world.log.fails = Some(NotEnoughReplicas);
    let id = world.join(&JoinSpec::new());
    assert_eq!((world.join_error(id), world.state()), (MemberIdRequired, "-"));

    // The member waits for the end of the join phase: it is told.
    let id = world.join(&JoinSpec::new().version(3));
    assert_eq!((world.join_error(id), world.state()), (CoordinatorNotAvailable, "-"));
    world.log.fails = Some(NotLeaderOrFollower);
    let id = world.join(&JoinSpec::new().version(3));
    assert_eq!(world.join_error(id), NotCoordinator);
    world.advance(600_000);

    world.log.fails = Option::None;
    let id = world.join(&JoinSpec::new().version(3));
    world.advance(3_000);
    assert_eq!(world.join_error(id), None);
}

#[test]
fn a_group_that_is_not_committed_in_time_fails_its_first_member_but_lives() {
    let mut world = World::with(|config| config.group_initial_rebalance_delay_ms = 6_000);
    world.log.holds = true;
    let id = world.join(&JoinSpec::new().version(3));
    world.advance(5_000);
    assert_eq!(world.join_error(id), CoordinatorNotAvailable);
    world.advance(1_000);
    // Its place is kept: it counts as joined although nobody waits for the answer.
    assert_eq!(world.state(), "CompletingRebalance");
    world.commit();
    assert!(matches!(world.log()[0], GroupRecord::ClassicGroup(_, Some(_))));
}
