//! A topology together with the topics that there are: how many tasks each subtopology has, and which
//! internal topics are missing (`InternalTopicManager`).
//!
//! | file | decides |
//! | --- | --- |
//! | `repartition` | the partitions of repartition topics, from what writes to them |
//! | `copartition` | that topics which are joined have equally many partitions |
//! | `changelog` | the partitions of changelogs: one for each task |
//! | `configured` | what comes out |

mod changelog;
mod configured;
mod copartition;
mod repartition;

pub(crate) use configured::{
    ConfiguredInternalTopic, ConfiguredSubtopology, ConfiguredTopology, TopicProblem, TopicStatus,
};

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::streams_group_topology_value::{Subtopology, TopicInfo};

use super::topology::{StreamsTopology, input_topics, unexpected};
use crate::group::GroupError;

/// The number of partitions of a topic; `None` when it does not exist.
pub(crate) type PartitionCounts<'a> = &'a dyn Fn(&str) -> Option<i32>;

/// Why a topology can't be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ConfigureError {
    /// Topics have to change first. The members are told, and wait.
    Topics(TopicProblem),
    /// The topology makes no sense. The request is refused.
    Topology(GroupError),
}

impl From<GroupError> for ConfigureError {
    fn from(error: GroupError) -> Self {
        ConfigureError::Topology(error)
    }
}

/// Partitions that were decided, with those of topics that exist.
struct Counts<'a> {
    existing: PartitionCounts<'a>,
    decided: BTreeMap<Str, i32>,
}

impl Counts<'_> {
    fn of(&self, topic: &str) -> Option<i32> {
        (self.existing)(topic).or_else(|| self.decided.get(topic).copied())
    }

    fn expect(&self, topic: &str) -> Result<i32, GroupError> {
        self.of(topic).ok_or_else(unexpected)
    }

    /// The most partitions of what a subtopology reads.
    fn inputs_max(&self, subtopology: &Subtopology) -> Result<Option<i32>, GroupError> {
        let mut most = None;
        for topic in input_topics(subtopology) {
            most = most.max(Some(self.expect(topic)?));
        }
        Ok(most)
    }
}

/// Configures a topology against the topics that there are.
///
/// # Errors
/// STREAMS_INVALID_TOPOLOGY or UNKNOWN_SERVER_ERROR when no topics could make it work. Topics that are
/// missing or do not fit are no error: the outcome says what is wrong with them.
pub(crate) fn configure_topics(
    topology: &StreamsTopology,
    metadata_hash: i64,
    existing: PartitionCounts<'_>,
) -> Result<ConfiguredTopology, GroupError> {
    let configured = |subtopologies, internal_topics_to_create, problem| ConfiguredTopology {
        epoch: topology.epoch,
        metadata_hash,
        subtopologies,
        internal_topics_to_create,
        problem,
    };
    match configure(topology, existing) {
        Ok((subtopologies, missing)) => {
            let problem = (!missing.is_empty()).then(|| TopicProblem {
                status: TopicStatus::MissingInternals,
                detail: format!(
                    "Internal topics are missing: {}",
                    summarize(missing.iter().map(|t| &t.name))
                ),
            });
            Ok(configured(Some(subtopologies), missing, problem))
        }
        Err(ConfigureError::Topics(problem)) => Ok(configured(None, Vec::new(), Some(problem))),
        Err(ConfigureError::Topology(error)) => Err(error),
    }
}

type Configured = (BTreeMap<Str, ConfiguredSubtopology>, Vec<CreatableTopic>);

fn configure(
    topology: &StreamsTopology,
    existing: PartitionCounts<'_>,
) -> Result<Configured, ConfigureError> {
    let copartitioned = copartition::groups(topology)?;
    check_source_topics(topology, existing)?;
    let mut counts = Counts { existing, decided: BTreeMap::new() };
    let repartition = repartition::partition_counts(topology, &counts)?;
    counts.decided.extend(repartition);
    copartition::enforce(topology, &copartitioned, &mut counts)?;
    let changelogs = changelog::partition_counts(topology, &counts)?;
    counts.decided.extend(changelogs);
    let mut subtopologies = BTreeMap::new();
    for subtopology in topology.subtopologies.values() {
        let configured = configure_subtopology(subtopology, &counts)?;
        subtopologies.insert(subtopology.subtopology_id.clone(), configured);
    }
    let missing = missing_internal_topics(&subtopologies, existing)?;
    Ok((subtopologies, missing))
}

