//! What was changed of a broker's configuration at run time (Kafka's `DynamicBrokerConfig`, KIP-226).
//!
//! The layers, first wins: the dynamic configuration of this broker, the dynamic default of the cluster,
//! the static configuration, Kafka's defaults. A key that is set in a layer hides its synonyms in the
//! layers below: `log.roll.ms` set at run time takes `log.roll.hours` of `server.properties` away.

use std::sync::Arc;

use crate::broker_config::BrokerConfig;
use crate::error::{ConfigError, Warning};
use crate::java;
use crate::key_def::{Scope, Support, UpdateMode};
use crate::keys;
use crate::layers::RawMap;
use crate::synonyms;
use crate::value::{self, Value};

mod reconfigure;

/// Keys that can be changed at run time for single listeners only (Kafka's
/// `SslConfigs.RECONFIGURABLE_CONFIGS`).
const PER_LISTENER: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys of listeners that can be set for all brokers together.
const CLUSTER_LEVEL_LISTENER_KEYS: &[&str] =
    &["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Keys whose values are kept between two others: key, lower bound, upper bound.
const CLAMPED: &[(&str, &str, &str)] = &[
    (
        "group.consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    (
        "group.share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    (
        "group.streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
];

/// The configuration of a broker with what was changed at run time.
#[derive(Clone, Debug)]
pub struct DynamicBrokerConfig {
    static_config: RawMap,
    dynamic_default: RawMap,
    dynamic_broker: RawMap,
    current: Arc<BrokerConfig>,
}

impl DynamicBrokerConfig {
    /// Nothing changed yet.
    pub fn new(config: BrokerConfig) -> DynamicBrokerConfig {
        DynamicBrokerConfig {
            static_config: config.originals().clone(),
            dynamic_default: RawMap::new(),
            dynamic_broker: RawMap::new(),
            current: Arc::new(config),
        }
    }

    /// The configuration that holds now.
    pub fn current(&self) -> &Arc<BrokerConfig> {
        &self.current
    }

    /// Keys and values the broker was started with.
    pub fn static_config(&self) -> &RawMap {
        &self.static_config
    }

    /// Keys and values set at run time for all brokers.
    pub fn dynamic_default(&self) -> &RawMap {
        &self.dynamic_default
    }

    /// Keys and values set at run time for this broker.
    pub fn dynamic_broker(&self) -> &RawMap {
        &self.dynamic_broker
    }

    /// `replica.alter.log.dirs.io.max.bytes.per.second`, which is no key of the static configuration.
    pub fn alter_log_dirs_bytes_per_second(&self) -> i64 {
        const KEY: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
        let text = self.dynamic_broker.get(KEY).or_else(|| self.dynamic_default.get(KEY));
        let def = keys::lookup(Scope::BrokerDynamic, KEY);
        let value = def.and_then(|def| value::parse(def, text.map(String::as_str)).ok());
        value.and_then(|value| value.as_i64()).unwrap_or(i64::MAX)
    }

    /// Takes over what the metadata says of this broker (`per_broker`) or of the default of all brokers.
    /// What cannot be applied is left out; the warnings, which Kafka logs as errors, tell of it. If the
    /// whole contradicts itself, the configuration that held before goes on to hold.
    pub fn update(&mut self, persistent: &RawMap, per_broker: bool) -> Vec<Warning> {
        let (usable, mut warnings) = usable(persistent, per_broker);
        match per_broker {
            true => self.dynamic_broker = usable,
            false => self.dynamic_default = usable,
        }
        let mut merged = self.merged(&self.dynamic_default, &self.dynamic_broker);
        warnings.extend(clamp(&mut merged, &self.current));
        match BrokerConfig::evaluate(&merged) {
            Ok((config, _)) => self.current = Arc::new(config),
            Err(errors) => {
                let what = if per_broker { "Per-broker configs" } else { "Cluster default configs" };
                let why = errors.first().map(ConfigError::kafka_message).unwrap_or_default();
                let names: Vec<&str> = persistent.keys().map(String::as_str).collect();
                let names = java::list_to_string(&names);
                warnings.push(Warning::Note(format!("{what} could not be applied: {names}: {why}")));
            }
        }
        warnings
    }

    /// Checks what this broker (`per_broker`) or the default of all brokers is to hold after a change.
    ///
    /// # Errors
    /// Kafka's, to be answered with INVALID_REQUEST: keys that cannot be changed, or not so; values that
    /// are not of their type; values that contradict each other, or the present ones too much.
    pub fn validate(&self, proposed: &RawMap, per_broker: bool) -> Result<(), ConfigError> {
        self.proposed(proposed, per_broker).map(|_| ())
    }

    /// What would hold after a change, for checks that this crate can't do.
    ///
    /// # Errors
    /// As [`DynamicBrokerConfig::validate`].
    pub fn proposed(&self, proposed: &RawMap, per_broker: bool) -> Result<BrokerConfig, ConfigError> {
        validate_names_and_types(proposed, per_broker)?;
        let merged = match per_broker {
            true => self.merged(&self.dynamic_default, proposed),
            false => self.merged(proposed, &self.dynamic_broker),
        };
        match BrokerConfig::evaluate(&merged) {
            Ok((new, _)) => reconfigure::validate(&self.current, &new).map(|()| new),
            Err(errors) => Err(errors.into_iter().next().unwrap_or_else(|| ConfigError::config("invalid"))),
        }
    }

    /// A refusal of one of the broker's parts, wrapped as Kafka wraps it.
    pub fn refused(message: &str) -> ConfigError {
        reconfigure::refused(ConfigError::config(message))
    }

    fn merged(&self, dynamic_default: &RawMap, dynamic_broker: &RawMap) -> RawMap {
        let mut merged = self.static_config.clone();
        lay_over(&mut merged, dynamic_default);
        lay_over(&mut merged, dynamic_broker);
        merged
    }
}

/// What of the stored keys and values can be applied; the rest with the reason.
pub fn usable(persistent: &RawMap, per_broker: bool) -> (RawMap, Vec<Warning>) {
    let mut usable = persistent.clone();
    let mut warnings = Vec::new();
    let mut leave_out = |usable: &mut RawMap, names: Vec<String>, why: &str| {
        if !names.is_empty() {
            usable.retain(|key, _| !names.contains(key));
            warnings.push(Warning::Note(format!("{why}: {}", java::list_to_string(&names))));
        }
    };
    let invalid = persistent
        .iter()
        .filter(|(key, text)| validate_type(key, text).is_err() || is_refused(key, text))
        .map(|(key, _)| key.clone())
        .collect();
    let source = if per_broker { "broker" } else { "default cluster" };
    let why = format!("Dynamic {source} config contains invalid values, these configs will be ignored");
    leave_out(&mut usable, invalid, &why);
    let names = non_dynamic(&usable);
    leave_out(&mut usable, names, "Non-dynamic configs will be ignored");
    let names = security_without_listener(&usable);
    let why = "Security configs can be dynamically updated only using listener prefix, base configs will be ignored";
    leave_out(&mut usable, names, why);
    if !per_broker {
        let names = per_broker_only(&usable);
        leave_out(&mut usable, names, "Per-broker configs defined at default cluster level will be ignored");
    }
    (usable, warnings)
}

/// Kafka's `DynamicBrokerConfig.validateConfigs`.
fn validate_names_and_types(proposed: &RawMap, per_broker: bool) -> Result<(), ConfigError> {
    let check = |names: Vec<String>, why: &str| match names.first() {
        None => Ok(()),
        Some(first) => {
            let error = ConfigError::config(format!("{why}: {}", java::list_to_string(&names)));
            Err(error.for_key(first))
        }
    };
    check(non_dynamic(proposed), "Cannot update these configs dynamically")?;
    let why = "These security configs can be dynamically updated only per-listener using the listener prefix";
    check(security_without_listener(proposed), why)?;
    for (key, text) in proposed {
        validate_type(key, text)?;
    }
    if per_broker {
        return Ok(());
    }
    let why = "Cannot update these configs at default cluster level, broker id must be specified";
    check(per_broker_only(proposed), why)
}

/// Whether the value of a key that can be changed at run time, or of such a key of one listener, is of its
/// type.
fn validate_type(key: &str, text: &str) -> Result<(), ConfigError> {
    let name = synonyms::listener_base_name(key).unwrap_or(key);
    match keys::lookup_broker(name) {
        Some(def) if def.dynamic() => value::parse(def, Some(text)).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether a broker key is set to what Ottla refuses; a cluster of another making may have stored it.
fn is_refused(key: &str, text: &str) -> bool {
    keys::lookup_broker(key).is_some_and(|def| {
        def.support == Support::Refused && value::parse(def, Some(text)).ok() != Some(Value::default_of(def))
    })
}

fn non_dynamic(config: &RawMap) -> Vec<String> {
    names_with(config, |key| keys::lookup(Scope::Broker, key).is_some_and(|def| !def.dynamic()))
}

fn security_without_listener(config: &RawMap) -> Vec<String> {
    names_with(config, |key| PER_LISTENER.contains(&key))
}

fn per_broker_only(config: &RawMap) -> Vec<String> {
    names_with(config, |key| match synonyms::listener_base_name(key) {
        Some(base) => !CLUSTER_LEVEL_LISTENER_KEYS.contains(&base),
        None => keys::lookup(Scope::Broker, key).is_some_and(|def| def.update_mode == UpdateMode::PerBroker),
    })
}

fn names_with(config: &RawMap, fits: impl Fn(&str) -> bool) -> Vec<String> {
    config.keys().filter(|key| fits(key)).cloned().collect()
}

/// Sets the keys of an upper layer; each takes its synonyms of the lower layers away. Of synonyms in one
/// layer the one that counts comes last in the order of the alphabet, and so stays.
fn lay_over(config: &mut RawMap, upper: &RawMap) {
    for (key, text) in upper {
        for synonym in synonyms::broker_synonyms(key, false) {
            config.remove(synonym);
        }
        config.insert(key.clone(), text.clone());
    }
}

/// Brings values that later turned out too small or too large back between their bounds.
fn clamp(config: &mut RawMap, current: &BrokerConfig) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (key, min, max) in CLAMPED {
        let Some(Ok(number)) = config.get(*key).map(|text| text.trim().parse::<i32>()) else { continue };
        let (min, max) = (current.values().int(min), current.values().int(max));
        let (why, bound) = match number {
            _ if number < min => ("below the allowed minimum", min),
            _ if number > max => ("above the allowed maximum", max),
            _ => continue,
        };
        config.insert((*key).to_owned(), bound.to_string());
        let text =
            format!("The config '{key}' has value {number} which is {why} {bound}. {bound} holds instead.");
        warnings.push(Warning::Note(text));
    }
    warnings
}

#[cfg(test)]
#[path = "dynamic/dynamic_test.rs"]
mod tests;
