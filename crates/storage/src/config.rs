//! The settings of one log.

use ottla_protocol::records::{Compression, CompressionLevel, TimestampType};

/// The topic settings that the log itself honours (Kafka: `LogConfig`). The broker fills it from its
/// layered configuration; [`Default`] is Kafka's.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond this many bytes.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is closed when its records span more than this.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: at most this much, drawn per segment, is taken off `segment.ms`.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: an index entry at most every so many bytes.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment is closed when one of its indexes would exceed this.
    pub segment_index_bytes: u32,
    /// `retention.ms`; negative: no limit.
    pub retention_ms: i64,
    /// `retention.bytes`; negative: no limit.
    pub retention_bytes: i64,
    /// `max.message.bytes`: the largest batch that a client may append.
    pub max_message_bytes: u32,
    /// `compression.type`; none: as the producer sent it.
    pub compression: Option<Compression>,
    /// The level of `compression`, when the broker compresses.
    pub compression_level: CompressionLevel,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` holds `compact`.
    pub compact: bool,
    /// `cleanup.policy` holds `delete`.
    pub delete: bool,
    /// `flush.messages`: fsync after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: fsync records that are older than this.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`: how long a removed segment's files stay, renamed.
    pub file_delete_delay_ms: i64,
    /// `preallocate`: reserve a new segment's whole size on disk.
    pub preallocate: bool,
    /// `delete.retention.ms`: how long compaction keeps tombstones.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            max_message_bytes: 1024 * 1024 + 12,
            compression: None,
            compression_level: CompressionLevel::default(),
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            compact: false,
            delete: true,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            preallocate: false,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
        }
    }
}
