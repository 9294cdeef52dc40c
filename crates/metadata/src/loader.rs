//! Images from a log, batch by batch (`MetadataLoader`, `MetadataBatchLoader`).

use std::sync::Arc;

use ottla_protocol::messages::metadata::MetadataRecord;

use crate::image::{ConfigurationsImage, MetadataImage, MetadataProvenance};
use crate::{ConfigResourceType, MetadataChanges, MetadataDelta, ReplayError};

/// Says whether this software knows a configuration key; records of others are skipped, so that keys of
/// an older or newer release do no harm (`SupportedConfigChecker`).
pub type SupportedConfigChecker = fn(ConfigResourceType, &str) -> bool;

/// Turns committed records into images.
///
/// Records between BeginTransactionRecord and EndTransactionRecord become visible together, or, when the
/// transaction is aborted, never (KIP-868).
#[derive(Debug)]
pub struct MetadataLoader {
    published: Arc<MetadataImage>,
    /// What may be published.
    stable: MetadataDelta,
    /// The records of the open transaction, on top of `stable`.
    transaction: Option<MetadataDelta>,
    transaction_start: i64,
    is_config_supported: SupportedConfigChecker,
}

/// A new image, and what is new in it.
#[derive(Clone, Debug)]
pub struct PublishedImage {
    /// The image.
    pub image: Arc<MetadataImage>,
    /// What changed since the one before.
    pub delta: MetadataDelta,
}

impl PublishedImage {
    /// What changed since the image before.
    pub fn changes(&self) -> MetadataChanges {
        self.delta.changes()
    }
}

impl Default for MetadataLoader {
    /// A loader that takes all configuration keys, before any record.
    fn default() -> Self {
        Self::new(|_, _| true)
    }
}

impl MetadataLoader {
    /// Before any record.
    pub fn new(is_config_supported: SupportedConfigChecker) -> Self {
        let published = Arc::new(MetadataImage::default());
        Self {
            stable: MetadataDelta::new(&published),
            published,
            transaction: None,
            transaction_start: -1,
            is_config_supported,
        }
    }

