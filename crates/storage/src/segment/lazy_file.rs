//! A segment's file that is opened when it is needed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cold::{ColdPlace, OnCold};
use crate::file_cache::{FileCache, FileSlot};
use crate::fs::{self, Disk};
use crate::names::offset_file;

/// Where a segment's files are and what they are opened and written with.
#[derive(Clone, Copy)]
pub struct SegmentEnv<'a> {
    /// The partition's directory.
    pub dir: &'a Path,
    /// Open files.
    pub files: &'a Arc<FileCache>,
    /// What writes.
    pub disk: &'a dyn Disk,
    /// What is done where a file must be opened or read from the disk.
    pub on_cold: OnCold,
}

impl SegmentEnv<'_> {
    /// The same, in which everything waits for the disk.
    pub fn waiting(self) -> Self {
        Self { on_cold: OnCold::Wait, ..self }
    }

    /// Fills as much of `buf` from `position` as the file holds; the number of bytes read.
    pub fn read_up_to(self, file: &Arc<File>, buf: &mut [u8], position: u64) -> io::Result<usize> {
        if self.on_cold == OnCold::Wait {
            return fs::read_up_to(file, buf, position);
        }
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let (at, len) = (position + filled as u64, rest.len());
            match self.disk.read_resident(file, rest, at)? {
                Some(0) => break,
                Some(n) => filled += n,
                None => {
                    let place = ColdPlace::Pages { file: file.clone(), position: at, len };
                    return Err(io::Error::other(place));
                }
            }
        }
        Ok(filled)
    }
}

/// One file of a segment, open or not.
#[derive(Debug, Default)]
pub struct LazyFile {
    slot: Option<Arc<FileSlot>>,
}

impl LazyFile {
    /// The open file with this suffix of the segment at `base_offset`. It must exist: an empty one in the place
    /// of records that somebody removed would hide the loss.
    pub fn get(&mut self, env: SegmentEnv<'_>, base_offset: i64, suffix: &str) -> io::Result<Arc<File>> {
        self.open(env, base_offset, suffix, false)
    }

    /// Like [`Self::get`], but creates the file when it is missing.
    pub fn create(&mut self, env: SegmentEnv<'_>, base_offset: i64, suffix: &str) -> io::Result<Arc<File>> {
        self.open(env, base_offset, suffix, true)
    }

    fn open(
        &mut self,
        env: SegmentEnv<'_>,
        base_offset: i64,
        suffix: &str,
        create: bool,
    ) -> io::Result<Arc<File>> {
        let slot = self.slot.get_or_insert_with(|| FileSlot::new(env.files));
        slot.file(|| {
            let path = path(env, base_offset, suffix);
            if env.on_cold == OnCold::Wait {
                return env.disk.open(&path, create);
            }
            match env.disk.open_resident(&path) {
                Ok(Some(file)) => Ok(file),
                Ok(None) => Err(io::Error::other(ColdPlace::Closed { slot: slot.clone(), path })),
                Err(e) if create && e.kind() == io::ErrorKind::NotFound => env.disk.open(&path, create),
                Err(e) => Err(e),
            }
        })
    }
}

/// Path of one file of the segment at `base_offset`.
pub fn path(env: SegmentEnv<'_>, base_offset: i64, suffix: &str) -> PathBuf {
    offset_file(env.dir, base_offset, suffix)
}
