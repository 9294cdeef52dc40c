use super::*;
use crate::layers::Origin;

fn map(entries: &[(&str, &str)]) -> RawMap {
    entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect()
}

fn config(entries: &[(&str, &str)]) -> (BrokerConfig, Vec<Warning>) {
    BrokerConfig::from_properties(&map(entries)).unwrap()
}

fn errors(entries: &[(&str, &str)]) -> Vec<ConfigError> {
    BrokerConfig::from_properties(&map(entries)).map(|_| ()).unwrap_err()
}

#[test]
fn an_empty_file_makes_a_node_on_its_own() {
    let (config, warnings) = config(&[]);
    assert_eq!(warnings, []);
    assert!(config.standalone && config.roles.is_combined());
    assert_eq!(config.node_id, 1);
    assert_eq!(config.listeners.listeners.len(), 1);
    assert_eq!(config.listeners.listeners[0].endpoint.to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.listeners.advertised.len(), 1);
    assert_eq!(config.listeners.inter_broker_listener_name, "PLAINTEXT");
    assert_eq!(config.groups.offsets_topic_replication_factor, 1);
    assert_eq!(config.groups.offsets_topic_num_partitions, 50);
    assert_eq!(config.storage.log_dirs, ["/tmp/kafka-logs"]);
    assert_eq!(config.single_node_obstacles(), []);
    assert!(config.originals().is_empty());
}

#[test]
fn who_names_roles_gets_kafkas_defaults() {
    let combined = [
        ("process.roles", "broker,controller"),
        ("node.id", "7"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://localhost:9093"),
        ("controller.quorum.voters", "7@localhost:9093"),
    ];
    let (config, _) = config(&combined);
    assert!(!config.standalone);
    assert_eq!(config.groups.offsets_topic_replication_factor, 3);
    assert_eq!(config.originals()["broker.id"], "7");
    assert_eq!(config.listeners.for_clients().count(), 1);
    assert_eq!(config.listeners.for_controllers().count(), 1);
    assert_eq!(config.listeners.controller_advertised[0].to_string(), "CONTROLLER://localhost:9093");
    let messages: Vec<String> =
        errors(&[("process.roles", "broker,controller")]).iter().map(|e| e.explain()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[1].starts_with("node.id\n  Missing required configuration \"node.id\""), "{messages:?}");
}

#[test]
fn all_wrong_values_are_told_with_their_origin() {
    let mut properties = StaticProperties::new();
    properties.apply_file([("num.partitions".to_owned(), "x".to_owned())]);
    properties.apply_overrides(["log.segment.bytes=5"]).unwrap();
    let errors = BrokerConfig::from_static(&properties).map(|_| ()).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].context.origin, Some(Origin::Override));
    assert!(
        errors[1].explain().starts_with("num.partitions = x (from the properties file)\n  Invalid value x")
    );
}

#[test]
fn keys_that_must_not_be_ignored_are_refused() {
    let messages: Vec<String> = errors(&[
        ("principal.builder.class", "org.example.Principals"),
        ("remote.log.storage.system.enable", "true"),
    ])
    .iter()
    .map(|error| error.message.clone())
    .collect();
    assert_eq!(messages.len(), 2);
    assert_eq!(
        messages[0],
        "principal.builder.class cannot be set to org.example.Principals: a JVM class cannot be loaded; without it \
         users would get other names than intended"
    );
    config(&[
        ("authorizer.class.name", ""),
        (
            "principal.builder.class",
            "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        ),
        ("remote.log.storage.system.enable", "false"),
    ]);
}

#[test]
fn what_has_no_effect_or_is_not_known_is_told() {
    let (_, warnings) = config(&[
        ("fetch.purgatory.purge.interval.requests", "4"),
        ("num.io.threads", "8"),
        ("num.partition", "3"),
        ("log.dirs", "/a,/a"),
    ]);
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "fetch.purgatory.purge.interval.requests has no effect: waiting requests are removed as soon as they are answered",
            "log.dirs contains duplicate values; they are removed",
            "unknown configuration key num.partition: ignored (did you mean num.partitions?)",
        ]
    );
}

#[test]
fn limits_of_single_listeners() {
    let (config, _) = config(&[
        ("listeners", "PLAINTEXT://:9092,INTERNAL://:9095"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT"),
        ("max.connections", "100"),
        ("listener.name.internal.max.connections", "5"),
        ("listener.name.internal.max.connection.creation.rate", "2"),
        ("max.connections.per.ip.overrides", "127.0.0.1:7, ::1:9"),
    ]);
    let limits = |index: usize| {
        let listener = &config.listeners.listeners[index];
        (listener.max_connections, listener.max_connection_creation_rate, listener.num_network_threads)
    };
    assert_eq!(limits(0), (100, i32::MAX, 3));
    assert_eq!(limits(1), (5, 2, 3));
    let overrides: Vec<(&str, i32)> = config
        .sockets
        .max_connections_per_ip_overrides
        .iter()
        .map(|(host, number)| (host.as_str(), *number))
        .collect();
    assert_eq!(overrides, [("127.0.0.1", 7), ("::1", 9)]);
    let error = errors(&[("listener.name.plaintext.max.connections", "x")]);
    assert_eq!(error[0].context.key.as_deref(), Some("listener.name.plaintext.max.connections"));
}

#[test]
fn a_single_node_says_what_it_cannot_be() {
    let (config, _) = config(&[
        ("process.roles", "broker"),
        ("node.id", "1"),
        ("controller.listener.names", "CONTROLLER"),
        ("controller.quorum.voters", "2@localhost:9093,3@localhost:9094"),
    ]);
    let keys: Vec<_> =
        config.single_node_obstacles().iter().map(|error| error.context.key.clone().unwrap()).collect();
    assert_eq!(keys, ["process.roles", "controller.quorum.voters"]);
}
