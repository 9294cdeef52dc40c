//! Whether a running broker may go from one configuration to another: what Kafka's parts check in
//! `validateReconfiguration`.

use crate::broker_config::BrokerConfig;
use crate::broker_config::listeners::Listener;
use crate::error::ConfigError;
use crate::synonyms;

/// Numbers of threads, which may at most double or halve in one step.
const THREADS: &[&str] = &[
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "remote.log.reader.threads",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
];

/// Checks the step from one configuration to another, as a whole valid one.
///
/// # Errors
/// Kafka's, wrapped as Kafka wraps them.
pub(super) fn validate(old: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    if old.originals() == new.originals() {
        return Ok(());
    }
    let checks = [validate_threads, validate_local_retention, validate_listeners];
    match checks.iter().find_map(|check| check(old, new).err()) {
        None => Ok(()),
        Some(error) => Err(refused(error)),
    }
}

pub(super) fn refused(error: ConfigError) -> ConfigError {
    ConfigError {
        message: format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {} for configuration \
             Invalid dynamic configuration",
            error.message
        ),
        ..error
    }
}

fn validate_threads(old: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    for key in THREADS {
        validate_thread_count(key, old.values().int(key), new.values().int(key))?;
    }
    let (before, after) = (old.values().int("log.cleaner.threads"), new.values().int("log.cleaner.threads"));
    let message = match after {
        _ if after == before => return Ok(()),
        _ if after < 1 => "Log cleaner threads should be at least 1".to_owned(),
        _ if after < before / 2 => {
            format!("Log cleaner threads cannot be reduced to less than half the current value {before}")
        }
        _ if i64::from(after) > i64::from(before) * 2 => {
            format!("Log cleaner threads cannot be increased to more than double the current value {before}")
        }
        _ => return Ok(()),
    };
    Err(ConfigError::config(message).for_key("log.cleaner.threads"))
}

fn validate_thread_count(key: &str, before: i32, after: i32) -> Result<(), ConfigError> {
    let why = match after {
        _ if after == before => return Ok(()),
        _ if after <= 0 => "value should be at least 1".to_owned(),
        _ if after < before / 2 => format!("value should be at least half the current value {before}"),
        _ if i64::from(after) > i64::from(before) * 2 => {
            format!("value should not be greater than double the current value {before}")
        }
        _ => return Ok(()),
    };
    let message = format!("Dynamic thread count update validation failed for {key}={after}, {why}");
    Err(ConfigError::config(message).for_key(key))
}

fn validate_local_retention(_: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    let topics = &new.topic_defaults;
    for (unit, local, whole) in [
        ("ms", topics.local_retention_ms, topics.retention_ms),
        ("bytes", topics.local_retention_bytes, topics.retention_bytes),
    ] {
        if whole < 0 || local == -2 || (0..=whole).contains(&local) {
            continue;
        }
        let why = match local {
            -1 => format!("Value must not be -1 as log.retention.{unit} value is set as {whole}."),
            _ => format!("Value must not be more than log.retention.{unit} property value: {whole}"),
        };
        return Err(ConfigError::invalid_value(&format!("log.local.retention.{unit}"), local, why));
    }
    Ok(())
}

fn validate_listeners(old: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    for listener in &old.listeners.listeners {
        let name = &listener.endpoint.listener;
        match new.listeners.listeners.iter().find(|other| other.endpoint.listener == *name) {
            Some(changed) => validate_listener(old, new, listener, changed)?,
            None if old.listeners.advertised.iter().any(|endpoint| endpoint.listener == *name) => {
                let message = format!("Advertised listeners '{name}' must be a subset of listeners");
                return Err(ConfigError::config(message).for_key("listeners"));
            }
            None => {}
        }
    }
    Ok(())
}

/// The limits of a listener can change while it is open; whatever else is set for it cannot.
fn validate_listener(
    old: &BrokerConfig,
    new: &BrokerConfig,
    before: &Listener,
    after: &Listener,
) -> Result<(), ConfigError> {
    let name = &before.endpoint.listener;
    if fixed_keys(old, name) != fixed_keys(new, name) {
        return Err(ConfigError::config(format!(
            "Configs cannot be updated dynamically for existing listener ListenerName({name}), restart \
             broker or create a new listener for update"
        )));
    }
    if before.endpoint.security_protocol != after.endpoint.security_protocol {
        return Err(ConfigError::config(format!(
            "Security protocol cannot be updated for existing listener ListenerName({name})"
        )));
    }
    validate_thread_count("num.network.threads", before.num_network_threads, after.num_network_threads)?;
    let limits = [
        ("max.connections", before.max_connections, after.max_connections),
        (
            "max.connection.creation.rate",
            before.max_connection_creation_rate,
            after.max_connection_creation_rate,
        ),
    ];
    for (key, before, after) in limits {
        if before != after && after <= 0 {
            return Err(ConfigError::config(format!("Invalid {key} {after}")).for_key(key));
        }
    }
    Ok(())
}

/// What is set for a listener and cannot be changed while it is open.
fn fixed_keys(config: &BrokerConfig, listener: &str) -> Vec<(String, String)> {
    let prefix = synonyms::listener_prefix(listener);
    let is_fixed =
        |key: &str| !super::PER_LISTENER.contains(&key) && !super::CLUSTER_LEVEL_LISTENER_KEYS.contains(&key);
    config
        .originals()
        .iter()
        .filter_map(|(key, text)| Some((key.strip_prefix(&prefix)?, text)))
        .filter(|(key, _)| is_fixed(key))
        .map(|(key, text)| (key.to_owned(), text.clone()))
        .collect()
}
