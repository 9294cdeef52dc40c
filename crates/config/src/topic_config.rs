//! The configuration of a topic's logs (Kafka's `LogConfig`), typed and resolved.
//!
//! The values a topic does not set come from the broker, in the order dynamic broker configuration, dynamic
//! cluster default, `server.properties`, Kafka's default; that order is applied when the broker's
//! configuration is evaluated ([`crate::dynamic::DynamicBrokerConfig`]), so here are two layers only: the
//! broker's defaults and the topic's overrides.

use crate::error::ConfigError;
use crate::key_def::{KeyDef, Scope};
use crate::keys;
use crate::layers::RawMap;
use crate::value::{self, Value};
use crate::values::Values;

mod by_key;
mod validate;

/// Which time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// How the batches of a topic are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCompression {
    /// As the producer sent them.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// With gzip; level 1 to 9, or -1 for the library's choice.
    Gzip {
        /// The level.
        level: i32,
    },
    /// With snappy.
    Snappy,
    /// With lz4; level 1 to 17.
    Lz4 {
        /// The level.
        level: i32,
    },
    /// With zstd; level -131072 to 22.
    Zstd {
        /// The level.
        level: i32,
    },
}

/// The configuration of a topic's logs.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `segment.bytes`; see [`TopicConfig::segment_size`].
    pub segment_bytes: i32,
    /// `internal.segment.bytes`.
    pub internal_segment_bytes: Option<i32>,
    /// `segment.ms`; see [`TopicConfig::max_segment_ms`].
    pub segment_ms: i64,
    /// `segment.jitter.ms`; see [`TopicConfig::segment_jitter`].
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: i32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: i32,
    /// `preallocate`.
    pub preallocate: bool,
    /// `flush.messages`, a number of records.
    pub flush_messages: i64,
    /// `flush.ms`.
    pub flush_ms: i64,
    /// `retention.bytes`; negative: no bound.
    pub retention_bytes: i64,
    /// `retention.ms`; -1: no bound.
    pub retention_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// Whether `cleanup.policy` names `compact`.
    pub compact: bool,
    /// Whether `cleanup.policy` names `delete`.
    pub delete: bool,
    /// `min.cleanable.dirty.ratio`, from 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`, of a batch.
    pub max_message_bytes: i32,
    /// `compression.type`; see [`TopicConfig::compression`].
    pub compression_type: String,
    /// `compression.gzip.level`.
    pub compression_gzip_level: i32,
    /// `compression.lz4.level`.
    pub compression_lz4_level: i32,
    /// `compression.zstd.level`.
    pub compression_zstd_level: i32,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub message_timestamp_after_max_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
    /// `leader.replication.throttled.replicas`.
    pub leader_replication_throttled_replicas: Vec<String>,
    /// `follower.replication.throttled.replicas`.
    pub follower_replication_throttled_replicas: Vec<String>,
    /// `remote.storage.enable`.
    pub remote_storage_enable: bool,
    /// `remote.log.copy.disable`.
    pub remote_log_copy_disable: bool,
    /// `remote.log.delete.on.disable`.
    pub remote_log_delete_on_disable: bool,
    /// `local.retention.bytes`; -2: as `retention.bytes`.
    pub local_retention_bytes: i64,
    /// `local.retention.ms`; -2: as `retention.ms`.
    pub local_retention_ms: i64,
    /// `cleanup.policy` in the order it was given, for DescribeConfigs.
    cleanup_policy: Vec<String>,
}

impl TopicConfig {
    /// What a broker gives to topics that set nothing (Kafka's `KafkaConfig.extractLogConfigMap`).
    pub fn from_broker(values: &Values) -> TopicConfig {
        let mut config = TopicConfig::default();
        for def in keys::topic_keys() {
            if let Some(value) = broker_value(def, values) {
                config.set(def.name, &value);
            }
        }
        config
    }

    /// This configuration with the keys that a topic sets. Keys that are no topic keys are left out, as
    /// Kafka does with records of removed keys.
    ///
    /// # Errors
    /// A value that is not of its type or fails its validator.
    pub fn with_overrides(&self, overrides: &RawMap) -> Result<TopicConfig, ConfigError> {
        let mut config = self.clone();
        for (key, text) in overrides {
            if let Some(def) = keys::lookup(Scope::Topic, key) {
                config.set(key, &value::parse(def, Some(text))?);
            }
        }
        Ok(config)
    }

