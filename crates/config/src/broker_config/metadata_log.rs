//! The metadata log and its snapshots (Kafka's `MetadataLogConfig`).

use crate::values::Values;

/// The metadata log and its snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLogConfig {
    /// `internal.metadata.log.segment.bytes`, or else `metadata.log.segment.bytes`.
    pub segment_bytes: i32,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub max_record_bytes_between_snapshots: i64,
    /// `metadata.log.max.snapshot.interval.ms`; 0: time alone is no reason for one.
    pub max_snapshot_interval_ms: i64,
    /// `metadata.max.retention.bytes`, of log and snapshots together.
    pub max_retention_bytes: i64,
    /// `metadata.max.retention.ms`.
    pub max_retention_ms: i64,
    /// `internal.metadata.delete.delay.millis`.
    pub delete_delay_ms: i64,
}

impl MetadataLogConfig {
    pub(super) fn from_values(values: &Values) -> MetadataLogConfig {
        MetadataLogConfig {
            segment_bytes: values
                .opt_int("internal.metadata.log.segment.bytes")
                .unwrap_or_else(|| values.int("metadata.log.segment.bytes")),
            segment_ms: values.long("metadata.log.segment.ms"),
            max_record_bytes_between_snapshots: values
                .long("metadata.log.max.record.bytes.between.snapshots"),
            max_snapshot_interval_ms: values.long("metadata.log.max.snapshot.interval.ms"),
            max_retention_bytes: values.long("metadata.max.retention.bytes"),
            max_retention_ms: values.long("metadata.max.retention.ms"),
            delete_delay_ms: values.long("internal.metadata.delete.delay.millis"),
        }
    }
}
