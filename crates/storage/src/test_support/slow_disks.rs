//! Disks that make those wait who write or read. The tests of other crates include this file, too.
#![allow(dead_code, reason = "each crate's tests use a part of it")]

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use ottla_storage::fs::{Disk, RealDisk};

/// How long a test waits for what must come: it fails then, and does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a disk waits at. It is open at first.
#[derive(Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    pub fn close(&self) {
        self.state.lock().expect("gate").is_closed = true;
    }

    pub fn open(&self) {
        self.state.lock().expect("gate").is_closed = false;
        self.changed.notify_all();
    }

    /// Comes back once somebody waits.
    pub fn until_somebody_waits(&self) {
        let state = self.state.lock().expect("gate");
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| state.waiting == 0);
        assert!(!waited.expect("gate").1.timed_out(), "nobody comes to the gate");
    }

    fn pass(&self) {
        let mut state = self.state.lock().expect("gate");
        state.waiting += 1;
        self.changed.notify_all();
        let mut waited =
            self.changed.wait_timeout_while(state, PATIENCE, |state| state.is_closed).expect("gate");
        assert!(!waited.1.timed_out(), "nobody opens the gate");
        waited.0.waiting -= 1;
    }
}

/// A disk that writes what it holds up only while its gate is open.
pub struct GateDisk {
    holds: fn(&File, &[u8]) -> bool,
    pub gate: Gate,
}

impl GateDisk {
    /// Which bytes, to which file, have to pass the gate.
    pub fn new(holds: fn(&File, &[u8]) -> bool) -> Arc<Self> {
        Arc::new(Self { holds, gate: Gate::default() })
    }
}

impl Disk for GateDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        if (self.holds)(file, &bytes) {
            self.gate.pass();
        }
        file.write_all_at(&bytes, position)?;
        Ok(bytes.len())
    }
}

/// A disk whose files leave memory when they are told to, and come back page by page through its gate.
#[derive(Default)]
pub struct ColdDisk {
    pub gate: Gate,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    evicted: HashSet<u64>,
    evicted_names: HashSet<PathBuf>,
    /// Pages of evicted files that have come back: inode, number.
    warm: HashSet<(u64, u64)>,
    warmed: usize,
    is_broken: bool,
}

const PAGE: u64 = 4096;

impl ColdDisk {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// All files in a directory leave memory.
    pub fn evict(&self, dir: &Path) {
        let mut memory = self.memory.lock().expect("memory");
        for entry in std::fs::read_dir(dir).expect("list") {
            let entry = entry.expect("entry");
            memory.evicted.insert(entry.metadata().expect("stat").ino());
            memory.evicted_names.insert(entry.path());
        }
        memory.warm.clear();
    }

    /// What has left memory can't be read any more.
    pub fn break_down(&self) {
        self.memory.lock().expect("memory").is_broken = true;
    }

    /// How often something was brought back.
    pub fn warmed(&self) -> usize {
        self.memory.lock().expect("memory").warmed
    }
}

impl Disk for ColdDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<File> {
        let was_evicted = self.memory.lock().expect("memory").evicted_names.remove(path);
        if was_evicted {
            self.gate.pass();
            self.memory.lock().expect("memory").warmed += 1;
        }
        RealDisk.open(path, create)
    }

    fn open_resident(&self, path: &Path) -> io::Result<Option<File>> {
        if self.memory.lock().expect("memory").evicted_names.contains(path) {
            return Ok(None);
        }
        RealDisk.open(path, false).map(Some)
    }

    fn read_resident(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        let (inode, len) = (file.metadata()?.ino(), file.metadata()?.len());
        let mut end = len.min(position + buf.len() as u64).max(position);
        let memory = self.memory.lock().expect("memory");
        if memory.evicted.contains(&inode) && position < end {
            let cold =
                (position / PAGE..=(end - 1) / PAGE).find(|page| !memory.warm.contains(&(inode, *page)));
            end = end.min(cold.map_or(end, |page| page * PAGE));
            if end <= position {
                return Ok(None);
            }
        }
        file.read_exact_at(&mut buf[..(end - position) as usize], position)?;
        Ok(Some((end - position) as usize))
    }

    fn warm(&self, file: &File, position: u64, len: usize) -> io::Result<()> {
        self.gate.pass();
        let mut memory = self.memory.lock().expect("memory");
        if memory.is_broken {
            return Err(io::Error::other("the disk is broken"));
        }
        memory.warmed += 1;
        let inode = file.metadata()?.ino();
        memory.warm.extend((position / PAGE..=(position + len as u64 - 1) / PAGE).map(|page| (inode, page)));
        Ok(())
    }
}
