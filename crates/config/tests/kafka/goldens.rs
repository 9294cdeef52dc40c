//! The questions of the golden files, put to Ottla. Each test says where the answers may differ, and that
//! nothing else does.

use ottla_config::broker_config::listeners::Endpoint;
use ottla_config::describe::{self, ConfigEntry};
use ottla_config::{
    BrokerConfig, ConfigError, DynamicBrokerConfig, ErrorKind, RawMap, Scope, TopicConfig, Value,
    client_metrics, group_config, lookup, parse, topic_keys,
};

const COMBINED: &str = "node.id=1;process.roles=broker,controller;controller.listener.names=CONTROLLER;\
                        listeners=PLAINTEXT://:9092,CONTROLLER://:9093;\
                        controller.quorum.voters=1@localhost:9093";
const BROKER: &str = "node.id=1;process.roles=broker;controller.listener.names=CONTROLLER;\
                      listeners=PLAINTEXT://:9092;controller.quorum.voters=3@localhost:9093";
const CONTROLLER: &str = "node.id=1;process.roles=controller;controller.listener.names=CONTROLLER;\
                          listeners=CONTROLLER://:9093;controller.quorum.voters=1@localhost:9093";

fn map(text: &str) -> RawMap {
    let entries = text.split(';').filter(|entry| !entry.is_empty());
    entries
        .filter_map(|entry| entry.split_once('='))
        .map(|(key, text)| (key.to_owned(), text.to_owned()))
        .collect()
}

