//! The metadata of a cluster at one offset of its log (`org.apache.kafka.image`).
//!
//! An image is never changed once it is shared. Its maps are persistent red-black trees: a clone is a
//! handful of reference counts, and a change copies only the path to what it touches. So a reader keeps
//! the image it began with for as long as it likes, and a new image costs as much as what is new in it,
//! not as much as the cluster has topics. The same property lets the controller go back to any earlier
//! state, for which Kafka has its timeline collections.

mod acls;
mod client_quotas;
mod client_quotas_describe;
mod cluster;
mod configurations;
mod delegation_tokens;
mod features;
mod partitions;
mod producer_ids;
mod scram;
mod topics;

use ottla_protocol::messages::metadata::MetadataRecord;

pub use acls::AclsImage;
pub use client_quotas::{ClientQuotas, ClientQuotasImage};
pub use client_quotas_describe::InvalidClientQuotaFilter;
pub use cluster::ClusterImage;
pub use configurations::{ConfigMap, ConfigurationsImage};
pub use delegation_tokens::DelegationTokensImage;
pub use features::FeaturesImage;
pub use partitions::Partitions;
pub use producer_ids::ProducerIdsImage;
pub use scram::ScramImage;
pub use topics::{TopicImage, TopicsImage};

use crate::{ImageWriterOptions, MetadataVersion, ReplayError, UnwritableMetadata, VersionedRecord};

/// An ordered map whose clones share their structure; safe to send and share.
pub type PersistentMap<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// How far the log had been read (`MetadataProvenance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataProvenance {
    /// Offset of the last record in the image; -1 in an empty one.
    pub last_contained_offset: i64,
    /// Leader epoch of that record.
    pub last_contained_epoch: i32,
    /// Time of its batch, in Unix milliseconds.
    pub last_contained_log_time_ms: i64,
}

impl Default for MetadataProvenance {
    fn default() -> Self {
        Self { last_contained_offset: -1, last_contained_epoch: -1, last_contained_log_time_ms: -1 }
    }
}

/// Everything that the metadata log says up to some offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    /// Up to where.
    pub provenance: MetadataProvenance,
    /// Finalized features.
    pub features: FeaturesImage,
    /// Brokers and controllers.
    pub cluster: ClusterImage,
    /// Topics and partitions.
    pub topics: TopicsImage,
    /// Configurations of topics, brokers, groups and client metrics subscriptions.
    pub configs: ConfigurationsImage,
    /// Client quotas.
    pub client_quotas: ClientQuotasImage,
    /// Producer ids given out.
    pub producer_ids: ProducerIdsImage,
    /// Access control entries.
    pub acls: AclsImage,
    /// SCRAM credentials.
    pub scram: ScramImage,
    /// Delegation tokens.
    pub delegation_tokens: DelegationTokensImage,
}

impl MetadataImage {
    /// Applies one record. After an error the image is as it was.
    ///
    /// # Errors
    /// When the record contradicts the image. Transaction markers are an error too:
    /// [`crate::MetadataLoader`] deals with them.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.cluster.register_broker(record)?,
            MetadataRecord::UnregisterBroker(record) => self.cluster.unregister_broker(record)?,
            MetadataRecord::FenceBroker(record) => self.cluster.fence(record.id, record.epoch, true)?,
            MetadataRecord::UnfenceBroker(record) => self.cluster.fence(record.id, record.epoch, false)?,
            MetadataRecord::BrokerRegistrationChange(record) => self.cluster.change_broker(record)?,
            MetadataRecord::RegisterController(record) => self.cluster.register_controller(record)?,
            MetadataRecord::Topic(record) => self.topics.create(record)?,
            MetadataRecord::Partition(record) => self.topics.set_partition(record)?,
            MetadataRecord::PartitionChange(record) => self.topics.change_partition(record)?,
            MetadataRecord::RemoveTopic(record) => {
                let name = self.topics.remove(record.topic_id)?;
                self.configs.remove_topic(&name);
            }
            MetadataRecord::ClearElr(record) => self.topics.clear_elr(&record.topic_name)?,
            MetadataRecord::Config(record) => self.configs.replay(record),
            MetadataRecord::FeatureLevel(record) => self.features.replay(record)?,
            MetadataRecord::ClientQuota(record) => self.client_quotas.replay(record),
            MetadataRecord::ProducerIds(record) => self.producer_ids.replay(record)?,
            MetadataRecord::AccessControlEntry(record) => self.acls.add(record),
            MetadataRecord::RemoveAccessControlEntry(record) => self.acls.remove(record.id)?,
            MetadataRecord::UserScramCredential(record) => self.scram.set(record),
            MetadataRecord::RemoveUserScramCredential(record) => self.scram.remove(record)?,
            MetadataRecord::DelegationToken(record) => self.delegation_tokens.set(record),
            MetadataRecord::RemoveDelegationToken(record) => self.delegation_tokens.remove(&record.token_id),
            MetadataRecord::NoOp(_) | MetadataRecord::ZkMigrationState(_) => {}
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {
                return Err(ReplayError::TransactionMarker { name: record.name() });
            }
        }
        Ok(())
    }

    /// How this image's own features want it written; the lowest version when it has none.
    pub fn writer_options(&self) -> ImageWriterOptions {
        ImageWriterOptions {
            metadata_version: self.features.metadata_version().unwrap_or(MetadataVersion::MINIMUM),
            is_elr_enabled: self.features.is_elr_enabled(),
        }
    }

    /// The records of a snapshot of this image: replayed on an empty image they give this one again.
    ///
    /// # Errors
    /// When the image holds what its metadata version can't say.
    pub fn to_records(&self) -> Result<Vec<VersionedRecord>, UnwritableMetadata> {
        let mut records = Vec::new();
        self.write(&self.writer_options(), &mut |record| records.push(record))?;
        Ok(records)
    }

    /// Hands the records of a snapshot to `out`, one after the other.
    ///
    /// # Errors
    /// When the image holds what the metadata version of `options` can't say.
    pub fn write(
        &self,
        options: &ImageWriterOptions,
        out: &mut dyn FnMut(VersionedRecord),
    ) -> Result<(), UnwritableMetadata> {
        self.features.write(options, out);
        self.cluster.write(options, out)?;
        self.topics.write(options, out)?;
        self.configs.write(out);
        self.client_quotas.write(out);
        self.producer_ids.write(out);
        self.acls.write(out);
        self.scram.write(options, out)?;
        self.delegation_tokens.write(options, out)
    }
}

#[cfg(test)]
#[path = "image_test.rs"]
mod image_test;
