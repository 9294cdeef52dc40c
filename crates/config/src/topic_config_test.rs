use super::*;
use crate::broker_config::BrokerConfig;

fn map(entries: &[(&str, &str)]) -> RawMap {
    entries.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect()
}

fn defaults_of_broker(entries: &[(&str, &str)]) -> TopicConfig {
    BrokerConfig::from_properties(&map(entries)).unwrap().0.topic_defaults
}

#[test]
fn a_broker_that_sets_nothing_gives_kafkas_defaults() {
    assert_eq!(defaults_of_broker(&[]), TopicConfig::default());
    let config = TopicConfig::default();
    assert_eq!(config.segment_size(), 1024 * 1024 * 1024);
    assert_eq!(config.retention_ms, 7 * 24 * 60 * 60 * 1000);
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!((config.delete, config.compact), (true, false));
    assert_eq!(config.compression(), TopicCompression::Producer);
}

#[test]
fn every_key_is_kept() {
    let texts: RawMap = keys::topic_keys()
        .iter()
        .map(|def| {
            let text = match def.ty {
                crate::Type::Boolean => "true",
                crate::Type::Double => "0.25",
                crate::Type::List if def.name == "cleanup.policy" => "compact,delete",
                crate::Type::List => "1:2",
                crate::Type::String if def.name == "compression.type" => "zstd",
                crate::Type::String => "LogAppendTime",
                _ if def.name.starts_with("compression.") => "7",
                _ => "2000000",
            };
            (def.name.to_owned(), text.to_owned())
        })
        .collect();
    let config = TopicConfig::default().with_overrides(&texts).unwrap();
    for (key, text) in &texts {
        assert_eq!(config.get(key).unwrap().to_config_string().as_deref(), Some(text.as_str()), "{key}");
    }
    assert_eq!(config.get("no.such.key"), None);
}

#[test]
fn units_of_time_stand_in_for_each_other() {
    let check = |entries: &[(&str, &str)], retention_ms, segment_ms, flush_ms| {
        let config = defaults_of_broker(entries);
        assert_eq!(
            (config.retention_ms, config.segment_ms, config.flush_ms),
            (retention_ms, segment_ms, flush_ms)
        );
    };
    let week_ms = 7 * 24 * 3_600_000;
    check(&[], week_ms, week_ms, i64::MAX);
    check(&[("log.retention.hours", "2"), ("log.roll.hours", "3")], 7_200_000, 10_800_000, i64::MAX);
    check(&[("log.retention.minutes", "5"), ("log.retention.hours", "2")], 300_000, week_ms, i64::MAX);
    check(&[("log.retention.ms", "9"), ("log.retention.minutes", "5")], 9, week_ms, i64::MAX);
    check(&[("log.retention.hours", "-1"), ("log.roll.ms", "8")], -1, 8, i64::MAX);
    check(&[("log.flush.scheduler.interval.ms", "6")], week_ms, week_ms, 6);
    check(&[("log.flush.scheduler.interval.ms", "6"), ("log.flush.interval.ms", "4")], week_ms, week_ms, 4);
}

#[test]
fn a_topic_overrides_its_broker() {
    let broker = defaults_of_broker(&[("log.segment.bytes", "2000000"), ("compression.type", "gzip")]);
    let topic =
        broker.with_overrides(&map(&[("segment.bytes", "3000000"), ("gone.since.long", "1")])).unwrap();
    assert_eq!(topic.segment_bytes, 3_000_000);
    assert_eq!(topic.compression(), TopicCompression::Gzip { level: -1 });
    assert!(broker.with_overrides(&map(&[("segment.bytes", "x")])).is_err());
}

#[test]
fn segments_close_early_for_compaction_and_by_chance() {
    let topic = |entries| TopicConfig::default().with_overrides(&map(entries)).unwrap();
    assert_eq!(topic(&[("max.compaction.lag.ms", "5")]).max_segment_ms(), 7 * 24 * 3_600_000);
    assert_eq!(topic(&[("max.compaction.lag.ms", "5"), ("cleanup.policy", "compact")]).max_segment_ms(), 5);
    assert_eq!(topic(&[]).segment_jitter(u32::MAX), 0);
    let jitter = topic(&[("segment.jitter.ms", "10"), ("segment.ms", "7")]);
    assert!((0..100).all(|random| (0..7).contains(&jitter.segment_jitter(random * 12_345))));
    assert_eq!(topic(&[("preallocate", "true"), ("internal.segment.bytes", "9")]).initial_file_size(), 9);
}
