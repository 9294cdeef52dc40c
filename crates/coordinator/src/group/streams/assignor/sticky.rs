//! The assignor that leaves tasks where they are (`StickyTaskAssignor`).
//!
//! Active tasks go back to who had them, else to who has their state as a standby, as long as the member has
//! fewer tasks than its share; the rest goes to the process with the least load, and in it to the member with
//! the fewest tasks. Standbys likewise, never in a process that has the task already. Load is tasks per
//! member, so a process with more threads gets more.
//!
//! *Invariant:* the outcome is Kafka's, ties included; `sticky_golden.txt` holds what Kafka computed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use ottla_protocol::Str;

use super::java_order::{PriorityQueue, hash_map_order};
use super::process_state::{ProcessState, TaskId};
use super::{GroupSpec, TaskAssignorError};
use crate::group::streams::tasks::{Tasks, TasksTuple};

/// Assigns all tasks anew.
///
/// # Errors
/// When there are tasks and no members.
pub(crate) fn assign(spec: &GroupSpec<'_>) -> Result<BTreeMap<Str, TasksTuple>, TaskAssignorError> {
    let mut assignor = StickyAssignor::new(spec);
    assignor.assign_active()?;
    if spec.num_standby_replicas > 0 {
        assignor.assign_standby();
    }
    Ok(assignor.assignment)
}

/// How many tasks a member may have before it is its neighbours' turn.
#[derive(Debug)]
struct Share {
    tasks: i64,
    members: i64,
    tasks_per_member: i64,
}

impl Share {
    fn new(tasks: i64, members: i64) -> Self {
        Self { tasks, members, tasks_per_member: per_member(tasks, members) }
    }

    /// A member has this many tasks now. If that is its share, the others share the rest.
    fn member_has(&mut self, tasks: i64) {
        if tasks == self.tasks_per_member {
            *self = Self::new(self.tasks - tasks, self.members - 1);
        }
    }
}

fn per_member(tasks: i64, members: i64) -> i64 {
    if members == 0 {
        return 0;
    }
    let remainder = i64::from(tasks % members > 0);
    tasks / members + remainder
}

struct StickyAssignor<'a> {
    spec: &'a GroupSpec<'a>,
    /// Members in the order in which Kafka walks over them, with the place of their process.
    members: Vec<(&'a Str, usize)>,
    /// In the order in which ties are broken.
    processes: Vec<ProcessState>,
    active_to_previous_member: HashMap<TaskId, usize>,
    standby_to_previous_members: HashMap<TaskId, Vec<usize>>,
    active_share: Share,
    total_share: Share,
    assignment: BTreeMap<Str, TasksTuple>,
}

