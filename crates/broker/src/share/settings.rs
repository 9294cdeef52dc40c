//! What a group is configured to, as far as its fetches go by it (`GroupConfig`, `ShareGroupConfigProvider`).

use ottla_config::broker_config::newer_groups::{Bounded, ShareGroupConfig};
use ottla_config::iso_duration::parse_millis;
use ottla_coordinator::share::partition::SharePartitionConfig;
use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType, MetadataImage};

use crate::partitions::ReadBound;

/// Where a group begins in a partition that it has not read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the log's start.
    Earliest,
    /// At the high watermark.
    Latest,
    /// At the first record that is not older than this, in milliseconds.
    ByDuration(i64),
}

/// The settings of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareSettings {
    /// For the records in flight.
    pub partition: SharePartitionConfig,
    /// `share.isolation.level`: how far the log is read.
    pub bound: ReadBound,
    /// `share.auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
}

impl ShareSettings {
    /// The settings of `group_id` in `image`, else those of the broker.
    pub fn new(broker: &ShareGroupConfig, image: &MetadataImage, group_id: &str) -> Self {
        let entries = image.configs.get(&ConfigResource::new(ConfigResourceType::Group, group_id));
        let text = |key: &str| entries.get(key).map(|value| value.trim());
        Self {
            partition: SharePartitionConfig {
                max_delivery_count: i16::try_from(bounded(
                    entries,
                    "share.delivery.count.limit",
                    broker.delivery_count_limit,
                ))
                .unwrap_or(i16::MAX),
                max_in_flight_records: bounded(
                    entries,
                    "share.partition.max.record.locks",
                    broker.partition_max_record_locks,
                ),
                record_lock_duration_ms: bounded(
                    entries,
                    "share.record.lock.duration.ms",
                    broker.record_lock_duration_ms,
                ),
                renew_acknowledge_enabled: text("share.renew.acknowledge.enable")
                    .is_none_or(|value| !value.eq_ignore_ascii_case("false")),
            },
            bound: match text("share.isolation.level") {
                Some("read_committed") => ReadBound::LastStable,
                _ => ReadBound::HighWatermark,
            },
            auto_offset_reset: match text("share.auto.offset.reset") {
                Some("earliest") => AutoOffsetReset::Earliest,
                // What is configured has been validated.
                Some(value) => value
                    .strip_prefix("by_duration:")
                    .and_then(parse_millis)
                    .map_or(AutoOffsetReset::Latest, AutoOffsetReset::ByDuration),
                None => AutoOffsetReset::Latest,
            },
        }
    }
}

/// What the group sets, within the broker's bounds, which may have been tightened since.
fn bounded(entries: &ConfigMap, key: &str, bounds: Bounded) -> i32 {
    match entries.get(key).and_then(|value| value.trim().parse::<i32>().ok()) {
        Some(value) => value.min(bounds.max).max(bounds.min),
        None => bounds.value,
    }
}

#[cfg(test)]
mod tests {
    use ottla_config::{BrokerConfig, RawMap};
    use ottla_protocol::messages::ConfigRecord;
    use ottla_protocol::messages::metadata::MetadataRecord;

    use super::*;

    #[test]
    fn a_group_has_settings_of_its_own_within_the_brokers_bounds() {
        let (config, _) = BrokerConfig::from_properties(&RawMap::new()).expect("the defaults are valid");
        let mut image = MetadataImage::default();
        for (name, value) in [
            ("share.delivery.count.limit", "1000"),
            ("share.isolation.level", "read_committed"),
            ("share.auto.offset.reset", "by_duration:PT1M"),
            ("share.renew.acknowledge.enable", "false"),
        ] {
            let (resource_type, resource_name) = (32, "a".into());
            let record =
                ConfigRecord { resource_type, resource_name, name: name.into(), value: Some(value.into()) };
            image.replay(&MetadataRecord::Config(record)).expect("replays");
        }
        let share = &config.newer_groups.share;
        let of_a = ShareSettings::new(share, &image, "a");
        assert_eq!(i32::from(of_a.partition.max_delivery_count), share.delivery_count_limit.max);
        assert!(!of_a.partition.renew_acknowledge_enabled);
        assert_eq!(of_a.bound, ReadBound::LastStable);
        assert_eq!(of_a.auto_offset_reset, AutoOffsetReset::ByDuration(60_000));
        let of_b = ShareSettings::new(share, &image, "b");
        assert_eq!(of_b.partition, SharePartitionConfig::default());
        assert_eq!((of_b.bound, of_b.auto_offset_reset), (ReadBound::HighWatermark, AutoOffsetReset::Latest));
    }
}
