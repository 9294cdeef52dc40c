//! What the controller must know about configuration keys (`KafkaConfigSchema`, `ConfigurationValidator`,
//! `SupportedConfigChecker`). The keys themselves are declared elsewhere.

use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType};
use ottla_protocol::ErrorCode;

use crate::ApiError;

/// Whether the value of a key is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKeyKind {
    /// A list of comma-separated values: it can be appended to and subtracted from.
    List,
    /// Anything else.
    Scalar,
}

/// The dynamic configurations from which a topic's effective ones follow; the static ones and the
/// defaults are the schema's.
#[derive(Clone, Copy, Debug)]
pub struct TopicConfigLayers<'a> {
    /// Set for the topic.
    pub topic: &'a ConfigMap,
    /// Set for this node.
    pub broker: &'a ConfigMap,
    /// Set for all brokers.
    pub cluster: &'a ConfigMap,
}

/// Where an effective value comes from (`DescribeConfigsResponse.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
#[allow(missing_docs)]
pub enum ConfigSource {
    Unknown = 0,
    TopicConfig = 1,
    DynamicBrokerConfig = 2,
    DynamicDefaultBrokerConfig = 3,
    StaticBrokerConfig = 4,
    DefaultConfig = 5,
    DynamicBrokerLoggerConfig = 6,
    ClientMetricsConfig = 7,
    GroupConfig = 8,
}

/// A key with its effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfig {
    /// The key.
    pub name: String,
    /// Its value as a text.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value must not be shown.
    pub is_sensitive: bool,
}

/// Why configurations are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfigs {
    /// INVALID_CONFIG, or INVALID_REQUEST where Kafka says so (client metrics).
    pub code: ErrorCode,
    /// Kafka's text.
    pub message: String,
}

impl From<InvalidConfigs> for ApiError {
    fn from(invalid: InvalidConfigs) -> Self {
        ApiError::thrown(invalid.code, invalid.message)
    }
}

/// The configuration keys, as this node knows them.
pub trait ConfigSchema: Send + Sync {
    /// Kind of a key; none when there is no such key.
    fn key_kind(&self, resource_type: ConfigResourceType, key: &str) -> Option<ConfigKeyKind>;

    /// Default of a key as a text; none when there is none.
    fn default_value(&self, resource_type: ConfigResourceType, key: &str) -> Option<String>;

    /// Whether ConfigRecords with this key are taken in; others are skipped in replay. Any key of a broker is
    /// (listener prefixes and plug-ins make them endless); of topics, groups and client metrics the declared ones.
    fn is_supported(&self, resource_type: ConfigResourceType, key: &str) -> bool;

    /// Checks all configurations that a topic, client metrics subscription or group would have.
    /// `old` are those it has. The name of the resource has been checked.
    ///
    /// # Errors
    /// When a key is unknown, or a value, or values together, not allowed.
    fn validate(
        &self,
        resource: &ConfigResource,
        new: &ConfigMap,
        old: &ConfigMap,
    ) -> Result<(), InvalidConfigs>;

    /// Checks all dynamic configurations that this broker (`per_broker`), or all brokers, would have
    /// (`DynamicBrokerConfig.validate`).
    ///
    /// # Errors
    /// When a key is not dynamic in that way, or a value not allowed.
    fn validate_broker(&self, new: &ConfigMap, per_broker: bool) -> Result<(), InvalidConfigs>;

    /// The effective value of every topic key that is not internal.
    fn effective_topic_configs(&self, layers: TopicConfigLayers<'_>) -> Vec<EffectiveConfig>;

    /// The effective value of one topic key as a text.
    fn effective_topic_config(&self, key: &str, layers: TopicConfigLayers<'_>) -> Option<String>;

    /// `min.insync.replicas` as the static configuration, or its default, has it.
    fn static_min_insync_replicas(&self) -> i32;
}