impl<'a> StickyAssignor<'a> {
    fn new(spec: &'a GroupSpec<'a>) -> Self {
        let walk = hash_map_order(spec.members.keys().map(|id| &***id), None);
        let walk: Vec<_> = walk.iter().filter_map(|id| spec.members.get_key_value(&Str::from(*id))).collect();
        let mut arrived: Vec<&str> = Vec::new();
        let mut members_of: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, (_, member)) in walk.iter().enumerate() {
            let members = members_of.entry(member.process_id).or_default();
            if members.is_empty() {
                arrived.push(member.process_id);
            }
            members.push(place);
        }
        let order = hash_map_order(arrived, Some(walk.len()));
        let place_of: HashMap<&str, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let member_id = |place: usize| walk.get(place).map(|(id, _)| id.to_string()).unwrap_or_default();
        let processes = order.iter().filter_map(|id| Some(ProcessState::new(members_of.get(id)?, member_id)));
        let tasks = |stateful_only: bool| {
            let counted = spec.subtopologies.iter().filter(|s| s.is_stateful || !stateful_only);
            counted.map(|s| i64::from(s.number_of_tasks)).sum::<i64>()
        };
        let (active, stateful) = (tasks(false), tasks(true));
        let total = active + stateful * i64::from(spec.num_standby_replicas);
        let mut assignor = Self {
            spec,
            processes: processes.collect(),
            active_to_previous_member: HashMap::new(),
            standby_to_previous_members: HashMap::new(),
            active_share: Share::new(active, walk.len() as i64),
            total_share: Share::new(total, walk.len() as i64),
            assignment: walk.iter().map(|(id, _)| ((**id).clone(), TasksTuple::default())).collect(),
            members: Vec::new(),
        };
        for (place, (id, member)) in walk.into_iter().enumerate() {
            assignor.remember(place, member.target_assignment);
            assignor.members.push((id, place_of.get(&**member.process_id).copied().unwrap_or(0)));
        }
        assignor
    }

    fn remember(&mut self, member: usize, tasks: &TasksTuple) {
        let subtopologies = &self.spec.subtopologies;
        let ids = |tasks: &Tasks| -> Vec<TaskId> {
            let known = tasks.iter().filter_map(|(id, partitions)| {
                Some((subtopologies.binary_search_by(|s| s.id.cmp(id)).ok()?, partitions))
            });
            known
                .flat_map(|(at, partitions)| partitions.iter().map(move |partition| (at, *partition)))
                .collect()
        };
        for task in ids(&tasks.active) {
            self.active_to_previous_member.insert(task, member);
        }
        for task in ids(&tasks.standby) {
            self.standby_to_previous_members.entry(task).or_default().push(member);
        }
    }

    fn tasks(&self, stateful_only: bool) -> Vec<TaskId> {
        let subtopologies = self.spec.subtopologies.iter().enumerate();
        let subtopologies = subtopologies.filter(|(_, s)| s.is_stateful || !stateful_only);
        subtopologies
            .flat_map(|(at, s)| (0..s.number_of_tasks).map(move |partition| (at, partition)))
            .collect()
    }

    fn assign_active(&mut self) -> Result<(), TaskAssignorError> {
        let mut tasks = self.tasks(false);
        // Partitions with the same number belong together, as the first assignment has them.
        tasks.sort_by_key(|(subtopology, partition)| (*partition, *subtopology));
        tasks.retain(|task| {
            let previous = self.active_to_previous_member.get(task).copied();
            !previous.is_some_and(|member| self.keep_active(member, *task))
        });
        tasks.retain(|task| {
            let previous = self.standby_to_previous_members.get(task);
            let previous = previous.and_then(|members| self.least_loaded(members, None));
            !previous.is_some_and(|member| self.keep_active(member, *task))
        });
        tasks.sort();
        let mut by_load = self.processes_by_load();
        for task in tasks {
            let given = by_load.pop().and_then(|process| {
                let state = self.processes.get_mut(process)?;
                let (member, count) = state.add_task_to_least_loaded_member(task)?;
                Some((process, state.load(), member, count))
            });
            let (process, load, member, count) = given.ok_or_else(|| self.no_process(task))?;
            self.active_share.member_has(count);
            self.total_share.member_has(count);
            self.record(member, task, true);
            by_load.push(load, process);
        }
        Ok(())
    }

    /// Gives an active task to a member that knows it, unless the member has its share.
    fn keep_active(&mut self, member: usize, task: TaskId) -> bool {
        if self.task_count(member) >= self.active_share.tasks_per_member {
            return false;
        }
        let count = self.add_task(member, task);
        self.active_share.member_has(count);
        self.total_share.member_has(count);
        self.record(member, task, true);
        true
    }

    fn assign_standby(&mut self) {
        let replicas = self.spec.num_standby_replicas;
        let mut tasks = self.tasks(true);
        tasks.sort_by_key(|(subtopology, partition)| Reverse((*partition, *subtopology)));
        let mut rest: Vec<(TaskId, i32)> = Vec::new();
        for task in tasks {
            let placed = (0..replicas).take_while(|_| self.keep_standby(task)).count() as i32;
            if placed < replicas {
                rest.push((task, replicas - placed));
            }
        }
        rest.sort_by_key(|(task, _)| Reverse(*task));
        let mut by_load = self.processes_by_load();
        for (task, replicas) in rest {
            // Once there is no process without the task, there is none for its further copies either.
            let _ =
                (0..replicas).take_while(|_| self.assign_standby_to_least_loaded(&mut by_load, task)).count();
        }
    }

    /// Gives a standby to a member that knows the task's state, unless its process has the task or the
    /// member has its share.
    fn keep_standby(&mut self, task: TaskId) -> bool {
        let fits = |this: &Self, member: usize| this.task_count(member) < this.total_share.tasks_per_member;
        let active = self.active_to_previous_member.get(&task).copied();
        let active = active.filter(|member| !self.has_task(*member, task) && fits(self, *member));
        let standby = || {
            let members = self.standby_to_previous_members.get(&task)?;
            self.least_loaded(members, Some(task)).filter(|member| fits(self, *member))
        };
        let Some(member) = active.or_else(standby) else { return false };
        let count = self.add_task(member, task);
        self.total_share.member_has(count);
        self.record(member, task, false);
        true
    }

    fn assign_standby_to_least_loaded(&mut self, by_load: &mut PriorityQueue<usize>, task: TaskId) -> bool {
        let mut taken = Vec::new();
        let mut given = None;
        while let Some(process) = by_load.pop() {
            taken.push(process);
            let Some(state) = self.processes.get_mut(process) else { break };
            if !state.has_task(task) {
                given = state.add_task_to_least_loaded_member(task);
                break;
            }
        }
        if let Some((member, count)) = given {
            self.total_share.member_has(count);
            self.record(member, task, false);
        }
        for process in taken.into_iter().rev() {
            by_load.push(self.processes.get(process).map_or(0.0, ProcessState::load), process);
        }
        given.is_some()
    }

    /// The member to go on with a task that several know. With `task`, only one in whose process the task is
    /// not. Kafka looks for that at the first member's process and those that beat it, not at the one chosen.
    fn least_loaded(&self, members: &[usize], task: Option<TaskId>) -> Option<usize> {
        let load = |member: usize| self.process_of(member).map_or(0.0, ProcessState::load);
        let first = *members.first()?;
        let mut best = (first, load(first), self.task_count(first));
        for member in members.iter().skip(1).copied() {
            let is_free = task.is_none_or(|task| !self.has_task(member, task));
            if load(member) < best.1 && is_free && self.task_count(member) < best.2 {
                best = (member, load(member), self.task_count(member));
            }
        }
        task.is_none_or(|task| !self.has_task(first, task)).then_some(best.0)
    }

    fn processes_by_load(&self) -> PriorityQueue<usize> {
        PriorityQueue::new(self.processes.iter().enumerate().map(|(at, process)| (process.load(), at)))
    }

    fn process_of(&self, member: usize) -> Option<&ProcessState> {
        self.processes.get(self.members.get(member)?.1)
    }

    fn has_task(&self, member: usize, task: TaskId) -> bool {
        self.process_of(member).is_some_and(|process| process.has_task(task))
    }

    fn task_count(&self, member: usize) -> i64 {
        self.process_of(member).map_or(0, |process| process.member_task_count(member))
    }

    fn add_task(&mut self, member: usize, task: TaskId) -> i64 {
        let process = self.members.get(member).and_then(|(_, process)| self.processes.get_mut(*process));
        process.map_or(0, |process| process.add_task(member, task))
    }

    fn record(&mut self, member: usize, (subtopology, partition): TaskId, is_active: bool) {
        let (Some((member, _)), Some(subtopology)) =
            (self.members.get(member), self.spec.subtopologies.get(subtopology))
        else {
            return;
        };
        let Some(tasks) = self.assignment.get_mut(*member) else { return };
        let tasks = if is_active { &mut tasks.active } else { &mut tasks.standby };
        tasks.entry(subtopology.id.clone()).or_default().insert(partition);
    }

    fn no_process(&self, (subtopology, partition): TaskId) -> TaskAssignorError {
        let subtopology_id = self.spec.subtopologies.get(subtopology).map(|s| s.id.clone());
        TaskAssignorError { subtopology_id: subtopology_id.unwrap_or_default(), partition }
    }
}

#[cfg(test)]
#[path = "sticky_test.rs"]
mod tests;
