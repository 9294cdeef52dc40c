//! A disk whose fsyncs are timed.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ottla_storage::fs::Disk;

use super::histogram::SharedHistogram;

/// Does what another disk does, and takes note of how long its fsyncs take.
pub(crate) struct MeasuredDisk {
    disk: Arc<dyn Disk>,
    fsyncs: Arc<SharedHistogram>,
}

impl MeasuredDisk {
    /// Measures `disk`.
    pub fn new(disk: Arc<dyn Disk>, fsyncs: Arc<SharedHistogram>) -> Self {
        Self { disk, fsyncs }
    }

    fn timed(&self, fsync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let began = Instant::now();
        let outcome = fsync();
        self.fsyncs.record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        outcome
    }
}

impl Disk for MeasuredDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<File> {
        self.disk.open(path, create)
    }

    fn open_resident(&self, path: &Path) -> io::Result<Option<File>> {
        self.disk.open_resident(path)
    }

    fn read_resident(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.disk.read_resident(file, buf, position)
    }

    fn warm(&self, file: &File, position: u64, len: usize) -> io::Result<()> {
        self.disk.warm(file, position, len)
    }

    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.disk.write_vectored_at(file, parts, position)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.timed(|| self.disk.sync_data(file))
    }

    fn reserve(&self, file: &File, position: u64, len: u64) -> io::Result<()> {
        self.disk.reserve(file, position, len)
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.disk.set_len(file, len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.timed(|| self.disk.sync_dir(dir))
    }
}
