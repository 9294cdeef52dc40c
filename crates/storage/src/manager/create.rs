//! Logs that come, and logs that go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::{ErrorCode, TopicPartition, Uuid};

use super::LogManager;
use crate::config::LogConfig;
use crate::error::{StorageError, StorageResult};
use crate::log::{OpenOptions, PartitionLog};
use crate::log_dir::LogDir;
use crate::names::{DELETE_DIR_SUFFIX, dir_name};

/// How to create a log.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The topic's id.
    pub topic_id: Option<Uuid>,
    /// Settings, for a log that is new.
    pub config: Arc<LogConfig>,
    /// Whether the partition is known to be new. If not, it may lie in a directory that is offline, and is not
    /// created in another one.
    pub is_new: bool,
    /// The id of the directory it is to be created in.
    pub directory_id: Option<Uuid>,
    /// The time, Unix ms.
    pub now_ms: i64,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// It may be there, but out of reach.
    #[error("Can not create log for {0} because some log directories are offline")]
    MayBeOffline(TopicPartition),
    /// No directory took it.
    #[error("No log directories available for {0}")]
    NoDirectory(TopicPartition),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl CreateError {
    /// The code to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            CreateError::Storage(e) => e.code(),
            _ => ErrorCode::KafkaStorageError,
        }
    }
}

impl LogManager {
    /// The log of a partition, created if there is none: in the directory with the fewest logs, unless the
    /// options name one.
    pub fn get_or_create(
        &self,
        partition: &TopicPartition,
        options: &CreateOptions,
    ) -> Result<Arc<PartitionLog>, CreateError> {
        let existing = |log: Arc<PartitionLog>| match (options.topic_id, log.topic_id()) {
            (Some(wanted), Some(found)) if wanted != found => {
                let partition = partition.to_string();
                Err(StorageError::InconsistentTopicId { partition, wanted, found }.into())
            }
            _ => Ok(log),
        };
        if let Some(log) = self.log(partition) {
            return existing(log);
        }
        let _turn = self.creation.lock();
        if let Some(log) = self.log(partition) {
            return existing(log);
        }
        if !options.is_new && self.has_offline_dirs() {
            return Err(CreateError::MayBeOffline(partition.clone()));
        }
        let mut last_error = CreateError::NoDirectory(partition.clone());
        for dir in self.candidate_dirs(options.directory_id) {
            match self.create_in(&dir, partition, &dir_name(partition), options) {
                Ok(log) => {
                    self.logs.write().insert(partition.clone(), log.clone());
                    return Ok(log);
                }
                // The directory has failed with this, so the next one may do.
                Err(e) if !dir.is_online() => last_error = e.into(),
                Err(e) => return Err(e.into()),
            }
        }
        Err(last_error)
    }

    pub(super) fn create_in(
        &self,
        dir: &Arc<LogDir>,
        partition: &TopicPartition,
        name: &str,
        options: &CreateOptions,
    ) -> StorageResult<Arc<PartitionLog>> {
        let mut open = OpenOptions {
            partition: partition.clone(),
            topic_id: options.topic_id,
            config: options.config.clone(),
            log_start_offset: 0,
            recovery_point: 0,
            clean: true,
            now_ms: options.now_ms,
        };
        let path = dir.path().join(name);
        let log = match PartitionLog::create(&self.context, dir, &path, &open)? {
            Some(log) => log,
            None => {
                // A directory that is there although no log of it was loaded is of unknown state.
                open.clean = !path.exists();
                PartitionLog::open(&self.context, dir, &path, &open)?
            }
        };
        tracing::debug!("Created log for partition {partition} in {}", dir.path().display());
        Ok(log)
    }

    /// The directories to try, best first.
    fn candidate_dirs(&self, directory_id: Option<Uuid>) -> Vec<Arc<LogDir>> {
        if let Some(dir) = directory_id.and_then(|id| self.log_dir_by_id(id)) {
            return vec![dir.clone()];
        }
        let mut dirs: Vec<Arc<LogDir>> = self.live_dirs().cloned().collect();
        if dirs.len() > 1 {
            let mut counts: HashMap<PathBuf, usize> = HashMap::new();
            for log in self.logs.read().values().chain(self.futures.read().values()) {
                *counts.entry(log.log_dir().path().to_path_buf()).or_default() += 1;
            }
            dirs.sort_by_key(|dir| counts.get(dir.path()).copied().unwrap_or(0));
        }
        dirs
    }

    /// Deletes logs: they serve nothing from now on, and their files are removed after `file.delete.delay.ms`.
    /// Returns those that could not be deleted; partitions without a log are not among them.
    pub fn delete(&self, partitions: &[TopicPartition], now_ms: i64) -> Vec<(TopicPartition, StorageError)> {
        let mut failed = Vec::new();
        let mut touched: Vec<Arc<LogDir>> = Vec::new();
        {
            let _turn = self.creation.lock();
            for partition in partitions {
                let logs = [self.logs.write().remove(partition), self.futures.write().remove(partition)];
                for log in logs.into_iter().flatten() {
                    if !touched.iter().any(|dir| dir.path() == log.log_dir().path()) {
                        touched.push(log.log_dir().clone());
                    }
                    if let Err(e) = self.retire(&log, now_ms) {
                        failed.push((partition.clone(), e));
                    }
                }
            }
        }
        // A log of the same name that is created later must not inherit these offsets.
        for dir in touched {
            self.checkpoint_dir(&dir);
        }
        failed
    }

    /// Renames a log's directory for removal and plans the removal.
    pub(super) fn retire(&self, log: &PartitionLog, now_ms: i64) -> StorageResult<()> {
        let delay_ms = log.config().file_delete_delay_ms;
        let path: PathBuf = log.retire(DELETE_DIR_SUFFIX)?;
        tracing::info!(
            "Log for partition {} is renamed to {} and is scheduled for deletion",
            log.partition(),
            path.display()
        );
        self.context.trash.add(now_ms.saturating_add(delay_ms), path, log.log_dir());
        Ok(())
    }

    /// Forgets the logs of a directory that went offline; which they were.
    pub fn remove_offline_logs(&self, dir: &Path) -> Vec<TopicPartition> {
        let mut removed = Vec::new();
        for map in [&self.logs, &self.futures] {
            map.write().retain(|partition, log| {
                let stays = log.log_dir().path() != dir;
                if !stays {
                    log.abandon();
                    removed.push(partition.clone());
                }
                stays
            });
        }
        removed
    }
}
