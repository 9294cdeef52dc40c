//! The keys of a topic by name.

use super::{TimestampType, TopicConfig};
use crate::value::Value;

impl TopicConfig {
    /// The value of a topic key; `None` for a name that is none.
    pub fn get(&self, key: &str) -> Option<Value> {
        let string = |text: &str| Value::String(text.to_owned());
        Some(match key {
            "segment.bytes" => Value::Int(self.segment_bytes),
            "internal.segment.bytes" => self.internal_segment_bytes.map_or(Value::Null, Value::Int),
            "segment.ms" => Value::Long(self.segment_ms),
            "segment.jitter.ms" => Value::Long(self.segment_jitter_ms),
            "segment.index.bytes" => Value::Int(self.segment_index_bytes),
            "index.interval.bytes" => Value::Int(self.index_interval_bytes),
            "preallocate" => Value::Boolean(self.preallocate),
            "flush.messages" => Value::Long(self.flush_messages),
            "flush.ms" => Value::Long(self.flush_ms),
            "retention.bytes" => Value::Long(self.retention_bytes),
            "retention.ms" => Value::Long(self.retention_ms),
            "file.delete.delay.ms" => Value::Long(self.file_delete_delay_ms),
            "cleanup.policy" => Value::List(self.cleanup_policy.clone()),
            "min.cleanable.dirty.ratio" => Value::Double(self.min_cleanable_dirty_ratio),
            "delete.retention.ms" => Value::Long(self.delete_retention_ms),
            "min.compaction.lag.ms" => Value::Long(self.min_compaction_lag_ms),
            "max.compaction.lag.ms" => Value::Long(self.max_compaction_lag_ms),
            "max.message.bytes" => Value::Int(self.max_message_bytes),
            "compression.type" => string(&self.compression_type),
            "compression.gzip.level" => Value::Int(self.compression_gzip_level),
            "compression.lz4.level" => Value::Int(self.compression_lz4_level),
            "compression.zstd.level" => Value::Int(self.compression_zstd_level),
            "message.timestamp.type" => string(self.message_timestamp_type.name()),
            "message.timestamp.before.max.ms" => Value::Long(self.message_timestamp_before_max_ms),
            "message.timestamp.after.max.ms" => Value::Long(self.message_timestamp_after_max_ms),
            "min.insync.replicas" => Value::Int(self.min_insync_replicas),
            "unclean.leader.election.enable" => Value::Boolean(self.unclean_leader_election_enable),
            "leader.replication.throttled.replicas" => {
                Value::List(self.leader_replication_throttled_replicas.clone())
            }
            "follower.replication.throttled.replicas" => {
                Value::List(self.follower_replication_throttled_replicas.clone())
            }
            "remote.storage.enable" => Value::Boolean(self.remote_storage_enable),
            "remote.log.copy.disable" => Value::Boolean(self.remote_log_copy_disable),
            "remote.log.delete.on.disable" => Value::Boolean(self.remote_log_delete_on_disable),
            "local.retention.bytes" => Value::Long(self.local_retention_bytes),
            "local.retention.ms" => Value::Long(self.local_retention_ms),
            _ => return None,
        })
    }

    /// Sets a key to a value that was parsed with its declaration; a value of another type changes nothing.
    pub(super) fn set(&mut self, key: &str, value: &Value) {
        match key {
            "segment.bytes" => set_int(&mut self.segment_bytes, value),
            "internal.segment.bytes" => {
                self.internal_segment_bytes = value.as_i64().and_then(|bytes| i32::try_from(bytes).ok());
            }
            "segment.ms" => set_long(&mut self.segment_ms, value),
            "segment.jitter.ms" => set_long(&mut self.segment_jitter_ms, value),
            "segment.index.bytes" => set_int(&mut self.segment_index_bytes, value),
            "index.interval.bytes" => set_int(&mut self.index_interval_bytes, value),
            "preallocate" => set_boolean(&mut self.preallocate, value),
            "flush.messages" => set_long(&mut self.flush_messages, value),
            "flush.ms" => set_long(&mut self.flush_ms, value),
            "retention.bytes" => set_long(&mut self.retention_bytes, value),
            "retention.ms" => set_long(&mut self.retention_ms, value),
            "file.delete.delay.ms" => set_long(&mut self.file_delete_delay_ms, value),
            "cleanup.policy" => self.set_cleanup_policy(value.as_list().unwrap_or_default()),
            "min.cleanable.dirty.ratio" => {
                self.min_cleanable_dirty_ratio = value.as_f64().unwrap_or(self.min_cleanable_dirty_ratio);
            }
            "delete.retention.ms" => set_long(&mut self.delete_retention_ms, value),
            "min.compaction.lag.ms" => set_long(&mut self.min_compaction_lag_ms, value),
            "max.compaction.lag.ms" => set_long(&mut self.max_compaction_lag_ms, value),
            "max.message.bytes" => set_int(&mut self.max_message_bytes, value),
            "compression.type" => set_string(&mut self.compression_type, value),
            "compression.gzip.level" => set_int(&mut self.compression_gzip_level, value),
            "compression.lz4.level" => set_int(&mut self.compression_lz4_level, value),
            "compression.zstd.level" => set_int(&mut self.compression_zstd_level, value),
            "message.timestamp.type" => {
                self.message_timestamp_type = match value.as_str() {
                    Some("LogAppendTime") => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                };
            }
            "message.timestamp.before.max.ms" => set_long(&mut self.message_timestamp_before_max_ms, value),
            "message.timestamp.after.max.ms" => set_long(&mut self.message_timestamp_after_max_ms, value),
            "min.insync.replicas" => set_int(&mut self.min_insync_replicas, value),
            "unclean.leader.election.enable" => set_boolean(&mut self.unclean_leader_election_enable, value),
            "leader.replication.throttled.replicas" => {
                set_list(&mut self.leader_replication_throttled_replicas, value);
            }
            "follower.replication.throttled.replicas" => {
                set_list(&mut self.follower_replication_throttled_replicas, value);
            }
            "remote.storage.enable" => set_boolean(&mut self.remote_storage_enable, value),
            "remote.log.copy.disable" => set_boolean(&mut self.remote_log_copy_disable, value),
            "remote.log.delete.on.disable" => set_boolean(&mut self.remote_log_delete_on_disable, value),
            "local.retention.bytes" => set_long(&mut self.local_retention_bytes, value),
            "local.retention.ms" => set_long(&mut self.local_retention_ms, value),
            _ => {}
        }
    }

    fn set_cleanup_policy(&mut self, policy: &[String]) {
        self.compact = policy.iter().any(|name| name == "compact");
        self.delete = policy.iter().any(|name| name == "delete");
        self.cleanup_policy = policy.to_vec();
    }
}

fn set_boolean(field: &mut bool, value: &Value) {
    *field = value.as_bool().unwrap_or(*field);
}

fn set_int(field: &mut i32, value: &Value) {
    *field = value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(*field);
}

fn set_long(field: &mut i64, value: &Value) {
    *field = value.as_i64().unwrap_or(*field);
}

fn set_string(field: &mut String, value: &Value) {
    if let Some(text) = value.as_str() {
        text.clone_into(field);
    }
}

fn set_list(field: &mut Vec<String>, value: &Value) {
    if let Some(list) = value.as_list() {
        list.clone_into(field);
    }
}
