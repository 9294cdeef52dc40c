//! Which process owns a task now (the `current*TaskToProcessId` maps of `StreamsGroup`).
//!
//! Derived from the members: what they own, and what they have been told to give up and may still own.

use ottla_metadata::image::PersistentMap;
use ottla_protocol::Str;

use super::member::StreamsGroupMember;
use super::tasks::{Tasks, TasksTupleWithEpochs};

/// A subtopology and the number of a partition.
type TaskKey = (Str, i32);

/// Owners by task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskProcesses {
    active: PersistentMap<TaskKey, Str>,
    /// Keys end with the process.
    standby: PersistentMap<(TaskKey, Str), ()>,
    warmup: PersistentMap<(TaskKey, Str), ()>,
}

impl TaskProcesses {
    /// The process that processes the records of a task.
    pub fn active(&self, subtopology_id: &Str, partition: i32) -> Option<&Str> {
        self.active.get(&(subtopology_id.clone(), partition))
    }

    /// Whether a process has the task as a standby.
    pub fn is_standby(&self, subtopology_id: &Str, partition: i32, process_id: &Str) -> bool {
        self.standby.contains_key(&((subtopology_id.clone(), partition), process_id.clone()))
    }

    /// Whether a process warms the task up.
    pub fn is_warmup(&self, subtopology_id: &Str, partition: i32, process_id: &Str) -> bool {
        self.warmup.contains_key(&((subtopology_id.clone(), partition), process_id.clone()))
    }

    /// Takes a member's tasks out and puts its new ones in. Either may be missing.
    pub fn replace(&mut self, old: Option<&StreamsGroupMember>, new: Option<&StreamsGroupMember>) {
        if let Some(member) = old {
            self.remove(&member.assigned_tasks, &member.process_id);
            self.remove(&member.tasks_pending_revocation, &member.process_id);
        }
        if let Some(member) = new {
            self.add(&member.assigned_tasks, &member.process_id);
            self.add(&member.tasks_pending_revocation, &member.process_id);
        }
    }

    fn add(&mut self, tasks: &TasksTupleWithEpochs, process_id: &Str) {
        for (id, partitions) in &tasks.active {
            for partition in partitions.keys() {
                self.active.insert_mut((id.clone(), *partition), process_id.clone());
            }
        }
        for_each(&tasks.standby, |task| self.standby.insert_mut((task, process_id.clone()), ()));
        for_each(&tasks.warmup, |task| self.warmup.insert_mut((task, process_id.clone()), ()));
    }

    fn remove(&mut self, tasks: &TasksTupleWithEpochs, process_id: &Str) {
        for (id, partitions) in &tasks.active {
            for partition in partitions.keys() {
                let task = (id.clone(), *partition);
                // Unless another owns it by now.
                if self.active.get(&task) == Some(process_id) {
                    self.active.remove_mut(&task);
                }
            }
        }
        for_each(&tasks.standby, |task| _ = self.standby.remove_mut(&(task, process_id.clone())));
        for_each(&tasks.warmup, |task| _ = self.warmup.remove_mut(&(task, process_id.clone())));
    }
}

fn for_each(tasks: &Tasks, mut each: impl FnMut(TaskKey)) {
    for (id, partitions) in tasks {
        partitions.iter().for_each(|partition| each((id.clone(), *partition)));
    }
}
