//! Topics as groups need them, out of the metadata image (`TopicIds.TopicResolver`,
//! `SubscribedTopicDescriberImpl`).

use std::collections::BTreeSet;

use ottla_metadata::MetadataImage;
use ottla_protocol::{Str, Uuid};

/// Looks topics up in an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicResolver<'a> {
    image: &'a MetadataImage,
}

impl<'a> TopicResolver<'a> {
    pub fn new(image: &'a MetadataImage) -> Self {
        Self { image }
    }

    /// The ids of those that exist.
    pub fn ids<'n>(&self, names: impl IntoIterator<Item = &'n Str>) -> BTreeSet<Uuid> {
        names.into_iter().filter_map(|name| self.image.topics.topic_id(name)).collect()
    }

    /// The name of a topic.
    pub fn name(&self, topic_id: Uuid) -> Option<&'a Str> {
        self.image.topics.topic_name(topic_id)
    }

    /// Number of partitions; `None` when the topic does not exist.
    pub fn num_partitions(&self, topic_id: Uuid) -> Option<i32> {
        let topic = self.image.topics.topic_by_id(topic_id)?;
        Some(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }
}

/// The racks of a partition's replicas, in order; a rack appears as often as it has replicas.
pub(crate) fn racks_of<'a>(image: &'a MetadataImage, replicas: &[i32]) -> Vec<&'a Str> {
    let mut racks: Vec<&Str> =
        replicas.iter().filter_map(|id| image.cluster.broker(*id)?.rack.as_ref()).collect();
    racks.sort();
    racks
}
