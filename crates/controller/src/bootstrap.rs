//! The first records of a cluster (`BootstrapMetadata`, `Formatter`, KIP-778).

use std::collections::BTreeMap;

use ottla_metadata::feature::{FEATURES, Feature, FeatureError, KRAFT_VERSION_NAME};
use ottla_metadata::{MetadataVersion, VersionedRecord};
use ottla_protocol::Str;
use ottla_protocol::messages::FeatureLevelRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

/// What formatting a cluster decides: the records that its first active controller appends. Kafka keeps them in
/// the file `bootstrap.checkpoint`.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapMetadata {
    records: Vec<VersionedRecord>,
    metadata_version: MetadataVersion,
}

/// Records that name no metadata version that this software knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No FeatureLevelRecord for metadata.version was found in the bootstrap metadata from {source_name}")]
pub struct NoMetadataVersion {
    source_name: String,
}

impl BootstrapMetadata {
    /// The records for a metadata version and the levels of other features. Those at level 0 and
    /// `kraft.version`, which the quorum keeps, are left out.
    pub fn from_versions(metadata_version: MetadataVersion, features: &BTreeMap<Str, i16>) -> Self {
        let record = |name: Str, feature_level| {
            (MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }), 0)
        };
        let name = Str::from_static(MetadataVersion::FEATURE_NAME);
        let others = features.iter().filter(|(name, level)| {
            **level > 0 && **name != MetadataVersion::FEATURE_NAME && **name != KRAFT_VERSION_NAME
        });
        let records = std::iter::once(record(name, metadata_version.feature_level()))
            .chain(others.map(|(name, level)| record(name.clone(), *level)))
            .collect();
        Self { records, metadata_version }
    }

    /// The records of a new cluster: every feature at its default level but those in `chosen`.
    ///
    /// # Errors
    /// When a chosen feature or level does not exist, or needs another feature that is not there.
    pub fn for_new_cluster(
        metadata_version: MetadataVersion,
        chosen: &BTreeMap<Str, i16>,
    ) -> Result<Self, FeatureError> {
        let mut levels: BTreeMap<Str, i16> = FEATURES
            .iter()
            .filter(|feature| feature.name != KRAFT_VERSION_NAME)
            .map(|feature| (Str::from_static(feature.name), feature.default_level(metadata_version)))
            .collect();
        levels.extend(chosen.iter().map(|(name, level)| (name.clone(), *level)));
        levels.insert(Str::from_static(MetadataVersion::FEATURE_NAME), metadata_version.feature_level());
        for (name, level) in levels.iter().filter(|(name, _)| **name != MetadataVersion::FEATURE_NAME) {
            Feature::from_name(name)?.validate(*level, &levels)?;
        }
        Ok(Self::from_versions(metadata_version, &levels))
    }

    /// The records of a `bootstrap.checkpoint`; `source_name` is for the error.
    ///
    /// # Errors
    /// When none of them sets a metadata version that is known.
    pub fn from_records(records: Vec<VersionedRecord>, source_name: &str) -> Result<Self, NoMetadataVersion> {
        let level = level_of(&records, MetadataVersion::FEATURE_NAME);
        match level.and_then(MetadataVersion::from_feature_level) {
            Some(metadata_version) => Ok(Self { records, metadata_version }),
            None => Err(NoMetadataVersion { source_name: source_name.to_owned() }),
        }
    }

    /// The records.
    pub fn records(&self) -> &[VersionedRecord] {
        &self.records
    }

    /// The metadata version that they set.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.metadata_version
    }

    /// The level that they set for a feature; 0 when they do not.
    pub fn feature_level(&self, name: &str) -> i16 {
        level_of(&self.records, name).unwrap_or(0)
    }
}

fn level_of(records: &[VersionedRecord], name: &str) -> Option<i16> {
    let levels = records.iter().filter_map(|(record, _)| match record {
        MetadataRecord::FeatureLevel(feature) if feature.name == name => Some(feature.feature_level),
        _ => None,
    });
    levels.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(bootstrap: &BootstrapMetadata) -> Vec<(String, i16)> {
        let level = |(record, version): &VersionedRecord| match record {
            MetadataRecord::FeatureLevel(f) => {
                assert_eq!(*version, 0);
                (f.name.to_string(), f.feature_level)
            }
            other => panic!("{other:?}"),
        };
        bootstrap.records().iter().map(level).collect()
    }

    #[test]
    fn a_new_cluster() {
        let version = MetadataVersion::LATEST_PRODUCTION;
        let bootstrap = BootstrapMetadata::for_new_cluster(version, &BTreeMap::new()).unwrap();
        let expected = [
            ("metadata.version", 30),
            ("eligible.leader.replicas.version", 1),
            ("group.version", 1),
            ("share.version", 1),
            ("streams.version", 1),
            ("transaction.version", 2),
        ];
        assert_eq!(levels(&bootstrap), expected.map(|(name, level)| (name.to_owned(), level)));
        let again = BootstrapMetadata::from_records(bootstrap.records().to_vec(), "file").unwrap();
        assert_eq!(again, bootstrap);
        assert_eq!(again.feature_level("transaction.version"), 2);
        assert_eq!(again.feature_level("other"), 0);
    }

    #[test]
    fn chosen_levels() {
        let version = MetadataVersion::V3_9_IV0;
        let chosen = BTreeMap::from([(Str::from("group.version"), 1), (Str::from("share.version"), 0)]);
        let bootstrap = BootstrapMetadata::for_new_cluster(version, &chosen).unwrap();
        assert_eq!(
            levels(&bootstrap),
            [("metadata.version".to_owned(), 21), ("group.version".to_owned(), 1)]
        );
        let chosen = BTreeMap::from([(Str::from("eligible.leader.replicas.version"), 1)]);
        assert!(BootstrapMetadata::for_new_cluster(version, &chosen).is_err());
        let chosen = BTreeMap::from([(Str::from("no.such.feature"), 1)]);
        assert!(BootstrapMetadata::for_new_cluster(version, &chosen).is_err());
    }

    #[test]
    fn records_without_a_version() {
        let error = BootstrapMetadata::from_records(Vec::new(), "there").unwrap_err();
        assert_eq!(
            error.to_string(),
            "No FeatureLevelRecord for metadata.version was found in the bootstrap metadata from there"
        );
    }
}
