//! Loading all logs, on several threads per directory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_protocol::{Str, TopicPartition, Uuid};
use parking_lot::Mutex;

use super::LogManager;
use super::register::Moved;
use crate::checkpoint::clean_shutdown::{self, CleanShutdown};
use crate::checkpoint::offset_checkpoint::{
    self, CLEANER_OFFSET_FILE, HIGH_WATERMARK_FILE, LOG_START_OFFSET_FILE, Offsets, RECOVERY_POINT_FILE,
};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::log::{OpenOptions, PartitionLog};
use crate::log_dir::LogDir;
use crate::names::{DirKind, METADATA_TOPIC, REMOTE_INDEX_CACHE_DIR, STRAY_DIR_SUFFIX, parse_dir_name};

/// How to load the logs.
pub struct LoadOptions<'a> {
    /// The settings of a topic.
    pub config: &'a (dyn Fn(&str) -> Arc<LogConfig> + Sync),
    /// Whether a partition with this topic id has no business here any more: its directory is set aside.
    pub is_stray: &'a (dyn Fn(&TopicPartition, Option<Uuid>) -> bool + Sync),
    /// `num.recovery.threads.per.data.dir`.
    pub threads_per_dir: usize,
    /// The time, Unix ms.
    pub now_ms: i64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// Logs loaded.
    pub loaded: usize,
    /// Directories that had not been left in order.
    pub unclean_dirs: Vec<PathBuf>,
    /// The epoch under which the broker was registered when it last stopped, if all directories were left in
    /// order and agree (KIP-966).
    pub previous_broker_epoch: Option<i64>,
    /// Logs that could not be loaded although their directory is sound; they stay as they are.
    pub failed: Vec<(TopicPartition, StorageError)>,
}

/// Why the broker must not go on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The same partition twice.
    #[error("Duplicate log directories for {partition} are found in both {} and {}. It is likely because log directory failure happened while broker was replacing current replica with future replica. Recover broker from this failure by manually deleting one of the two directories for this partition. It is recommended to delete the partition in the log directory that is known to have failed recently.", .first.display(), .second.display())]
    Duplicate {
        /// The partition.
        partition: TopicPartition,
        /// One directory.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No directory is left.
    #[error("all log directories have failed")]
    AllOffline,
}

/// One partition directory to load.
pub(super) struct Job {
    partition: TopicPartition,
    pub(super) kind: DirKind,
    pub(super) path: PathBuf,
}

/// The state of one log directory before its logs are loaded.
struct DirState {
    clean: Option<CleanShutdown>,
    recovery_points: Offsets,
    log_start_offsets: Offsets,
    high_watermarks: Offsets,
    clean_offsets: Offsets,
    jobs: Vec<Job>,
    /// Settings of topics that were asked for: all partitions of one share them.
    configs: Mutex<HashMap<Str, Arc<LogConfig>>>,
}

impl DirState {
    fn config(&self, partition: &TopicPartition, options: &LoadOptions<'_>) -> Arc<LogConfig> {
        if let Some(known) = self.configs.lock().get(&partition.topic) {
            return known.clone();
        }
        let config = (options.config)(&partition.topic);
        self.configs.lock().insert(partition.topic.clone(), config.clone());
        config
    }
}

impl DirState {
    /// Whether the checkpoint says more of a log than is true: recovery has cut it.
    fn is_beyond(&self, loaded: &[(DirKind, Arc<PartitionLog>)]) -> bool {
        loaded.iter().any(|(kind, log)| {
            *kind == DirKind::Current
                && self
                    .recovery_points
                    .get(log.partition())
                    .is_some_and(|point| *point > log.recovery_point())
        })
    }
}

/// What the threads of one directory bring together.
#[derive(Default)]
struct Loaded {
    logs: Vec<(DirKind, Arc<PartitionLog>)>,
    /// Those of them that are marked as moved.
    moved: Vec<Moved>,
    failed: Vec<(TopicPartition, StorageError)>,
}

