//! Topics (`TopicsImage`, `TopicImage`).

use std::ops::Bound;
use std::sync::Arc;

use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{PartitionChangeRecord, PartitionRecord, TopicRecord};
use ottla_protocol::{Str, Uuid};

use super::{Partitions, PersistentMap};
use crate::{
    ImageWriterOptions, PartitionRegistration, ReplayError, UnwritableMetadata, VersionedRecord, detach,
};

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// Its name.
    pub name: Str,
    /// Its id, which no other topic ever had.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: Partitions,
}

/// All topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicsImage {
    by_id: PersistentMap<Uuid, Arc<TopicImage>>,
    ids: PersistentMap<Str, Uuid>,
}

impl TopicsImage {
    /// The topic of a name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id.get(self.ids.get(name)?)
    }

    /// The topic of an id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// The id of a name.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.ids.get(name).copied()
    }

    /// The name of an id.
    pub fn topic_name(&self, id: Uuid) -> Option<&Str> {
        self.topic_by_id(id).map(|topic| &topic.name)
    }

    /// A partition of a topic given by name.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Arc<PartitionRegistration>> {
        self.topic(topic)?.partitions.get(partition)
    }

    /// A partition of a topic given by id.
    pub fn partition_by_id(&self, topic: Uuid, partition: i32) -> Option<&Arc<PartitionRegistration>> {
        self.topic_by_id(topic)?.partitions.get(partition)
    }

    /// All topics, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.ids.values().filter_map(|id| self.by_id.get(id))
    }

    /// The names from `name` on, in order, with their ids: for answers in pages.
    pub fn names_from(&self, name: &str) -> impl Iterator<Item = (&Str, Uuid)> {
        let range = (Bound::Included(name), Bound::Unbounded);
        self.ids.range::<str, _>(range).map(|(name, id)| (name, *id))
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.by_id.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut TopicImage, ReplayError> {
        // Looked up first: `get_mut` on a missing key would copy the path to where it would be.
        if !self.by_id.contains_key(&id) {
            return Err(ReplayError::UnknownTopicId { id });
        }
        self.by_id.get_mut(&id).map(Arc::make_mut).ok_or(ReplayError::UnknownTopicId { id })
    }

    pub(super) fn create(&mut self, record: &TopicRecord) -> Result<(), ReplayError> {
        let id = record.topic_id;
        if let Some(existing) = self.topic_id(&record.name) {
            return Err(ReplayError::DuplicateTopic { name: record.name.clone(), id, existing });
        }
        if let Some(existing) = self.topic_by_id(id) {
            return Err(ReplayError::DuplicateTopic { name: existing.name.clone(), id, existing: id });
        }
        let name = detach::str(&record.name);
        self.ids.insert_mut(name.clone(), id);
        self.by_id.insert_mut(id, Arc::new(TopicImage { name, id, partitions: Partitions::default() }));
        Ok(())
    }

    pub(super) fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let partition = record.partition_id;
        if partition < 0 {
            return Err(ReplayError::InvalidPartition { partition });
        }
        let registration = PartitionRegistration::from_record(record)?;
        self.topic_mut(record.topic_id)?.partitions.insert(partition, registration);
        Ok(())
    }

    pub(super) fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let (topic_id, partition) = (record.topic_id, record.partition_id);
        let topic = self.topic_by_id(topic_id).ok_or(ReplayError::UnknownTopicId { id: topic_id })?;
        let registration = topic.partitions.get(partition);
        let registration = registration.ok_or(ReplayError::UnknownPartition { topic_id, partition })?;
        let merged = registration.merge(record)?;
        self.topic_mut(topic_id)?.partitions.insert(partition, merged);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Result<Str, ReplayError> {
        let name = self.topic_name(id).cloned().ok_or(ReplayError::UnknownTopicId { id })?;
        self.by_id.remove_mut(&id);
        self.ids.remove_mut(&name);
        Ok(name)
    }

    /// Clears the eligible leader replicas of one topic, or of all when there is no name.
    pub(super) fn clear_elr(&mut self, name: &Str) -> Result<(), ReplayError> {
        if name.is_empty() {
            let with_elr: Vec<Uuid> =
                self.iter().filter(|topic| has_elr(topic)).map(|topic| topic.id).collect();
            return with_elr.into_iter().try_for_each(|id| self.clear_topic_elr(id));
        }
        let topic = self.topic(name).ok_or_else(|| ReplayError::UnknownTopicName { name: name.clone() })?;
        if has_elr(topic) { self.clear_topic_elr(topic.id) } else { Ok(()) }
    }

    fn clear_topic_elr(&mut self, id: Uuid) -> Result<(), ReplayError> {
        for registration in self.topic_mut(id)?.partitions.iter_mut() {
            if let Some(cleared) = registration.without_elr() {
                *registration = Arc::new(cleared);
            }
        }
        Ok(())
    }

    pub(super) fn write(
        &self,
        options: &ImageWriterOptions,
        out: &mut dyn FnMut(VersionedRecord),
    ) -> Result<(), UnwritableMetadata> {
        for topic in self.by_id.values() {
            let record = TopicRecord { name: topic.name.clone(), topic_id: topic.id };
            out((MetadataRecord::Topic(record), 0));
            for (partition, registration) in topic.partitions.iter() {
                out(registration.to_record(topic.id, partition, options)?);
            }
        }
        Ok(())
    }
}

fn has_elr(topic: &TopicImage) -> bool {
    topic.partitions.iter().any(|(_, p)| !p.elr.is_empty() || !p.last_known_elr.is_empty())
}
