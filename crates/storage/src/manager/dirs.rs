//! Making the log directories ours: they must exist, be writable, be locked by nobody else, and belong to this
//! node of this cluster.

use std::collections::HashMap;
use std::fs::File;
use std::hash::RandomState;
use std::io;
use std::path::{Path, PathBuf};

use ottla_protocol::Uuid;
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FlockOperation, fcntl_lock, flock};

use super::{LogManager, LogManagerOptions, OfflineDir};
use crate::context::StorageContext;
use crate::fs::{open_rw, sync_dir};
use crate::log_dir::LogDir;
use crate::meta_properties::{META_PROPERTIES_FILE, MetaProperties, is_reserved, random_uuid};

/// Name of the lock file in a log directory.
pub const LOCK_FILE: &str = ".lock";

/// Why the log directories cannot be used. A directory that merely fails is not among these: it is offline, and
/// the others go on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None was configured.
    #[error("log.dirs names no directory")]
    NoDirs,
    /// Two of them are the same.
    #[error("Duplicate log directory found: {}", .0.display())]
    Duplicate(PathBuf),
    /// Another process has it.
    #[error("Failed to acquire lock on file .lock in {}. Another broker (Ottla or Kafka), in another process or thread, is using this directory.", .0.display())]
    Locked(PathBuf),
    /// All of them failed.
    #[error("none of the log directories can be used: {}", describe(.0))]
    AllOffline(Vec<OfflineDir>),
    /// It belongs to another cluster.
    #[error("Invalid cluster.id in: {}. Expected {expected}, but read {found}", .path.display())]
    ClusterId {
        /// The file.
        path: PathBuf,
        /// Of this broker or of the other directories.
        expected: String,
        /// In the file.
        found: String,
    },
    /// It belongs to another node.
    #[error("Stored node id {found} doesn't match previous node id {expected} in {}. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories.", .path.display())]
    NodeId {
        /// The file.
        path: PathBuf,
        /// `node.id`.
        expected: i32,
        /// In the file.
        found: i32,
    },
    /// Its id is one that means something else, or that another directory has, too.
    #[error("Invalid or duplicate directory ID {id} found in {}", .path.display())]
    DirectoryId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: Uuid,
    },
    /// It was never formatted, and is not to be now.
    #[error("No `meta.properties` found in {}: format the directory first", .0.display())]
    NotFormatted(PathBuf),
}

fn describe(offline: &[OfflineDir]) -> String {
    let each: Vec<String> =
        offline.iter().map(|dir| format!("{} ({})", dir.path.display(), dir.reason)).collect();
    each.join(", ")
}

/// The lock on a log directory; released when dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

/// A directory that is being opened.
struct Candidate {
    path: PathBuf,
    lock: DirLock,
    meta: Option<MetaProperties>,
}

impl LogManager {
    /// Opens the log directories: creates missing ones, locks them, and reads or writes `meta.properties`. No
    /// log is loaded yet.
    ///
    /// # Errors
    /// When a directory is in use, belongs to another node or cluster, or when none can be used.
    pub fn open(options: LogManagerOptions) -> Result<Self, OpenError> {
        if options.log_dirs.is_empty() {
            return Err(OpenError::NoDirs);
        }
        let mut offline = Vec::new();
        let mut candidates: Vec<Candidate> = Vec::new();
        for configured in &options.log_dirs {
            match prepare(configured) {
                Ok(path) if candidates.iter().any(|c| c.path == path) => {
                    return Err(OpenError::Duplicate(path));
                }
                Ok(path) => match open_dir(&path) {
                    Ok(Some(candidate)) => candidates.push(candidate),
                    Ok(None) => return Err(OpenError::Locked(path)),
                    Err(e) => report(&mut offline, path, &e),
                },
                Err(e) => report(&mut offline, configured.clone(), &e),
            }
        }
        let cluster_id = verify(&options, &candidates)?;
        let mut dirs = Vec::new();
        let mut locks = Vec::new();
        for candidate in candidates {
            match identify(&options, &candidate, &cluster_id) {
                Ok(id) => {
                    let hook = options.on_offline.clone();
                    dirs.push(LogDir::new(candidate.path, id, options.disk.clone(), hook));
                    locks.push(candidate.lock);
                }
                Err(e) => report(&mut offline, candidate.path, &e),
            }
        }
        if dirs.is_empty() {
            return Err(OpenError::AllOffline(offline));
        }
        Ok(Self {
            cluster_id,
            dirs,
            offline_at_start: offline,
            locks: Mutex::new(locks),
            context: StorageContext::new(&options.context),
            logs: RwLock::default(),
            futures: RwLock::default(),
            arriving: Mutex::default(),
            strays: Mutex::default(),
            loaded_dirs: Mutex::default(),
            checkpoints_written: Mutex::default(),
            hasher: RandomState::new(),
            creation: Mutex::new(()),
        })
    }
}

