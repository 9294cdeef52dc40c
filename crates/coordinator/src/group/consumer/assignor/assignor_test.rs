use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::consumer_testing::{image_of, topic_id};
use crate::group::modern::{Assignment, MemberSpec};
use crate::testing::Random;

/// Partitions by topic.
type Partitions<'a> = &'a [(&'a str, &'a [i32])];

/// Members by id: instance id, topics, current partitions.
type Members<'a> = &'a [(&'a str, Option<&'a str>, &'a [&'a str], &'a [(&'a str, &'a [i32])])];

fn assignment(topics: &[(&str, &[i32])]) -> Assignment {
    topics.iter().map(|(name, of)| (topic_id(name), of.iter().copied().collect())).collect()
}

fn run(name: &str, topics: &[(&str, i32)], members: Members<'_>, kind: SubscriptionType) -> GroupAssignment {
    let image = image_of(topics, 0);
    let mut inverted = BTreeMap::new();
    let specs = members.iter().map(|(id, instance_id, names, current)| {
        let current = assignment(current);
        for (topic_id, partitions) in &current {
            let owners: &mut BTreeMap<i32, Str> = inverted.entry(*topic_id).or_default();
            owners.extend(partitions.iter().map(|partition| (*partition, Str::from(*id))));
        }
        let spec = MemberSpec {
            rack_id: None,
            instance_id: instance_id.map(Str::from),
            subscribed_topic_ids: Arc::new(names.iter().map(|name| topic_id(name)).collect()),
            assignment: Arc::new(current),
        };
        (Str::from(*id), spec)
    });
    let members = specs.collect();
    let spec = GroupSpec {
        members,
        subscription_type: kind,
        inverted_assignment: &inverted,
        assignable_partitions: None,
    };
    assignor(Some(&Str::from(name))).assign(&spec, &TopicResolver::new(&image)).unwrap()
}

fn check(
    name: &str,
    topics: &[(&str, i32)],
    members: Members<'_>,
    kind: SubscriptionType,
    expect: &[(&str, Partitions<'_>)],
) {
    let expect: GroupAssignment =
        expect.iter().map(|(id, topics)| (Str::from(*id), assignment(topics))).collect();
    assert_eq!(run(name, topics, members, kind), expect);
}

use SubscriptionType::{Heterogeneous, Homogeneous};

#[test]
fn range_gives_the_same_ranges_of_all_topics() {
    let topics = [("foo", 5), ("bar", 2)];
    let both: &[&str] = &["foo", "bar"];
    let members: Members<'_> = &[("a", None, both, &[]), ("b", None, both, &[]), ("c", Some("i"), both, &[])];
    check(
        "range",
        &topics,
        members,
        Homogeneous,
        &[
            ("c", &[("foo", &[0, 1]), ("bar", &[0])]),
            ("a", &[("foo", &[2, 3]), ("bar", &[1])]),
            ("b", &[("foo", &[4])]),
        ],
    );
    let members: Members<'_> = &[("a", None, both, &[]), ("b", None, &["foo"], &[])];
    check(
        "range",
        &topics,
        members,
        Heterogeneous,
        &[("a", &[("foo", &[0, 1, 2]), ("bar", &[0, 1])]), ("b", &[("foo", &[3, 4])])],
    );
}

#[test]
fn uniform_moves_as_little_as_it_can() {
    let topics = [("foo", 6)];
    let foo: &[&str] = &["foo"];
    let members: Members<'_> = &[
        ("a", None, foo, &[("foo", &[0, 1, 2])]),
        ("b", None, foo, &[("foo", &[3, 4, 5])]),
        ("c", None, foo, &[]),
    ];
    check(
        "uniform",
        &topics,
        members,
        Homogeneous,
        &[("a", &[("foo", &[0, 1])]), ("b", &[("foo", &[3, 4])]), ("c", &[("foo", &[2, 5])])],
    );
    // The member that has one more already keeps it.
    let members: Members<'_> =
        &[("a", None, foo, &[("foo", &[0])]), ("b", None, foo, &[("foo", &[1, 2])]), ("c", None, foo, &[])];
    check(
        "uniform",
        &[("foo", 4)],
        members,
        Homogeneous,
        &[("a", &[("foo", &[0])]), ("b", &[("foo", &[1, 2])]), ("c", &[("foo", &[3])])],
    );
}

#[test]
fn uniform_balances_members_that_read_different_topics() {
    let topics = [("foo", 6), ("bar", 3)];
    let members: Members<'_> = &[("a", None, &["foo"], &[]), ("b", None, &["foo", "bar"], &[])];
    let assigned = run("uniform", &topics, members, Heterogeneous);
    let load = |id: &str| assigned[id].values().map(BTreeSet::len).sum::<usize>();
    assert_eq!((load("a"), load("b")), (5, 4));
    // A topic that is not read any more is taken away.
    let members: Members<'_> =
        &[("a", None, &["foo"], &[("bar", &[0, 1]), ("foo", &[0])]), ("b", None, &["bar"], &[])];
    check(
        "uniform",
        &[("foo", 2), ("bar", 2)],
        members,
        Heterogeneous,
        &[("a", &[("foo", &[0, 1])]), ("b", &[("bar", &[0, 1])])],
    );
}

/// Whatever the group was like: every partition of a topic that is read has one owner, who reads it.
#[test]
fn every_partition_has_one_owner() {
    const NAMES: [&str; 4] = ["t0", "t1", "t2", "t3"];
    const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    for seed in 0..300 {
        let mut random = Random(seed);
        let topics: Vec<(&str, i32)> = NAMES.iter().map(|name| (*name, random.below(9) as i32)).collect();
        let mut subscriptions: Vec<Vec<&str>> =
            IDS.iter().map(|_| NAMES.into_iter().filter(|_| random.one_in(2)).collect()).collect();
        let mut current: GroupAssignment = GroupAssignment::new();
        for _ in 0..4 {
            let count = 1 + random.below(IDS.len());
            let changed = random.below(IDS.len());
            subscriptions[changed] = NAMES.into_iter().filter(|_| random.one_in(2)).collect();
            let kind = if random.one_in(2) { Heterogeneous } else { Homogeneous };
            let name = random.pick(&["uniform", "range"]);
            let held: Vec<Vec<(&str, Vec<i32>)>> = IDS
                .iter()
                .map(|id| {
                    let of = |name: &&'static str| {
                        let partitions = current.get(*id)?.get(&topic_id(name))?;
                        Some((*name, partitions.iter().copied().collect()))
                    };
                    NAMES.iter().filter_map(of).collect()
                })
                .collect();
            let held: Vec<Vec<(&str, &[i32])>> =
                held.iter().map(|of| of.iter().map(|(name, list)| (*name, &list[..])).collect()).collect();
            let subscribed = |at: usize| if kind == Homogeneous { 0 } else { at };
            let members: Vec<_> = (0..count)
                .map(|at| (IDS[at], None, &subscriptions[subscribed(at)][..], &held[at][..]))
                .collect();
            current = run(name, &topics, &members, kind);
            for (topic, partitions) in &topics {
                let readers: Vec<&str> = (0..count)
                    .filter(|at| subscriptions[subscribed(*at)].contains(topic))
                    .map(|at| IDS[at])
                    .collect();
                for partition in 0..*partitions {
                    let owners: Vec<&str> = current
                        .iter()
                        .filter(|(_, of)| of.get(&topic_id(topic)).is_some_and(|p| p.contains(&partition)))
                        .map(|(id, _)| &**id)
                        .collect();
                    assert_eq!(owners.len(), usize::from(!readers.is_empty()), "seed {seed} {topic}");
                    assert!(owners.iter().all(|owner| readers.contains(owner)), "seed {seed}");
                }
            }
            if name == "uniform" && kind == Homogeneous && !subscriptions[0].is_empty() {
                let loads = current.values().map(|of| of.values().map(BTreeSet::len).sum::<usize>());
                let loads: Vec<usize> = loads.collect();
                assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "seed {seed}");
            }
        }
    }
}
