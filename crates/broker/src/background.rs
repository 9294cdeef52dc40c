//! The thread for work that may wait for the disk: retention, checkpoints, flushes, moves between directories.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ottla_config::broker_config::storage::StorageConfig;
use ottla_protocol::TopicPartition;
use ottla_storage::{Housekeeping, HousekeepingOptions, LogManager, MoveProgress};

use crate::clock::now_ms;
use crate::directories::{DirectoryNews, Placement};
use crate::partitions::Partitions;

/// How often the thread looks whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// The running thread; stops when it is told to, or dropped.
pub struct Background {
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
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
        config: &StorageConfig,
    ) -> std::io::Result<Self> {
        let options = HousekeepingOptions {
            retention_check_ms: config.retention_check_interval_ms,
            flush_check_ms: config.flush_scheduler_interval_ms,
            recovery_point_checkpoint_ms: i64::from(config.flush_offset_checkpoint_interval_ms),
            log_start_offset_checkpoint_ms: i64::from(config.flush_start_offset_checkpoint_interval_ms),
            high_watermark_checkpoint_ms: config.high_watermark_checkpoint_interval_ms,
            producer_expiration_check_ms: i64::from(config.producer_id_expiration_check_interval_ms),
            ..Default::default()
        };
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("ottla-background".into())
            .spawn(move || run(&logs, &partitions, &directories, &options, &stopped))?;
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

fn run(
    logs: &LogManager,
    partitions: &Partitions,
    directories: &DirectoryNews,
    options: &HousekeepingOptions,
    stopped: &Receiver<()>,
) {
    let mut housekeeping = Housekeeping::new(options, now_ms());
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        housekeeping.tick(logs, now_ms());
        for partition in logs.future_logs().iter().map(|log| log.partition().clone()) {
            move_on(logs, partitions, directories, &partition);
            if stopped.try_recv().is_ok() {
                return;
            }
        }
    }
}

/// Copies until nothing is left, or something is wrong.
fn move_on(
    logs: &LogManager,
    partitions: &Partitions,
    directories: &DirectoryNews,
    partition: &TopicPartition,
) {
    loop {
        match logs.continue_move(partition, now_ms()) {
            Ok(MoveProgress::Behind(_)) => {}
            Ok(MoveProgress::Done(log)) => {
                tracing::info!(%partition, dir = %log.log_dir().path().display(), "the partition has moved");
                if let Some(hosted) = partitions.get(&partition.topic, partition.partition) {
                    let directory = log.log_dir().id();
                    hosted.replace_log(Some(log));
                    let (topic, partition) = (hosted.topic_id, hosted.index);
                    directories.placed(vec![Placement { topic, partition, directory }]);
                }
                return;
            }
            Err(why) => {
                tracing::error!(%partition, %why, "the move of a partition is given up");
                let _ = logs.cancel_move(partition, now_ms());
                return;
            }
        }
    }
}
