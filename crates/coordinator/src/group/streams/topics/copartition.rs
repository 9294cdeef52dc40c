//! Topics that are joined must have equally many partitions (`CopartitionedTopicsEnforcer`).
//!
//! Repartition topics whose number the application left open are made to fit; all others must fit.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::streams_group_topology_value::{CopartitionGroup, Subtopology};
use ottla_protocol::{ErrorCode, Str};

use super::super::topology::{StreamsTopology, unexpected};
use super::{ConfigureError, Counts, TopicProblem};
use crate::group::GroupError;

/// The groups of topics that are joined. A group names topics by their place in the subtopology.
pub(super) fn groups(topology: &StreamsTopology) -> Result<Vec<BTreeSet<Str>>, GroupError> {
    let subtopologies = topology.subtopologies.values();
    let groups = subtopologies.flat_map(|s| s.copartition_groups.iter().map(move |group| (s, group)));
    groups.map(|(subtopology, group)| topics_of(subtopology, group)).collect()
}

/// Decides the partitions of repartition topics that are joined.
pub(super) fn enforce(
    topology: &StreamsTopology,
    groups: &[BTreeSet<Str>],
    counts: &mut Counts<'_>,
) -> Result<(), ConfigureError> {
    let repartition = topology.subtopologies.values().flat_map(|s| &s.repartition_source_topics);
    let (flexible, fixed): (Vec<_>, Vec<_>) = repartition.partition(|topic| topic.partitions == 0);
    let fixed: BTreeSet<&Str> = fixed.into_iter().map(|topic| &topic.name).collect();
    let flexible: BTreeSet<&Str> = flexible.into_iter().map(|topic| &topic.name).collect();
    for group in groups.iter().filter(|group| !group.is_empty()) {
        let decided = enforce_group(group, &fixed, &flexible, counts)?;
        counts.decided.extend(decided);
    }
    Ok(())
}

fn enforce_group(
    group: &BTreeSet<Str>,
    fixed: &BTreeSet<&Str>,
    flexible: &BTreeSet<&Str>,
    counts: &Counts<'_>,
) -> Result<BTreeMap<Str, i32>, ConfigureError> {
    let (mut repartition, mut others) = (BTreeMap::new(), BTreeMap::new());
    for topic in group {
        let is_repartition = fixed.contains(topic) || flexible.contains(topic);
        let topics = if is_repartition { &mut repartition } else { &mut others };
        topics.insert(topic.clone(), counts.expect(topic)?);
    }
    let partitions = match others.values().next() {
        Some(partitions) if others.values().all(|other| other == partitions) => *partitions,
        Some(_) => return Err(different(&others)),
        None => match fixed.first() {
            Some(first) => same_as_fixed(counts.expect(first)?, fixed, &repartition, counts)?,
            None => most(&repartition)?,
        },
    };
    for (topic, count) in &mut repartition {
        if fixed.contains(topic) && *count != partitions {
            return Err(problem(format!(
                "Number of partitions [{count}] of repartition topic [{topic}] doesn't match number of \
                 partitions [{partitions}] of the source topic."
            )));
        }
        *count = partitions;
    }
    Ok(repartition)
}

/// The number that all repartition topics with a fixed one have.
fn same_as_fixed(
    partitions: i32,
    fixed: &BTreeSet<&Str>,
    repartition: &BTreeMap<Str, i32>,
    counts: &Counts<'_>,
) -> Result<i32, ConfigureError> {
    for topic in fixed {
        if counts.expect(topic)? != partitions {
            return Err(different(repartition));
        }
    }
    Ok(partitions)
}

fn most(repartition: &BTreeMap<Str, i32>) -> Result<i32, GroupError> {
    repartition.values().copied().max().filter(|most| *most > 0).ok_or_else(|| {
        let names: Vec<&str> = repartition.keys().map(|name| &**name).collect();
        GroupError::new(
            ErrorCode::StreamsInvalidTopology,
            format!(
                "All topics in the copartition group had undefined partition number: [{}]",
                names.join(", ")
            ),
        )
    })
}

fn topics_of(subtopology: &Subtopology, group: &CopartitionGroup) -> Result<BTreeSet<Str>, GroupError> {
    let place = |index: &i16| usize::try_from(*index).ok();
    let sources = group.source_topics.iter().map(|index| subtopology.source_topics.get(place(index)?));
    let repartition = group
        .repartition_source_topics
        .iter()
        .map(|index| Some(&subtopology.repartition_source_topics.get(place(index)?)?.name));
    let topics: Option<BTreeSet<Str>> = sources.chain(repartition).map(|topic| topic.cloned()).collect();
    topics.ok_or_else(unexpected)
}

fn different(topics: &BTreeMap<Str, i32>) -> ConfigureError {
    let topics: Vec<String> = topics.iter().map(|(topic, count)| format!("{topic}={count}")).collect();
    problem(format!(
        "Following topics do not have the same number of partitions: [{{{}}}]",
        topics.join(", ")
    ))
}

fn problem(detail: String) -> ConfigureError {
    ConfigureError::Topics(TopicProblem::incorrectly_partitioned(detail))
}
