//! Sets of tasks by what they are for (`TasksTuple`, `TasksTupleWithEpochs`).
//!
//! A task is a subtopology and a number: the partition of the subtopology's source topics that it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result as FmtResult};

use ottla_protocol::Str;

/// Tasks: for each subtopology the numbers of the partitions.
pub(crate) type Tasks = BTreeMap<Str, BTreeSet<i32>>;

/// Tasks, each with the group epoch in which it was assigned.
pub(crate) type TasksWithEpochs = BTreeMap<Str, BTreeMap<i32, i32>>;

/// What a member is to own (`TasksTuple`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TasksTuple {
    /// They process records.
    pub active: Tasks,
    /// They keep a copy of an active task's state.
    pub standby: Tasks,
    /// They build up the state of a task that is to become active here. Kafka 4.3 assigns none.
    pub warmup: Tasks,
}

/// What a member owns, or has to give up (`TasksTupleWithEpochs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TasksTupleWithEpochs {
    /// They process records. The epoch fences commits of those who owned the task before.
    pub active: TasksWithEpochs,
    /// As in [`TasksTuple`].
    pub standby: Tasks,
    /// As in [`TasksTuple`].
    pub warmup: Tasks,
}

impl TasksTuple {
    /// Whether there is no subtopology in it.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether the two have a task of the same kind in common.
    pub fn contains_any(&self, other: &TasksTupleWithEpochs) -> bool {
        let active = self.active.iter().any(|(subtopology, tasks)| {
            other.active.get(subtopology).is_some_and(|others| tasks.iter().any(|t| others.contains_key(t)))
        });
        active || intersect(&self.standby, &other.standby) || intersect(&self.warmup, &other.warmup)
    }
}

impl TasksTupleWithEpochs {
    /// Whether there is no task in it.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// The tasks of both. Where an active task is in both, the epoch is that of `other`.
    pub fn merge(mut self, other: TasksTupleWithEpochs) -> Self {
        for (subtopology, tasks) in other.active {
            self.active.entry(subtopology).or_default().extend(tasks);
        }
        for (ours, theirs) in [(&mut self.standby, other.standby), (&mut self.warmup, other.warmup)] {
            for (subtopology, tasks) in theirs {
                ours.entry(subtopology).or_default().extend(tasks);
            }
        }
        self
    }

    /// The epoch in which an active task was assigned.
    pub fn active_epoch(&self, subtopology_id: &str, partition: i32) -> Option<i32> {
        self.active.get(subtopology_id)?.get(&partition).copied()
    }
}

impl Display for TasksTupleWithEpochs {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        let active = self.active.iter().flat_map(|(subtopology, tasks)| {
            tasks.iter().map(move |(partition, epoch)| format!("{subtopology}-{partition}@{epoch}"))
        });
        let active: Vec<String> = active.collect();
        write!(f, "(active=[{}], standby=", active.join(", "))?;
        write_tasks(f, &self.standby)?;
        write!(f, ", warmup=")?;
        write_tasks(f, &self.warmup)?;
        write!(f, ")")
    }
}

fn write_tasks(f: &mut Formatter<'_>, tasks: &Tasks) -> FmtResult {
    let tasks = tasks.iter().flat_map(|(subtopology, partitions)| {
        partitions.iter().map(move |partition| format!("{subtopology}-{partition}"))
    });
    write!(f, "[{}]", tasks.collect::<Vec<_>>().join(", "))
}

fn intersect(ours: &Tasks, theirs: &Tasks) -> bool {
    ours.iter()
        .any(|(subtopology, tasks)| theirs.get(subtopology).is_some_and(|others| !tasks.is_disjoint(others)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::streams::testing::{tasks, tasks_with_epochs};

    #[test]
    fn tasks_are_shared_only_with_tasks_of_the_same_kind() {
        let owned = TasksTuple { active: tasks(&[("a", &[1, 2])]), ..Default::default() };
        let check = |others: TasksTupleWithEpochs, expect: bool| {
            assert_eq!(owned.contains_any(&others), expect, "{others}");
        };
        check(TasksTupleWithEpochs::default(), false);
        let active = |tasks| TasksTupleWithEpochs { active: tasks, ..Default::default() };
        check(active(tasks_with_epochs(5, &[("a", &[2, 3])])), true);
        check(active(tasks_with_epochs(5, &[("a", &[3])])), false);
        check(active(tasks_with_epochs(5, &[("b", &[1])])), false);
        check(TasksTupleWithEpochs { standby: tasks(&[("a", &[1])]), ..Default::default() }, false);
    }

    #[test]
    fn merging_takes_the_newer_epoch() {
        let old = TasksTupleWithEpochs {
            active: tasks_with_epochs(1, &[("a", &[0, 1])]),
            standby: tasks(&[("a", &[2])]),
            warmup: Tasks::new(),
        };
        let new = TasksTupleWithEpochs {
            active: tasks_with_epochs(7, &[("a", &[1]), ("b", &[0])]),
            standby: tasks(&[("a", &[3])]),
            warmup: tasks(&[("c", &[1])]),
        };
        let merged = old.merge(new);
        assert_eq!(merged.to_string(), "(active=[a-0@1, a-1@7, b-0@7], standby=[a-2, a-3], warmup=[c-1])");
        assert_eq!(merged.active_epoch("a", 1), Some(7));
        assert_eq!(merged.active_epoch("a", 2), None);
    }
}
