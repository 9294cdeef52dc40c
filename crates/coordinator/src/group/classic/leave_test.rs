use ottla_protocol::ErrorCode::{self, *};
use ottla_protocol::messages::LeaveGroupRequest;
use ottla_protocol::messages::leave_group_request::MemberIdentity;

use crate::GroupEvent;
use crate::testing::{GROUP, JoinSpec, World, context, heartbeat_key};

fn errors(world: &mut World, id: crate::ReplyId) -> Vec<ErrorCode> {
    let response = world.left(id);
    assert_eq!(response.error_code, 0);
    response.members.iter().map(|member| ErrorCode::from_code(member.error_code)).collect()
}

#[test]
fn a_member_that_leaves_begins_a_rebalance() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let leave = world.leave(&[(&ids[0], Option::None)]);
    assert_eq!(errors(&mut world, leave), [None]);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.deadline_in(&heartbeat_key(&ids[0])), Option::None);
    let rejoin = world.join(&JoinSpec::new().member(&ids[1]));
    assert_eq!(world.joined(rejoin).leader, ids[1], "the other leads now");
}

#[test]
fn the_answer_to_the_last_that_leaves_waits_for_the_empty_group_to_be_committed() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    world.log.holds = true;
    let leave = world.leave(&[(&ids[0], Option::None)]);
    assert!(world.is_waiting(leave));
    assert_eq!(world.state(), "Empty");
    world.commit();
    assert_eq!(errors(&mut world, leave), [None]);

    world.log.holds = false;
    let ids = world.stable_group(&[JoinSpec::new()]);
    world.log.fails = Some(NotEnoughReplicas);
    let leave = world.leave(&[(&ids[0], Option::None)]);
    assert_eq!(ErrorCode::from_code(world.left(leave).error_code), CoordinatorNotAvailable);
}

#[test]
fn an_administrator_removes_static_members_by_their_instance_ids() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::instance("a"), JoinSpec::instance("b"), JoinSpec::new()]);
    let leave = world.leave(&[
        ("", Some("a")),
        ("", Some("unknown")),
        ("", Option::None),
        (&ids[0], Some("a")),
        (&ids[0], Some("b")),
        (&ids[1], Some("b")),
        ("nobody", Option::None),
    ]);
    let response = world.left(leave);
    let answers = response.members.iter().map(|member| {
        (&*member.member_id, member.group_instance_id.as_deref(), ErrorCode::from_code(member.error_code))
    });
    assert_eq!(
        answers.collect::<Vec<_>>(),
        [
            ("", Some("a"), None),
            ("", Some("unknown"), UnknownMemberId),
            ("", Option::None, UnknownMemberId),
            (&*ids[0], Some("a"), UnknownMemberId),
            (&*ids[0], Some("b"), FencedInstanceId),
            (&*ids[1], Some("b"), None),
            ("nobody", Option::None, UnknownMemberId),
        ]
    );
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.explain().waiting_for, [ids[2].clone()]);
}

#[test]
fn only_who_leaves_in_fact_begins_a_rebalance() {
    let mut world = World::new();
    world.stable_group(&[JoinSpec::new()]);
    let leave = world.leave(&[("nobody", Option::None), ("", Some("unknown"))]);
    assert_eq!(errors(&mut world, leave), [UnknownMemberId, UnknownMemberId]);
    assert_eq!(world.state(), "Stable");
    let leave = world.leave(&[]);
    assert_eq!(errors(&mut world, leave), []);
}

#[test]
fn an_id_that_was_given_out_can_be_given_back() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    let id = world.join(&JoinSpec::new());
    let pending = world.joined(id).member_id;
    let rejoin = world.join(&JoinSpec::new().member(&ids[0]));
    assert!(world.is_waiting(rejoin));
    let leave = world.leave(&[(&pending, Option::None)]);
    assert_eq!(errors(&mut world, leave), [None]);
    assert_eq!(world.deadline_in(&heartbeat_key(&pending)), Option::None);
    assert_eq!(world.join_error(rejoin), None, "nobody is waited for any more");
}

#[test]
fn a_member_that_leaves_while_it_waits_for_the_others_is_answered() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let rejoin = world.join(&JoinSpec::new().topics(&["bar"]).member(&ids[0]));
    world.leave(&[(&ids[0], Option::None)]);
    let response = world.joined(rejoin);
    assert_eq!((response.error_code, &*response.member_id), (UnknownMemberId.code(), ""));
}

#[test]
fn reasons_are_kept_for_the_log() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    let member = MemberIdentity {
        member_id: ids[0].clone(),
        reason: Some("the consumer is being closed".into()),
        ..Default::default()
    };
    let request = LeaveGroupRequest { group_id: GROUP.into(), members: vec![member], ..Default::default() };
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.leave_group(&context(5), &request, id, now_ms));
    let said = |event: &GroupEvent| match event {
        GroupEvent::MemberRemoved { reason, .. } => reason.ends_with("the consumer is being closed"),
        _ => false,
    };
    assert!(world.events.iter().any(said));
}

#[test]
fn up_to_version_2_there_is_one_member() {
    let mut world = World::new();
    let ids = world.stable_group(&[JoinSpec::new()]);
    let mut leave = |member_id: &str, group: &'static str, version| {
        let request =
            LeaveGroupRequest { group_id: group.into(), member_id: member_id.into(), ..Default::default() };
        let now_ms = world.now_ms;
        let id = world.run(|shard, id| shard.leave_group(&context(version), &request, id, now_ms));
        let response = world.left(id);
        assert_eq!(response.members.len(), 0);
        ErrorCode::from_code(response.error_code)
    };
    assert_eq!(leave("nobody", GROUP, 0), UnknownMemberId);
    assert_eq!(leave("nobody", "other", 1), UnknownMemberId);
    assert_eq!(leave("nobody", "", 1), InvalidGroupId);
    assert_eq!(leave(&ids[0], GROUP, 2), None);
}

#[test]
fn members_of_no_group_are_unknown() {
    let mut world = World::new();
    let leave = world.leave(&[("a", Option::None), ("", Some("i"))]);
    assert_eq!(errors(&mut world, leave), [UnknownMemberId, UnknownMemberId]);
}
