//! All logs of a broker, in its log directories (Kafka: `LogManager`).
//!
//! | file | what |
//! | --- | --- |
//! | `dirs` | checking, locking and identifying the log directories |
//! | `load`, `register` | loading all logs |
//! | `create` | creating, deleting |
//! | `move_log`, `log_copy`, `replace_log` | to another log directory |
//! | `truncate` | cutting logs |
//! | `checkpoints` | recovery points, log start offsets, high watermarks |
//! | `housekeeping` | what is to be done from time to time |
//! | `shutdown` | the orderly end |
//!
//! Opening is done in two steps, because the settings of topics, and which partitions belong here, stand in the
//! metadata log, which lies in one of the directories itself: [`LogManager::open`] makes the directories ours,
//! [`LogManager::load_logs`] reads them.

mod checkpoints;
mod create;
mod dirs;
mod disk_space;
mod housekeeping;
mod load;
mod log_copy;
mod move_log;
mod register;
mod replace_log;
mod shutdown;
mod truncate;

#[cfg(test)]
mod cleaner_test;
#[cfg(test)]
mod manager_test;
#[cfg(test)]
mod move_test;

use std::collections::HashMap;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::{TopicPartition, Uuid};
use parking_lot::{Mutex, RwLock};

pub use create::{CreateError, CreateOptions};
pub use dirs::OpenError;
pub use housekeeping::{Housekeeping, HousekeepingOptions};
pub use load::{LoadError, LoadOptions, LoadReport};
pub use move_log::{MoveError, MoveProgress};

use crate::context::{ContextOptions, StorageContext};
use crate::fs::{Disk, RealDisk};
use crate::log::PartitionLog;
use crate::log_dir::{LogDir, OnOffline};
use dirs::DirLock;

/// How to open the log directories.
#[derive(Clone)]
pub struct LogManagerOptions {
    /// `log.dirs`.
    pub log_dirs: Vec<PathBuf>,
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id, if it is known; else that of the directories.
    pub cluster_id: Option<String>,
    /// Give directories without `meta.properties` one. Without a cluster id anywhere, a new one is made up.
    pub format_missing: bool,
    /// Limits and timeouts.
    pub context: ContextOptions,
    /// What the logs are written with.
    pub disk: Arc<dyn Disk>,
    /// Called when a directory goes offline, on the thread that found out, which may hold a log's lock: hand
    /// the news over, do not call back.
    pub on_offline: Option<OnOffline>,
}

impl LogManagerOptions {
    /// Kafka's defaults.
    pub fn new(log_dirs: Vec<PathBuf>, node_id: i32) -> Self {
        Self {
            log_dirs,
            node_id,
            cluster_id: None,
            format_missing: true,
            context: ContextOptions::default(),
            disk: Arc::new(RealDisk),
            on_offline: None,
        }
    }
}

/// A log directory that could not be opened at the start.
#[derive(Clone, Debug)]
pub struct OfflineDir {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

type Logs = HashMap<TopicPartition, Arc<PartitionLog>>;

/// All logs of a broker.
pub struct LogManager {
    cluster_id: String,
    dirs: Vec<Arc<LogDir>>,
    offline_at_start: Vec<OfflineDir>,
    /// Held as long as the manager lives, or until shutdown.
    locks: Mutex<Vec<DirLock>>,
    context: Arc<StorageContext>,
    logs: RwLock<Logs>,
    /// Copies that are being made in another log directory.
    futures: RwLock<Logs>,
    /// A copy that is about to take its log's place: checkpoints must know of it before it is found there.
    arriving: Mutex<Option<Arc<PartitionLog>>>,
    strays: Mutex<Vec<PathBuf>>,
    /// Directories all of whose logs were loaded: only these may be marked clean at the end.
    loaded_dirs: Mutex<Vec<PathBuf>>,
    /// A sum of what the checkpoint files say, by directory and file.
    checkpoints_written: Mutex<HashMap<(PathBuf, &'static str), u64>>,
    hasher: RandomState,
    /// Held while logs come and go.
    creation: Mutex<()>,
}

impl LogManager {
    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What the logs share; for logs outside the manager, such as the metadata log.
    pub fn context(&self) -> &Arc<StorageContext> {
        &self.context
    }

    /// The directories that could be opened at the start, whether they still serve or not.
    pub fn log_dirs(&self) -> &[Arc<LogDir>] {
        &self.dirs
    }

    /// The directories that serve.
    pub fn live_dirs(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        self.dirs.iter().filter(|dir| dir.is_online())
    }

    /// The directories that could not be opened at the start.
    pub fn offline_at_start(&self) -> &[OfflineDir] {
        &self.offline_at_start
    }

    /// Whether any configured directory does not serve.
    pub fn has_offline_dirs(&self) -> bool {
        !self.offline_at_start.is_empty() || self.dirs.iter().any(|dir| !dir.is_online())
    }

    /// The directory with this path.
    pub fn log_dir(&self, path: &Path) -> Option<&Arc<LogDir>> {
        self.dirs.iter().find(|dir| dir.path() == path)
    }

    /// The directory with this id.
    pub fn log_dir_by_id(&self, id: Uuid) -> Option<&Arc<LogDir>> {
        self.dirs.iter().find(|dir| dir.id() == id)
    }

    /// The log of a partition.
    pub fn log(&self, partition: &TopicPartition) -> Option<Arc<PartitionLog>> {
        self.logs.read().get(partition).cloned()
    }

    /// The copy of a partition's log that is being made in another directory.
    pub fn future_log(&self, partition: &TopicPartition) -> Option<Arc<PartitionLog>> {
        self.futures.read().get(partition).cloned()
    }

    /// All logs, in no order.
    pub fn logs(&self) -> Vec<Arc<PartitionLog>> {
        self.logs.read().values().cloned().collect()
    }

    /// All copies that are being made.
    pub fn future_logs(&self) -> Vec<Arc<PartitionLog>> {
        self.futures.read().values().cloned().collect()
    }

    /// Number of logs.
    pub fn log_count(&self) -> usize {
        self.logs.read().len()
    }

    /// Directories of partitions that the metadata does not know; kept for the operator.
    pub fn strays(&self) -> Vec<PathBuf> {
        self.strays.lock().clone()
    }

    /// The logs of one directory.
    pub fn logs_in(&self, dir: &LogDir) -> Vec<Arc<PartitionLog>> {
        let logs = self.logs.read();
        logs.values().filter(|log| std::ptr::eq(&**log.log_dir(), dir)).cloned().collect()
    }
}

impl std::fmt::Debug for LogManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogManager").field("dirs", &self.dirs).field("logs", &self.log_count()).finish()
    }
}
