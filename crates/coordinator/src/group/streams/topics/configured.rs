//! A topology of which the partitions are known (`ConfiguredTopology`, `ConfiguredSubtopology`,
//! `ConfiguredInternalTopic`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};

/// What a heartbeat's answer says of the topics (`StreamsGroupHeartbeatResponse.Status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicStatus {
    MissingSources,
    IncorrectlyPartitioned,
    MissingInternals,
}

impl TopicStatus {
    /// On the wire.
    pub fn code(self) -> i8 {
        match self {
            TopicStatus::MissingSources => 1,
            TopicStatus::IncorrectlyPartitioned => 2,
            TopicStatus::MissingInternals => 3,
        }
    }
}

/// What keeps a topology from being run (`TopicConfigurationException`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicProblem {
    pub status: TopicStatus,
    /// In Kafka's words.
    pub detail: String,
}

impl TopicProblem {
    pub fn incorrectly_partitioned(detail: String) -> Self {
        Self { status: TopicStatus::IncorrectlyPartitioned, detail }
    }
}

/// A topology as it is with the topics that there are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfiguredTopology {
    pub epoch: i32,
    /// Hash of the topics that it was configured for.
    pub metadata_hash: i64,
    /// There unless topics are missing or do not fit; there too if nothing but internal topics is missing.
    pub subtopologies: Option<BTreeMap<Str, ConfiguredSubtopology>>,
    pub internal_topics_to_create: Vec<CreatableTopic>,
    pub problem: Option<TopicProblem>,
}

impl ConfiguredTopology {
    /// The subtopologies, if all topics are as they have to be.
    pub fn ready(&self) -> Option<&BTreeMap<Str, ConfiguredSubtopology>> {
        self.subtopologies.as_ref().filter(|_| self.problem.is_none())
    }
}

/// A subtopology as it is with the topics that there are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfiguredSubtopology {
    /// One for each partition of the topic that has most of them. Positive.
    pub number_of_tasks: i32,
    pub source_topics: BTreeSet<Str>,
    pub repartition_source_topics: BTreeMap<Str, ConfiguredInternalTopic>,
    pub repartition_sink_topics: BTreeSet<Str>,
    pub state_changelog_topics: BTreeMap<Str, ConfiguredInternalTopic>,
}

impl ConfiguredSubtopology {
    /// Whether it has state that a standby could keep.
    pub fn is_stateful(&self) -> bool {
        !self.state_changelog_topics.is_empty()
    }
}

/// A topic that only the application uses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfiguredInternalTopic {
    pub name: Str,
    /// Positive.
    pub partitions: i32,
    /// `None`: the broker's default.
    pub replication_factor: Option<i16>,
    pub configs: BTreeMap<Str, Str>,
}

impl ConfiguredInternalTopic {
    /// The topic as it is to be created.
    pub fn to_creatable(&self) -> CreatableTopic {
        let configs = self
            .configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) });
        CreatableTopic {
            name: self.name.clone(),
            num_partitions: self.partitions,
            replication_factor: self.replication_factor.unwrap_or(-1),
            configs: configs.collect(),
            ..Default::default()
        }
    }
}
