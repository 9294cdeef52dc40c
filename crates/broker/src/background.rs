//! The thread for work that may wait for the disk: retention, checkpoints, flushes, moves between directories.
//!
//! A move may copy for hours. So it is done a slice at a time, and between two slices the thread looks whether anything else is
//! due, or whether it is to stop; a move that is interrupted so goes on at the next start.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ottla_config::broker_config::storage::StorageConfig;
use ottla_protocol::TopicPartition;
use ottla_storage::{Housekeeping, HousekeepingOptions, LogManager, MoveError, MoveProgress, PartitionLog};

use crate::clock::now_ms;
use crate::directories::{DirectoryNews, Placement};
use crate::dynamic_config::SharedConfig;
use crate::partitions::Partitions;
use crate::quotas::MoveQuota;

/// How often the thread looks whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// The running thread; stops when it is told to, or dropped.
pub struct Background {
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Worker {
    logs: Arc<LogManager>,
    partitions: Arc<Partitions>,
    directories: DirectoryNews,
    housekeeping: Housekeeping,
    /// The partition that is being moved: one after the other, so that disks are read and written in order.
    moving: Option<TopicPartition>,
    quota: MoveQuota,
    /// What moves may copy, as it is set now.
    bytes_per_second: Box<dyn Fn() -> i64 + Send>,
    tick: Duration,
    now_ms: Box<dyn Fn() -> i64 + Send>,
}

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        logs: Arc<LogManager>,
        partitions: Arc<Partitions>,
        directories: DirectoryNews,
        config: Arc<SharedConfig>,
    ) -> std::io::Result<Self> {
        let current = config.broker();
        let mut worker = Worker {
            logs,
            partitions,
            directories,
            housekeeping: Housekeeping::new(&housekeeping_options(&current.storage), now_ms()),
            moving: None,
            quota: MoveQuota::new(current.quotas.alter_log_dirs_window_size_seconds),
            bytes_per_second: Box::new(move || config.layers().alter_log_dirs_bytes_per_second()),
            tick: TICK,
            now_ms: Box::new(now_ms),
        };
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("ottla-background".into())
            .spawn(move || worker.run(&stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops the thread after what it is doing.
    pub fn stop(mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut wait = self.tick;
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
            self.housekeeping.tick(&self.logs, (self.now_ms)());
            wait = self.move_within_quota();
        }
    }

    /// Does one slice of a move if the quota has room for it; how long to wait before the next.
    fn move_within_quota(&mut self) -> Duration {
        let throttle_ms = self.quota.throttle_ms((self.bytes_per_second)(), (self.now_ms)());
        if throttle_ms > 0 {
            // The limit may be raised meanwhile.
            return self.tick.min(Duration::from_millis(throttle_ms.unsigned_abs()));
        }
        if self.move_on() { Duration::ZERO } else { self.tick }
    }

    /// Does one slice of a move; whether there may be more.
    fn move_on(&mut self) -> bool {
        let waiting = match self.moving.take() {
            Some(partition) => vec![partition],
            None => self.logs.future_logs().iter().map(|log| log.partition().clone()).collect(),
        };
        for partition in waiting {
            let Some(copy) = self.logs.future_log(&partition) else { continue };
            let bytes_before = copy.size_bytes();
            let progress = self.logs.continue_move(&partition, (self.now_ms)());
            let bytes = copy.size_bytes().saturating_sub(bytes_before);
            self.quota.record(bytes, (self.bytes_per_second)(), (self.now_ms)());
            match progress {
                Ok(MoveProgress::Behind(_)) => self.moving = Some(partition),
                Ok(MoveProgress::Done(log)) => self.moved(&partition, log),
                // Its topic is deleted, or its directory offline.
                Err(MoveError::NoLog(_)) => continue,
                Err(why) => {
                    tracing::error!(%partition, %why, "the move of a partition is given up");
                    let _ = self.logs.cancel_move(&partition, (self.now_ms)());
                }
            }
            return true;
        }
        false
    }

    fn moved(&self, partition: &TopicPartition, log: Arc<PartitionLog>) {
        tracing::info!(%partition, dir = %log.log_dir().path().display(), "the partition has moved");
        // The only replica: all of it is replicated. Who appended last may not have come to say so.
        log.set_high_watermark(log.log_end_offset());
        if let Some(hosted) = self.partitions.get(&partition.topic, partition.partition) {
            let directory = log.log_dir().id();
            hosted.replace_log(Some(log));
            let (topic, partition) = (hosted.topic_id, hosted.index);
            self.directories.placed(vec![Placement { topic, partition, directory }]);
        }
    }
}

fn housekeeping_options(config: &StorageConfig) -> HousekeepingOptions {
    HousekeepingOptions {
        retention_check_ms: config.retention_check_interval_ms,
        flush_check_ms: config.flush_scheduler_interval_ms,
        recovery_point_checkpoint_ms: i64::from(config.flush_offset_checkpoint_interval_ms),
        log_start_offset_checkpoint_ms: i64::from(config.flush_start_offset_checkpoint_interval_ms),
        high_watermark_checkpoint_ms: config.high_watermark_checkpoint_interval_ms,
        producer_expiration_check_ms: i64::from(config.producer_id_expiration_check_interval_ms),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "background_test.rs"]
mod tests;
