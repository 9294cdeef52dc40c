//! The configuration file: its syntax, every key's value, and what keys must be to each other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_config::{BrokerConfig, RawMap, properties};

fuzz_target!(|data: &[u8]| {
    let Ok(entries) = properties::parse_bytes(data) else { return };
    let mut map: RawMap = entries.into_iter().collect();
    // Few files are those of a broker: with what one must have, the rest is looked at, too.
    for (key, value) in [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", "1@localhost:9093"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("controller.listener.names", "CONTROLLER"),
    ] {
        map.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    let _ = BrokerConfig::from_properties(&map);
});
