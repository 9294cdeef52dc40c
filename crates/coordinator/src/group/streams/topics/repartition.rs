//! Partitions of repartition topics (`RepartitionTopics`).
//!
//! The application may say how many a repartition topic has. If it does not, it gets as many as the
//! subtopology that writes to it has tasks, which may in turn depend on another repartition topic: so rounds,
//! until nothing new is learnt.

use std::collections::BTreeMap;

use ottla_protocol::messages::streams_group_topology_value::Subtopology;
use ottla_protocol::{ErrorCode, Str};

use super::super::topology::StreamsTopology;
use super::Counts;
use crate::group::GroupError;

/// Partitions of all repartition topics, and of those that nobody reads.
pub(super) fn partition_counts(
    topology: &StreamsTopology,
    existing: &Counts<'_>,
) -> Result<BTreeMap<Str, i32>, GroupError> {
    let sources = || topology.subtopologies.values().flat_map(|s| &s.repartition_source_topics);
    let fixed = sources().filter(|topic| topic.partitions != 0);
    let mut counts: BTreeMap<Str, i32> = fixed.map(|topic| (topic.name.clone(), topic.partitions)).collect();
    loop {
        let (mut is_missing, mut has_progress) = (false, false);
        for subtopology in topology.subtopologies.values() {
            for sink in &subtopology.repartition_sink_topics {
                if counts.contains_key(sink) {
                    continue;
                }
                match tasks_so_far(subtopology, &counts, existing) {
                    Some(count) => {
                        counts.insert(sink.clone(), count);
                        has_progress = true;
                    }
                    None => is_missing = true,
                }
            }
        }
        if !is_missing {
            break;
        }
        if !has_progress {
            return Err(invalid(
                "Failed to compute number of partitions for all repartition topics. There may be loops in \
                 the topology that cannot be resolved.",
            ));
        }
    }
    if sources().any(|topic| !counts.contains_key(&topic.name)) {
        return Err(invalid(
            "Failed to compute number of partitions for all repartition topics, because a repartition \
             source topic is never used as a sink topic.",
        ));
    }
    Ok(counts)
}

/// The most partitions among what a subtopology reads, as far as they are known.
fn tasks_so_far(
    subtopology: &Subtopology,
    counts: &BTreeMap<Str, i32>,
    existing: &Counts<'_>,
) -> Option<i32> {
    let repartition = subtopology.repartition_source_topics.iter().map(|t| counts.get(&t.name).copied());
    let external = subtopology.source_topics.iter().map(|topic| existing.of(topic));
    repartition.chain(external).flatten().max()
}

fn invalid(message: &str) -> GroupError {
    GroupError::new(ErrorCode::StreamsInvalidTopology, message)
}