fn report(offline: &mut Vec<OfflineDir>, path: PathBuf, error: &io::Error) {
    tracing::error!("Log directory {} is offline: {error}", path.display());
    offline.push(OfflineDir { path, reason: error.to_string() });
}

/// The directory's true path; it exists then.
fn prepare(configured: &Path) -> io::Result<PathBuf> {
    if !configured.exists() {
        tracing::info!("Log directory {} not found, creating it", configured.display());
        std::fs::create_dir_all(configured)?;
        if let Some(parent) = configured.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    let path = std::fs::canonicalize(configured)?;
    // Says at once whether it is a readable directory.
    std::fs::read_dir(&path)?;
    Ok(path)
}

/// Locks the directory and reads who it is; none when somebody else has the lock.
fn open_dir(path: &Path) -> io::Result<Option<Candidate>> {
    let file = open_rw(&path.join(LOCK_FILE))?;
    // `flock` keeps brokers of one process apart, the POSIX lock is the one that Kafka takes.
    for locked in [
        flock(&file, FlockOperation::NonBlockingLockExclusive),
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive),
    ] {
        match locked {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::ACCESS) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    }
    let meta = MetaProperties::read(path)?;
    Ok(Some(Candidate { path: path.to_path_buf(), lock: DirLock { _file: file }, meta }))
}

/// Checks that all directories are of one cluster and of this node; the cluster's id.
fn verify(options: &LogManagerOptions, candidates: &[Candidate]) -> Result<String, OpenError> {
    let mut cluster_id = options.cluster_id.clone();
    let mut ids: HashMap<Uuid, &Path> = HashMap::new();
    for Candidate { path, meta, .. } in candidates {
        let file = path.join(META_PROPERTIES_FILE);
        let Some(meta) = meta else {
            if options.format_missing {
                continue;
            }
            return Err(OpenError::NotFormatted(path.clone()));
        };
        match (&cluster_id, &meta.cluster_id) {
            (Some(expected), Some(found)) if expected != found => {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(OpenError::ClusterId { path: file, expected, found });
            }
            (None, Some(found)) => cluster_id = Some(found.clone()),
            _ => {}
        }
        if let Some(found) = meta.node_id.filter(|id| *id != options.node_id) {
            return Err(OpenError::NodeId { path: file, expected: options.node_id, found });
        }
        if let Some(id) = meta.directory_id
            && (is_reserved(id) || ids.insert(id, path).is_some())
        {
            return Err(OpenError::DirectoryId { path: file, id });
        }
    }
    Ok(cluster_id.unwrap_or_else(|| random_uuid().to_string()))
}

/// The directory's id; the file is written when something is missing in it.
fn identify(options: &LogManagerOptions, candidate: &Candidate, cluster_id: &str) -> io::Result<Uuid> {
    if let Some(MetaProperties { version: 1, directory_id: Some(id), .. }) = candidate.meta {
        return Ok(id);
    }
    let id = candidate.meta.as_ref().and_then(|m| m.directory_id).unwrap_or_else(random_uuid);
    let meta = MetaProperties::new(cluster_id, options.node_id, id);
    tracing::info!("Writing {} of {}: {meta:?}", META_PROPERTIES_FILE, candidate.path.display());
    meta.write(&candidate.path)?;
    Ok(id)
}
