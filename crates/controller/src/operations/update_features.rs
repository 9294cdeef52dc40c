//! UpdateFeatures (key 57): `FeatureControlManager.updateFeatures` (KIP-584, KIP-778).
//!
//! All features of a request are updated, or none. Upgrading `kraft.version` is the quorum's business and refused here.

use std::collections::BTreeMap;

use ottla_metadata::feature::{ELIGIBLE_LEADER_REPLICAS_VERSION, Feature, KRAFT_VERSION_NAME};
use ottla_metadata::{ConfigResource, ConfigResourceType, MetadataVersion, VersionRange, VersionedRecord};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::update_features_response::UpdatableFeatureResult;
use ottla_protocol::messages::{
    ConfigRecord, FeatureLevelRecord, NoOpRecord, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_protocol::{ErrorCode, Str};

use crate::controller::MIN_INSYNC_REPLICAS;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

/// In which direction a client means to go (`FeatureUpdate.UpgradeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Unknown,
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Upgrade,
            2 => Self::SafeDowngrade,
            3 => Self::UnsafeDowngrade,
            _ => Self::Unknown,
        }
    }
}

fn invalid(feature: &str, level: i16, reason: &str) -> ApiError {
    let message = format!("Invalid update version {level} for feature {feature}. {reason}");
    ApiError::new(ErrorCode::InvalidUpdateVersion, message)
}

