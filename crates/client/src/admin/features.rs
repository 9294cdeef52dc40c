//! DescribeFeatures (by ApiVersions) and UpdateFeatures.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::messages::update_features_request::FeatureUpdateKey;
use ottla_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_protocol::{ErrorCode, Message, Str};

use super::call::To;
use super::types::known;
use super::{Admin, PerKey};
use crate::{Error, Result};

/// Options of [`Admin::describe_features`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeFeaturesOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// The node that is asked; any when there is none.
    pub node_id: Option<i32>,
}

/// The features of a cluster (`FeatureMetadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureMetadata {
    /// Levels in effect, by feature: lowest and highest.
    pub finalized: BTreeMap<Str, (i16, i16)>,
    /// Epoch of these; nothing when the node knows none.
    pub finalized_epoch: Option<i64>,
    /// Levels that the node can do, by feature: lowest and highest.
    pub supported: BTreeMap<Str, (i16, i16)>,
}

/// What a change of a level may cost (`FeatureUpdate.UpgradeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeType {
    /// The level may only go up.
    Upgrade,
    /// It may go down where nothing is lost.
    SafeDowngrade,
    /// It may go down even if metadata is lost.
    UnsafeDowngrade,
}

impl UpgradeType {
    /// Code on the wire.
    pub fn id(self) -> i8 {
        match self {
            Self::Upgrade => 1,
            Self::SafeDowngrade => 2,
            Self::UnsafeDowngrade => 3,
        }
    }
}

/// A change of a feature's level (`FeatureUpdate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The level; 0 takes the feature away.
    pub max_version_level: i16,
    /// What the change may cost.
    pub upgrade_type: UpgradeType,
}

/// Options of [`Admin::update_features`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateFeaturesOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only look whether it could be done.
    pub validate_only: bool,
}

impl Admin {
    /// The features of the cluster, and what a node can do.
    ///
    /// # Errors
    /// When no node answers in time.
    pub async fn describe_features(&self, options: &DescribeFeaturesOptions) -> Result<FeatureMetadata> {
        let to = options.node_id.map_or(To::AnyOrActiveController, To::NodeAlso);
        let build = |_| ApiVersionsRequest {
            client_software_name: "ottla-client".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeFeatures", to, deadline, build, |response| Ok(described(response))).await?
    }

    /// Changes levels of features, all or none of them.
    ///
    /// # Errors
    /// For each feature: INVALID_UPDATE_VERSION, FEATURE_UPDATE_FAILED, CLUSTER_AUTHORIZATION_FAILED, ...
    pub async fn update_features(
        &self,
        updates: &BTreeMap<Str, FeatureUpdate>,
        options: &UpdateFeaturesOptions,
    ) -> Result<PerKey<Str, ()>> {
        if updates.is_empty() {
            return Err(Error::Illegal("Feature updates can not be null or empty.".into()));
        }
        if updates.keys().any(|name| name.trim().is_empty()) {
            return Err(Error::Illegal("Provided feature can not be empty.".into()));
        }
        let to_wire = |version, timeout_ms| request(updates, options.validate_only, version, timeout_ms);
        let lowest = if options.validate_only { 1 } else { 0 };
        let versions = (lowest, UpdateFeaturesRequest::MAX_VERSION);
        let deadline = self.deadline(options.timeout);
        let respond = |_, response| updated(updates, response);
        let to = To::ControllerAlso;
        match self.call_as("updateFeatures", to, versions, deadline, to_wire, respond).await {
            Ok(results) => Ok(results),
            Err(error) => Ok(updates.keys().map(|name| (name.clone(), Err(error.clone()))).collect()),
        }
    }
}

fn described(response: ApiVersionsResponse) -> Result<FeatureMetadata> {
    Error::check(response.error_code, None)?;
    let finalized = response.finalized_features.into_iter();
    let supported = response.supported_features.into_iter();
    Ok(FeatureMetadata {
        finalized: finalized.map(|it| (it.name, (it.min_version_level, it.max_version_level))).collect(),
        finalized_epoch: known(response.finalized_features_epoch),
        supported: supported.map(|it| (it.name, (it.min_version, it.max_version))).collect(),
    })
}

fn request(
    updates: &BTreeMap<Str, FeatureUpdate>,
    validate_only: bool,
    version: i16,
    timeout_ms: i32,
) -> Result<UpdateFeaturesRequest> {
    let update = |(name, update): (&Str, &FeatureUpdate)| {
        let down = update.upgrade_type != UpgradeType::Upgrade;
        if version == 0 && update.upgrade_type == UpgradeType::UnsafeDowngrade {
            let text = "The broker does not support unsafe downgrades of features.";
            return Err(Error::UnsupportedVersion(text.into()));
        }
        Ok(FeatureUpdateKey {
            feature: name.clone(),
            max_version_level: update.max_version_level,
            allow_downgrade: version == 0 && down,
            upgrade_type: if version == 0 { UpgradeType::Upgrade.id() } else { update.upgrade_type.id() },
        })
    };
    Ok(UpdateFeaturesRequest {
        timeout_ms,
        feature_updates: updates.iter().map(update).collect::<Result<_>>()?,
        validate_only,
    })
}

/// From version 2 on there is one result for all.
fn updated(
    updates: &BTreeMap<Str, FeatureUpdate>,
    response: UpdateFeaturesResponse,
) -> Result<PerKey<Str, ()>> {
    match Error::check(response.error_code, response.error_message.as_deref()) {
        Err(error) if error.code() == Some(ErrorCode::NotController) => return Err(error),
        Err(error) => return Ok(updates.keys().map(|name| (name.clone(), Err(error.clone()))).collect()),
        Ok(()) if response.results.is_empty() => {
            return Ok(updates.keys().map(|name| (name.clone(), Ok(()))).collect());
        }
        Ok(()) => {}
    }
    let missing = |name: &Str| {
        Error::Protocol(format!("The controller response did not contain a result for feature {name}"))
    };
    let mut done: PerKey<Str, ()> = updates.keys().map(|name| (name.clone(), Err(missing(name)))).collect();
    for result in response.results {
        if let Some(slot) = done.get_mut(&result.feature) {
            *slot = Error::check(result.error_code, result.error_message.as_deref());
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    fn updates(upgrade_type: UpgradeType) -> BTreeMap<Str, FeatureUpdate> {
        BTreeMap::from([("f".into(), FeatureUpdate { max_version_level: 2, upgrade_type })])
    }

    #[test]
    fn all_versions_can_carry_downgrades() {
        for version in 0..=2 {
            let request = request(&updates(UpgradeType::SafeDowngrade), false, version, 5).unwrap();
            assert_eq!(request.feature_updates[0].allow_downgrade, version == 0);
            encode_message(&request, version).unwrap();
        }
        assert!(request(&updates(UpgradeType::UnsafeDowngrade), false, 0, 5).is_err());
    }

    #[test]
    fn one_result_may_stand_for_all() {
        let updates = updates(UpgradeType::Upgrade);
        assert!(updated(&updates, UpdateFeaturesResponse::default()).unwrap()["f"].is_ok());
        let failed = UpdateFeaturesResponse {
            error_code: ErrorCode::InvalidUpdateVersion as i16,
            error_message: Some("no".into()),
            ..Default::default()
        };
        assert_eq!(updated(&updates, failed).unwrap()["f"].as_ref().unwrap_err().to_string(), "no");
    }
}
