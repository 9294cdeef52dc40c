//! One log directory: where it is, who it is, and whether it still serves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use ottla_protocol::Uuid;
use parking_lot::Mutex;

use crate::cold::{Cold, ColdPlace};
use crate::error::{StorageError, StorageResult};
use crate::fs::{Disk, RealDisk, is_exhaustion};

/// Called once with the directory that failed.
pub type OnOffline = Arc<dyn Fn(&LogDir) + Send + Sync>;

/// A log directory, shared by all logs in it.
///
/// *Invariant:* once offline, always offline: after a failed write or fsync the page cache may hold anything,
/// so nothing is retried and nothing more is served from here until the process starts again.
pub struct LogDir {
    path: PathBuf,
    id: Uuid,
    disk: Arc<dyn Disk>,
    offline: AtomicBool,
    reason: Mutex<Option<String>>,
    on_offline: Option<OnOffline>,
    this: Weak<LogDir>,
}

impl LogDir {
    /// A directory that serves.
    pub fn new(path: PathBuf, id: Uuid, disk: Arc<dyn Disk>, on_offline: Option<OnOffline>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            path,
            id,
            disk,
            offline: AtomicBool::new(false),
            reason: Mutex::default(),
            on_offline,
            this: this.clone(),
        })
    }

    /// A directory for a log that stands alone, on the operating system's disk.
    pub fn standalone(path: PathBuf) -> Arc<Self> {
        Self::new(path, Uuid::ZERO, Arc::new(RealDisk), None)
    }

    /// Absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `directory.id` of its `meta.properties`.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What its files are written with.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Total and usable bytes of the file system it lies on.
    pub fn space(&self) -> io::Result<(u64, u64)> {
        let fs = rustix::fs::statvfs(&self.path)?;
        Ok((fs.f_blocks.saturating_mul(fs.f_frsize), fs.f_bavail.saturating_mul(fs.f_frsize)))
    }

    /// Whether it serves.
    pub fn is_online(&self) -> bool {
        !self.offline.load(Ordering::Acquire)
    }

    /// Why it went offline.
    pub fn offline_reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    /// An error unless the directory serves.
    pub fn check(&self) -> StorageResult<()> {
        if self.is_online() { Ok(()) } else { Err(StorageError::Offline(self.path.clone())) }
    }

    /// Takes the directory offline for good because `doing` failed, unless the disk is not to blame: the
    /// process has run out of descriptors or memory, a file was read but does not hold what it must, or nobody wanted to
    /// wait for it.
    pub fn fail(&self, doing: impl Into<String>, source: io::Error) -> StorageError {
        let doing = doing.into();
        let source = match (source.downcast::<ColdPlace>(), self.this.upgrade()) {
            (Ok(place), Some(this)) => return StorageError::Cold(Cold::new(place, this, doing)),
            (Ok(place), None) => io::Error::other(place),
            (Err(source), _) => source,
        };
        if source.kind() == io::ErrorKind::InvalidData {
            tracing::error!("{doing}: {source}");
            return StorageError::Corrupt { path: self.path.clone(), what: format!("{doing}: {source}") };
        }
        if is_exhaustion(&source) {
            tracing::error!("{doing}: {source}");
            return StorageError::Io { doing, source };
        }
        self.fail_for_good(doing, source)
    }

    /// Takes the directory offline for good because `doing` failed half-way, whoever is to blame.
    pub fn fail_for_good(&self, doing: impl Into<String>, source: io::Error) -> StorageError {
        let doing = doing.into();
        let first = !self.offline.swap(true, Ordering::AcqRel);
        if first {
            *self.reason.lock() = Some(format!("{doing}: {source}"));
            tracing::error!("Stopping serving logs in dir {}: {doing}: {source}", self.path.display());
            if let Some(hook) = &self.on_offline {
                hook(self);
            }
        }
        StorageError::Io { doing, source }
    }

    /// Runs a disk operation; its failure takes the directory offline.
    pub fn guard<T>(
        &self,
        doing: impl FnOnce() -> String,
        work: impl FnOnce() -> io::Result<T>,
    ) -> StorageResult<T> {
        self.check()?;
        work().map_err(|e| self.fail(doing(), e))
    }
}

impl std::fmt::Debug for LogDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogDir").field("path", &self.path).field("online", &self.is_online()).finish()
    }
}