    /// The image last published.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.published
    }

    /// Whether a transaction is open.
    pub fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Takes in one committed record of the log.
    ///
    /// # Errors
    /// When it contradicts the records before it.
    pub fn replay(
        &mut self,
        record: &MetadataRecord,
        provenance: MetadataProvenance,
    ) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                if self.transaction.is_some() {
                    return Err(ReplayError::NestedTransaction { start: self.transaction_start });
                }
                self.transaction = Some(MetadataDelta::new(self.stable.image()));
                self.transaction_start = provenance.last_contained_offset;
            }
            MetadataRecord::EndTransaction(_) => {
                let transaction = self.transaction.take();
                self.stable.append(transaction.ok_or(ReplayError::NoTransaction { name: record.name() })?);
            }
            MetadataRecord::AbortTransaction(_) => {
                let transaction = self.transaction.take();
                transaction.ok_or(ReplayError::NoTransaction { name: record.name() })?;
            }
            MetadataRecord::Config(config)
                if !self.supports(&ConfigurationsImage::resource_of(config), config) => {}
            _ => self.transaction.as_mut().unwrap_or(&mut self.stable).replay(record)?,
        }
        if self.transaction.is_none() {
            self.stable.set_provenance(provenance);
        }
        Ok(())
    }

    fn supports(
        &self,
        resource: &crate::ConfigResource,
        record: &ottla_protocol::messages::ConfigRecord,
    ) -> bool {
        (self.is_config_supported)(resource.resource_type, &record.name)
    }

    /// Replaces everything by a snapshot.
    ///
    /// # Errors
    /// When the snapshot contradicts itself.
    pub fn load_snapshot<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a MetadataRecord>,
        provenance: MetadataProvenance,
    ) -> Result<(), ReplayError> {
        let mut delta = MetadataDelta::for_snapshot(&self.published);
        for record in records {
            match record {
                MetadataRecord::Config(config)
                    if !self.supports(&ConfigurationsImage::resource_of(config), config) => {}
                _ => delta.replay(record)?,
            }
        }
        delta.set_provenance(provenance);
        self.transaction = None;
        self.stable = delta;
        Ok(())
    }

    /// Publishes what has been read since the last time, up to the begin of an open transaction; none when
    /// there is nothing.
    pub fn publish(&mut self) -> Option<PublishedImage> {
        if self.stable.image().provenance == self.published.provenance {
            return None;
        }
        let image = Arc::new(self.stable.image().clone());
        let delta = std::mem::replace(&mut self.stable, MetadataDelta::new(&image));
        self.published = Arc::clone(&image);
        Some(PublishedImage { image, delta })
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::{
        AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord, TopicRecord,
    };
    use ottla_protocol::{Str, Uuid};

    use super::*;
    use crate::ConfigResource;

    fn topic(name: &str, id: u64) -> MetadataRecord {
        MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: Uuid::from_parts(9, id) })
    }

    fn begin() -> MetadataRecord {
        MetadataRecord::BeginTransaction(BeginTransactionRecord { name: None })
    }

    fn at(offset: i64) -> MetadataProvenance {
        let (last_contained_epoch, last_contained_log_time_ms) = (1, 0);
        MetadataProvenance { last_contained_offset: offset, last_contained_epoch, last_contained_log_time_ms }
    }

    fn names(image: &MetadataImage) -> Vec<Str> {
        image.topics.iter().map(|topic| topic.name.clone()).collect()
    }

    #[test]
    fn a_transaction_is_seen_whole_or_not_at_all() {
        let mut loader = MetadataLoader::default();
        assert!(loader.publish().is_none());
        loader.replay(&topic("a", 1), at(0)).unwrap();
        loader.replay(&begin(), at(1)).unwrap();
        loader.replay(&topic("b", 2), at(2)).unwrap();
        let published = loader.publish().unwrap();
        assert_eq!(names(&published.image), ["a"]);
        assert_eq!(published.image.provenance, at(0));
        assert!(loader.publish().is_none());
        loader.replay(&MetadataRecord::EndTransaction(EndTransactionRecord {}), at(3)).unwrap();
        let published = loader.publish().unwrap();
        assert_eq!(names(&published.image), ["a", "b"]);
        assert_eq!(published.changes().created_topics.len(), 1);
        assert_eq!(published.image.provenance, at(3));
    }

    #[test]
    fn an_aborted_transaction_leaves_no_trace() {
        let mut loader = MetadataLoader::default();
        loader.replay(&begin(), at(0)).unwrap();
        loader.replay(&topic("a", 1), at(1)).unwrap();
        assert!(loader.is_in_transaction());
        assert!(loader.replay(&begin(), at(2)).is_err());
        loader
            .replay(&MetadataRecord::AbortTransaction(AbortTransactionRecord { reason: None }), at(2))
            .unwrap();
        let published = loader.publish().unwrap();
        assert!(published.image.topics.is_empty() && published.changes().is_empty());
        assert!(loader.replay(&MetadataRecord::EndTransaction(EndTransactionRecord {}), at(3)).is_err());
    }

    #[test]
    fn a_snapshot_replaces_everything() {
        let mut loader = MetadataLoader::default();
        loader.replay(&topic("a", 1), at(0)).unwrap();
        loader.replay(&topic("b", 2), at(1)).unwrap();
        loader.publish().unwrap();
        loader.load_snapshot(&[topic("b", 2), topic("c", 3)], at(9)).unwrap();
        let published = loader.publish().unwrap();
        assert_eq!(names(&published.image), ["b", "c"]);
        let changes = published.changes();
        assert_eq!(changes.deleted_topics.values().collect::<Vec<_>>(), ["a"]);
        assert_eq!(changes.created_topics.len(), 1);
    }

    #[test]
    fn unknown_configurations_are_skipped() {
        let mut loader = MetadataLoader::new(|_, key| key == "known");
        for name in ["known", "unknown"] {
            let (name, value) = (name.into(), Some("1".into()));
            let record = ConfigRecord { resource_type: 2, resource_name: "t".into(), name, value };
            loader.replay(&MetadataRecord::Config(record), at(0)).unwrap();
        }
        let image = loader.publish().unwrap().image;
        assert_eq!(image.configs.get(&ConfigResource::topic("t")).len(), 1);
    }

    #[test]
    fn a_configuration_that_is_said_again_is_heard_of() {
        let mut loader = MetadataLoader::default();
        let mut offset = 0;
        let mut published = |resource_type| {
            offset += 1;
            let (resource_name, name, value) = ("1".into(), "key".into(), Some("/file".into()));
            let record = ConfigRecord { resource_type, resource_name, name, value };
            loader.replay(&MetadataRecord::Config(record), at(offset)).unwrap();
            let published = loader.publish().unwrap();
            (published.delta.names_broker_configs(), published.changes().configs.len())
        };
        assert_eq!(published(2), (false, 1));
        assert_eq!(published(4), (true, 1));
        assert_eq!(published(4), (true, 0), "nothing differs but what the file may hold");
        assert_eq!(published(2), (false, 0));
    }
}
