//! The configuration of this broker with what was changed at run time, and what follows from it for topics.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_config::{
    BrokerConfig, DynamicBrokerConfig, RawMap, TimestampType as ConfigTimestampType, TopicCompression,
    TopicConfig,
};
use ottla_metadata::{ConfigMap, ConfigResource, MetadataImage};
use ottla_protocol::records::{Compression, CompressionLevel, TimestampType};
use ottla_storage::LogConfig;

/// Shared by the handlers, the controller and the logs.
pub struct SharedConfig {
    current: ArcSwap<DynamicBrokerConfig>,
    node_id: i32,
}

impl SharedConfig {
    /// Nothing changed yet.
    pub fn new(config: BrokerConfig) -> Self {
        let node_id = config.node_id;
        Self { current: ArcSwap::from_pointee(DynamicBrokerConfig::new(config)), node_id }
    }

    /// All layers.
    pub fn layers(&self) -> Arc<DynamicBrokerConfig> {
        self.current.load_full()
    }

    /// What holds now.
    pub fn broker(&self) -> Arc<BrokerConfig> {
        self.current.load().current().clone()
    }

    /// Takes over what the image says of this broker and of all brokers.
    pub fn update(&self, image: &MetadataImage) {
        let mut config = DynamicBrokerConfig::clone(&self.current.load());
        let layers =
            [(ConfigResource::default_broker(), false), (ConfigResource::broker(self.node_id), true)];
        for (resource, per_broker) in layers {
            for warning in config.update(&raw_map(image.configs.get(&resource)), per_broker) {
                tracing::warn!("{warning}");
            }
        }
        self.current.store(Arc::new(config));
    }

    /// The settings of a topic's logs.
    pub fn log_config(&self, image: &MetadataImage, topic: &str) -> LogConfig {
        let overrides = raw_map(image.configs.get(&ConfigResource::topic(topic)));
        let defaults = &self.broker().topic_defaults;
        let config = defaults.with_overrides(&overrides).unwrap_or_else(|why| {
            tracing::error!(topic, why = why.kafka_message(), "the topic's settings are left out");
            defaults.clone()
        });
        to_log_config(&config)
    }
}

/// Keys and values of a resource as the configuration crate takes them.
pub fn raw_map(config: &ConfigMap) -> RawMap {
    config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn to_log_config(config: &TopicConfig) -> LogConfig {
    let (compression, level) = compression(config);
    LogConfig {
        segment_bytes: config.segment_size().max(0) as u32,
        segment_ms: config.max_segment_ms(),
        segment_jitter_ms: config.segment_jitter_ms,
        index_interval_bytes: config.index_interval_bytes.max(0) as u32,
        segment_index_bytes: config.segment_index_bytes.max(0) as u32,
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        max_message_bytes: config.max_message_bytes.max(0) as u32,
        compression,
        compression_level: level,
        timestamp_type: match config.message_timestamp_type {
            ConfigTimestampType::CreateTime => TimestampType::CreateTime,
            ConfigTimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        compact: config.compact,
        delete: config.delete,
        flush_messages: config.flush_messages,
        flush_ms: config.flush_ms,
        file_delete_delay_ms: config.file_delete_delay_ms,
        preallocate: config.preallocate,
        delete_retention_ms: config.delete_retention_ms,
        min_compaction_lag_ms: config.min_compaction_lag_ms,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
    }
}

fn compression(config: &TopicConfig) -> (Option<Compression>, CompressionLevel) {
    let with_level = |codec, level| {
        (Some(codec), CompressionLevel::new(codec, level).unwrap_or(CompressionLevel::DEFAULT))
    };
    match config.compression() {
        TopicCompression::Producer => (None, CompressionLevel::DEFAULT),
        TopicCompression::Uncompressed => (Some(Compression::None), CompressionLevel::DEFAULT),
        TopicCompression::Snappy => (Some(Compression::Snappy), CompressionLevel::DEFAULT),
        TopicCompression::Gzip { level } => with_level(Compression::Gzip, level),
        TopicCompression::Lz4 { level } => with_level(Compression::Lz4, level),
        TopicCompression::Zstd { level } => with_level(Compression::Zstd, level),
    }
}
