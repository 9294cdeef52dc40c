//! Steps of a member towards its target.

use super::*;
use crate::group::streams::testing::{tasks, tasks_with_epochs};

/// A member in epoch 10 that owns active and standby tasks of subtopology `s`.
fn member(state: MemberState, active: &[i32], standby: &[i32]) -> StreamsGroupMember {
    let mut member = StreamsGroupMember::new("m".into());
    (member.member_epoch, member.previous_member_epoch, member.state) = (10, 9, state);
    member.process_id = "p".into();
    member.assigned_tasks = TasksTupleWithEpochs { active: of(10, active), standby: set(standby), ..none() };
    member
}

fn none() -> TasksTupleWithEpochs {
    TasksTupleWithEpochs::default()
}

fn set(partitions: &[i32]) -> Tasks {
    if partitions.is_empty() { Tasks::new() } else { tasks(&[("s", partitions)]) }
}

fn of(epoch: i32, partitions: &[i32]) -> TasksWithEpochs {
    if partitions.is_empty() {
        TasksWithEpochs::new()
    } else {
        tasks_with_epochs(epoch, &[("s", partitions)])
    }
}

/// The member after a step to the target of epoch 11, other members owning what they own.
fn step(
    member: &StreamsGroupMember,
    target: (&[i32], &[i32]),
    others: &[StreamsGroupMember],
    owned: Option<(&[i32], &[i32])>,
) -> StreamsGroupMember {
    let target_assignment =
        TasksTuple { active: set(target.0), standby: set(target.1), ..Default::default() };
    let mut owners = TaskProcesses::default();
    others.iter().chain([member]).for_each(|member| owners.replace(None, Some(member)));
    let owned = owned.map(|(active, standby)| TasksTuple {
        active: set(active),
        standby: set(standby),
        ..Default::default()
    });
    CurrentAssignment {
        member,
        target_assignment_epoch: 11,
        target_assignment: &target_assignment,
        owners: &owners,
        owned_tasks: owned.as_ref(),
    }
    .build()
    .unwrap()
}

fn other(process: &str, active: &[i32], standby: &[i32]) -> StreamsGroupMember {
    let mut other = member(MemberState::Stable, active, standby);
    (other.member_id, other.process_id) = ("other".into(), process.into());
    other
}

#[test]
fn what_is_free_is_assigned_at_once() {
    let next = step(&member(MemberState::Stable, &[0], &[]), (&[0, 1], &[2]), &[], None);
    assert_eq!((next.state, next.member_epoch, next.previous_member_epoch), (MemberState::Stable, 11, 10));
    assert_eq!(next.assigned_tasks.to_string(), "(active=[s-0@10, s-1@11], standby=[s-2], warmup=[])");
}

#[test]
fn tasks_are_given_up_first() {
    let next = step(&member(MemberState::Stable, &[0, 1], &[]), (&[1, 2], &[]), &[], None);
    assert_eq!((next.state, next.member_epoch), (MemberState::UnrevokedTasks, 10));
    assert_eq!(next.assigned_tasks.active, of(10, &[1]));
    assert_eq!(next.tasks_pending_revocation.active, of(10, &[0]));
    // It says nothing, or still has the task: it waits.
    assert_eq!(step(&next, (&[1, 2], &[]), &[], None), next);
    assert_eq!(step(&next, (&[1, 2], &[]), &[], Some((&[0, 1], &[]))), next);
    let done = step(&next, (&[1, 2], &[]), &[], Some((&[1], &[])));
    assert_eq!((done.state, done.member_epoch), (MemberState::Stable, 11));
    assert_eq!(done.assigned_tasks.to_string(), "(active=[s-1@10, s-2@11], standby=[], warmup=[])");
    assert!(done.tasks_pending_revocation.is_empty());
}

#[test]
fn a_task_that_the_member_does_not_have_need_not_be_given_up() {
    let next = step(&member(MemberState::Stable, &[0, 1], &[]), (&[1], &[]), &[], Some((&[1], &[])));
    assert_eq!((next.state, next.member_epoch), (MemberState::Stable, 11));
}

#[test]
fn an_active_task_has_one_owner() {
    let owner = other("elsewhere", &[1], &[]);
    let next = step(&member(MemberState::Stable, &[0], &[]), (&[0, 1, 2], &[]), &[owner], None);
    assert_eq!((next.state, next.member_epoch), (MemberState::UnreleasedTasks, 11));
    assert_eq!(next.assigned_tasks.to_string(), "(active=[s-0@10, s-2@11], standby=[], warmup=[])");
    let freed = step(&next, (&[0, 1, 2], &[]), &[], None);
    assert_eq!((freed.state, freed.assigned_tasks.active_epoch("s", 1)), (MemberState::Stable, Some(11)));
}

#[test]
fn a_task_has_one_role_in_a_process() {
    let check = |process: &str, expect: MemberState| {
        let with_standby = other(process, &[], &[5]);
        let next = step(&member(MemberState::Stable, &[], &[]), (&[5], &[]), &[with_standby], None);
        assert_eq!(next.state, expect, "an active task where a standby is");
        let with_active = other(process, &[5], &[]);
        let next = step(&member(MemberState::Stable, &[], &[]), (&[], &[5]), &[with_active], None);
        assert_eq!(next.state, expect, "a standby where the active task is");
    };
    check("p", MemberState::UnreleasedTasks);
    check("elsewhere", MemberState::Stable);
}

#[test]
fn a_member_in_an_unknown_state_starts_over() {
    let lost = member(MemberState::Unknown, &[], &[]);
    let next = step(&lost, (&[3], &[]), &[], Some((&[], &[])));
    assert_eq!((next.state, next.member_epoch), (MemberState::Stable, 11));
    let (owners, target) = (TaskProcesses::default(), TasksTuple::default());
    let assignment = CurrentAssignment {
        member: &lost,
        target_assignment_epoch: 11,
        target_assignment: &target,
        owners: &owners,
        owned_tasks: None,
    };
    assert_eq!(assignment.build().unwrap_err().code, ErrorCode::FencedMemberEpoch);
}
