//! A segment's file that is opened when it is needed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::file_cache::{FileCache, FileSlot};
use crate::fs::Disk;
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
        self.open(env, || env.disk.open(&path(env, base_offset, suffix), false))
    }

    /// Like [`Self::get`], but creates the file when it is missing.
    pub fn create(&mut self, env: SegmentEnv<'_>, base_offset: i64, suffix: &str) -> io::Result<Arc<File>> {
        self.open(env, || env.disk.open(&path(env, base_offset, suffix), true))
    }

    fn open(&mut self, env: SegmentEnv<'_>, open: impl Fn() -> io::Result<File>) -> io::Result<Arc<File>> {
        self.slot.get_or_insert_with(|| FileSlot::new(env.files)).file(open)
    }
}

/// Path of one file of the segment at `base_offset`.
pub fn path(env: SegmentEnv<'_>, base_offset: i64, suffix: &str) -> PathBuf {
    offset_file(env.dir, base_offset, suffix)
}
