//! The features of a cluster beside `metadata.version`, their levels and what they need (`Feature`, KIP-584, KIP-1022).

use std::collections::BTreeMap;

use ottla_protocol::Str;

use crate::{MetadataVersion, VersionRange};

/// A feature whose finalized level the whole cluster agrees on.
#[derive(Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, such as `group.version`.
    pub name: &'static str,
    /// Its levels in rising order, the first always 0.
    pub levels: &'static [FeatureLevel],
}

/// One level of a feature.
#[derive(Debug, PartialEq, Eq)]
pub struct FeatureLevel {
    /// The number.
    pub level: i16,
    /// The metadata version from which on a new cluster starts with this level.
    pub bootstrap: MetadataVersion,
    /// Features and the least levels that this level needs of them.
    pub dependencies: &'static [(&'static str, i16)],
}

const fn level(level: i16, bootstrap: MetadataVersion) -> FeatureLevel {
    FeatureLevel { level, bootstrap, dependencies: &[] }
}

const OFF: FeatureLevel = level(0, MetadataVersion::MINIMUM);

/// Name of [`KRAFT_VERSION`].
pub const KRAFT_VERSION_NAME: &str = "kraft.version";

/// Dynamic quorums (KIP-853). Its level is kept by the quorum, never by a FeatureLevelRecord.
pub const KRAFT_VERSION: Feature =
    Feature { name: KRAFT_VERSION_NAME, levels: &[OFF, level(1, MetadataVersion::V3_9_IV0)] };

/// Transactions: 1 writes flexible log records, 2 bumps the epoch with each transaction (KIP-890).
pub const TRANSACTION_VERSION: Feature = Feature {
    name: "transaction.version",
    levels: &[OFF, level(1, MetadataVersion::V4_0_IV2), level(2, MetadataVersion::V4_0_IV2)],
};

/// The consumer group protocol of KIP-848.
pub const GROUP_VERSION: Feature =
    Feature { name: "group.version", levels: &[OFF, level(1, MetadataVersion::V4_0_IV0)] };

/// Eligible leader replicas (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: Feature = Feature {
    name: "eligible.leader.replicas.version",
    levels: &[
        OFF,
        FeatureLevel {
            level: 1,
            bootstrap: MetadataVersion::V4_1_IV0,
            dependencies: &[(MetadataVersion::FEATURE_NAME, MetadataVersion::V4_0_IV1.feature_level())],
        },
    ],
};

/// Share groups (KIP-932).
pub const SHARE_VERSION: Feature =
    Feature { name: "share.version", levels: &[OFF, level(1, MetadataVersion::V4_2_IV0)] };

/// Streams groups (KIP-1071).
pub const STREAMS_VERSION: Feature =
    Feature { name: "streams.version", levels: &[OFF, level(1, MetadataVersion::V4_2_IV1)] };

/// All of them, in Kafka's order.
pub const FEATURES: &[Feature] = &[
    KRAFT_VERSION,
    TRANSACTION_VERSION,
    GROUP_VERSION,
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    SHARE_VERSION,
    STREAMS_VERSION,
];

/// Why a feature can't have a level; the text is Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FeatureError {
    /// There is no feature of that name.
    #[error("Feature {name} not found.")]
    Unknown { name: String },
    /// The feature has no such level.
    #[error("No feature:{name} with feature level {level}")]
    NoSuchLevel { name: &'static str, level: i16 },
    /// No usable metadata version is finalized.
    #[error(
        "{name} could not be set to {level} because it depends on metadata.version={} ({})",
        MetadataVersion::MINIMUM.feature_level(), MetadataVersion::MINIMUM
    )]
    NeedsMetadataVersion { name: &'static str, level: i16 },
    /// Another feature is missing or too low.
    #[error("{name} could not be set to {level} because it depends on {dependency} level {needed}")]
    Depends { name: &'static str, level: i16, dependency: &'static str, needed: i16 },
}

