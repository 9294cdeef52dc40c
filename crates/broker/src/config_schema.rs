//! The configuration keys as the controller asks for them.

use std::sync::Arc;

use ottla_config::{
    ConfigError, DynamicBrokerConfig, ErrorKind, RawMap, Scope, Type, Value, client_metrics, describe,
    group_config, lookup,
};
use ottla_controller::{
    ConfigKeyKind, ConfigSchema, ConfigSource, EffectiveConfig, InvalidConfigs, TopicConfigLayers,
};
use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType};
use ottla_protocol::ErrorCode;
use parking_lot::Mutex;

use crate::authentication::{Authentication, TlsListeners};
use crate::dynamic_config::{SharedConfig, raw_map};

/// The keys of `ottla_config`, over this node's own configuration.
pub struct BrokerConfigSchema {
    config: Arc<SharedConfig>,
    /// Checks what listeners would know of their users.
    authentication: Arc<Authentication>,
    /// Checks their stores.
    tls: TlsListeners,
    /// The last configuration with layers. While the metadata log is replayed, the same layers are asked for with every
    /// partition, and reading all keys takes a quarter of a millisecond.
    layered: Mutex<Option<Arc<DynamicBrokerConfig>>>,
}

impl BrokerConfigSchema {
    /// Keys over a configuration.
    pub fn new(config: Arc<SharedConfig>, authentication: Arc<Authentication>, tls: TlsListeners) -> Self {
        Self { config, authentication, tls, layered: Mutex::default() }
    }

    /// The broker's configuration with the layers that the metadata log has, which may be newer than what holds.
    fn with_layers(&self, layers: &TopicConfigLayers<'_>) -> Arc<DynamicBrokerConfig> {
        let (cluster, broker) = (raw_map(layers.cluster), raw_map(layers.broker));
        let has_them =
            |c: &DynamicBrokerConfig| *c.dynamic_default() == cluster && *c.dynamic_broker() == broker;
        if let Some(known) = self.layered.lock().as_ref().filter(|known| has_them(known)) {
            return known.clone();
        }
        let mut config = DynamicBrokerConfig::clone(&self.config.layers());
        if *config.dynamic_default() != cluster {
            let _ = config.update(&cluster, false);
        }
        if *config.dynamic_broker() != broker {
            let _ = config.update(&broker, true);
        }
        let config = Arc::new(config);
        *self.layered.lock() = Some(config.clone());
        config
    }
}

impl BrokerConfigSchema {
    /// What the configuration alone can't tell: whether key stores can be read, and what JAAS configurations say.
    fn check_broker(&self, new: &RawMap, per_broker: bool) -> Result<(), ConfigError> {
        let layers = self.config.layers();
        let proposed = layers.proposed(new, per_broker)?;
        let before = layers.current();
        if before.security.sasl != proposed.security.sasl {
            let checked = self.authentication.check(&proposed.security);
            checked.map_err(|why| DynamicBrokerConfig::refused(&why.to_string()))?;
        }
        self.tls.check(before, &proposed, new).map_err(|why| {
            let why = format!("Validation of dynamic config update of SSLFactory failed: {why}");
            DynamicBrokerConfig::refused(&why)
        })
    }
}

fn scope(resource_type: ConfigResourceType) -> Option<Scope> {
    Some(match resource_type {
        ConfigResourceType::Topic => Scope::Topic,
        ConfigResourceType::Broker => Scope::Broker,
        ConfigResourceType::Group => Scope::Group,
        ConfigResourceType::ClientMetrics => Scope::ClientMetrics,
        _ => return None,
    })
}

/// The error code that a configuration error is answered with.
pub fn error_code(error: &ConfigError) -> ErrorCode {
    match error.kind {
        ErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
        _ => ErrorCode::InvalidConfig,
    }
}

fn invalid(error: &ConfigError) -> InvalidConfigs {
    InvalidConfigs { code: error_code(error), message: error.kafka_message() }
}

fn source(source: describe::ConfigSource) -> ConfigSource {
    match source.id() {
        1 => ConfigSource::TopicConfig,
        2 => ConfigSource::DynamicBrokerConfig,
        3 => ConfigSource::DynamicDefaultBrokerConfig,
        4 => ConfigSource::StaticBrokerConfig,
        5 => ConfigSource::DefaultConfig,
        _ => ConfigSource::Unknown,
    }
}

impl ConfigSchema for BrokerConfigSchema {
    fn key_kind(&self, resource_type: ConfigResourceType, key: &str) -> Option<ConfigKeyKind> {
        let def = lookup(scope(resource_type)?, key)?;
        Some(if def.ty == Type::List { ConfigKeyKind::List } else { ConfigKeyKind::Scalar })
    }

    fn default_value(&self, resource_type: ConfigResourceType, key: &str) -> Option<String> {
        Value::default_of(lookup(scope(resource_type)?, key)?).to_config_string()
    }

    fn is_supported(&self, resource_type: ConfigResourceType, key: &str) -> bool {
        match resource_type {
            ConfigResourceType::Broker => true,
            other => scope(other).is_some_and(|scope| lookup(scope, key).is_some()),
        }
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        new: &ConfigMap,
        old: &ConfigMap,
    ) -> Result<(), InvalidConfigs> {
        let layers = self.config.layers();
        let broker = layers.current();
        let (new, old) = (raw_map(new), raw_map(old));
        let checked = match resource.resource_type {
            ConfigResourceType::Topic => {
                broker.topic_defaults.validate(&old, &new, broker.remote_storage_enabled())
            }
            ConfigResourceType::Group => group_config::validate(&new, broker),
            ConfigResourceType::ClientMetrics => client_metrics::validate(&resource.name, &new),
            _ => Ok(()),
        };
        checked.map_err(|error| invalid(&error))
    }

    fn validate_broker(&self, new: &ConfigMap, per_broker: bool) -> Result<(), InvalidConfigs> {
        // What a broker finds wrong with itself is INVALID_REQUEST, but for values that Kafka calls an invalid configuration.
        self.check_broker(&raw_map(new), per_broker).map_err(|error| InvalidConfigs {
            code: match error.kind {
                ErrorKind::InvalidConfiguration => ErrorCode::InvalidConfig,
                _ => ErrorCode::InvalidRequest,
            },
            message: error.kafka_message(),
        })
    }

    fn effective_topic_configs(&self, layers: TopicConfigLayers<'_>) -> Vec<EffectiveConfig> {
        let config = self.with_layers(&layers);
        let entries = describe::topic(&config, &raw_map(layers.topic), |_| true).unwrap_or_default();
        entries
            .into_iter()
            .map(|entry| EffectiveConfig {
                name: entry.name,
                value: entry.value,
                source: source(entry.source),
                is_sensitive: entry.sensitive,
            })
            .collect()
    }

    fn effective_topic_config(&self, key: &str, layers: TopicConfigLayers<'_>) -> Option<String> {
        if let Some(value) = layers.topic.get(key) {
            return Some(value.to_string());
        }
        let config = self.with_layers(&layers);
        config.current().topic_defaults.get(key).and_then(|value| value.to_config_string())
    }

    fn static_min_insync_replicas(&self) -> i32 {
        let layers = self.config.layers();
        let value = layers.static_config().get("min.insync.replicas").and_then(|v| v.trim().parse().ok());
        value.unwrap_or(1)
    }
}
