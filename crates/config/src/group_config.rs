//! Whether the configuration of a group may be as somebody wants it (Kafka's `GroupConfig`).

use crate::broker_config::BrokerConfig;
use crate::error::ConfigError;
use crate::key_def::Scope;
use crate::keys;
use crate::layers::RawMap;
use crate::value;

/// Keys of groups with the broker keys that bound them, in the order in which Kafka checks them.
const BOUNDS: &[(&str, Option<&str>, Option<&str>)] = &[
    (
        "consumer.heartbeat.interval.ms",
        Some("group.consumer.min.heartbeat.interval.ms"),
        Some("group.consumer.max.heartbeat.interval.ms"),
    ),
    (
        "consumer.session.timeout.ms",
        Some("group.consumer.min.session.timeout.ms"),
        Some("group.consumer.max.session.timeout.ms"),
    ),
    (
        "consumer.assignment.interval.ms",
        Some("group.consumer.min.assignment.interval.ms"),
        Some("group.consumer.max.assignment.interval.ms"),
    ),
    (
        "share.heartbeat.interval.ms",
        Some("group.share.min.heartbeat.interval.ms"),
        Some("group.share.max.heartbeat.interval.ms"),
    ),
    (
        "share.session.timeout.ms",
        Some("group.share.min.session.timeout.ms"),
        Some("group.share.max.session.timeout.ms"),
    ),
    (
        "share.record.lock.duration.ms",
        Some("group.share.min.record.lock.duration.ms"),
        Some("group.share.max.record.lock.duration.ms"),
    ),
    (
        "share.delivery.count.limit",
        Some("group.share.min.delivery.count.limit"),
        Some("group.share.max.delivery.count.limit"),
    ),
    (
        "share.partition.max.record.locks",
        Some("group.share.min.partition.max.record.locks"),
        Some("group.share.max.partition.max.record.locks"),
    ),
    (
        "share.assignment.interval.ms",
        Some("group.share.min.assignment.interval.ms"),
        Some("group.share.max.assignment.interval.ms"),
    ),
    (
        "streams.heartbeat.interval.ms",
        Some("group.streams.min.heartbeat.interval.ms"),
        Some("group.streams.max.heartbeat.interval.ms"),
    ),
    (
        "streams.session.timeout.ms",
        Some("group.streams.min.session.timeout.ms"),
        Some("group.streams.max.session.timeout.ms"),
    ),
    ("streams.num.standby.replicas", None, Some("group.streams.max.standby.replicas")),
    (
        "streams.assignment.interval.ms",
        Some("group.streams.min.assignment.interval.ms"),
        Some("group.streams.max.assignment.interval.ms"),
    ),
];

/// Checks what a group is to hold after a change. What it does not set it has from the broker.
///
/// # Errors
/// Kafka's, to be answered with INVALID_CONFIG: an unknown key, a value that is not of its type or fails
/// its validator, a value beyond the broker's bounds, or values that contradict each other.
pub fn validate(config: &RawMap, broker: &BrokerConfig) -> Result<(), ConfigError> {
    if let Some(unknown) = config.keys().find(|key| keys::lookup(Scope::Group, key).is_none()) {
        let message = format!("Unknown group config name: {unknown}");
        return Err(ConfigError::invalid_configuration(message).for_key(unknown));
    }
    for (key, text) in config {
        if let Some(def) = keys::lookup(Scope::Group, key) {
            value::parse(def, Some(text))?;
        }
    }
    let effective = |key: &str| effective_int(config, broker, key);
    for (key, min, max) in BOUNDS {
        let number = effective(key);
        let below = min.filter(|bound| number < broker_int(broker, bound));
        let above = max.filter(|bound| number > broker_int(broker, bound));
        let violated = below.map(|bound| ("greater", bound)).or_else(|| above.map(|bound| ("less", bound)));
        if let Some((relation, bound)) = violated {
            let message = format!("{key} must be {relation} than or equal to {bound}");
            return Err(ConfigError::invalid_configuration(message).for_key(key));
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if effective(&session) <= effective(&heartbeat) {
            let message = format!("{session} must be greater than {heartbeat}");
            return Err(ConfigError::invalid_configuration(message).for_key(&session));
        }
    }
    Ok(())
}

/// What the group sets, or what the broker has for it; both were validated.
fn effective_int(config: &RawMap, broker: &BrokerConfig, key: &str) -> i64 {
    match config.get(key).and_then(|text| text.trim().parse().ok()) {
        Some(number) => number,
        None => broker_int(broker, &format!("group.{key}")),
    }
}

fn broker_int(broker: &BrokerConfig, key: &str) -> i64 {
    i64::from(broker.values().int(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[(&str, &str)], expect: Result<(), &str>) {
        let (broker, _) = BrokerConfig::from_properties(&RawMap::new()).unwrap();
        let config = entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect();
        assert_eq!(validate(&config, &broker).map_err(|error| error.message), expect.map_err(str::to_owned));
    }

    #[test]
    fn groups_are_held_within_the_bounds_of_the_broker() {
        check(&[], Ok(()));
        check(&[("consumer.session.timeout.ms", "50000")], Ok(()));
        check(
            &[("consumer.session.timeout.ms", "1")],
            Err(
                "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
            ),
        );
        check(
            &[("consumer.session.timeout.ms", "70000")],
            Err(
                "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
            ),
        );
        check(
            &[("streams.num.standby.replicas", "3")],
            Err(
                "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
        );
        check(&[("share.auto.offset.reset", "by_duration:PT1H")], Ok(()));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused() {
        check(&[("session.timeout.ms", "1")], Err("Unknown group config name: session.timeout.ms"));
        check(
            &[("consumer.session.timeout.ms", "x")],
            Err("Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT"),
        );
        check(
            &[("share.auto.offset.reset", "never")],
            Err("Invalid value never for configuration share.auto.offset.reset: Invalid value `never` for \
                 configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or \
                 of the format 'by_duration:<PnDTnHnMn.nS>'."),
        );
    }
}