    /// Size at which a segment is closed.
    pub fn segment_size(&self) -> i32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// Age at which a segment is closed.
    pub fn max_segment_ms(&self) -> i64 {
        if self.compact && self.max_compaction_lag_ms > 0 {
            self.max_compaction_lag_ms.min(self.segment_ms)
        } else {
            self.segment_ms
        }
    }

    /// By how much the age of one segment is to be cut, from a random number.
    pub fn segment_jitter(&self, random: u32) -> i64 {
        match self.segment_jitter_ms.min(self.segment_ms) {
            bound if bound > 0 => i64::from(random >> 1) % bound,
            _ => 0,
        }
    }

    /// Size that the file of a new segment is given at once.
    pub fn initial_file_size(&self) -> i32 {
        if self.preallocate { self.segment_size() } else { 0 }
    }

    /// How batches are stored.
    pub fn compression(&self) -> TopicCompression {
        match self.compression_type.as_str() {
            "uncompressed" => TopicCompression::Uncompressed,
            "gzip" => TopicCompression::Gzip { level: self.compression_gzip_level },
            "snappy" => TopicCompression::Snappy,
            "lz4" => TopicCompression::Lz4 { level: self.compression_lz4_level },
            "zstd" => TopicCompression::Zstd { level: self.compression_zstd_level },
            _ => TopicCompression::Producer,
        }
    }

    /// `local.retention.ms`, or what stands for it.
    pub fn effective_local_retention_ms(&self) -> i64 {
        if self.local_retention_ms == -2 { self.retention_ms } else { self.local_retention_ms }
    }

    /// `local.retention.bytes`, or what stands for it.
    pub fn effective_local_retention_bytes(&self) -> i64 {
        if self.local_retention_bytes == -2 { self.retention_bytes } else { self.local_retention_bytes }
    }
}

impl TimestampType {
    /// As in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }
}

/// The defaults of Kafka, under a broker that sets nothing.
impl Default for TopicConfig {
    fn default() -> TopicConfig {
        let mut config = TopicConfig {
            segment_bytes: 0,
            internal_segment_bytes: None,
            segment_ms: 0,
            segment_jitter_ms: 0,
            segment_index_bytes: 0,
            index_interval_bytes: 0,
            preallocate: false,
            flush_messages: 0,
            flush_ms: 0,
            retention_bytes: 0,
            retention_ms: 0,
            file_delete_delay_ms: 0,
            compact: false,
            delete: false,
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: 0,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: 0,
            max_message_bytes: 0,
            compression_type: String::new(),
            compression_gzip_level: 0,
            compression_lz4_level: 0,
            compression_zstd_level: 0,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: 0,
            message_timestamp_after_max_ms: 0,
            min_insync_replicas: 0,
            unclean_leader_election_enable: false,
            leader_replication_throttled_replicas: Vec::new(),
            follower_replication_throttled_replicas: Vec::new(),
            remote_storage_enable: false,
            remote_log_copy_disable: false,
            remote_log_delete_on_disable: false,
            local_retention_bytes: 0,
            local_retention_ms: 0,
            cleanup_policy: Vec::new(),
        };
        for def in keys::topic_keys() {
            config.set(def.name, &Value::default_of(def));
        }
        config
    }
}

/// The first of the broker keys behind a topic key that is not null, in the topic key's unit.
fn broker_value(def: &KeyDef, values: &Values) -> Option<Value> {
    let (broker_key, value) = def
        .broker_keys
        .iter()
        .filter_map(|broker_key| Some((broker_key, values.get(broker_key.name)?)))
        .find(|(_, value)| **value != Value::Null)?;
    let Some(number) = value.as_i64().filter(|_| def.ty == crate::Type::Long) else {
        return Some(value.clone());
    };
    let number = number.saturating_mul(broker_key.unit.factor());
    // Any negative time is "for ever" (KafkaConfig.logRetentionTimeMillis).
    Some(Value::Long(if def.name == "retention.ms" { number.max(-1) } else { number }))
}

#[cfg(test)]
#[path = "topic_config_test.rs"]
mod tests;
