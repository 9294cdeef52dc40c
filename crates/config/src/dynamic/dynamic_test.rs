use super::*;

fn map(entries: &[(&str, &str)]) -> RawMap {
    entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect()
}

fn running(entries: &[(&str, &str)]) -> DynamicBrokerConfig {
    DynamicBrokerConfig::new(BrokerConfig::from_properties(&map(entries)).unwrap().0)
}

fn check(config: &DynamicBrokerConfig, entries: &[(&str, &str)], expect: Result<(), &str>) {
    let result = config.validate(&map(entries), true).map_err(|error| error.kafka_message());
    assert_eq!(result, expect.map_err(str::to_owned));
}

/// Kafka's wrapping of what its running parts object to.
fn wrapped(message: &str) -> String {
    format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {message} for configuration Invalid \
         dynamic configuration"
    )
}

#[test]
fn layers_count_in_their_order() {
    let mut config =
        running(&[("message.max.bytes", "1"), ("max.connections", "1"), ("log.segment.bytes", "2000000")]);
    config.update(&map(&[("message.max.bytes", "2"), ("max.connections", "2")]), false);
    config.update(&map(&[("message.max.bytes", "3")]), true);
    let current = config.current();
    assert_eq!(current.topic_defaults.max_message_bytes, 3);
    assert_eq!(current.sockets.max_connections, 2);
    assert_eq!(current.topic_defaults.segment_bytes, 2_000_000);
    config.update(&RawMap::new(), true);
    assert_eq!(config.current().topic_defaults.max_message_bytes, 2);
    config.update(&RawMap::new(), false);
    assert_eq!(config.current().topic_defaults.max_message_bytes, 1);
}

#[test]
fn the_limit_of_moves_is_set_at_run_time_only() {
    const KEY: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
    let mut config = running(&[(KEY, "1")]);
    assert_eq!(config.alter_log_dirs_bytes_per_second(), i64::MAX);
    for (text, per_broker, limit) in [("2", false, 2), ("3", true, 3), ("-1", true, 2), ("0", true, 0)] {
        config.update(&map(&[(KEY, text)]), per_broker);
        assert_eq!(config.alter_log_dirs_bytes_per_second(), limit);
    }
    config.update(&RawMap::new(), true);
    config.update(&RawMap::new(), false);
    assert_eq!(config.alter_log_dirs_bytes_per_second(), i64::MAX);
}

#[test]
fn a_key_hides_its_synonyms_below() {
    let mut config = running(&[("log.retention.minutes", "5"), ("log.roll.hours", "1")]);
    config.update(&map(&[("log.retention.ms", "7"), ("log.roll.ms", "9")]), false);
    assert_eq!(config.current().topic_defaults.retention_ms, 7);
    assert_eq!(config.current().topic_defaults.segment_ms, 9);
    config.update(&RawMap::new(), false);
    assert_eq!(config.current().topic_defaults.retention_ms, 300_000);
}

#[test]
fn what_cannot_be_applied_is_left_out() {
    let mut config = running(&[]);
    let warnings = config.update(
        &map(&[
            ("message.max.bytes", "5"),
            ("log.segment.bytes", "x"),
            ("num.partitions", "9"),
            ("ssl.keystore.location", "/k"),
            ("principal.builder.class", "org.example.Principals"),
        ]),
        true,
    );
    assert_eq!(warnings.len(), 3);
    assert_eq!(config.current().topic_defaults.max_message_bytes, 5);
    assert_eq!(config.current().topics.num_partitions, 1);
    assert_eq!(config.dynamic_broker().keys().collect::<Vec<_>>(), ["message.max.bytes"]);
    assert_eq!(config.update(&map(&[("listeners", "PLAINTEXT://:1")]), false).len(), 1);
}

#[test]
fn a_contradiction_leaves_the_configuration_as_it_was() {
    let mut config = running(&[("message.max.bytes", "5")]);
    let warnings = config.update(&map(&[("log.retention.ms", "0"), ("message.max.bytes", "6")]), true);
    assert_eq!(
        warnings[0].to_string(),
        "Per-broker configs could not be applied: [log.retention.ms, message.max.bytes]: requirement failed: \
         log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
    );
    assert_eq!(config.current().topic_defaults.max_message_bytes, 5);
}

#[test]
fn values_are_brought_between_their_bounds() {
    let mut config = running(&[]);
    let warnings = config.update(&map(&[("group.consumer.assignment.interval.ms", "99999999")]), false);
    assert_eq!(warnings.len(), 1);
    assert_eq!(config.current().values().int("group.consumer.assignment.interval.ms"), 15_000);
}

#[test]
fn threads_change_by_half_or_double_at_most() {
    let config = running(&[("log.cleaner.threads", "2"), ("log.cleaner.dedupe.buffer.size", "99999999")]);
    check(&config, &[("num.io.threads", "16")], Ok(()));
    let key = "num.io.threads";
    let expect = wrapped(
        "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater \
         than double the current value 8",
    );
    check(&config, &[(key, "17")], Err(&expect));
    let expect = wrapped(
        "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half \
         the current value 8",
    );
    check(&config, &[(key, "3")], Err(&expect));
    let expect = wrapped("Log cleaner threads cannot be increased to more than double the current value 2");
    check(&config, &[("log.cleaner.threads", "5")], Err(&expect));
}

#[test]
fn open_listeners_change_in_their_limits_only() {
    let config = running(&[]);
    check(&config, &[("listener.name.plaintext.max.connections", "5")], Ok(()));
    let expect = wrapped("Invalid max.connections 0");
    check(&config, &[("listener.name.plaintext.max.connections", "0")], Err(&expect));
    let expect = wrapped(
        "Configs cannot be updated dynamically for existing listener ListenerName(PLAINTEXT), restart \
         broker or create a new listener for update",
    );
    check(&config, &[("listener.name.plaintext.ssl.client.auth", "required")], Err(&expect));
    check(
        &config,
        &[("config.providers", "file")],
        Err("config.providers cannot be set to [file]: references like ${file:...} are not resolved"),
    );
}
