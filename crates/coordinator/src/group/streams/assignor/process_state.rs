//! What a process has been given so far (`ProcessState`).

use std::collections::{BTreeSet, HashMap};

use super::java_order::{PriorityQueue, hash_map_order};

/// A subtopology, by its place, and a partition.
pub(super) type TaskId = (usize, i32);

/// A process, with its members by their places in the group's list of members.
#[derive(Debug)]
pub(super) struct ProcessState {
    /// In the order in which ties are broken.
    members: Vec<usize>,
    task_counts: HashMap<usize, i64>,
    task_count: i64,
    tasks: BTreeSet<TaskId>,
    /// Dropped when a task is given to a member out of turn.
    members_by_load: Option<PriorityQueue<usize>>,
}

impl ProcessState {
    /// A process with these members, in the order of their arrival.
    pub fn new(members: &[usize], member_id: impl Fn(usize) -> String) -> Self {
        let named: Vec<(String, usize)> =
            members.iter().map(|member| (member_id(*member), *member)).collect();
        let place: HashMap<&str, usize> = named.iter().map(|(id, member)| (id.as_str(), *member)).collect();
        let order = hash_map_order(named.iter().map(|(id, _)| id.as_str()), None);
        Self {
            members: order.iter().filter_map(|id| place.get(id).copied()).collect(),
            task_counts: members.iter().map(|member| (*member, 0)).collect(),
            task_count: 0,
            tasks: BTreeSet::new(),
            members_by_load: None,
        }
    }

    /// Tasks per member.
    pub fn load(&self) -> f64 {
        self.task_count as f64 / self.members.len().max(1) as f64
    }

    /// Tasks of a member.
    pub fn member_task_count(&self, member: usize) -> i64 {
        self.task_counts.get(&member).copied().unwrap_or(0)
    }

    /// Whether one of the members has the task, in whatever role.
    pub fn has_task(&self, task: TaskId) -> bool {
        self.tasks.contains(&task)
    }

    /// Gives a task to a member. Returns how many it has now.
    pub fn add_task(&mut self, member: usize, task: TaskId) -> i64 {
        self.members_by_load = None;
        self.add(member, task)
    }

    /// Gives a task to the member with the fewest. Returns it, and how many it has now.
    pub fn add_task_to_least_loaded_member(&mut self, task: TaskId) -> Option<(usize, i64)> {
        if let [member] = self.members[..] {
            return Some((member, self.add(member, task)));
        }
        let mut queue = self.members_by_load.take().unwrap_or_else(|| {
            let counts = self.members.iter().map(|member| (self.member_task_count(*member) as f64, *member));
            PriorityQueue::new(counts)
        });
        let member = queue.pop()?;
        let count = self.add(member, task);
        queue.push(count as f64, member);
        self.members_by_load = Some(queue);
        Some((member, count))
    }

    fn add(&mut self, member: usize, task: TaskId) -> i64 {
        self.task_count += 1;
        self.tasks.insert(task);
        let count = self.task_counts.entry(member).or_default();
        *count += 1;
        *count
    }
}
