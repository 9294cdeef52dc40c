//! The settings of one group (`GroupConfig`, `GroupConfigManager`): what its GROUP resource in the metadata
//! sets, held within the broker's bounds, else what the broker has for groups of its type.

use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType, MetadataImage};

use crate::config::{Bounded, GroupCoordinatorConfig};

/// The settings of one group. All times are milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupConfig<'a> {
    config: &'a GroupCoordinatorConfig,
    image: &'a MetadataImage,
    entries: &'a ConfigMap,
}

impl<'a> GroupConfig<'a> {
    /// The settings of `group_id` in `image`.
    pub fn new(config: &'a GroupCoordinatorConfig, image: &'a MetadataImage, group_id: &str) -> Self {
        let entries = image.configs.get(&ConfigResource::new(ConfigResourceType::Group, group_id));
        Self { config, image, entries }
    }

    /// `consumer.session.timeout.ms`
    pub fn consumer_session_timeout_ms(&self) -> i32 {
        self.bounded("consumer.session.timeout.ms", self.config.consumer.session_timeout_ms)
    }

    /// `consumer.heartbeat.interval.ms`
    pub fn consumer_heartbeat_interval_ms(&self) -> i32 {
        self.bounded("consumer.heartbeat.interval.ms", self.config.consumer.heartbeat_interval_ms)
    }

    /// `consumer.assignment.interval.ms`
    pub fn consumer_assignment_interval_ms(&self) -> i32 {
        let bounds = self.cluster_wide(
            "group.consumer.assignment.interval.ms",
            self.config.consumer.assignment_interval_ms,
        );
        self.bounded("consumer.assignment.interval.ms", bounds)
    }

    /// `share.session.timeout.ms`
    pub fn share_session_timeout_ms(&self) -> i32 {
        self.bounded("share.session.timeout.ms", self.config.share.session_timeout_ms)
    }

    /// `share.heartbeat.interval.ms`
    pub fn share_heartbeat_interval_ms(&self) -> i32 {
        self.bounded("share.heartbeat.interval.ms", self.config.share.heartbeat_interval_ms)
    }

    /// `share.assignment.interval.ms`
    pub fn share_assignment_interval_ms(&self) -> i32 {
        let bounds =
            self.cluster_wide("group.share.assignment.interval.ms", self.config.share.assignment_interval_ms);
        self.bounded("share.assignment.interval.ms", bounds)
    }

    /// `streams.session.timeout.ms`
    pub fn streams_session_timeout_ms(&self) -> i32 {
        self.bounded("streams.session.timeout.ms", self.config.streams.session_timeout_ms)
    }

    /// `streams.heartbeat.interval.ms`
    pub fn streams_heartbeat_interval_ms(&self) -> i32 {
        self.bounded("streams.heartbeat.interval.ms", self.config.streams.heartbeat_interval_ms)
    }

    /// `streams.assignment.interval.ms`
    pub fn streams_assignment_interval_ms(&self) -> i32 {
        let bounds = self
            .cluster_wide("group.streams.assignment.interval.ms", self.config.streams.assignment_interval_ms);
        self.bounded("streams.assignment.interval.ms", bounds)
    }

    /// `streams.initial.rebalance.delay.ms`
    pub fn streams_initial_rebalance_delay_ms(&self) -> i32 {
        self.int("streams.initial.rebalance.delay.ms")
            .unwrap_or(self.config.streams.initial_rebalance_delay_ms)
    }

    /// `streams.num.standby.replicas`
    pub fn streams_num_standby_replicas(&self) -> i32 {
        let streams = &self.config.streams;
        self.int("streams.num.standby.replicas")
            .unwrap_or(streams.num_standby_replicas)
            .min(streams.max_standby_replicas)
    }

    /// A whole number that the group sets.
    pub fn int(&self, key: &str) -> Option<i32> {
        parse(self.entries, key)
    }

    fn bounded(&self, key: &str, bounds: Bounded) -> i32 {
        match self.int(key) {
            // The broker's bounds may have been tightened since the group was configured.
            Some(value) => value.min(bounds.max).max(bounds.min),
            None => bounds.value,
        }
    }

    /// A broker key that can be changed for the whole cluster at run time.
    fn cluster_wide(&self, key: &str, bounds: Bounded) -> Bounded {
        let entries = self.image.configs.get(&ConfigResource::default_broker());
        Bounded { value: parse(entries, key).unwrap_or(bounds.value), ..bounds }
    }
}

fn parse(entries: &ConfigMap, key: &str) -> Option<i32> {
    entries.get(key)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::ConfigRecord;
    use ottla_protocol::messages::metadata::MetadataRecord;

    use super::*;

    fn image(entries: &[(i8, &str, &str, &str)]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for (resource_type, resource, name, value) in entries {
            let record = ConfigRecord {
                resource_type: *resource_type,
                resource_name: (*resource).into(),
                name: (*name).into(),
                value: Some((*value).into()),
            };
            image.replay(&MetadataRecord::Config(record)).unwrap();
        }
        image
    }

    #[test]
    fn a_group_has_its_own_settings_within_the_brokers_bounds() {
        let config = GroupCoordinatorConfig::default();
        let image = image(&[
            (32, "a", "consumer.session.timeout.ms", "50000"),
            (32, "b", "consumer.session.timeout.ms", "90000"),
            (32, "b", "streams.num.standby.replicas", "7"),
            (4, "", "group.consumer.assignment.interval.ms", "0"),
        ]);
        let of = |group: &str| GroupConfig::new(&config, &image, group);
        assert_eq!(of("a").consumer_session_timeout_ms(), 50_000);
        assert_eq!(of("b").consumer_session_timeout_ms(), 60_000);
        assert_eq!(of("c").consumer_session_timeout_ms(), 45_000);
        assert_eq!(of("b").streams_num_standby_replicas(), 2);
        assert_eq!(of("c").consumer_assignment_interval_ms(), 0);
        assert_eq!(of("c").share_assignment_interval_ms(), 1_000);
    }
}
