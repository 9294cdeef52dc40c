//! For which partitions the share coordinator keeps state (`ShareGroupStatePartitionMetadataInfo`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::ShareGroupStatePartitionMetadataValue;
use ottla_protocol::messages::share_group_state_partition_metadata_value::{TopicInfo, TopicPartitionsInfo};
use ottla_protocol::{Str, Uuid};

use crate::records::owned;

/// Partitions by topic.
pub type SharePartitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// State that the share coordinator is to set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitializeShareState {
    /// The group.
    pub group_id: Str,
    /// Epoch of the new state: the group's.
    pub state_epoch: i32,
    /// Start offsets by topic and partition; -1: as `share.auto.offset.reset` says.
    pub start_offsets: BTreeMap<Uuid, BTreeMap<i32, i64>>,
}

impl InitializeShareState {
    /// The partitions alone.
    pub fn partitions(&self) -> SharePartitions {
        let of = |offsets: &BTreeMap<i32, i64>| offsets.keys().copied().collect();
        self.start_offsets.iter().map(|(topic_id, offsets)| (*topic_id, of(offsets))).collect()
    }
}

/// State that the share coordinator is to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteShareState {
    /// The group.
    pub group_id: Str,
    /// What to delete.
    pub partitions: SharePartitions,
}

/// Partitions of a topic whose state is initialized, or about to be (`InitMapValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InitTopic {
    pub name: Str,
    pub partitions: BTreeSet<i32>,
    /// When the record was replayed, Unix ms; 0 when it was read from the log. Not persisted.
    pub timestamp_ms: i64,
}

pub(crate) type InitTopics = BTreeMap<Uuid, InitTopic>;

/// Topics by how far their state is. A topic may be in more than one map, with different partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShareStateMetadata {
    pub initializing: InitTopics,
    pub initialized: InitTopics,
    /// Names by id.
    pub deleting: BTreeMap<Uuid, Str>,
}

impl ShareStateMetadata {
    /// Takes over the record.
    pub fn from_record(value: &ShareGroupStatePartitionMetadataValue, timestamp_ms: i64) -> Self {
        let topics = |topics: &[TopicPartitionsInfo]| {
            let topic = |topic: &TopicPartitionsInfo| InitTopic {
                name: owned(&topic.topic_name),
                partitions: topic.partitions.iter().copied().collect(),
                timestamp_ms,
            };
            topics.iter().map(|info| (info.topic_id, topic(info))).collect()
        };
        Self {
            initializing: topics(&value.initializing_topics),
            initialized: topics(&value.initialized_topics),
            deleting: value.deleting_topics.iter().map(|t| (t.topic_id, owned(&t.topic_name))).collect(),
        }
    }

    /// The record.
    pub fn to_record(&self) -> ShareGroupStatePartitionMetadataValue {
        let topics = |topics: &InitTopics| {
            let info = |(topic_id, topic): (&Uuid, &InitTopic)| TopicPartitionsInfo {
                topic_id: *topic_id,
                topic_name: topic.name.clone(),
                partitions: topic.partitions.iter().copied().collect(),
            };
            topics.iter().map(info).collect()
        };
        let deleting = self
            .deleting
            .iter()
            .map(|(topic_id, topic_name)| TopicInfo { topic_id: *topic_id, topic_name: topic_name.clone() });
        ShareGroupStatePartitionMetadataValue {
            initializing_topics: topics(&self.initializing),
            initialized_topics: topics(&self.initialized),
            deleting_topics: deleting.collect(),
        }
    }

    /// The partitions that may be assigned.
    pub fn initialized_partitions(&self) -> SharePartitions {
        let topics = self.initialized.iter().filter(|(_, topic)| !topic.partitions.is_empty());
        topics.map(|(topic_id, topic)| (*topic_id, topic.partitions.clone())).collect()
    }
}

/// Both maps in one; where a topic is in both, `new` says its name and time (`combineInitMaps`).
pub(super) fn combine(old: &InitTopics, new: &InitTopics) -> InitTopics {
    let mut combined = old.clone();
    for (topic_id, topic) in new {
        let partitions = combined.remove(topic_id).map(|old| old.partitions).unwrap_or_default();
        let partitions = &partitions | &topic.partitions;
        combined.insert(*topic_id, InitTopic { partitions, ..topic.clone() });
    }
    combined
}

/// Takes partitions out of a map; topics without any go.
pub(super) fn without(topics: &InitTopics, gone: &SharePartitions) -> InitTopics {
    let mut left = topics.clone();
    for (topic_id, partitions) in gone {
        if let Some(topic) = left.get_mut(topic_id) {
            topic.partitions.retain(|partition| !partitions.contains(partition));
            if topic.partitions.is_empty() {
                left.remove(topic_id);
            }
        }
    }
    left
}
