//! `metadata.version`: what the cluster's metadata log may hold (`MetadataVersion`, KIP-778).

use std::fmt;

/// A level of the feature `metadata.version`.
///
/// Ordered: a later version can do all that an earlier one can. Levels 7 (`3.3-IV3`) to 31 (`4.4-IV0`)
/// are known; those up to [`MetadataVersion::LATEST_PRODUCTION`] may be used without asking for unstable features.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetadataVersion(i16);

/// Level, name, and whether the records of the log differ from those of the level before (a
/// downgrade across such a level would lose data).
const VERSIONS: &[(i16, &str, bool)] = &[
    (7, "3.3-IV3", true),
    (8, "3.4-IV0", true),
    (9, "3.5-IV0", false),
    (10, "3.5-IV1", false),
    (11, "3.5-IV2", true),
    (12, "3.6-IV0", false),
    (13, "3.6-IV1", true),
    (14, "3.6-IV2", true),
    (15, "3.7-IV0", true),
    (16, "3.7-IV1", false),
    (17, "3.7-IV2", true),
    (18, "3.7-IV3", false),
    (19, "3.7-IV4", false),
    (20, "3.8-IV0", false),
    (21, "3.9-IV0", false),
    (22, "4.0-IV0", false),
    (23, "4.0-IV1", true),
    (24, "4.0-IV2", false),
    (25, "4.0-IV3", false),
    (26, "4.1-IV0", false),
    (27, "4.1-IV1", false),
    (28, "4.2-IV0", false),
    (29, "4.2-IV1", false),
    (30, "4.3-IV0", true),
    (31, "4.4-IV0", false),
];

/// The text that names no usable version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown metadata.version '{text}'. Supported metadata.version are: {supported}")]
pub struct UnknownMetadataVersion {
    text: String,
    supported: String,
}

impl MetadataVersion {
    /// Name of the feature.
    pub const FEATURE_NAME: &'static str = "metadata.version";
    /// The lowest that Kafka 4 reads.
    pub const MINIMUM: Self = Self::V3_3_IV3;
    /// The highest that is stable in Kafka 4.3, and what a new cluster gets.
    pub const LATEST_PRODUCTION: Self = Self::V4_3_IV0;
    /// The highest that is known at all.
    pub const LATEST_TESTING: Self = Self::V4_4_IV0;

    /// `3.3-IV3`
    pub const V3_3_IV3: Self = Self(7);
    /// `3.4-IV0`: broker registrations may be those of migrating ZooKeeper brokers.
    pub const V3_4_IV0: Self = Self(8);
    /// `3.5-IV0`
    pub const V3_5_IV0: Self = Self(9);
    /// `3.5-IV1`
    pub const V3_5_IV1: Self = Self(10);
    /// `3.5-IV2`: SCRAM credentials.
    pub const V3_5_IV2: Self = Self(11);
    /// `3.6-IV0`: no leader epoch bump when an ISR shrinks.
    pub const V3_6_IV0: Self = Self(12);
    /// `3.6-IV1`: transactions in the metadata log (KIP-868).
    pub const V3_6_IV1: Self = Self(13);
    /// `3.6-IV2`: delegation tokens.
    pub const V3_6_IV2: Self = Self(14);
    /// `3.7-IV0`: controllers register (KIP-919).
    pub const V3_7_IV0: Self = Self(15);
    /// `3.7-IV2`: log directories of replicas (KIP-858).
    pub const V3_7_IV2: Self = Self(17);
    /// `3.7-IV4`
    pub const V3_7_IV4: Self = Self(19);
    /// `3.9-IV0`
    pub const V3_9_IV0: Self = Self(21);
    /// `4.0-IV0`
    pub const V4_0_IV0: Self = Self(22);
    /// `4.0-IV1`: eligible leader replicas in partition records (KIP-966).
    pub const V4_0_IV1: Self = Self(23);
    /// `4.0-IV2`
    pub const V4_0_IV2: Self = Self(24);
    /// `4.0-IV3`
    pub const V4_0_IV3: Self = Self(25);
    /// `4.1-IV0`
    pub const V4_1_IV0: Self = Self(26);
    /// `4.1-IV1`
    pub const V4_1_IV1: Self = Self(27);
    /// `4.2-IV0`
    pub const V4_2_IV0: Self = Self(28);
    /// `4.2-IV1`
    pub const V4_2_IV1: Self = Self(29);
    /// `4.3-IV0`: cordoned log directories (KIP-1066).
    pub const V4_3_IV0: Self = Self(30);
    /// `4.4-IV0`: not stable in Kafka 4.3.
    pub const V4_4_IV0: Self = Self(31);

