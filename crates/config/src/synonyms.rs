//! Keys that stand for the same setting (Kafka's `DynamicBrokerConfig.brokerConfigSynonyms`).

/// Groups of keys of which the first that is set counts.
const LOG_ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
const LOG_ROLL_JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
const LOG_RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
const LOG_FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];

/// Keys that are set for one mechanism of one listener: `listener.name.<listener>.<mechanism>.<key>`.
const OF_MECHANISMS: &[&str] = &[
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// All names of a setting in the order in which they count. With `match_listener_override` the key of a
/// listener is followed by the key for all listeners.
pub fn broker_synonyms(name: &str, match_listener_override: bool) -> Vec<&str> {
    for group in [LOG_ROLL, LOG_ROLL_JITTER, LOG_RETENTION] {
        if group.contains(&name) {
            return group.to_vec();
        }
    }
    // The scheduler's interval is a setting of its own; it only stands in for the other.
    if name == "log.flush.interval.ms" {
        return LOG_FLUSH.to_vec();
    }
    match listener_base_name(name) {
        Some(base) if match_listener_override => {
            let of_mechanism = OF_MECHANISMS.iter().copied().find(|key| base.ends_with(key));
            vec![name, of_mechanism.unwrap_or(base)]
        }
        _ => vec![name],
    }
}

/// The part of `listener.name.<listener>.<part>`.
pub fn listener_base_name(name: &str) -> Option<&str> {
    let (_, base) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(base)
}

/// What the keys of a listener begin with.
pub fn listener_prefix(listener: &str) -> String {
    format!("listener.name.{}.", listener.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::broker_synonyms;

    #[test]
    fn synonyms_in_order() {
        for (name, expect) in [
            ("log.roll.hours", vec!["log.roll.ms", "log.roll.hours"]),
            (
                "log.retention.minutes",
                vec!["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
            ),
            ("log.flush.interval.ms", vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]),
            ("log.flush.scheduler.interval.ms", vec!["log.flush.scheduler.interval.ms"]),
            ("num.partitions", vec!["num.partitions"]),
            (
                "listener.name.internal.max.connections",
                vec!["listener.name.internal.max.connections", "max.connections"],
            ),
            (
                "listener.name.internal.plain.sasl.jaas.config",
                vec!["listener.name.internal.plain.sasl.jaas.config", "sasl.jaas.config"],
            ),
        ] {
            assert_eq!(broker_synonyms(name, true), expect);
        }
        assert_eq!(
            broker_synonyms("listener.name.internal.max.connections", false),
            ["listener.name.internal.max.connections"]
        );
    }
}