fn check_source_topics(
    topology: &StreamsTopology,
    existing: PartitionCounts<'_>,
) -> Result<(), ConfigureError> {
    let sources = topology.subtopologies.values().flat_map(|subtopology| &subtopology.source_topics);
    let missing: BTreeSet<&Str> = sources.filter(|topic| existing(topic).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ConfigureError::Topics(TopicProblem {
        status: TopicStatus::MissingSources,
        detail: format!("Source topics {} are missing.", summarize(missing.into_iter())),
    }))
}

fn configure_subtopology(
    subtopology: &Subtopology,
    counts: &Counts<'_>,
) -> Result<ConfiguredSubtopology, GroupError> {
    let number_of_tasks = counts.inputs_max(subtopology)?.filter(|tasks| *tasks > 0);
    let internal_topics =
        |topics: &[TopicInfo]| -> Result<BTreeMap<Str, ConfiguredInternalTopic>, GroupError> {
            let mut configured = BTreeMap::new();
            for topic in topics {
                let topic = configure_internal_topic(topic, counts)?;
                if configured.insert(topic.name.clone(), topic).is_some() {
                    return Err(unexpected());
                }
            }
            Ok(configured)
        };
    Ok(ConfiguredSubtopology {
        number_of_tasks: number_of_tasks.ok_or_else(unexpected)?,
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_source_topics: internal_topics(&subtopology.repartition_source_topics)?,
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
        state_changelog_topics: internal_topics(&subtopology.state_changelog_topics)?,
    })
}

fn configure_internal_topic(
    topic: &TopicInfo,
    counts: &Counts<'_>,
) -> Result<ConfiguredInternalTopic, GroupError> {
    let decided = || counts.decided.get(&topic.name).copied();
    let partitions = if topic.partitions == 0 { decided() } else { Some(topic.partitions) };
    let mut configs = BTreeMap::new();
    for config in &topic.topic_configs {
        if configs.insert(config.key.clone(), config.value.clone()).is_some() {
            return Err(unexpected());
        }
    }
    Ok(ConfiguredInternalTopic {
        name: topic.name.clone(),
        partitions: partitions.filter(|count| *count >= 1).ok_or_else(unexpected)?,
        replication_factor: (topic.replication_factor != 0).then_some(topic.replication_factor),
        configs,
    })
}

/// The internal topics that do not exist. Those that do must have the partitions that they are to have.
fn missing_internal_topics(
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    existing: PartitionCounts<'_>,
) -> Result<Vec<CreatableTopic>, ConfigureError> {
    let mut expected: BTreeMap<&Str, &ConfiguredInternalTopic> = BTreeMap::new();
    for subtopology in subtopologies.values() {
        expected.extend(&subtopology.repartition_source_topics);
        expected.extend(&subtopology.state_changelog_topics);
    }
    let mut missing = Vec::new();
    for topic in expected.into_values() {
        match existing(&topic.name) {
            None => missing.push(topic.to_creatable()),
            Some(found) if found != topic.partitions => {
                return Err(ConfigureError::Topics(TopicProblem::incorrectly_partitioned(format!(
                    "Existing topic {} has different number of partitions: expected {}, found {found}",
                    topic.name, topic.partitions
                ))));
            }
            Some(_) => {}
        }
    }
    Ok(missing)
}

/// The first three of many topics.
fn summarize<'a>(topics: impl ExactSizeIterator<Item = &'a Str>) -> String {
    const SHOWN_MAX: usize = 3;
    let more = topics.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<&str> = topics.take(SHOWN_MAX).map(|topic| &**topic).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} additional topics", shown.join(", ")),
    }
}

#[cfg(test)]
#[path = "topics_test.rs"]
mod tests;
