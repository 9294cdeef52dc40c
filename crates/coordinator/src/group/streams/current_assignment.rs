//! From what a member owns towards what it is to own (`CurrentAssignmentBuilder`).
//!
//! A member first gives up what is no longer its own, and stays in its epoch until it has; then it gets what
//! is new, except tasks that another has not given up yet, for which it waits. An active task has one owner
//! in the whole group. Within one process a task is owned in one role only, for roles share the directory of
//! the task's state.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::{ErrorCode, Str};

use super::member::{MemberState, StreamsGroupMember};
use super::task_processes::TaskProcesses;
use super::tasks::{Tasks, TasksTuple, TasksTupleWithEpochs, TasksWithEpochs};
use crate::group::GroupError;

/// What reconciling a member takes into account.
pub(crate) struct CurrentAssignment<'a> {
    /// The member, as it is or as its heartbeat makes it.
    pub member: &'a StreamsGroupMember,
    pub target_assignment_epoch: i32,
    pub target_assignment: &'a TasksTuple,
    /// Who owns what, this member included.
    pub owners: &'a TaskProcesses,
    /// What the member says that it owns, if it says so.
    pub owned_tasks: Option<&'a TasksTuple>,
}

/// One kind of tasks, divided.
struct Difference<T> {
    assigned: T,
    pending_revocation: T,
    pending_assignment: T,
    /// Some that are to be assigned are not free.
    has_unreleased: bool,
}

impl CurrentAssignment<'_> {
    /// The member after the next step, or as it is while it has to wait.
    ///
    /// # Errors
    /// FENCED_MEMBER_EPOCH when its state is not known, and it owns tasks or may own some.
    pub fn build(&self) -> Result<StreamsGroupMember, GroupError> {
        let member = self.member;
        match member.state {
            MemberState::Stable if member.member_epoch == self.target_assignment_epoch => Ok(member.clone()),
            MemberState::Stable | MemberState::UnreleasedTasks => Ok(self.next(member.member_epoch)),
            MemberState::UnrevokedTasks => match self.owned_tasks {
                Some(owned) if !owned.contains_any(&member.tasks_pending_revocation) => {
                    Ok(self.next(member.member_epoch.saturating_add(1)))
                }
                _ => Ok(member.clone()),
            },
            MemberState::Unknown => match self.owned_tasks {
                Some(owned) if owned.is_empty() => Ok(self.next(self.target_assignment_epoch)),
                _ => Err(GroupError::new(
                    ErrorCode::FencedMemberEpoch,
                    "The streams group member is in a unknown state. The member must abandon all its tasks \
                     and rejoin.",
                )),
            },
        }
    }

    fn next(&self, member_epoch: i32) -> StreamsGroupMember {
        let process_id = &self.member.process_id;
        let assigned = &self.member.assigned_tasks;
        let target = self.target_assignment;
        let in_process = |id: &Str, partition: i32| {
            self.owners.is_standby(id, partition, process_id)
                || self.owners.is_warmup(id, partition, process_id)
        };
        let active = self.divide_active(&assigned.active, &target.active, |id, partition| {
            self.owners.active(id, partition).is_some() || in_process(id, partition)
        });
        let taken = |id: &Str, partition: i32| {
            self.owners.active(id, partition) == Some(process_id) || in_process(id, partition)
        };
        let standby = divide(&assigned.standby, &target.standby, taken);
        let warmup = divide(&assigned.warmup, &target.warmup, taken);
        let pending_revocation = TasksTupleWithEpochs {
            active: active.pending_revocation,
            standby: standby.pending_revocation,
            warmup: warmup.pending_revocation,
        };
        let pending_assignment = TasksTupleWithEpochs {
            active: active.pending_assignment,
            standby: standby.pending_assignment,
            warmup: warmup.pending_assignment,
        };
        let kept = TasksTupleWithEpochs {
            active: active.assigned,
            standby: standby.assigned,
            warmup: warmup.assigned,
        };
        let has_unreleased = active.has_unreleased || standby.has_unreleased || warmup.has_unreleased;
        self.step(member_epoch, kept, pending_revocation, pending_assignment, has_unreleased)
    }

    fn step(
        &self,
        member_epoch: i32,
        kept: TasksTupleWithEpochs,
        pending_revocation: TasksTupleWithEpochs,
        pending_assignment: TasksTupleWithEpochs,
        has_unreleased: bool,
    ) -> StreamsGroupMember {
        let must_revoke = !pending_revocation.is_empty()
            && self.owned_tasks.is_none_or(|owned| owned.contains_any(&pending_revocation));
        if must_revoke {
            return StreamsGroupMember {
                state: MemberState::UnrevokedTasks,
                assigned_tasks: kept,
                tasks_pending_revocation: pending_revocation,
                ..self.member.with_epoch(member_epoch)
            };
        }
        StreamsGroupMember {
            state: if has_unreleased { MemberState::UnreleasedTasks } else { MemberState::Stable },
            assigned_tasks: kept.merge(pending_assignment),
            tasks_pending_revocation: TasksTupleWithEpochs::default(),
            ..self.member.with_epoch(self.target_assignment_epoch)
        }
    }

    fn divide_active(
        &self,
        current: &TasksWithEpochs,
        target: &Tasks,
        is_unreleased: impl Fn(&Str, i32) -> bool,
    ) -> Difference<TasksWithEpochs> {
        let numbers = current.iter().map(|(id, tasks)| (id.clone(), tasks.keys().copied().collect()));
        let numbers: Tasks = numbers.collect();
        let difference = divide(&numbers, target, is_unreleased);
        let with_epochs = |tasks: Tasks| -> TasksWithEpochs {
            let epoch =
                |id: &Str, partition: i32| current.get(id).and_then(|tasks| tasks.get(&partition)).copied();
            let tasks = tasks.into_iter().map(|(id, partitions)| {
                let partitions = partitions.into_iter().map(|partition| {
                    (partition, epoch(&id, partition).unwrap_or(self.target_assignment_epoch))
                });
                let partitions: BTreeMap<i32, i32> = partitions.collect();
                (id, partitions)
            });
            tasks.collect()
        };
        Difference {
            assigned: with_epochs(difference.assigned),
            pending_revocation: with_epochs(difference.pending_revocation),
            pending_assignment: with_epochs(difference.pending_assignment),
            has_unreleased: difference.has_unreleased,
        }
    }
}

/// Divides tasks into those that stay, those to give up, and those to get, as far as they are free.
fn divide(current: &Tasks, target: &Tasks, is_unreleased: impl Fn(&Str, i32) -> bool) -> Difference<Tasks> {
    let mut out = Difference {
        assigned: Tasks::new(),
        pending_revocation: Tasks::new(),
        pending_assignment: Tasks::new(),
        has_unreleased: false,
    };
    let none = BTreeSet::new();
    let ids: BTreeSet<&Str> = current.keys().chain(target.keys()).collect();
    for id in ids {
        let current = current.get(id).unwrap_or(&none);
        let target = target.get(id).unwrap_or(&none);
        let (unreleased, free): (BTreeSet<i32>, BTreeSet<i32>) =
            target.difference(current).partition(|partition| is_unreleased(id, **partition));
        out.has_unreleased |= !unreleased.is_empty();
        for (tasks, partitions) in [
            (&mut out.assigned, current.intersection(target).copied().collect()),
            (&mut out.pending_revocation, current.difference(target).copied().collect()),
            (&mut out.pending_assignment, free),
        ] {
            if !partitions.is_empty() {
                tasks.insert(id.clone(), partitions);
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "current_assignment_test.rs"]
mod tests;