impl Controller {
    /// UpdateFeatures.
    pub fn update_features(
        &self,
        request: &UpdateFeaturesRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<UpdateFeaturesResponse> {
        match self.feature_records(request) {
            Ok(records) => {
                let response = updated(request, ctx.api_version);
                ControllerResult::atomic(records, response).unless(request.validate_only)
            }
            Err(error) => {
                let message = format!(
                    "The update failed for all features since the following feature had an error: {}",
                    error.message.as_deref().unwrap_or("null")
                );
                ControllerResult::answer(UpdateFeaturesResponse {
                    error_code: error.error_code(),
                    error_message: Some(message.into()),
                    ..Default::default()
                })
            }
        }
    }

    fn feature_records(&self, request: &UpdateFeaturesRequest) -> Result<Vec<VersionedRecord>, ApiError> {
        // A feature named twice means what was said last.
        let mut updates: BTreeMap<&Str, (i16, UpgradeType)> = BTreeMap::new();
        for update in &request.feature_updates {
            updates.insert(
                &update.feature,
                (update.max_version_level, UpgradeType::from_code(update.upgrade_type)),
            );
        }
        let mut proposed: BTreeMap<Str, i16> = self.state.image.features.all().collect();
        proposed.extend(updates.iter().map(|(name, (level, _))| ((*name).clone(), *level)));
        let mut records = Vec::new();
        if updates
            .get(&Str::from_static(ELIGIBLE_LEADER_REPLICAS_VERSION.name))
            .is_some_and(|(level, _)| *level > 0)
        {
            records.extend(self.elr_safety_records());
        }
        for (name, (level, upgrade_type)) in updates {
            records.extend(self.update_feature(name, level, upgrade_type, &proposed)?);
        }
        Ok(records)
    }

    fn current_level(&self, name: &str) -> i16 {
        match name {
            MetadataVersion::FEATURE_NAME => self.metadata_version().feature_level(),
            KRAFT_VERSION_NAME => self.options.kraft_version,
            name => self.state.image.features.level(name),
        }
    }

    fn update_feature(
        &self,
        name: &Str,
        level: i16,
        upgrade_type: UpgradeType,
        proposed: &BTreeMap<Str, i16>,
    ) -> Result<Option<VersionedRecord>, ApiError> {
        if upgrade_type == UpgradeType::Unknown {
            return Err(invalid(name, level, "The controller does not support the given upgrade type."));
        }
        if level < 0 {
            return Err(invalid(name, level, "A feature version cannot be less than 0."));
        }
        self.check_support(name, level).map_err(|reason| invalid(name, level, &reason))?;
        let current = self.current_level(name);
        if level < current && upgrade_type == UpgradeType::Upgrade {
            return Err(invalid(
                name,
                level,
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                 unsafe downgrade.",
            ));
        }
        if level > current && upgrade_type != UpgradeType::Upgrade {
            return Err(invalid(name, level, "Can't downgrade to a newer version."));
        }
        match &**name {
            MetadataVersion::FEATURE_NAME => self.update_metadata_version(level, upgrade_type).map(Some),
            KRAFT_VERSION_NAME => update_kraft_version(name, level, current, upgrade_type),
            _ => {
                let valid = Feature::from_name(name).and_then(|feature| feature.validate(level, proposed));
                valid.map_err(|error| invalid(name, level, &error.to_string()))?;
                Ok(Some(level_record(name.clone(), level)))
            }
        }
    }

    /// Whether this node, all brokers and all other controllers support a level; else who does not.
    fn check_support(&self, name: &str, level: i16) -> Result<(), String> {
        check_range(&format!("Local controller {}", self.options.node_id), level, self.local_feature(name))?;
        let cluster = &self.state.image.cluster;
        for broker in cluster.brokers() {
            let range = broker.supported_features.get(name).copied().unwrap_or(VersionRange::DISABLED);
            check_range(&format!("Broker {}", broker.id), level, range)?;
        }
        if !self.metadata_version().is_controller_registration_supported() {
            return Ok(());
        }
        let others = || cluster.controllers().filter(|controller| controller.id != self.options.node_id);
        for controller in others() {
            let range = controller.supported_features.get(name).copied().unwrap_or(VersionRange::DISABLED);
            check_range(&format!("Controller {}", controller.id), level, range)?;
        }
        let is_known =
            |id: &i32| *id == self.options.node_id || others().any(|controller| controller.id == *id);
        match self.options.quorum_node_ids.iter().find(|id| !is_known(id)) {
            Some(id) => Err(format!("controller {id} has not registered, and may not support this feature")),
            None => Ok(()),
        }
    }

    fn update_metadata_version(
        &self,
        level: i16,
        upgrade_type: UpgradeType,
    ) -> Result<VersionedRecord, ApiError> {
        let current = self.metadata_version();
        let Some(new) = MetadataVersion::from_feature_level(level) else {
            let message = format!(
                "Invalid metadata.version {level}. Valid versions are from {} to {}.",
                MetadataVersion::MINIMUM.feature_level(),
                MetadataVersion::LATEST_TESTING.feature_level()
            );
            return Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
        };
        if new < current && new.metadata_changed_between(current) {
            let reason = match upgrade_type {
                UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
                _ => {
                    "Refusing to perform the requested downgrade because it might delete metadata information."
                }
            };
            let message = format!(
                "Unsupported metadata.version downgrade from {} to {level}. {reason}",
                current.feature_level()
            );
            return Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
        }
        Ok(level_record(Str::from_static(MetadataVersion::FEATURE_NAME), level))
    }

    /// With ELR on, `min.insync.replicas` is set for the cluster and not for single brokers.
    fn elr_safety_records(&self) -> Vec<VersionedRecord> {
        let configs = &self.state.image.configs;
        let mut records = Vec::new();
        if configs.value(&ConfigResource::default_broker(), MIN_INSYNC_REPLICAS).is_none() {
            records.push(self.cluster_min_insync_replicas());
        }
        let of_brokers = configs.iter().filter(|(resource, configs)| {
            resource.resource_type == ConfigResourceType::Broker
                && !resource.name.is_empty()
                && configs.contains_key(MIN_INSYNC_REPLICAS)
        });
        records.extend(of_brokers.map(|(resource, _)| {
            let record = ConfigRecord {
                resource_type: ConfigResourceType::Broker.code(),
                resource_name: resource.name.clone(),
                name: Str::from_static(MIN_INSYNC_REPLICAS),
                value: None,
            };
            (MetadataRecord::Config(record), 0)
        }));
        records
    }
}

fn check_range(what: &str, level: i16, range: VersionRange) -> Result<(), String> {
    if range.contains(level) {
        Ok(())
    } else if range.max == 0 {
        Err(format!("{what} does not support this feature."))
    } else {
        Err(format!("{what} only supports versions {range}"))
    }
}

fn update_kraft_version(
    name: &str,
    level: i16,
    current: i16,
    upgrade_type: UpgradeType,
) -> Result<Option<VersionedRecord>, ApiError> {
    match upgrade_type {
        UpgradeType::Upgrade if level == current => Ok(Some((MetadataRecord::NoOp(NoOpRecord {}), 0))),
        UpgradeType::Upgrade => {
            let message = format!(
                "Invalid upgrade of {name} from version KRAFT_VERSION_{current} to KRAFT_VERSION_{level}"
            );
            Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message))
        }
        _ if level == current => Ok(None),
        _ => Err(invalid(name, level, "Can't downgrade the version of this feature.")),
    }
}

fn level_record(name: Str, feature_level: i16) -> VersionedRecord {
    (MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }), 0)
}

/// Up to version 1, success is told for each feature, with the name of "no error" as the text.
fn updated(request: &UpdateFeaturesRequest, api_version: i16) -> UpdateFeaturesResponse {
    let result = |update: &ottla_protocol::messages::update_features_request::FeatureUpdateKey| {
        let error_message = Some(Str::from_static("NONE"));
        UpdatableFeatureResult { feature: update.feature.clone(), error_code: 0, error_message }
    };
    let results = match api_version {
        ..=1 => request.feature_updates.iter().map(result).collect(),
        _ => Vec::new(),
    };
    UpdateFeaturesResponse { error_code: 0, error_message: None, results, ..Default::default() }
}

#[cfg(test)]
#[path = "update_features_test.rs"]
mod update_features_test;
