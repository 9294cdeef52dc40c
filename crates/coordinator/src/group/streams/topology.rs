//! The topology of an application: its subtopologies, and the topics that each reads and writes
//! (`StreamsTopology`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::streams_group_heartbeat_request as request;
use ottla_protocol::messages::streams_group_topology_value::{
    CopartitionGroup, StreamsGroupTopologyValue, Subtopology, TopicConfig, TopicInfo,
};
use ottla_protocol::{ErrorCode, Str};

use crate::group::GroupError;
use crate::records::owned;

/// The topology of a group. All members run the same; the first one brings it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StreamsTopology {
    pub epoch: i32,
    pub subtopologies: BTreeMap<Str, Subtopology>,
    /// The subtopology that reads a topic, be it a source or a repartition topic.
    source_topics: BTreeMap<Str, Str>,
}

impl StreamsTopology {
    fn new(epoch: i32, subtopologies: BTreeMap<Str, Subtopology>) -> Self {
        let mut source_topics = BTreeMap::new();
        for subtopology in subtopologies.values() {
            for topic in input_topics(subtopology) {
                source_topics.insert(topic.clone(), subtopology.subtopology_id.clone());
            }
        }
        Self { epoch, subtopologies, source_topics }
    }

    /// As a member brings it. Copies: the request's buffer is not kept.
    ///
    /// # Errors
    /// UNKNOWN_SERVER_ERROR when two subtopologies have the same id, or the epoch is negative.
    pub fn from_request(topology: &request::Topology) -> Result<Self, GroupError> {
        let mut subtopologies = BTreeMap::new();
        for subtopology in &topology.subtopologies {
            let subtopology = subtopology_from_request(subtopology);
            if subtopologies.insert(subtopology.subtopology_id.clone(), subtopology).is_some() {
                return Err(unexpected());
            }
        }
        if topology.epoch < 0 {
            return Err(unexpected());
        }
        Ok(Self::new(topology.epoch, subtopologies))
    }

    /// As the group's record has it.
    pub fn from_record(value: &StreamsGroupTopologyValue) -> Self {
        let subtopologies = value.subtopologies.iter().map(detach);
        let subtopologies =
            subtopologies.map(|subtopology| (subtopology.subtopology_id.clone(), subtopology));
        Self::new(value.epoch, subtopologies.collect())
    }

    /// The value of the group's record.
    pub fn to_record(&self) -> StreamsGroupTopologyValue {
        StreamsGroupTopologyValue {
            epoch: self.epoch,
            subtopologies: self.subtopologies.values().cloned().collect(),
        }
    }

    /// The subtopology that reads a topic.
    pub fn subtopology_of(&self, topic: &str) -> Option<&Str> {
        self.source_topics.get(topic)
    }

    /// All topics that have to exist before the application can run.
    pub fn required_topics(&self) -> BTreeSet<&Str> {
        let changelogs = self.subtopologies.values().flat_map(|s| &s.state_changelog_topics);
        self.source_topics.keys().chain(changelogs.map(|topic| &topic.name)).collect()
    }
}

/// What a subtopology reads: sources and repartition topics.
pub(super) fn input_topics(subtopology: &Subtopology) -> impl Iterator<Item = &Str> {
    let repartition = subtopology.repartition_source_topics.iter().map(|topic| &topic.name);
    subtopology.source_topics.iter().chain(repartition)
}

fn subtopology_from_request(subtopology: &request::Subtopology) -> Subtopology {
    Subtopology {
        subtopology_id: owned(&subtopology.subtopology_id),
        source_topics: subtopology.source_topics.iter().map(owned).collect(),
        source_topic_regex: subtopology.source_topic_regex.iter().map(owned).collect(),
        state_changelog_topics: subtopology.state_changelog_topics.iter().map(topic_from_request).collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().map(owned).collect(),
        repartition_source_topics: subtopology
            .repartition_source_topics
            .iter()
            .map(topic_from_request)
            .collect(),
        copartition_groups: subtopology
            .copartition_groups
            .iter()
            .map(|group| CopartitionGroup {
                source_topics: group.source_topics.clone(),
                source_topic_regex: group.source_topic_regex.clone(),
                repartition_source_topics: group.repartition_source_topics.clone(),
            })
            .collect(),
    }
}

fn topic_from_request(topic: &request::TopicInfo) -> TopicInfo {
    let configs = topic
        .topic_configs
        .iter()
        .map(|config| TopicConfig { key: owned(&config.key), value: owned(&config.value) });
    TopicInfo {
        name: owned(&topic.name),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: configs.collect(),
    }
}

/// A copy that does not keep the batch of the log.
fn detach(subtopology: &Subtopology) -> Subtopology {
    let topic = |topic: &TopicInfo| TopicInfo {
        name: owned(&topic.name),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic
            .topic_configs
            .iter()
            .map(|config| TopicConfig { key: owned(&config.key), value: owned(&config.value) })
            .collect(),
    };
    Subtopology {
        subtopology_id: owned(&subtopology.subtopology_id),
        source_topics: subtopology.source_topics.iter().map(owned).collect(),
        source_topic_regex: subtopology.source_topic_regex.iter().map(owned).collect(),
        state_changelog_topics: subtopology.state_changelog_topics.iter().map(topic).collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().map(owned).collect(),
        repartition_source_topics: subtopology.repartition_source_topics.iter().map(topic).collect(),
        copartition_groups: subtopology.copartition_groups.clone(),
    }
}

/// What Kafka takes for a bug of its own.
pub(super) fn unexpected() -> GroupError {
    GroupError::from(ErrorCode::UnknownServerError)
}
