//! Client metrics subscriptions (Kafka's `ClientMetricsConfigs`, KIP-714).

use regex_lite::Regex;

use crate::error::ConfigError;
use crate::key_def::Scope;
use crate::keys;
use crate::layers::RawMap;
use crate::value::{self, Value};

/// The shortest interval that may be asked for, in milliseconds.
pub const INTERVAL_MS_MIN: i64 = 100;
/// The longest interval that may be asked for, in milliseconds.
pub const INTERVAL_MS_MAX: i64 = 3_600_000;

/// A property of a client that subscriptions select by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `client_instance_id`.
    ClientInstanceId,
    /// `client_id`.
    ClientId,
    /// `client_software_name`.
    ClientSoftwareName,
    /// `client_software_version`.
    ClientSoftwareVersion,
    /// `client_source_address`.
    ClientSourceAddress,
    /// `client_source_port`.
    ClientSourcePort,
}

impl Selector {
    fn from_name(name: &str) -> Option<Selector> {
        Some(match name {
            "client_instance_id" => Selector::ClientInstanceId,
            "client_id" => Selector::ClientId,
            "client_software_name" => Selector::ClientSoftwareName,
            "client_software_version" => Selector::ClientSoftwareVersion,
            "client_source_address" => Selector::ClientSourceAddress,
            "client_source_port" => Selector::ClientSourcePort,
            _ => return None,
        })
    }
}

/// What a subscription wants, and of whom.
#[derive(Clone, Debug)]
pub struct ClientMetricsSubscription {
    /// Prefixes of the metrics that are wanted; `*` for all.
    pub metrics: Vec<String>,
    /// How often they are wanted, in milliseconds.
    pub interval_ms: i32,
    patterns: Vec<(Selector, Regex)>,
}

impl ClientMetricsSubscription {
    /// Reads what a subscription sets.
    ///
    /// # Errors
    /// As [`validate`], but for the bounds of the interval.
    pub fn from_config(config: &RawMap) -> Result<ClientMetricsSubscription, ConfigError> {
        let metrics = parse(config, "metrics")?;
        let interval = parse(config, "interval.ms")?.as_i64().unwrap_or_default();
        Ok(ClientMetricsSubscription {
            metrics: metrics.as_list().unwrap_or_default().to_vec(),
            interval_ms: i32::try_from(interval).unwrap_or(i32::MAX),
            patterns: parse_patterns(&parse(config, "match")?)?,
        })
    }

    /// Whether a client is meant: all patterns must fit whole properties.
    pub fn matches<'a>(&self, property: impl Fn(Selector) -> &'a str) -> bool {
        self.patterns.iter().all(|(selector, pattern)| pattern.is_match(property(*selector)))
    }
}

/// Checks what a subscription is to hold after a change.
///
/// # Errors
/// Kafka's: an empty name, an unknown key or an interval out of bounds (INVALID_REQUEST), a pattern that is
/// none or a value that is not of its type (INVALID_CONFIG).
pub fn validate(subscription: &str, config: &RawMap) -> Result<(), ConfigError> {
    if subscription.is_empty() {
        return Err(ConfigError::invalid_request("Subscription name can't be empty"));
    }
    if let Some(unknown) = config.keys().find(|key| keys::lookup(Scope::ClientMetrics, key).is_none()) {
        let message = format!("Unknown client metrics configuration: {unknown}");
        return Err(ConfigError::invalid_request(message).for_key(unknown));
    }
    parse(config, "metrics")?;
    let interval_ms = parse(config, "interval.ms")?.as_i64().unwrap_or_default();
    let patterns = parse(config, "match")?;
    if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&interval_ms) {
        let message = format!(
            "Invalid value {interval_ms} for interval.ms, interval must be between {INTERVAL_MS_MIN} and \
             {INTERVAL_MS_MAX} (1 hour)"
        );
        return Err(ConfigError::invalid_request(message).for_key("interval.ms"));
    }
    parse_patterns(&patterns).map(|_| ())
}

fn parse(config: &RawMap, key: &str) -> Result<Value, ConfigError> {
    match keys::lookup(Scope::ClientMetrics, key) {
        Some(def) => value::parse(def, config.get(key).map(String::as_str)),
        None => Ok(Value::Null),
    }
}

/// Entries `selector=regular expression`; of two for one selector the later counts.
fn parse_patterns(entries: &Value) -> Result<Vec<(Selector, Regex)>, ConfigError> {
    let mut patterns: Vec<(Selector, Regex)> = Vec::new();
    for entry in entries.as_list().unwrap_or_default() {
        let parsed = parse_pattern(entry).ok_or_else(|| {
            let message = format!("Illegal client matching pattern: {entry}");
            ConfigError::invalid_configuration(message).for_key("match")
        })?;
        patterns.retain(|(selector, _)| *selector != parsed.0);
        patterns.push(parsed);
    }
    Ok(patterns)
}

fn parse_pattern(entry: &str) -> Option<(Selector, Regex)> {
    // Java's split drops empty parts at the end.
    let (name, pattern) = entry.trim_end_matches('=').split_once('=')?;
    if pattern.contains('=') {
        return None;
    }
    let regex = Regex::new(&format!(r"\A(?:{})\z", pattern.trim())).ok()?;
    Some((Selector::from_name(name.trim())?, regex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> RawMap {
        entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect()
    }

    fn check(entries: &[(&str, &str)], expect: Result<(), &str>) {
        let result = validate("subscription", &config(entries));
        assert_eq!(result.map_err(|error| error.message), expect.map_err(str::to_owned));
    }

    #[test]
    fn subscriptions_are_checked() {
        check(&[], Ok(()));
        check(
            &[
                ("metrics", "*"),
                ("interval.ms", "100"),
                ("match", "client_id=app.*, client_source_port=9\\d+"),
            ],
            Ok(()),
        );
        check(
            &[("interval.ms", "10")],
            Err("Invalid value 10 for interval.ms, interval must be between 100 and 3600000 (1 hour)"),
        );
        check(&[("random", "1")], Err("Unknown client metrics configuration: random"));
        check(&[("match", "client_id")], Err("Illegal client matching pattern: client_id"));
        check(&[("match", "client_id=")], Err("Illegal client matching pattern: client_id="));
        check(&[("match", "client=a")], Err("Illegal client matching pattern: client=a"));
        check(&[("match", "client_id=(")], Err("Illegal client matching pattern: client_id=("));
        check(
            &[("interval.ms", "x")],
            Err("Invalid value x for configuration interval.ms: Not a number of type INT"),
        );
        assert!(validate("", &RawMap::new()).is_err());
    }

    #[test]
    fn patterns_fit_whole_properties() {
        let entries = config(&[("match", "client_id=app-\\d,client_software_name=.*java")]);
        let subscription = ClientMetricsSubscription::from_config(&entries).unwrap();
        let client = |id: &'static str| {
            move |selector| if selector == Selector::ClientId { id } else { "apache-kafka-java" }
        };
        assert!(subscription.matches(client("app-1")));
        assert!(!subscription.matches(client("app-12")));
        assert!(!subscription.matches(client("my-app-1")));
        assert_eq!(subscription.interval_ms, 300_000);
        assert!(ClientMetricsSubscription::from_config(&RawMap::new()).unwrap().matches(|_| ""));
    }
}
