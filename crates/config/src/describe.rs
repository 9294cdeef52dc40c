//! Answers to DescribeConfigs (Kafka's `ConfigHelper`): every key of a resource with its value, where that
//! comes from, and what stands behind it.

use crate::dynamic::DynamicBrokerConfig;
use crate::error::ConfigError;
use crate::key_def::{KeyDef, Scope, Type};
use crate::keys;
use crate::layers::RawMap;
use crate::synonyms;
use crate::topic_config::TopicConfig;
use crate::value::{self, Value};
use crate::values;

/// Where a value comes from. The numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    DynamicTopicConfig = 1,
    /// Set at run time for the broker.
    DynamicBrokerConfig = 2,
    /// Set at run time for all brokers.
    DynamicDefaultBrokerConfig = 3,
    /// Set where the broker was started.
    StaticBrokerConfig = 4,
    /// Not set.
    DefaultConfig = 5,
    /// A log level set at run time.
    DynamicBrokerLoggerConfig = 6,
    /// Set for the subscription.
    ClientMetricsConfig = 7,
    /// Set for the group.
    GroupConfig = 8,
}

impl ConfigSource {
    /// The number in the protocol.
    pub const fn id(self) -> i8 {
        self as i8
    }
}

/// One of the values that stand behind a key, in the order in which they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key under which it is set.
    pub name: String,
    /// The value; `None` for a secret.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// A key of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// Its value; `None` for null and for secrets.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed at run time.
    pub read_only: bool,
    /// Whether it is a secret, or of a key that nobody knows and that could be one.
    pub sensitive: bool,
    /// Values behind it; the first counts. To be left out of an answer that did not ask for them.
    pub synonyms: Vec<ConfigSynonym>,
    /// Type, as number of the protocol; 0 for unknown.
    pub type_id: i8,
    /// What it does. To be left out of an answer that did not ask for it.
    pub documentation: Option<&'static str>,
}

impl ConfigEntry {
    /// Whether nobody set it.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DefaultConfig
    }
}

/// The number of a type in the protocol.
pub const fn type_id(ty: Type) -> i8 {
    match ty {
        Type::Boolean => 1,
        Type::String => 2,
        Type::Int => 3,
        Type::Short => 4,
        Type::Long => 5,
        Type::Double => 6,
        Type::List => 7,
        Type::Class => 8,
        Type::Password => 9,
    }
}

/// The keys of a broker: all that are not for tests, and whatever else is set. `wanted` says which keys
/// were asked for. Keys of Ottla's own are shown if they are set, so that tools see of others what they see of Kafka.
pub fn broker(config: &DynamicBrokerConfig, wanted: impl Fn(&str) -> bool) -> Vec<ConfigEntry> {
    let current = config.current();
    let mut entries = Vec::new();
    let is_kafkas = |name: &str| !name.starts_with(keys::own::OWN_PREFIX);
    let shown =
        |def: &&KeyDef| !def.internal && (is_kafkas(def.name) || current.originals().contains_key(def.name));
    for def in keys::broker_keys().iter().filter(shown).filter(|def| wanted(def.name)) {
        let value = current.values().get(def.name).and_then(Value::to_config_string);
        entries.push(broker_entry(config, def.name, value, true));
    }
    let declared = |name: &str| keys::lookup(Scope::Broker, name).is_some_and(|def| !def.internal);
    for (name, text) in current.originals().iter().filter(|(name, _)| !declared(name) && wanted(name)) {
        entries.push(broker_entry(config, name, Some(text.clone()), true));
    }
    entries
}

/// The keys that are set at run time for all brokers.
pub fn cluster_default(config: &DynamicBrokerConfig, wanted: impl Fn(&str) -> bool) -> Vec<ConfigEntry> {
    let set = config.dynamic_default().iter().filter(|(name, _)| wanted(name));
    set.map(|(name, text)| broker_entry(config, name, Some(text.clone()), false)).collect()
}

/// The keys of a topic. `overrides` is what the topic sets.
///
/// # Errors
/// A value among the overrides that is not of its type.
pub fn topic(
    config: &DynamicBrokerConfig,
    overrides: &RawMap,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    let resolved = config.current().topic_defaults.with_overrides(overrides)?;
    let shown = |def: &&KeyDef| wanted(def.name) && (!def.internal || overrides.contains_key(def.name));
    Ok(keys::topic_keys()
        .iter()
        .filter(shown)
        .map(|def| topic_entry(config, def, &resolved, overrides))
        .collect())
}

/// The keys of a group. `overrides` is what the group sets.
///
/// # Errors
/// A value among the overrides that is not of its type.
pub fn group(
    config: &DynamicBrokerConfig,
    overrides: &RawMap,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    let entry = |def: &'static KeyDef| {
        let set = overrides.get(def.name);
        let broker_key = def.broker_keys.first().map(|key| key.name);
        let value = match (set, broker_key.and_then(|name| config.current().values().get(name))) {
            (Some(text), _) => value::parse(def, Some(text))?,
            (None, Some(value)) => value.clone(),
            (None, None) => Value::default_of(def),
        };
        let mut synonyms = match broker_key {
            Some(name) => broker_value_synonyms(config, name, false),
            None => Value::default_of(def)
                .to_config_string()
                .map(|text| synonym(def.name, text, ConfigSource::DefaultConfig, false))
                .into_iter()
                .collect(),
        };
        let value = value.to_config_string();
        if set.is_some() {
            let text = value.clone().unwrap_or_default();
            synonyms.insert(0, synonym(def.name, text, ConfigSource::GroupConfig, false));
        }
        Ok(entry_of(def, value, synonyms))
    };
    keys::group_keys().iter().filter(|def| wanted(def.name)).map(entry).collect()
}