/// Compares the answers to all questions of a file; `ours` gives one or several, of which one must be
/// Kafka's.
fn check(golden: &str, ours: impl Fn(&str) -> Vec<String>) {
    let mut count = 0;
    let mut differences = Vec::new();
    for line in golden.lines() {
        let (question, expect) = line.split_once('\t').unwrap();
        let answers = ours(question);
        count += 1;
        if !answers.iter().any(|answer| answer == expect) {
            differences
                .push(format!("{question}\n  Kafka: {expect}\n  Ottla: {}", answers.join("\n         ")));
        }
    }
    assert!(count > 50);
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn values_are_read_as_by_kafka() {
    check(include_str!("values.tsv"), |question| {
        let [scope, key, raw] = question.splitn(3, '|').collect::<Vec<_>>()[..] else { panic!("{question}") };
        let scope = match scope {
            "broker" => Scope::Broker,
            "topic" => Scope::Topic,
            "group" => Scope::Group,
            "client-metrics" => Scope::ClientMetrics,
            "client-quota" => Scope::ClientQuota,
            _ => Scope::IpQuota,
        };
        vec![match parse(lookup(scope, key).unwrap(), Some(raw)) {
            Ok(Value::Password(password)) => format!("OK {}", password.expose()),
            Ok(value) => format!("OK {}", value.to_config_string().unwrap()),
            Err(error) => format!("ERR {error}"),
        }]
    });
}

#[test]
fn brokers_are_configured_as_by_kafka() {
    check(include_str!("brokers.tsv"), |question| {
        let (base, changes) = question.split_once('|').unwrap();
        let mut properties = map(match base {
            "combined" => COMBINED,
            "broker" => BROKER,
            _ => CONTROLLER,
        });
        for change in changes.split(';') {
            match change.strip_prefix('-') {
                Some(key) => drop(properties.remove(key)),
                None => properties.extend(map(change)),
            }
        }
        match BrokerConfig::from_properties(&properties) {
            Ok((config, _)) => vec![summary(&config)],
            // Kafka stops at the first error.
            Err(errors) => errors.iter().map(|error| format!("ERR {}", error.kafka_message())).collect(),
        }
    });
}

fn summary(config: &BrokerConfig) -> String {
    let endpoints = |endpoints: Vec<&Endpoint>| {
        let text = |endpoint: &&Endpoint| {
            let host = endpoint.host.as_deref().unwrap_or("null");
            format!("{}/{}/{host}/{}", endpoint.listener, endpoint.security_protocol.name(), endpoint.port)
        };
        endpoints.iter().map(text).collect::<Vec<_>>().join(",")
    };
    let (listeners, storage) = (&config.listeners, &config.storage);
    let defaults = TopicConfig::default();
    let topics: Vec<String> = topic_keys()
        .iter()
        .filter(|def| config.topic_defaults.get(def.name) != defaults.get(def.name))
        .map(|def| (def.name, config.topic_defaults.get(def.name).unwrap().to_config_string().unwrap()))
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    format!(
        "OK listeners {} advertised {} controllers {} inter-broker {} dirs {} metadata {} cordoned {} topics {}",
        endpoints(listeners.listeners.iter().map(|listener| &listener.endpoint).collect()),
        endpoints(listeners.advertised.iter().collect()),
        endpoints(listeners.controller_advertised.iter().collect()),
        listeners.inter_broker_listener_name,
        storage.log_dirs.join(","),
        storage.metadata_log_dir,
        storage.cordoned_log_dirs.join(","),
        topics.join(";")
    )
}

fn running(fixed: &str, dynamic_default: &str, dynamic_broker: &str) -> DynamicBrokerConfig {
    let mut properties = map(COMBINED);
    properties.extend(map(fixed));
    let mut config = DynamicBrokerConfig::new(BrokerConfig::from_properties(&properties).unwrap().0);
    config.update(&map(dynamic_default), false);
    config.update(&map(dynamic_broker), true);
    config
}

#[test]
fn changes_are_judged_as_by_kafka() {
    check(include_str!("changes.tsv"), |question| {
        let result = match question.split('|').collect::<Vec<_>>()[..] {
            [resource, fixed, dynamic_default, dynamic_broker, proposed] => {
                running(fixed, dynamic_default, dynamic_broker).validate(&map(proposed), resource == "broker")
            }
            ["topic", new, existing] => {
                running("", "", "").current().topic_defaults.validate(&map(existing), &map(new), false)
            }
            ["group", new, _] => group_config::validate(&map(new), running("", "", "").current()),
            ["client-metrics", new, _] => client_metrics::validate("x", &map(new)),
            _ => panic!("{question}"),
        };
        vec![result.map_or_else(|error| exception(&error), |()| "OK".to_owned())]
    });
}

fn exception(error: &ConfigError) -> String {
    let class = match error.kind {
        ErrorKind::Config => "ConfigException",
        ErrorKind::InvalidConfiguration => "InvalidConfigurationException",
        ErrorKind::InvalidRequest => "InvalidRequestException",
        ErrorKind::IllegalArgument | ErrorKind::Requirement => "IllegalArgumentException",
        ErrorKind::Unsupported => "(Ottla's own)",
    };
    format!("{class} {}", error.kafka_message())
}

#[test]
fn configurations_are_described_as_by_kafka() {
    let golden = include_str!("describe.txt");
    let mut ours = String::new();
    for question in golden.lines().filter_map(|line| line.strip_prefix("# ")) {
        let [resource, fixed, dynamic_default, dynamic_broker, overrides] =
            question.split('|').collect::<Vec<_>>()[..]
        else {
            panic!("{question}")
        };
        let config = running(fixed, dynamic_default, dynamic_broker);
        let overrides = map(overrides);
        let mut entries = match resource {
            "broker" => describe::broker(&config, |_| true),
            "default" => describe::cluster_default(&config, |_| true),
            "topic" => describe::topic(&config, &overrides, |_| true).unwrap(),
            "group" => describe::group(&config, &overrides, |_| true).unwrap(),
            _ => describe::client_metrics(&overrides, |_| true).unwrap(),
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        ours.push_str(&format!("# {question}\n"));
        entries.iter().for_each(|entry| ours.push_str(&shown(entry)));
    }
    for (number, (expect, ours)) in golden.lines().zip(ours.lines()).enumerate() {
        assert_eq!(expect, ours, "line {}", number + 1);
    }
    assert_eq!(golden.lines().count(), ours.lines().count());
}

fn shown(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}:{}", synonym.name, text(&synonym.value), synonym.source.id()))
        .collect();
    format!(
        "{} = {} source {} type {}{}{} synonyms [{}]\n",
        entry.name,
        text(&entry.value),
        entry.source.id(),
        entry.type_id,
        if entry.read_only { " read-only" } else { "" },
        if entry.sensitive { " sensitive" } else { "" },
        synonyms.join(", ")
    )
}
