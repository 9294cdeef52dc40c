//! Finalized features (`FeaturesImage`).

use ottla_protocol::Str;
use ottla_protocol::messages::FeatureLevelRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use super::PersistentMap;
use crate::feature::{ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION_NAME};
use crate::{ImageWriterOptions, MetadataVersion, ReplayError, VersionedRecord, detach};

/// The levels that the cluster has agreed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeaturesImage {
    metadata_version: Option<MetadataVersion>,
    /// All others, but those at level 0.
    finalized: PersistentMap<Str, i16>,
}

impl FeaturesImage {
    /// The metadata version; none before the first record.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.metadata_version
    }

    /// Level of a feature other than `metadata.version`; 0 when it is off.
    pub fn level(&self, name: &str) -> i16 {
        self.finalized.get(name).copied().unwrap_or(0)
    }

    /// All features but `metadata.version` whose level is above 0, by name.
    pub fn finalized(&self) -> impl Iterator<Item = (&Str, i16)> {
        self.finalized.iter().map(|(name, level)| (name, *level))
    }

    /// All features whose level is above 0, `metadata.version` among them: what ApiVersions lists as finalized.
    pub fn all(&self) -> impl Iterator<Item = (Str, i16)> {
        let version = self.metadata_version.map(MetadataVersion::feature_level);
        let version = version.map(|level| (Str::from_static(MetadataVersion::FEATURE_NAME), level));
        version.into_iter().chain(self.finalized().map(|(name, level)| (name.clone(), level)))
    }

    /// Whether eligible leader replicas are on (KIP-966).
    pub fn is_elr_enabled(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION.name) >= 1
    }

    pub(super) fn replay(&mut self, record: &FeatureLevelRecord) -> Result<(), ReplayError> {
        let level = record.feature_level;
        match &*record.name {
            MetadataVersion::FEATURE_NAME => {
                let version = MetadataVersion::from_feature_level(level);
                let (min, max) = (MetadataVersion::MINIMUM, MetadataVersion::LATEST_TESTING);
                self.metadata_version = Some(version.ok_or(ReplayError::UnsupportedMetadataVersion {
                    level,
                    min: min.feature_level(),
                    max: max.feature_level(),
                })?);
            }
            // Its level is the quorum's; Kafka ignores such a record too.
            KRAFT_VERSION_NAME => {}
            name if level == 0 => {
                self.finalized.remove_mut(name);
            }
            _ => self.finalized.insert_mut(detach::str(&record.name), level),
        }
        Ok(())
    }

    pub(super) fn write(&self, options: &ImageWriterOptions, out: &mut dyn FnMut(VersionedRecord)) {
        let record = |name: Str, feature_level| {
            (MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }), 0)
        };
        let name = Str::from_static(MetadataVersion::FEATURE_NAME);
        out(record(name, options.metadata_version.feature_level()));
        self.finalized().for_each(|(name, level)| out(record(name.clone(), level)));
    }
}