impl Feature {
    /// The feature of a name.
    ///
    /// # Errors
    /// [`FeatureError::Unknown`]; `metadata.version` is none of them.
    pub fn from_name(name: &str) -> Result<&'static Feature, FeatureError> {
        FEATURES
            .iter()
            .find(|feature| feature.name == name)
            .ok_or_else(|| FeatureError::Unknown { name: name.to_owned() })
    }

    /// The levels that this software supports.
    pub fn supported(&self) -> VersionRange {
        VersionRange::new(0, self.latest())
    }

    /// The highest level; all levels of all features are stable in Kafka 4.3.
    pub fn latest(&self) -> i16 {
        self.levels.last().map_or(0, |level| level.level)
    }

    /// The level of a new cluster whose metadata version is `version`.
    pub fn default_level(&self, version: MetadataVersion) -> i16 {
        let started = self.levels.iter().take_while(|level| level.bootstrap <= version);
        started.last().map_or(0, |level| level.level)
    }

    /// Checks that this feature may have `level` beside the other features' levels in `finalized`
    /// (which includes `metadata.version`).
    ///
    /// # Errors
    /// When there is no such level, or what it needs is missing.
    pub fn validate(&self, level: i16, finalized: &BTreeMap<Str, i16>) -> Result<(), FeatureError> {
        let name = self.name;
        let definition =
            self.levels.iter().find(|l| l.level == level).ok_or(FeatureError::NoSuchLevel { name, level })?;
        let minimum = MetadataVersion::MINIMUM.feature_level();
        let metadata_version = finalized.get(MetadataVersion::FEATURE_NAME);
        if level >= 1 && metadata_version.is_none_or(|version| *version < minimum) {
            return Err(FeatureError::NeedsMetadataVersion { name, level });
        }
        for (dependency, needed) in definition.dependencies {
            if finalized.get(*dependency).is_none_or(|have| have < needed) {
                return Err(FeatureError::Depends { name, level, dependency, needed: *needed });
            }
        }
        Ok(())
    }
}

/// What this software supports of every feature (`QuorumFeatures.defaultSupportedFeatureMap`): what a
/// broker or controller registers with, and what ApiVersions lists.
pub fn supported_features(unstable_enabled: bool) -> BTreeMap<Str, VersionRange> {
    let latest = match unstable_enabled {
        true => MetadataVersion::LATEST_TESTING,
        false => MetadataVersion::LATEST_PRODUCTION,
    };
    let metadata_version =
        VersionRange::new(MetadataVersion::MINIMUM.feature_level(), latest.feature_level());
    let mut features: BTreeMap<Str, VersionRange> =
        FEATURES.iter().map(|feature| (Str::from_static(feature.name), feature.supported())).collect();
    features.insert(Str::from_static(MetadataVersion::FEATURE_NAME), metadata_version);
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(version: MetadataVersion) -> Vec<(&'static str, i16)> {
        FEATURES.iter().map(|f| (f.name, f.default_level(version))).filter(|f| f.1 > 0).collect()
    }

    #[test]
    fn levels_of_new_clusters() {
        assert_eq!(defaults(MetadataVersion::V3_3_IV3), []);
        assert_eq!(
            defaults(MetadataVersion::V4_0_IV3),
            [("kraft.version", 1), ("transaction.version", 2), ("group.version", 1)]
        );
        assert_eq!(
            defaults(MetadataVersion::V4_3_IV0),
            [
                ("kraft.version", 1),
                ("transaction.version", 2),
                ("group.version", 1),
                ("eligible.leader.replicas.version", 1),
                ("share.version", 1),
                ("streams.version", 1)
            ]
        );
    }

    #[test]
    fn supported_ranges() {
        let stable = supported_features(false);
        assert_eq!(stable.get("metadata.version"), Some(&VersionRange::new(7, 30)));
        assert_eq!(stable.get("transaction.version"), Some(&VersionRange::new(0, 2)));
        assert_eq!(supported_features(true).get("metadata.version").map(|r| r.max), Some(31));
        assert_eq!(stable.len(), 7);
    }

    #[test]
    fn dependencies_are_checked() {
        let name = || Str::from_static(MetadataVersion::FEATURE_NAME);
        let error = |level, finalized: &BTreeMap<Str, i16>| {
            ELIGIBLE_LEADER_REPLICAS_VERSION.validate(level, finalized).unwrap_err().to_string()
        };
        assert_eq!(
            error(1, &BTreeMap::new()),
            "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version=7 (3.3-IV3)"
        );
        assert_eq!(
            error(1, &BTreeMap::from([(name(), 22)])),
            "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"
        );
        assert_eq!(
            error(2, &BTreeMap::from([(name(), 30)])),
            "No feature:eligible.leader.replicas.version with feature level 2"
        );
        assert_eq!(ELIGIBLE_LEADER_REPLICAS_VERSION.validate(1, &BTreeMap::from([(name(), 23)])), Ok(()));
    }
}