    /// The version of a feature level; none when the level is not known.
    pub fn from_feature_level(level: i16) -> Option<Self> {
        VERSIONS.iter().find(|version| version.0 == level).map(|_| Self(level))
    }

    /// The version of a text such as `4.3-IV0`, `4.3` or `4.3.1`; a release stands for its highest stable level.
    ///
    /// # Errors
    /// When there is no such version, or it is not stable and `unstable_enabled` is false.
    pub fn from_version_string(text: &str, unstable_enabled: bool) -> Result<Self, UnknownMetadataVersion> {
        let key = match text.match_indices('.').nth(1) {
            Some((second_dot, _)) => text.get(..second_dot).unwrap_or(text),
            None => text,
        };
        let exact = VERSIONS.iter().find(|version| version.1 == key);
        let of_release = || {
            VERSIONS
                .iter()
                .rev()
                .map(|version| Self(version.0))
                .find(|v| v.is_production() && v.release() == key)
        };
        exact
            .map(|version| Self(version.0))
            .or_else(of_release)
            .filter(|version| unstable_enabled || version.is_production())
            .ok_or_else(|| UnknownMetadataVersion {
                text: text.to_owned(),
                supported: Self::list(unstable_enabled),
            })
    }

    fn list(unstable_enabled: bool) -> String {
        let names: Vec<&str> = VERSIONS
            .iter()
            .filter(|version| unstable_enabled || Self(version.0).is_production())
            .map(|version| version.1)
            .collect();
        names.join(", ")
    }

    fn facts(self) -> (i16, &'static str, bool) {
        // A value of this type is only made from the table.
        VERSIONS.iter().find(|version| version.0 == self.0).copied().unwrap_or(VERSIONS[0])
    }

    /// The number in a FeatureLevelRecord.
    pub const fn feature_level(self) -> i16 {
        self.0
    }

