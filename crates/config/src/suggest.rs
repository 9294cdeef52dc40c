//! What may have been meant by a key that nobody knows.

use crate::error::Warning;
use crate::key_def::Scope;
use crate::keys;
use crate::synonyms;

/// Keys that Kafka had once, and what became of them.
const REMOVED: &[(&str, &str)] = &[
    ("advertised.host.name", "removed in Kafka 3.0, use advertised.listeners"),
    ("advertised.port", "removed in Kafka 3.0, use advertised.listeners"),
    ("control.plane.listener.name", "removed in Kafka 4.0"),
    ("delegation.token.master.key", "removed in Kafka 4.0, use delegation.token.secret.key"),
    ("host.name", "removed in Kafka 3.0, use listeners"),
    ("inter.broker.protocol.version", "removed in Kafka 4.0, the metadata version takes its place"),
    ("log.message.format.version", "removed in Kafka 4.0"),
    (
        "log.message.timestamp.difference.max.ms",
        "removed in Kafka 4.0, use log.message.timestamp.before.max.ms",
    ),
    ("offsets.commit.required.acks", "removed in Kafka 4.0, commits are always acknowledged by all replicas"),
    ("port", "removed in Kafka 3.0, use listeners"),
    ("reserved.broker.max.id", "removed in Kafka 4.0"),
];

/// Keys that Kafka's own plug-ins read; none of these plug-ins runs here.
const OF_PLUG_INS: &[&str] = &["super.users", "allow.everyone.if.no.acl.found"];

/// Prefixes of keys that plug-ins read.
const PREFIXES_OF_PLUG_INS: &[&str] = &["config.providers.", "rlmm.config.", "rsm.config.", "metrics.jmx."];

/// The warning for a key of `server.properties` that is not declared; `None` if the key is known after all,
/// for one listener or as a plug-in's.
pub fn unknown_key(key: &str) -> Option<Warning> {
    let warning = |suggestion| Some(Warning::UnknownKey { key: key.to_owned(), suggestion });
    if keys::lookup(Scope::Broker, key).is_some() {
        return None;
    }
    if OF_PLUG_INS.contains(&key) || PREFIXES_OF_PLUG_INS.iter().any(|prefix| key.starts_with(prefix)) {
        let why = "it is read by plug-ins of Kafka that do not run here";
        return Some(Warning::WithoutEffect { key: key.to_owned(), why });
    }
    if let Some(base) = synonyms::listener_base_name(key) {
        let of_mechanism = base.split_once('.').map_or("", |(_, rest)| rest);
        let known = [base, of_mechanism].iter().any(|name| keys::lookup(Scope::Broker, name).is_some());
        return if known { None } else { warning(nearest(base).map(did_you_mean)) };
    }
    if let Some((_, fate)) = REMOVED.iter().find(|(name, _)| *name == key) {
        return warning(Some((*fate).to_owned()));
    }
    if key.starts_with("zookeeper.") {
        return warning(Some("ZooKeeper was removed in Kafka 4.0".to_owned()));
    }
    if keys::lookup(Scope::BrokerDynamic, key).is_some() {
        return warning(Some("it can be set at run time only".to_owned()));
    }
    if let Some(def) = keys::lookup(Scope::Topic, key) {
        let hint = match def.broker_keys.first() {
            Some(broker_key) => {
                format!("it is a topic configuration; the default for topics is {}", broker_key.name)
            }
            None => "it is a topic configuration".to_owned(),
        };
        return warning(Some(hint));
    }
    warning(nearest(key).map(did_you_mean))
}

fn did_you_mean(key: &str) -> String {
    format!("did you mean {key}?")
}

/// The broker key that differs least, if it differs little: at most in a third of the letters and in five.
pub fn nearest(key: &str) -> Option<&'static str> {
    nearest_of(Scope::Broker, key)
}

/// Likewise for the keys of any scope.
pub fn nearest_of(scope: Scope, key: &str) -> Option<&'static str> {
    if key.len() > 200 {
        return None;
    }
    let (name, distance) = keys::keys(scope)
        .iter()
        .map(|def| (def.name, edit_distance(key, def.name)))
        .min_by_key(|(name, distance)| (*distance, name.len().abs_diff(key.len())))?;
    (distance <= 5 && distance * 3 <= key.len()).then_some(name)
}

/// How many letters must be put in, taken out, replaced or exchanged with their neighbour.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(key: &str) -> String {
        unknown_key(key).map_or_else(|| "known".to_owned(), |warning| warning.to_string())
    }

    #[test]
    fn misspelt_keys_are_recognized() {
        assert_eq!(nearest("num.partition"), Some("num.partitions"));
        assert_eq!(nearest("log.retention.hour"), Some("log.retention.hours"));
        assert_eq!(nearest("advertized.listeners"), Some("advertised.listeners"));
        assert_eq!(nearest("lgo.dirs"), Some("log.dirs"));
        assert_eq!(nearest("something.else.entirely"), None);
        assert_eq!(nearest(""), None);
    }

    #[test]
    fn keys_from_elsewhere_are_explained() {
        let unknown = |key: &str, why: &str| format!("unknown configuration key {key}: ignored ({why})");
        assert_eq!(warning("num.partitions"), "known");
        assert_eq!(warning("listener.name.internal.max.connections"), "known");
        assert_eq!(warning("listener.name.internal.scram-sha-256.sasl.jaas.config"), "known");
        assert_eq!(
            warning("listener.name.internal.max.connection"),
            unknown("listener.name.internal.max.connection", "did you mean max.connections?")
        );
        assert_eq!(
            warning("retention.ms"),
            unknown(
                "retention.ms",
                "it is a topic configuration; the default for topics is log.retention.ms"
            )
        );
        assert_eq!(
            warning("zookeeper.connect"),
            unknown("zookeeper.connect", "ZooKeeper was removed in Kafka 4.0")
        );
        assert_eq!(warning("my.own.key"), "unknown configuration key my.own.key: ignored");
        assert_eq!(
            warning("super.users"),
            "super.users has no effect: it is read by plug-ins of Kafka that do not run here"
        );
    }
}
