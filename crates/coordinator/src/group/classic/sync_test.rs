use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::Str;

use crate::testing::{JoinSpec, World, context, heartbeat_key, sync_key, sync_request};
use crate::validate_sync_group;

/// Two members that have joined and have not synced: leader, follower.
fn joined(world: &mut World) -> (Str, Str) {
    let (first, _) = world.join_new(&JoinSpec::new());
    let (second, _) = world.join_new(&JoinSpec::new());
    world.advance(6_000);
    if world.explain().leader.unwrap() == first { (first, second) } else { (second, first) }
}

#[test]
fn followers_wait_for_the_leader() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let waiting = world.sync(&follower, 1, &[]);
    assert!(world.is_waiting(waiting));
    let written = world.log.records.len();
    let sync = world.sync(&leader, 1, &[(&leader, "one"), (&follower, "two"), ("stranger", "three")]);
    assert_eq!(world.synced(sync).assignment, "one");
    let response = world.synced(waiting);
    assert_eq!((response.error_code, &response.assignment[..]), (0, &b"two"[..]));
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    assert_eq!(response.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(world.state(), "Stable");
    assert_eq!(world.deadline_in(&sync_key()), Option::None);
    assert_eq!(world.log.records.len(), written + 1);
    let record = world.last_group_record();
    assert_eq!((record.generation, record.protocol.as_deref()), (1, Some("range")));
    assert_eq!((&*record.protocol_type, record.leader), ("consumer", Some(leader.clone())));
    assert_eq!(record.members.len(), 2);
    let member = record.members.iter().find(|member| member.member_id == follower).unwrap();
    assert_eq!((&*member.client_id, &*member.client_host), ("client", "/127.0.0.1"));
    assert_eq!((member.rebalance_timeout, member.session_timeout), (60_000, 10_000));
    assert_eq!(member.assignment, "two");

    // In a stable group each gets its assignment again.
    let again = world.sync(&follower, 1, &[]);
    assert_eq!(world.synced(again).assignment, "two");
    let again = world.sync(&leader, 1, &[(&leader, "other")]);
    assert_eq!(world.synced(again).assignment, "one", "too late for another");
}

#[test]
fn members_that_the_leader_forgot_get_an_empty_assignment() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let waiting = world.sync(&follower, 1, &[]);
    world.sync(&leader, 1, &[(&leader, "all")]);
    let response = world.synced(waiting);
    assert_eq!((response.error_code, response.assignment.len()), (0, 0));
}

#[test]
fn the_assignment_is_told_once_it_is_committed() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    world.log.holds = true;
    let follows = world.sync(&follower, 1, &[]);
    let leads = world.sync(&leader, 1, &[(&leader, "one"), (&follower, "two")]);
    assert!(world.is_waiting(leads) && world.is_waiting(follows));
    assert_eq!(world.state(), "CompletingRebalance");
    world.advance(4_000);
    world.commit();
    assert_eq!(world.synced(leads).assignment, "one");
    assert_eq!(world.synced(follows).assignment, "two");
    assert_eq!(world.state(), "Stable");
    assert_eq!(world.deadline_in(&heartbeat_key(&follower)), Some(10_000));
}

#[test]
fn an_assignment_that_is_overtaken_by_a_rebalance_is_void() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    world.log.holds = true;
    let leads = world.sync(&leader, 1, &[(&leader, "one")]);
    let rejoin = world.join(&JoinSpec::new().topics(&["bar"]).member(&follower));
    assert_eq!(world.sync_error(leads), RebalanceInProgress);
    world.commit();
    assert_eq!(world.state(), "PreparingRebalance");
    let leads = world.join(&JoinSpec::new().member(&leader));
    assert_eq!((world.joined(rejoin).generation_id, world.joined(leads).generation_id), (2, 2));
}

#[test]
fn an_assignment_that_is_not_written_is_void() {
    let check = |error: ErrorCode, told: ErrorCode| {
        let mut world = World::new();
        let (leader, follower) = joined(&mut world);
        let follows = world.sync(&follower, 1, &[]);
        world.log.fails = Some(error);
        let leads = world.sync(&leader, 1, &[(&leader, "one"), (&follower, "two")]);
        assert_eq!((world.sync_error(leads), world.sync_error(follows)), (told, told));
        assert_eq!(world.state(), "PreparingRebalance");
        world.log.fails = Option::None;
        let joins = [&leader, &follower].map(|id| world.join(&JoinSpec::new().member(id)));
        assert_eq!(joins.map(|id| world.joined(id).generation_id), [2, 2]);
    };
    check(UnknownTopicOrPartition, CoordinatorNotAvailable);
    check(NotEnoughReplicas, CoordinatorNotAvailable);
    check(NotLeaderOrFollower, NotCoordinator);
    check(KafkaStorageError, NotCoordinator);
    check(MessageTooLarge, UnknownServerError);
    check(RecordListTooLarge, UnknownServerError);
    check(InvalidFetchSize, UnknownServerError);
    check(ClusterAuthorizationFailed, ClusterAuthorizationFailed);
}