/// The keys of a client metrics subscription. `overrides` is what the subscription sets.
///
/// # Errors
/// A value among the overrides that is not of its type.
pub fn client_metrics(
    overrides: &RawMap,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    let entry = |def: &'static KeyDef| {
        let set = overrides.get(def.name).map(String::as_str);
        let value = value::parse(def, set)?.to_config_string();
        let synonyms = match (set, &value) {
            (Some(_), Some(text)) => {
                vec![synonym(def.name, text.clone(), ConfigSource::ClientMetricsConfig, false)]
            }
            _ => Vec::new(),
        };
        Ok(entry_of(def, value, synonyms))
    };
    keys::client_metrics_keys().iter().filter(|def| wanted(def.name)).map(entry).collect()
}

/// `value` is the parsed value as text, or the raw one for a key that is not declared.
fn broker_entry(
    config: &DynamicBrokerConfig,
    name: &str,
    value: Option<String>,
    per_broker: bool,
) -> ConfigEntry {
    let exact = keys::lookup_broker(name);
    // A key of a listener has the type of the key for all listeners.
    let def =
        exact.or_else(|| synonyms::broker_synonyms(name, true).into_iter().find_map(keys::lookup_broker));
    let sensitive = def.is_none_or(KeyDef::sensitive);
    let mut synonyms = broker_value_synonyms(config, name, sensitive);
    if !per_broker {
        synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBrokerConfig);
    }
    ConfigEntry {
        name: name.to_owned(),
        value: value.filter(|_| !sensitive),
        source: source_of(&synonyms),
        read_only: !exact.is_some_and(KeyDef::dynamic),
        sensitive,
        synonyms,
        type_id: def.map_or(0, |def| type_id(def.ty)),
        documentation: exact.map(|def| def.doc),
    }
}

fn topic_entry(
    config: &DynamicBrokerConfig,
    def: &'static KeyDef,
    resolved: &TopicConfig,
    overrides: &RawMap,
) -> ConfigEntry {
    let value = resolved.get(def.name).and_then(|value| value.to_config_string());
    let mut synonyms = match def.broker_keys.first() {
        Some(broker_key) => broker_value_synonyms(config, broker_key.name, false),
        None => Vec::new(),
    };
    if overrides.contains_key(def.name) {
        let text = value.clone().unwrap_or_default();
        synonyms.insert(0, synonym(def.name, text, ConfigSource::DynamicTopicConfig, false));
    }
    entry_of(def, value, synonyms)
}

fn entry_of(def: &'static KeyDef, value: Option<String>, synonyms: Vec<ConfigSynonym>) -> ConfigEntry {
    ConfigEntry {
        name: def.name.to_owned(),
        value,
        source: source_of(&synonyms),
        read_only: false,
        sensitive: def.sensitive(),
        synonyms,
        type_id: type_id(def.ty),
        documentation: Some(def.doc),
    }
}

/// All values behind a broker key, layer by layer. As in Kafka, what comes before the first one under the
/// key's own name is dropped, so that `log.retention.ms` shows nothing while only `log.retention.hours` is
/// set.
fn broker_value_synonyms(config: &DynamicBrokerConfig, name: &str, sensitive: bool) -> Vec<ConfigSynonym> {
    let names = synonyms::broker_synonyms(name, true);
    let static_config = config.static_config();
    let layers = [
        (config.dynamic_broker(), ConfigSource::DynamicBrokerConfig),
        (config.dynamic_default(), ConfigSource::DynamicDefaultBrokerConfig),
        (static_config, ConfigSource::StaticBrokerConfig),
    ];
    let set = layers.iter().flat_map(|(layer, source)| {
        let value = |name: &&str| Some(synonym(name, layer.get(*name)?.clone(), *source, sensitive));
        names.iter().filter_map(value)
    });
    let defaults = names.iter().filter_map(|name| {
        let text = values::effective_default(keys::lookup(Scope::Broker, name)?, static_config)?;
        Some(synonym(name, text, ConfigSource::DefaultConfig, sensitive))
    });
    set.chain(defaults).skip_while(|synonym| synonym.name != name).collect()
}

fn synonym(name: &str, value: String, source: ConfigSource, sensitive: bool) -> ConfigSynonym {
    ConfigSynonym { name: name.to_owned(), value: (!sensitive).then_some(value), source }
}

fn source_of(synonyms: &[ConfigSynonym]) -> ConfigSource {
    synonyms.first().map_or(ConfigSource::DefaultConfig, |synonym| synonym.source)
}

#[cfg(test)]
#[path = "describe/describe_test.rs"]
mod tests;
