//! Cutting logs, and writing down at once up to where they are durable then (Kafka: `LogManager.truncateTo`).
//!
//! A recovery point that lies beyond the cut would make the recovery after a power failure take for granted what
//! is appended below it from now on.

use std::sync::Arc;

use ottla_protocol::TopicPartition;

use super::LogManager;
use crate::error::StorageResult;
use crate::log::PartitionLog;

impl LogManager {
    /// Cuts logs at these offsets. Partitions without a log here are left out.
    ///
    /// # Errors
    /// The first failure; the logs before it are cut, and that is written down.
    pub fn truncate_to(&self, offsets: &[(TopicPartition, i64)], now_ms: i64) -> StorageResult<()> {
        let mut cut = Vec::new();
        let mut work = || {
            for (partition, offset) in offsets {
                if let Some(log) = self.log(partition)
                    && log.truncate_to(*offset, now_ms)?
                {
                    cut.push(log);
                }
            }
            Ok(())
        };
        let done = work();
        self.checkpoint_dirs_of(&cut);
        done
    }

    /// Empties a log, which goes on at `offset`, and starts at `log_start_offset` or there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn truncate_fully_and_start_at(
        &self,
        partition: &TopicPartition,
        offset: i64,
        log_start_offset: Option<i64>,
        now_ms: i64,
    ) -> StorageResult<()> {
        let Some(log) = self.log(partition) else { return Ok(()) };
        log.truncate_fully_and_start_at(offset, log_start_offset, now_ms)?;
        self.checkpoint_dirs_of(&[log]);
        Ok(())
    }

    fn checkpoint_dirs_of(&self, logs: &[Arc<PartitionLog>]) {
        for dir in self.live_dirs() {
            if logs.iter().any(|log| log.log_dir().path() == dir.path()) {
                self.checkpoint_dir(dir);
            }
        }
    }
}
