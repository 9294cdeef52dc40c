//! Partitions of changelogs (`ChangelogTopics`): one for each task of the subtopology.

use std::collections::BTreeMap;

use ottla_protocol::{ErrorCode, Str};

use super::super::topology::StreamsTopology;
use super::Counts;
use crate::group::GroupError;

/// Partitions of all changelogs.
pub(super) fn partition_counts(
    topology: &StreamsTopology,
    counts: &Counts<'_>,
) -> Result<BTreeMap<Str, i32>, GroupError> {
    let mut changelogs = BTreeMap::new();
    for subtopology in topology.subtopologies.values() {
        let tasks = counts.inputs_max(subtopology)?.ok_or_else(|| {
            GroupError::new(
                ErrorCode::StreamsInvalidTopology,
                format!("No source topics found for subtopology {}", subtopology.subtopology_id),
            )
        })?;
        let topics = subtopology.state_changelog_topics.iter();
        changelogs.extend(topics.map(|topic| (topic.name.clone(), tasks)));
    }
    Ok(changelogs)
}
