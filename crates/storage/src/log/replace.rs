//! Putting a cleaned segment in the place of those it was made from (Kafka: `LocalLog.replaceSegments`).
//!
//! A crash at any moment leaves the old segments or the new one, see `leftovers`: the new files are written and
//! made durable as `.cleaned`; with the last of them renamed to `.swap`, the new segment is the log; then the old ones
//! are renamed to `.deleted`, and the new one gets its name. Readers keep the old files open until they are done.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::PartitionLog;
use crate::cleaner::{CleanError, CleanedFiles, CleanedSegment};
use crate::fs::{Disk, found, with_suffix};
use crate::names::{CLEANED_SUFFIX, DELETED_SUFFIX, SWAP_SUFFIX, offset_file};
use crate::segment::{SUFFIXES, Segment};

/// One step of a swap: a file is renamed, if it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rename {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

/// The steps by which the `.cleaned` segment at `base_offset` replaces `old` ones.
pub(super) fn swap_steps(dir: &Path, base_offset: i64, old: &[i64]) -> Vec<Rename> {
    let files = |offset| SUFFIXES.map(|suffix| offset_file(dir, offset, suffix));
    let rename = |path: &Path, from: &str, to: &str| Rename {
        from: if from.is_empty() { path.to_path_buf() } else { with_suffix(path, from) },
        to: if to.is_empty() { path.to_path_buf() } else { with_suffix(path, to) },
    };
    let new = files(base_offset);
    let mut steps: Vec<Rename> = new.iter().map(|path| rename(path, CLEANED_SUFFIX, SWAP_SUFFIX)).collect();
    for offset in old {
        steps.extend(files(*offset).iter().map(|path| rename(path, "", DELETED_SUFFIX)));
    }
    steps.extend(new.iter().map(|path| rename(path, SWAP_SUFFIX, "")));
    steps
}

impl Rename {
    /// Whether it takes a file out of the log.
    fn is_removal(&self) -> bool {
        self.to.extension().is_some_and(|e| DELETED_SUFFIX.strip_prefix('.').is_some_and(|s| e == s))
    }

    /// Whether there was a file.
    pub(super) fn run(&self, disk: &dyn Disk) -> io::Result<bool> {
        found(disk.rename(&self.from, &self.to)).map(|done| done.is_some())
    }
}

impl PartitionLog {
    /// Creates the files of a segment that is to be cleaned into. They are written through these handles only: the
    /// directory may be renamed, and another log take its name.
    pub(crate) fn create_cleaned(
        &self,
        truncations: u64,
        base_offset: i64,
    ) -> Result<CleanedFiles, CleanError> {
        let state = self.open_for_cleaning(truncations)?;
        let create = || {
            let [log, index, time_index, txn_index] =
                SUFFIXES.map(|suffix| create_new(&cleaned_path(&state.dir, base_offset, suffix)));
            Ok(CleanedFiles { log: log?, index: index?, time_index: time_index?, txn_index: txn_index? })
        };
        Ok(create().map_err(|e| self.fail("cleaning", e))?)
    }

    /// Removes what [`Self::create_cleaned`] made, for a cleaning that is given up. What stays in a closed log is
    /// removed when it is next opened.
    pub(crate) fn discard_cleaned(&self, base_offset: i64) {
        let Ok(state) = self.open_state() else { return };
        for suffix in SUFFIXES {
            let _ = std::fs::remove_file(cleaned_path(&state.dir, base_offset, suffix));
        }
    }

    /// Puts a cleaned segment, which is durable, in the place of the segments `old`; the old files are removed
    /// after `file.delete.delay.ms`.
    pub(crate) fn replace_segments(
        &self,
        truncations: u64,
        cleaned: &CleanedSegment,
        old: &[i64],
        now_ms: i64,
    ) -> Result<(), CleanError> {
        let mut state = self.open_for_cleaning(truncations)?;
        let first = state.segments.iter().position(|s| Some(&s.base_offset) == old.first());
        let first = first.ok_or(CleanError::Aborted)?;
        let range = first..first + old.len();
        // Not if retention was faster, and never the active segment.
        let found = state.segments.get(range.clone()).unwrap_or_default();
        let is_same = found.iter().map(|s| s.base_offset).eq(old.iter().copied());
        if !is_same || range.end >= state.segments.len() {
            return Err(CleanError::Aborted);
        }
        let dir = state.dir.clone();
        let disk = self.log_dir.disk();
        let mut deleted = Vec::new();
        let mut work = || {
            if cleaned.sizes().txn_index.is_none() {
                std::fs::remove_file(cleaned_path(
                    &dir,
                    cleaned.base_offset,
                    crate::names::TXN_INDEX_SUFFIX,
                ))?;
            }
            for step in swap_steps(&dir, cleaned.base_offset, old) {
                if step.run(disk)? && step.is_removal() {
                    deleted.push(step.to);
                }
            }
            for offset in old.iter().filter(|offset| **offset != cleaned.base_offset) {
                deleted.extend(state.producers.mark_snapshot_deleted(self.env(&dir), *offset)?);
            }
            Ok(())
        };
        work().map_err(|e| self.fail("replacing segments of", e))?;
        let new = Segment::open(cleaned.base_offset, &cleaned.sizes(), &state.config, now_ms);
        let bytes = u64::from(new.size());
        let replaced: u64 = state.segments.splice(range, [new]).map(|s| u64::from(s.size())).sum();
        self.size_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.size_bytes.fetch_sub(replaced, Ordering::Relaxed);
        state.read_bound = None;
        let due_ms = now_ms.saturating_add(state.config.file_delete_delay_ms);
        drop(state);
        deleted.into_iter().for_each(|path| self.context.trash.add(due_ms, path, &self.log_dir));
        // Not under the lock. If the directory is renamed meanwhile, nothing of it matters any more.
        let synced = crate::fs::found(disk.sync_dir(&dir)).map(|_| ());
        Ok(synced.map_err(|e| self.fail("replacing segments of", e))?)
    }
}

fn cleaned_path(dir: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    with_suffix(&offset_file(dir, base_offset, suffix), CLEANED_SUFFIX)
}

/// Creates an empty file, in place of what a cleaning that failed may have left.
fn create_new(path: &Path) -> io::Result<Arc<File>> {
    File::options().read(true).write(true).create(true).truncate(true).open(path).map(Arc::new)
}