impl LogManager {
    /// Loads all logs of all directories.
    pub fn load_logs(&self, options: &LoadOptions<'_>) -> Result<LoadReport, LoadError> {
        let mut report = LoadReport::default();
        let mut states = Vec::new();
        for dir in self.live_dirs() {
            let doing = || format!("Error while loading log dir {}", dir.path().display());
            let Ok(state) = dir.guard(doing, || self.read_dir_state(dir, options.now_ms)) else { continue };
            if state.clean.is_none() && !state.jobs.is_empty() {
                tracing::info!(
                    "Recovering {} logs from {} since no clean shutdown file was found",
                    state.jobs.len(),
                    dir.path().display()
                );
                report.unclean_dirs.push(dir.path().to_path_buf());
            }
            states.push((dir, state));
        }
        let loaded = self.load_dirs(&states, options);
        let (mut cut, mut all, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for ((dir, loaded), (_, state)) in loaded.into_iter().zip(&states) {
            if dir.is_online() {
                self.loaded_dirs.lock().push(dir.path().to_path_buf());
            }
            report.loaded += loaded.logs.len();
            report.failed.extend(loaded.failed);
            if state.is_beyond(&loaded.logs) {
                cut.push(dir);
            }
            moved.extend(loaded.moved);
            all.extend(loaded.logs);
        }
        self.register(all, &moved, options.now_ms)?;
        // A power failure must not find a recovery point beyond what was durable: what is appended from now on, below
        // it, would be taken for granted then.
        cut.into_iter().for_each(|dir| self.checkpoint_dir(dir));
        if self.live_dirs().next().is_none() {
            return Err(LoadError::AllOffline);
        }
        let epochs: Vec<_> =
            states.iter().map(|(_, state)| state.clean.and_then(|c| c.broker_epoch)).collect();
        report.previous_broker_epoch = epochs.first().copied().flatten().filter(|first| {
            epochs.iter().all(|epoch| epoch.as_ref() == Some(first))
                && *first >= 0
                && !self.has_offline_dirs()
        });
        Ok(report)
    }

    /// Loads the directories beside each other: they may lie on disks of their own.
    fn load_dirs<'a>(
        &self,
        states: &'a [(&'a Arc<LogDir>, DirState)],
        options: &LoadOptions<'_>,
    ) -> Vec<(&'a Arc<LogDir>, Loaded)> {
        if let [(dir, state)] = states {
            return vec![(*dir, self.load_dir(dir, state, options))];
        }
        std::thread::scope(|scope| {
            let load = |(dir, state): &'a (&'a Arc<LogDir>, DirState)| {
                (*dir, scope.spawn(move || self.load_dir(dir, state, options)))
            };
            let threads: Vec<_> = states.iter().map(load).collect();
            let join = |(dir, thread): (_, std::thread::ScopedJoinHandle<'_, Loaded>)| {
                (dir, thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            };
            threads.into_iter().map(join).collect()
        })
    }

    fn read_dir_state(&self, dir: &Arc<LogDir>, now_ms: i64) -> std::io::Result<DirState> {
        let clean = clean_shutdown::take(dir.path())?;
        let read = |file: &str| {
            offset_checkpoint::read(&dir.path().join(file)).unwrap_or_else(|e| {
                tracing::warn!("Ignoring checkpoint: {e}");
                Offsets::default()
            })
        };
        let mut jobs = Vec::new();
        for entry in std::fs::read_dir(dir.path())? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == REMOTE_INDEX_CACHE_DIR {
                continue;
            }
            match parse_dir_name(&name) {
                None => tracing::warn!("Ignoring {}: not a partition", entry.path().display()),
                Some((partition, _)) if &*partition.topic == METADATA_TOPIC => {}
                Some((_, DirKind::Delete)) => self.context.trash.add(now_ms, entry.path(), dir),
                Some((_, DirKind::Stray)) => self.strays.lock().push(entry.path()),
                Some((partition, kind)) => jobs.push(Job { partition, kind, path: entry.path() }),
            }
        }
        Ok(DirState {
            clean,
            recovery_points: read(RECOVERY_POINT_FILE),
            log_start_offsets: read(LOG_START_OFFSET_FILE),
            high_watermarks: read(HIGH_WATERMARK_FILE),
            clean_offsets: read(CLEANER_OFFSET_FILE),
            jobs,
            configs: Mutex::default(),
        })
    }

    fn load_dir(&self, dir: &Arc<LogDir>, state: &DirState, options: &LoadOptions<'_>) -> Loaded {
        let next = AtomicUsize::new(0);
        let loaded = Mutex::new(Loaded::default());
        let work = || {
            while let Some(job) = state.jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if !dir.is_online() {
                    break;
                }
                match self.load_one(dir, state, job, options) {
                    Ok(Some(log)) => {
                        let mut loaded = loaded.lock();
                        loaded.moved.extend(self.moved_to(job, &log).map(|target| (log.clone(), target)));
                        loaded.logs.push((job.kind, log));
                    }
                    Ok(None) => {}
                    Err(e) => {
                        tracing::error!("Error while loading logs in {}: {e}", job.path.display());
                        loaded.lock().failed.push((job.partition.clone(), e));
                    }
                }
            }
        };
        // Few logs are loaded faster than a thread is started, unless they must be read.
        let worth_a_thread = if state.clean.is_some() { 16 } else { 1 };
        let threads = options.threads_per_dir.min(state.jobs.len() / worth_a_thread);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        loaded.into_inner()
    }

    fn load_one(
        &self,
        dir: &Arc<LogDir>,
        state: &DirState,
        job: &Job,
        options: &LoadOptions<'_>,
    ) -> Result<Option<Arc<PartitionLog>>, StorageError> {
        let offset = |offsets: &Offsets| offsets.get(&job.partition).copied().unwrap_or(0).max(0);
        // A copy that was being made when the broker stopped has no place in the checkpoints.
        let is_current = job.kind == DirKind::Current;
        let open = OpenOptions {
            partition: job.partition.clone(),
            topic_id: None,
            config: state.config(&job.partition, options),
            log_start_offset: if is_current { offset(&state.log_start_offsets) } else { 0 },
            recovery_point: if is_current { offset(&state.recovery_points) } else { 0 },
            clean: state.clean.is_some(),
            now_ms: options.now_ms,
        };
        let log = PartitionLog::open(&self.context, dir, &job.path, &open)?;
        if (options.is_stray)(&job.partition, log.topic_id()) {
            let path = log.retire(STRAY_DIR_SUFFIX)?;
            tracing::warn!("Log in {} marked stray and renamed to {}", job.path.display(), path.display());
            self.strays.lock().push(path);
            return Ok(None);
        }
        log.set_high_watermark(offset(&state.high_watermarks));
        if is_current {
            log.set_cleaner_checkpoint(state.clean_offsets.get(&job.partition).copied());
        }
        Ok(Some(log))
    }

    /// Sets aside a log that the metadata does not know, as is done with those found at the start.
    pub fn set_aside(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        let _turn = self.creation.lock();
        let Some(log) = self.logs.write().remove(partition) else { return Ok(()) };
        let path = log.retire(STRAY_DIR_SUFFIX)?;
        tracing::warn!("Log for partition {partition} is marked as stray and renamed to {}", path.display());
        self.strays.lock().push(path);
        Ok(())
    }
}
