//! Which APIs a node serves in which versions, and what the cluster has agreed on (Kafka's `NodeApiVersions`).

use std::collections::BTreeMap;

use ottla_protocol::messages::ApiVersionsResponse;
use ottla_protocol::{ApiKey, Str, constant_name};

use crate::{Error, Result};

/// Versions from the first to the second, both included.
pub type VersionRange = (i16, i16);

/// What a node told of itself when it was connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeVersions {
    /// Versions by number of the API; also APIs that this crate does not know.
    pub apis: BTreeMap<i16, VersionRange>,
    /// Versions of features that the node can work with.
    pub supported_features: BTreeMap<Str, VersionRange>,
    /// Levels of features that the cluster works with: lowest and highest.
    pub finalized_features: BTreeMap<Str, VersionRange>,
    /// Grows with each change of the finalized features; -1 when unknown.
    pub finalized_features_epoch: i64,
}

impl NodeVersions {
    /// Reads an answer to ApiVersions. Ranges that contain nothing are left out.
    pub fn from_response(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter().filter(|api| api.min_version <= api.max_version);
        let supported = response.supported_features.iter();
        let finalized = response.finalized_features.iter();
        Self {
            apis: ranges.map(|api| (api.api_key, (api.min_version, api.max_version))).collect(),
            supported_features: supported
                .map(|feature| (feature.name.clone(), (feature.min_version, feature.max_version)))
                .collect(),
            finalized_features: finalized
                .map(|feature| (feature.name.clone(), (feature.min_version_level, feature.max_version_level)))
                .collect(),
            finalized_features_epoch: response.finalized_features_epoch,
        }
    }

    /// Versions of an API that the node offers.
    pub fn range(&self, api: ApiKey) -> Option<VersionRange> {
        self.apis.get(&api.code()).copied()
    }

    /// The highest version from `lowest` to `highest` that the node offers.
    ///
    /// # Errors
    /// [`Error::UnsupportedVersion`] with Kafka's words when there is none.
    pub fn highest(&self, api: ApiKey, lowest: i16, highest: i16) -> Result<i16> {
        let name = || constant_name(api.name());
        let Some((min, max)) = self.range(api) else {
            return Err(Error::UnsupportedVersion(format!("The node does not support {}", name())));
        };
        let version = max.min(highest);
        if version < min.max(lowest) {
            let name = name();
            return Err(Error::UnsupportedVersion(format!(
                "The node does not support {name} with version in range [{lowest},{highest}]. The supported range is \
                 [{min},{max}]."
            )));
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        let node = NodeVersions { apis: BTreeMap::from([(3, (4, 9))]), ..Default::default() };
        assert_eq!(node.highest(ApiKey::Metadata, 0, 13).unwrap(), 9);
        assert_eq!(node.highest(ApiKey::Metadata, 0, 5).unwrap(), 5);
        let why = |lowest, highest| node.highest(ApiKey::Metadata, lowest, highest).unwrap_err().to_string();
        assert_eq!(
            why(10, 13),
            "The node does not support METADATA with version in range [10,13]. The supported range is [4,9]."
        );
        assert!(why(0, 3).contains("[0,3]"));
        let error = node.highest(ApiKey::ListOffsets, 0, 9).unwrap_err();
        assert_eq!(error.to_string(), "The node does not support LIST_OFFSETS");
    }
}