    /// Kafka's name, such as `4.3-IV0`.
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// The release that brought it, such as `4.3`.
    pub fn release(self) -> &'static str {
        self.name().split('-').next().unwrap_or_default()
    }

    /// Whether it is stable in Kafka 4.3.
    pub fn is_production(self) -> bool {
        self <= Self::LATEST_PRODUCTION
    }

    /// Whether the log's records differ between two versions, so that a downgrade from one to the other would lose data.
    pub fn metadata_changed_between(self, other: Self) -> bool {
        let (low, high) = if self < other { (self, other) } else { (other, self) };
        VERSIONS.iter().any(|version| version.2 && version.0 > low.0 && version.0 <= high.0)
    }

    /// SCRAM credentials may stand in the log.
    pub fn is_scram_supported(self) -> bool {
        self >= Self::V3_5_IV2
    }

    /// A shrinking ISR must bump the leader epoch (KAFKA-15021 lifted it).
    pub fn is_leader_epoch_bump_required_on_isr_shrink(self) -> bool {
        self < Self::V3_6_IV0
    }

    /// Transactions may stand in the log (KIP-868).
    pub fn is_metadata_transaction_supported(self) -> bool {
        self >= Self::V3_6_IV1
    }

    /// Delegation tokens may stand in the log.
    pub fn is_delegation_token_supported(self) -> bool {
        self >= Self::V3_6_IV2
    }

    /// Controllers register themselves in the log (KIP-919).
    pub fn is_controller_registration_supported(self) -> bool {
        self >= Self::V3_7_IV0
    }

    /// Replicas are assigned to log directories (KIP-858).
    pub fn is_directory_assignment_supported(self) -> bool {
        self >= Self::V3_7_IV2
    }

    /// Partition records can carry eligible leader replicas (KIP-966).
    pub fn is_elr_supported(self) -> bool {
        self >= Self::V4_0_IV1
    }

    /// A registration may say that the broker migrates from ZooKeeper.
    pub fn is_migration_supported(self) -> bool {
        self >= Self::V3_4_IV0
    }

    /// Brokers may cordon log directories (KIP-1066).
    pub fn is_cordoned_log_dirs_supported(self) -> bool {
        self >= Self::V4_3_IV0
    }

    /// Version in which RegisterBrokerRecord is written.
    pub fn register_broker_record_version(self) -> i16 {
        if self.is_cordoned_log_dirs_supported() {
            4
        } else if self.is_directory_assignment_supported() {
            3
        } else if self.is_migration_supported() {
            2
        } else {
            1
        }
    }

    /// Version in which PartitionRecord is written.
    pub fn partition_record_version(self) -> i16 {
        if self.is_elr_supported() {
            2
        } else if self.is_directory_assignment_supported() {
            1
        } else {
            0
        }
    }

    /// Version in which PartitionChangeRecord is written.
    pub fn partition_change_record_version(self) -> i16 {
        self.partition_record_version()
    }

    /// Version of Fetch that followers send.
    pub fn fetch_request_version(self) -> i16 {
        if self >= Self::V4_1_IV1 {
            18
        } else if self >= Self::V3_9_IV0 {
            17
        } else if self >= Self::V3_7_IV4 {
            16
        } else if self >= Self::V3_5_IV1 {
            15
        } else if self >= Self::V3_5_IV0 {
            14
        } else {
            13
        }
    }

    /// Version of ListOffsets that followers send.
    pub fn list_offset_request_version(self) -> i16 {
        if self >= Self::V4_2_IV1 {
            11
        } else if self >= Self::V4_0_IV3 {
            10
        } else if self >= Self::V3_9_IV0 {
            9
        } else if self >= Self::V3_5_IV0 {
            8
        } else {
            7
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels() {
        assert_eq!(MetadataVersion::LATEST_PRODUCTION.to_string(), "4.3-IV0");
        assert_eq!(MetadataVersion::LATEST_PRODUCTION.feature_level(), 30);
        assert_eq!(MetadataVersion::from_feature_level(31), Some(MetadataVersion::V4_4_IV0));
        assert_eq!(MetadataVersion::from_feature_level(6), None);
        assert_eq!(MetadataVersion::from_feature_level(32), None);
    }

    #[test]
    fn texts_of_versions() {
        let parse = |text| MetadataVersion::from_version_string(text, false).ok();
        assert_eq!(parse("4.3-IV0"), Some(MetadataVersion::V4_3_IV0));
        assert_eq!(parse("4.3"), Some(MetadataVersion::V4_3_IV0));
        assert_eq!(parse("4.3.1"), Some(MetadataVersion::V4_3_IV0));
        assert_eq!(parse("3.7"), Some(MetadataVersion::V3_7_IV4));
        assert_eq!(parse("4.4-IV0"), None);
        assert_eq!(parse("4.4"), None);
        assert_eq!(MetadataVersion::from_version_string("4.4-IV0", true), Ok(MetadataVersion::V4_4_IV0));
        let error = MetadataVersion::from_version_string("9.9", false).unwrap_err().to_string();
        assert!(
            error.starts_with("Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3, ")
        );
        assert!(error.ends_with(", 4.3-IV0"));
    }

    #[test]
    fn downgrades_that_lose_nothing() {
        use MetadataVersion as V;
        assert!(!V::V4_2_IV1.metadata_changed_between(V::V4_0_IV1));
        assert!(V::V4_3_IV0.metadata_changed_between(V::V4_2_IV1));
        assert!(V::V4_2_IV1.metadata_changed_between(V::V4_3_IV0));
        assert!(!V::V4_4_IV0.metadata_changed_between(V::V4_3_IV0));
        assert!(!V::V4_3_IV0.metadata_changed_between(V::V4_3_IV0));
    }

    #[test]
    fn record_versions() {
        use MetadataVersion as V;
        assert_eq!(V::MINIMUM.register_broker_record_version(), 1);
        assert_eq!(V::V4_2_IV1.register_broker_record_version(), 3);
        assert_eq!(V::V4_3_IV0.register_broker_record_version(), 4);
        assert_eq!(V::V3_7_IV2.partition_record_version(), 1);
        assert_eq!(V::V4_0_IV1.partition_change_record_version(), 2);
    }
}
