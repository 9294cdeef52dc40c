//! Short forms for the tests of streams groups.

use ottla_protocol::Str;

use super::tasks::{Tasks, TasksWithEpochs};

/// Tasks by subtopology.
pub fn tasks(tasks: &[(&str, &[i32])]) -> Tasks {
    tasks.iter().map(|(id, partitions)| (Str::from(*id), partitions.iter().copied().collect())).collect()
}

/// Tasks by subtopology, all assigned in one epoch.
pub fn tasks_with_epochs(epoch: i32, tasks: &[(&str, &[i32])]) -> TasksWithEpochs {
    let with_epoch = |partitions: &[i32]| partitions.iter().map(|partition| (*partition, epoch)).collect();
    tasks.iter().map(|(id, partitions)| (Str::from(*id), with_epoch(partitions))).collect()
}
