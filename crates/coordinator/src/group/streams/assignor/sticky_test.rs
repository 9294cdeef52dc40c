//! What the assignor does, and that it does what Kafka's does.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::group::streams::assignor::{MemberSpec, SubtopologySpec};
use crate::group::streams::testing::tasks;

/// A group to assign tasks in.
#[derive(Default)]
struct Group {
    replicas: i32,
    /// Id, tasks, whether stateful.
    subtopologies: Vec<(Str, i32, bool)>,
    /// Process by member.
    members: BTreeMap<Str, Str>,
    assignment: BTreeMap<Str, TasksTuple>,
}

impl Group {
    fn new(replicas: i32, subtopologies: &[(&str, i32, bool)], members: &[(&str, &str)]) -> Self {
        let subtopologies =
            subtopologies.iter().map(|(id, tasks, stateful)| (Str::from(*id), *tasks, *stateful));
        let members = members.iter().map(|(member, process)| (Str::from(*member), Str::from(*process)));
        Self {
            replicas,
            subtopologies: subtopologies.collect(),
            members: members.collect(),
            assignment: BTreeMap::new(),
        }
    }

    fn assign(&mut self) -> &BTreeMap<Str, TasksTuple> {
        let none = TasksTuple::default();
        let members = self.members.iter().map(|(id, process_id)| {
            (id, MemberSpec { process_id, target_assignment: self.assignment.get(id).unwrap_or(&none) })
        });
        let subtopologies = self.subtopologies.iter().map(|(id, tasks, stateful)| SubtopologySpec {
            id,
            number_of_tasks: *tasks,
            is_stateful: *stateful,
        });
        let spec = GroupSpec {
            members: members.collect(),
            num_standby_replicas: self.replicas,
            subtopologies: subtopologies.collect(),
        };
        self.assignment = assign(&spec).unwrap();
        &self.assignment
    }

    fn of(&self, member: &str) -> &TasksTuple {
        &self.assignment[member]
    }

    fn counts(&self) -> Vec<usize> {
        let count = |tasks: &TasksTuple| tasks.active.values().map(BTreeSet::len).sum();
        self.assignment.values().map(count).collect()
    }
}

#[test]
fn kafka_assigns_the_same() {
    let parse = |text: &str| -> Tasks {
        let tasks = text.split('|').filter(|part| *part != "-").map(|part| {
            let (id, partitions) = part.split_once(':').unwrap();
            (Str::from(id), partitions.split(',').map(|partition| partition.parse().unwrap()).collect())
        });
        tasks.collect()
    };
    let mut group = Group::default();
    let mut given = Vec::new();
    let check = |group: &mut Group, given: &mut Vec<(Tasks, Tasks)>, line: usize| {
        if !given.is_empty() {
            let assigned = group.assign().values().map(|t| (t.active.clone(), t.standby.clone()));
            assert_eq!(assigned.collect::<Vec<_>>(), *given, "before line {line}");
            given.clear();
        }
    };
    for (number, line) in include_str!("sticky_golden.txt").lines().chain(["end"]).enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["case", replicas] => {
                check(&mut group, &mut given, number);
                group = Group { replicas: replicas.parse().unwrap(), ..Default::default() };
            }
            ["sub", id, tasks, stateful] => {
                group.subtopologies.push((id.into(), tasks.parse().unwrap(), stateful == "1"));
            }
            ["step"] | ["end"] => {
                check(&mut group, &mut given, number);
                group.members.clear();
            }
            ["member", id, process] => {
                group.members.insert(id.into(), process.into());
            }
            ["give", active, standby] => given.push((parse(active), parse(standby))),
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn one_member_gets_everything() {
    let mut group = Group::new(1, &[("a", 3, true), ("b", 2, false)], &[("m", "p")]);
    group.assign();
    assert_eq!(group.of("m").active, tasks(&[("a", &[0, 1, 2]), ("b", &[0, 1])]));
    assert_eq!(group.of("m").standby, Tasks::new(), "a copy beside the original is no use");
}

#[test]
fn a_process_gets_tasks_by_its_members() {
    let mut group = Group::new(0, &[("a", 6, false)], &[("m1", "p1"), ("m2", "p1"), ("m3", "p2")]);
    group.assign();
    assert_eq!(group.counts(), [2, 2, 2]);
}

#[test]
fn tasks_stay_where_they_are_when_a_member_joins() {
    let mut group = Group::new(0, &[("a", 6, true)], &[("m1", "p1"), ("m2", "p2")]);
    let before = group.assign().clone();
    group.members.insert("m3".into(), "p3".into());
    group.assign();
    assert_eq!(group.counts(), [2, 2, 2]);
    for member in ["m1", "m2"] {
        assert!(group.of(member).active["a"].is_subset(&before[member].active["a"]));
    }
    // And again when it leaves, of those that it has.
    let before = group.assignment.clone();
    group.members.remove("m3");
    group.assign();
    assert_eq!(group.counts(), [3, 3]);
    for member in ["m1", "m2"] {
        assert!(group.of(member).active["a"].is_superset(&before[member].active["a"]));
    }
}

#[test]
fn a_standby_takes_over() {
    let mut group = Group::new(1, &[("a", 2, true)], &[("m1", "p1"), ("m2", "p2")]);
    group.assign();
    let lost = group.of("m1").active.clone();
    assert_eq!(group.of("m2").standby, lost, "each has the other's state");
    group.members.remove("m1");
    group.members.insert("m3".into(), "p3".into());
    group.replicas = 0;
    group.assign();
    let had = group.of("m2").active["a"].clone();
    assert_eq!((had.len(), group.of("m3").active["a"].len()), (1, 1));
}

#[test]
fn standbys_are_in_other_processes() {
    let members = [("m1", "p1"), ("m2", "p1"), ("m3", "p2"), ("m4", "p3")];
    let mut group = Group::new(2, &[("a", 5, true)], &members);
    group.assign();
    let mut copies: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
    for (member, process) in members {
        let tasks = group.of(member);
        for partition in tasks.active.values().chain(tasks.standby.values()).flatten() {
            assert!(copies.entry(*partition).or_default().insert(process), "twice in {process}");
        }
    }
    assert!(copies.values().all(|processes| processes.len() == 3));
}

#[test]
fn without_members_there_is_nobody_to_assign_to() {
    let (id, members) = (Str::from_static("a"), BTreeMap::new());
    let subtopologies = vec![SubtopologySpec { id: &id, number_of_tasks: 1, is_stateful: false }];
    let spec = GroupSpec { members, num_standby_replicas: 0, subtopologies };
    let error = assign(&spec).unwrap_err();
    assert_eq!(error.to_string(), "No process available to assign active task a_0.");
}