#[test]
fn an_assignment_that_is_not_committed_in_time_is_void() {
    let mut world = World::new();
    let (leader, _) = joined(&mut world);
    world.log.holds = true;
    let leads = world.sync(&leader, 1, &[(&leader, "one")]);
    world.advance(5_000);
    assert_eq!(world.sync_error(leads), CoordinatorNotAvailable);
    assert_eq!(world.state(), "PreparingRebalance");
    world.commit();
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn who_may_not_sync_is_told_why() {
    let mut world = World::new();
    let sync = world.sync("nobody", 1, &[]);
    assert_eq!(world.sync_error(sync), UnknownMemberId, "no group");
    let (leader, follower) = joined(&mut world);
    let sync = world.sync("nobody", 1, &[]);
    assert_eq!(world.sync_error(sync), UnknownMemberId);
    let sync = world.sync(&follower, 2, &[]);
    assert_eq!(world.sync_error(sync), IllegalGeneration);
    let mut request = sync_request(&follower, 1, &[]);
    request.group_instance_id = Some("unknown".into());
    let sync = world.sync_request(3, &request);
    assert_eq!(world.sync_error(sync), UnknownMemberId);

    let mut request = sync_request(&follower, 1, &[]);
    request.protocol_type = Some("consumer".into());
    request.protocol_name = Some("other".into());
    let sync = world.sync_request(5, &request);
    assert_eq!(world.sync_error(sync), InconsistentGroupProtocol);
    request.protocol_name = Some("range".into());
    request.protocol_type = Some("connect".into());
    let sync = world.sync_request(5, &request);
    assert_eq!(world.sync_error(sync), InconsistentGroupProtocol);
    request.protocol_type = Some("consumer".into());
    let sync = world.sync_request(5, &request);
    assert!(world.is_waiting(sync));

    // While members join, and after all have left.
    world.join(&JoinSpec::new().topics(&["bar"]).member(&leader));
    assert_eq!(world.sync_error(sync), RebalanceInProgress);
    let sync = world.sync(&follower, 1, &[]);
    assert_eq!(world.sync_error(sync), RebalanceInProgress);
    world.leave(&[(&leader, Option::None), (&follower, Option::None)]);
    assert_eq!(world.state(), "Empty");
    let sync = world.sync(&follower, 2, &[]);
    assert_eq!(world.sync_error(sync), UnknownMemberId);
}

#[test]
fn what_is_wrong_whatever_the_group_is_found_first() {
    let request = sync_request("m", 1, &[]);
    assert_eq!(validate_sync_group(&context(4), &request), Ok(()));
    assert_eq!(validate_sync_group(&context(5), &request), Err(InconsistentGroupProtocol));
    let request = ottla_protocol::messages::SyncGroupRequest { group_id: Str::new(), ..request };
    assert_eq!(validate_sync_group(&context(4), &request), Err(InvalidGroupId));
}

#[test]
fn a_member_that_asks_twice_is_answered_twice() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let stale = world.sync(&follower, 1, &[]);
    let waiting = world.sync(&follower, 1, &[]);
    assert_eq!(world.sync_error(stale), RebalanceInProgress);
    world.sync(&leader, 1, &[(&follower, "two")]);
    assert_eq!(world.synced(waiting).assignment, "two");
}

#[test]
fn a_member_that_leaves_while_it_waits_is_answered() {
    let mut world = World::new();
    let (_, follower) = joined(&mut world);
    let waiting = world.sync(&follower, 1, &[]);
    world.leave(&[(&follower, Option::None)]);
    assert_eq!(world.sync_error(waiting), UnknownMemberId);
}

#[test]
fn the_leader_may_send_its_assignment_twice_before_it_is_committed() {
    let mut world = World::new();
    let (leader, _) = joined(&mut world);
    world.log.holds = true;
    let stale = world.sync(&leader, 1, &[(&leader, "one")]);
    let sync = world.sync(&leader, 1, &[(&leader, "two")]);
    assert_eq!(world.sync_error(stale), RebalanceInProgress);
    world.commit();
    // As in Kafka, the first that is committed counts; the second, later in the log, says something else
    // until the next rebalance.
    assert_eq!(world.synced(sync).assignment, "one");
    assert_eq!(world.state(), "Stable");
}
