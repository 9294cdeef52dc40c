use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_protocol::Str;

use super::SimpleAssignor;
use crate::consumer_testing::{image_of, topic_id};
use crate::group::modern::{
    Assignment, GroupAssignment, GroupSpec, MemberSpec, PartitionAssignor, PartitionAssignorError,
    SubscriptionType, TopicResolver,
};
use crate::testing::Random;

type Member<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a [i32])]);

fn assignment(topics: &[(&str, &[i32])]) -> Assignment {
    topics.iter().map(|(name, partitions)| (topic_id(name), partitions.iter().copied().collect())).collect()
}

fn assign(
    topics: &[(&str, i32)],
    members: &[Member<'_>],
    assignable: Option<&Assignment>,
) -> GroupAssignment {
    try_assign(topics, members, assignable).unwrap()
}

fn try_assign(
    topics: &[(&str, i32)],
    members: &[Member<'_>],
    assignable: Option<&Assignment>,
) -> Result<GroupAssignment, PartitionAssignorError> {
    let subscriptions: BTreeSet<&[&str]> = members.iter().map(|(_, topics, _)| *topics).collect();
    let specs = members.iter().map(|(member_id, topics, held)| {
        let spec = MemberSpec {
            rack_id: None,
            instance_id: None,
            subscribed_topic_ids: Arc::new(topics.iter().map(|name| topic_id(name)).collect()),
            assignment: Arc::new(assignment(held)),
        };
        (Str::from(*member_id), spec)
    });
    let inverted = BTreeMap::new();
    let spec = GroupSpec {
        members: specs.collect(),
        subscription_type: match subscriptions.len() {
            1 => SubscriptionType::Homogeneous,
            _ => SubscriptionType::Heterogeneous,
        },
        inverted_assignment: &inverted,
        assignable_partitions: assignable,
    };
    SimpleAssignor.assign(&spec, &TopicResolver::new(&image_of(topics, 1)))
}

fn of(assigned: &GroupAssignment, member_id: &str) -> Assignment {
    assigned.get(member_id).cloned().unwrap_or_default()
}

#[test]
fn members_share_evenly_and_keep_what_they_have() {
    let assigned = assign(&[("a", 4)], &[("m1", &["a"], &[("a", &[0, 1, 2, 3])]), ("m2", &["a"], &[])], None);
    assert_eq!(of(&assigned, "m1"), assignment(&[("a", &[2, 3])]));
    assert_eq!(of(&assigned, "m2"), assignment(&[("a", &[0, 1])]));
    // Three members, two partitions: each partition is to have two members, the last member gets its share.
    let members: [Member<'_>; 3] = [("m1", &["a"], &[]), ("m2", &["a"], &[]), ("m3", &["a"], &[])];
    let assigned = assign(&[("a", 2)], &members, None);
    let loads: Vec<usize> = assigned.values().map(|a| a.values().map(BTreeSet::len).sum()).collect();
    assert_eq!(loads, [2, 1, 1]);
}

#[test]
fn only_what_may_be_assigned_is() {
    let assignable = assignment(&[("a", &[1])]);
    let assigned = assign(&[("a", 2), ("b", 1)], &[("m1", &["a", "b"], &[])], Some(&assignable));
    assert_eq!(of(&assigned, "m1"), assignable);
}

#[test]
fn topics_are_shared_among_those_that_read_them() {
    let members: [Member<'_>; 3] =
        [("m1", &["a"], &[]), ("m2", &["a", "b"], &[("a", &[0])]), ("m3", &["b"], &[("a", &[1])])];
    let assigned = assign(&[("a", 2), ("b", 3)], &members, None);
    assert_eq!(of(&assigned, "m1"), assignment(&[("a", &[1])]));
    assert_eq!(of(&assigned, "m2"), assignment(&[("a", &[0]), ("b", &[0, 2])]));
    assert_eq!(of(&assigned, "m3"), assignment(&[("b", &[1])]));
}

#[test]
fn an_unknown_topic_is_an_error() {
    let error = try_assign(&[("a", 1)], &[("m1", &["gone"], &[])], None).unwrap_err();
    assert!(error.0.ends_with("which doesn't exist in the topic metadata."), "{error}");
}

#[test]
fn everything_that_is_read_has_a_member() {
    let mut random = Random(1);
    for _ in 0..300 {
        let topics: Vec<(&str, i32)> =
            ["a", "b", "c"].into_iter().map(|name| (name, 1 + random.below(6) as i32)).collect();
        let names: Vec<String> = (0..1 + random.below(9)).map(|number| format!("m{number}")).collect();
        let choices: [&[&str]; 3] = [&["a"], &["a", "b"], &["b", "c"]];
        let same = random.one_in(2);
        let subscriptions: Vec<&[&str]> =
            names.iter().map(|_| if same { choices[1] } else { random.pick(&choices) }).collect();
        let mut members: Vec<Member<'_>> = Vec::new();
        members.extend(names.iter().zip(&subscriptions).map(|(name, topics)| (&**name, *topics, &[][..])));
        let first = assign(&topics, &members, None);
        for (name, count) in &topics {
            let readers = members.iter().filter(|(_, read, _)| read.contains(name)).count();
            let mut sharing: BTreeMap<i32, usize> = BTreeMap::new();
            for assignment in first.values() {
                for partition in assignment.get(&topic_id(name)).into_iter().flatten() {
                    *sharing.entry(*partition).or_default() += 1;
                }
            }
            assert_eq!(sharing.len(), if readers == 0 { 0 } else { *count as usize }, "{name} {members:?}");
        }
    }
}
