//! What a broker checks before configurations go to the controller (`ConfigAdminManager`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType};
use ottla_protocol::Str;
use ottla_protocol::messages::{alter_configs_request, incremental_alter_configs_request};

use super::config_changes::{ConfigOp, java_split};
use crate::config_schema::ConfigKeyKind;
use crate::{ApiError, Controller, RequestOrigin};

/// Answers to resources of a request, by their place in it, that need no more work: log levels, which the broker
/// sets itself, and what it has refused.
pub type Preprocessed = BTreeMap<usize, ApiError>;

/// A resource of either request.
pub(super) trait AlteredResource {
    fn resource(&self) -> ConfigResource;
    fn type_code(&self) -> i8;
    fn keys(&self) -> Vec<&Str>;
    /// Keys that must have a value and have none.
    fn keys_without_value(&self) -> Vec<&str>;
    /// All that would be set for the broker, or for all brokers.
    fn broker_configs(&self, controller: &Controller) -> Result<ConfigMap, ApiError>;
}

impl AlteredResource for incremental_alter_configs_request::AlterConfigsResource {
    fn resource(&self) -> ConfigResource {
        resource(self.resource_type, &self.resource_name)
    }

    fn type_code(&self) -> i8 {
        self.resource_type
    }

    fn keys(&self) -> Vec<&Str> {
        self.configs.iter().map(|config| &config.name).collect()
    }

    fn keys_without_value(&self) -> Vec<&str> {
        const DELETE: i8 = 1;
        let missing = self.configs.iter().filter(|c| c.config_operation != DELETE && c.value.is_none());
        missing.map(|config| &*config.name).collect()
    }

    fn broker_configs(&self, controller: &Controller) -> Result<ConfigMap, ApiError> {
        let mut configs = controller.state.image.configs.get(&self.resource()).clone();
        for config in &self.configs {
            let op = ConfigOp::new(config.config_operation, config.value.clone())?;
            controller.apply_to_broker(&mut configs, &config.name, op)?;
        }
        Ok(configs)
    }
}

impl AlteredResource for alter_configs_request::AlterConfigsResource {
    fn resource(&self) -> ConfigResource {
        resource(self.resource_type, &self.resource_name)
    }

    fn type_code(&self) -> i8 {
        self.resource_type
    }

    fn keys(&self) -> Vec<&Str> {
        self.configs.iter().map(|config| &config.name).collect()
    }

    fn keys_without_value(&self) -> Vec<&str> {
        self.configs.iter().filter(|config| config.value.is_none()).map(|config| &*config.name).collect()
    }

    fn broker_configs(&self, _: &Controller) -> Result<ConfigMap, ApiError> {
        let values = self.configs.iter().filter_map(|c| Some((c.name.clone(), c.value.clone()?)));
        Ok(values.collect())
    }
}

fn resource(code: i8, name: &Str) -> ConfigResource {
    ConfigResource::new(ConfigResourceType::from_code(code), name.clone())
}

impl Controller {
    /// Answers to those resources of a request that must not be altered at all. `denied` counts only for what is right
    /// otherwise.
    pub(super) fn preprocess<R: AlteredResource>(
        &self,
        resources: &[R],
        mut answers: Preprocessed,
        denied: Preprocessed,
        origin: RequestOrigin,
    ) -> Preprocessed {
        let mut places: BTreeMap<ConfigResource, Vec<usize>> = BTreeMap::new();
        for (at, altered) in resources.iter().enumerate() {
            places.entry(altered.resource()).or_default().push(at);
        }
        for repeated in places.into_values().filter(|places| places.len() > 1) {
            let text = match origin {
                RequestOrigin::Broker => "Each resource must appear at most once.",
                RequestOrigin::Forwarded | RequestOrigin::Controller => "Duplicate resource.",
            };
            answers.extend(repeated.into_iter().map(|at| (at, ApiError::invalid_request(text))));
        }
        for (at, altered) in resources.iter().enumerate() {
            if answers.contains_key(&at) {
                continue;
            }
            let checked = match origin {
                RequestOrigin::Broker => self.preprocess_resource(altered),
                RequestOrigin::Forwarded | RequestOrigin::Controller => check_type(altered),
            };
            if let Err(error) = checked {
                answers.insert(at, error);
            }
        }
        for (at, error) in denied {
            answers.entry(at).or_insert(error);
        }
        answers
    }

