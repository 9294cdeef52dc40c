//! Every declaration against the facts of Apache Kafka 4.3.1, as its own `ConfigDef`s print them.

use std::collections::BTreeMap;

use ottla_config::keys::own::OWN_PREFIX;
use ottla_config::keys::{SCOPES, keys};
use ottla_config::{KeyDef, Scope, Support, UpdateMode, broker_keys};

const FACTS: &str = include_str!("../kafka-4.3.1-configs.tsv");

/// What the table says of a key: type, default, valid values, importance, dynamic mode, broker synonym,
/// internal.
type Facts = Vec<String>;

fn expected() -> BTreeMap<(String, String), Facts> {
    FACTS
        .lines()
        .skip(1)
        .map(|line| {
            // Defaults that are classes themselves print as such; as text they are names.
            let line = line.replace("class org.", "org.");
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            ((fields[0].clone(), fields[1].clone()), fields[2..].to_vec())
        })
        .collect()
}

fn declared() -> BTreeMap<(String, String), Facts> {
    let mut all = BTreeMap::new();
    for scope in SCOPES {
        let Some(name) = name_of(scope) else { continue };
        // Keys of Ottla's own are not in the table.
        for def in keys(scope).iter().filter(|def| !def.name.starts_with(OWN_PREFIX)) {
            all.insert((name.to_owned(), def.name.to_owned()), facts_of(def));
        }
    }
    all
}

/// The table has no rows for broker keys that exist at run time only.
fn name_of(scope: Scope) -> Option<&'static str> {
    Some(match scope {
        Scope::Broker => "broker",
        Scope::BrokerDynamic => return None,
        Scope::Topic => "topic",
        Scope::Group => "group",
        Scope::ClientQuota => "client-quota",
        Scope::IpQuota => "ip-quota",
        Scope::ClientMetrics => "client-metrics",
        Scope::Producer => "producer",
        Scope::Consumer => "consumer",
        Scope::Admin => "admin",
    })
}

fn facts_of(def: &KeyDef) -> Facts {
    let dynamic = match (def.scope, def.update_mode) {
        (Scope::Broker, UpdateMode::ReadOnly) => "read-only",
        (Scope::Broker, UpdateMode::PerBroker) => "per-broker",
        (Scope::Broker, UpdateMode::ClusterWide) => "cluster",
        _ => "",
    };
    let synonym = match (def.scope, def.broker_keys.first()) {
        (Scope::Topic, Some(broker_key)) => broker_key.name,
        _ => "",
    };
    let internal = if def.internal { "internal" } else { "" };
    vec![
        def.ty.name().to_owned(),
        def.default_text(),
        def.validator.to_string(),
        def.importance.name().to_owned(),
        dynamic.to_owned(),
        synonym.to_owned(),
        internal.to_owned(),
    ]
}

#[test]
fn declarations_equal_kafkas() {
    let (expected, declared) = (expected(), declared());
    assert_eq!(expected.len(), 739);
    let missing: Vec<_> = expected.keys().filter(|key| !declared.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let differences: Vec<_> =
        declared.iter().filter(|(key, facts)| expected.get(*key) != Some(*facts)).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn no_key_is_declared_twice() {
    for scope in SCOPES {
        for pair in keys(scope).windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
    }
}

#[test]
fn every_key_says_what_it_does_and_why_it_does_not() {
    for scope in SCOPES {
        for def in keys(scope) {
            assert!(def.doc.len() > 10 && def.doc.ends_with('.'), "{}: {}", def.name, def.doc);
            assert!(!def.doc.contains("  "), "{}: {}", def.name, def.doc);
            assert!(def.support == Support::Honoured || !def.note.is_empty(), "{}", def.name);
        }
    }
}

#[test]
fn synonyms_are_broker_keys() {
    for scope in SCOPES {
        for broker_key in keys(scope).iter().flat_map(|def| def.broker_keys) {
            assert!(broker_keys().iter().any(|def| def.name == broker_key.name), "{}", broker_key.name);
        }
    }
}