    fn preprocess_resource<R: AlteredResource>(&self, altered: &R) -> Result<(), ApiError> {
        check_keys(altered)?;
        let resource = altered.resource();
        match resource.resource_type {
            ConfigResourceType::Topic | ConfigResourceType::ClientMetrics | ConfigResourceType::Group => {
                Ok(())
            }
            ConfigResourceType::Broker => {
                if !resource.name.is_empty() {
                    self.check_is_this_node(&resource.name)?;
                }
                let configs = altered.broker_configs(self)?;
                Ok(self.schema.validate_broker(&configs, !resource.name.is_empty())?)
            }
            ConfigResourceType::Unknown | ConfigResourceType::BrokerLogger => {
                Err(ApiError::invalid_request(format!("Unknown resource type {}", altered.type_code())))
            }
        }
    }

    fn check_is_this_node(&self, name: &str) -> Result<(), ApiError> {
        let invalid = |_| ApiError::invalid_request(format!("Node id must be an integer, but it is: {name}"));
        let id: i32 = name.parse().map_err(invalid)?;
        let expected = self.options.node_id;
        if id == expected {
            return Ok(());
        }
        let message = format!("Unexpected broker id, expected {expected}, but received {name}");
        Err(ApiError::invalid_request(message))
    }

    /// Applies one operation to a broker's configurations (`prepareIncrementalConfigs`).
    fn apply_to_broker(&self, configs: &mut ConfigMap, key: &Str, op: ConfigOp) -> Result<(), ApiError> {
        let (verb, values) = match &op {
            ConfigOp::Set(Some(value)) => {
                configs.insert(key.clone(), value.clone());
                return Ok(());
            }
            ConfigOp::Set(None) | ConfigOp::Delete => {
                configs.remove(key);
                return Ok(());
            }
            ConfigOp::Append(values) => ("append", values),
            ConfigOp::Subtract(values) => ("subtract", values),
        };
        match self.schema.key_kind(ConfigResourceType::Broker, key) {
            None => return Err(ApiError::invalid_config(format!("Unknown config name: {key}"))),
            Some(ConfigKeyKind::Scalar) => {
                let message = format!("Config value {verb} is not allowed for config key: {key}");
                return Err(ApiError::invalid_config(message));
            }
            Some(ConfigKeyKind::List) => {}
        }
        let default = || self.schema.default_value(ConfigResourceType::Broker, key);
        let old = configs.get(key).map(Str::to_string).or_else(default).unwrap_or_default();
        let mut list: Vec<&str> = java_split(&old).into_iter().filter(|part| !part.is_empty()).collect();
        let values = java_split(values);
        if matches!(op, ConfigOp::Append(_)) {
            let new: Vec<&str> = values.into_iter().filter(|value| !list.contains(value)).collect();
            list.extend(new);
        } else {
            list.retain(|value| !values.contains(value));
        }
        let joined = list.join(",");
        configs.insert(key.clone(), joined.into());
        Ok(())
    }
}

/// What a broker asks of each resource of IncrementalAlterConfigs before anything else: no key twice, and a value wherever one is set.
///
/// # Errors
/// INVALID_REQUEST
pub fn check_altered_keys(
    resource: &incremental_alter_configs_request::AlterConfigsResource,
) -> Result<(), ApiError> {
    check_keys(resource)
}

fn check_keys<R: AlteredResource>(altered: &R) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    if !altered.keys().into_iter().all(|key| seen.insert(key)) {
        return Err(ApiError::invalid_request("Error due to duplicate config keys"));
    }
    let without_value = altered.keys_without_value();
    if !without_value.is_empty() {
        let names = without_value.join(", ");
        return Err(ApiError::invalid_request(format!("Null value not supported for : {names}")));
    }
    Ok(())
}

/// What the controller's own listener refuses (`ControllerApis`).
fn check_type<R: AlteredResource>(altered: &R) -> Result<(), ApiError> {
    use ottla_protocol::ErrorCode;
    match altered.resource().resource_type {
        ConfigResourceType::Unknown => {
            let message = format!("Unknown resource type {}.", altered.type_code());
            Err(ApiError::new(ErrorCode::UnsupportedVersion, message))
        }
        ConfigResourceType::BrokerLogger => {
            Err(ApiError::invalid_request("Unexpected resource type BROKER_LOGGER."))
        }
        _ => Ok(()),
    }
}
