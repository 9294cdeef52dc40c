//! Taking and loading producer snapshots.
//!
//! A snapshot named N holds the state before offset N. One is taken whenever a segment is closed, named like
//! the next segment, so that any segment can be read again from its start; and one at a clean stop. Snapshots
//! go with their segments.

use std::io;
use std::path::{Path, PathBuf};

use super::entry::ProducerEntry;
use super::{ProducerStateManager, is_expired, snapshot};
use crate::fs::{found, replace_file, with_suffix};
use crate::names::{DELETED_SUFFIX, SNAPSHOT_SUFFIX, offset_file};
use crate::segment::lazy_file::SegmentEnv;

impl ProducerStateManager {
    /// The newest snapshot.
    pub fn latest_snapshot_offset(&self) -> Option<i64> {
        self.snapshots.last().copied()
    }

    /// All snapshots, ascending.
    pub fn snapshot_offsets(&self) -> &[i64] {
        &self.snapshots
    }

    /// Writes the state to a file unless the last snapshot is as new; the file's offset. Without `sync` the
    /// file must be made durable before the recovery point passes it.
    pub fn take_snapshot(&mut self, dir: &Path, sync: bool) -> io::Result<Option<i64>> {
        let offset = self.map_end_offset;
        if offset <= self.last_snapshot_offset {
            return Ok(None);
        }
        let mut producers: Vec<&ProducerEntry> = self.producers.values().collect();
        producers.sort_unstable_by_key(|entry| entry.producer_id);
        let content = snapshot::encode(producers.into_iter());
        let path = snapshot_path(dir, offset);
        if !self.holds(&path, offset, &content)? {
            replace_file(&path, &content, sync)?;
        }
        if let Err(at) = self.snapshots.binary_search(&offset) {
            self.snapshots.insert(at, offset);
        }
        self.last_snapshot_offset = offset;
        Ok(Some(offset))
    }

    /// A recovery begins: snapshots behind what is known to be sound are not removed at once, but doubted.
    pub fn begin_recovery(&mut self) {
        self.doubtful.get_or_insert_default();
    }

    /// Whether there is a snapshot at `offset` that must be written anew to stay.
    pub fn doubts(&self, offset: i64) -> bool {
        self.doubtful.as_ref().is_some_and(|doubtful| doubtful.contains(&offset))
    }

    /// A recovery has ended: what nobody wrote again is removed.
    pub fn end_recovery(&mut self, dir: &Path) -> io::Result<()> {
        for offset in self.doubtful.take().unwrap_or_default() {
            if !self.snapshots.contains(&offset) {
                found(std::fs::remove_file(snapshot_path(dir, offset)))?;
            }
        }
        Ok(())
    }

    /// Whether a doubtful snapshot at `offset` holds this. To write it again would cost the file system two entries
    /// of a directory.
    fn holds(&self, path: &Path, offset: i64, content: &[u8]) -> io::Result<bool> {
        Ok(self.doubts(offset) && found(std::fs::read(path))?.is_some_and(|there| there == content))
    }

    /// Starts over from the newest snapshot within the log; those outside it are removed. When the log's end
    /// has not moved, the state in memory stays.
    pub fn truncate_and_reload(
        &mut self,
        dir: &Path,
        log_start_offset: i64,
        log_end_offset: i64,
        now_ms: i64,
    ) -> io::Result<()> {
        self.remove_snapshots(dir, |offset| offset > log_end_offset || offset <= log_start_offset)?;
        if log_end_offset == self.map_end_offset {
            self.on_log_start_offset_incremented(log_start_offset);
            return Ok(());
        }
        self.forget_all();
        self.load_latest_snapshot(dir, log_start_offset, now_ms)
    }

    fn load_latest_snapshot(&mut self, dir: &Path, log_start_offset: i64, now_ms: i64) -> io::Result<()> {
        while let Some(offset) = self.latest_snapshot_offset() {
            let path = snapshot_path(dir, offset);
            let content = found(std::fs::read(&path))?;
            match content.as_deref().map(snapshot::decode) {
                Some(Ok(entries)) => {
                    let expiration_ms = self.producer_id_expiration_ms;
                    for entry in entries {
                        if !is_expired(&entry, now_ms, expiration_ms) {
                            self.load_entry(entry);
                        }
                    }
                    self.last_snapshot_offset = offset;
                    self.map_end_offset = offset;
                    return Ok(());
                }
                Some(Err(why)) => {
                    tracing::warn!("Failed to load producer snapshot from '{}': {why}", path.display());
                    self.remove_snapshots(dir, |o| o == offset)?;
                }
                None => self.snapshots.retain(|o| *o != offset),
            }
        }
        self.last_snapshot_offset = log_start_offset;
        self.map_end_offset = log_start_offset;
        Ok(())
    }

    /// The state is that of `offset`, which was taken for that of a later one: its snapshots are removed.
    pub fn step_back_to(&mut self, dir: &Path, offset: i64) -> io::Result<()> {
        self.map_end_offset = offset;
        self.remove_snapshots(dir, |snapshot| snapshot > offset)?;
        self.last_snapshot_offset = self.latest_snapshot_offset().unwrap_or_default();
        Ok(())
    }

    /// Forgets everything; the log goes on at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, dir: &Path, offset: i64) -> io::Result<()> {
        self.forget_all();
        self.remove_snapshots(dir, |_| true)?;
        self.last_snapshot_offset = 0;
        self.map_end_offset = offset;
        Ok(())
    }

    /// Removes snapshots that belong to no segment, but keeps the newest if it lies behind all segments: it
    /// is that of a clean stop.
    pub fn remove_stray_snapshots(&mut self, dir: &Path, segments: &[i64]) -> io::Result<()> {
        let newest_segment = segments.iter().max().copied().unwrap_or(i64::MIN);
        let newest_stray = self.snapshots.iter().rev().find(|o| !segments.contains(o)).copied();
        let keep = newest_stray.filter(|o| *o > newest_segment);
        self.remove_snapshots(dir, |offset| !segments.contains(&offset) && Some(offset) != keep)
    }

    /// Renames the snapshot of a segment that is being deleted; the renamed file.
    pub fn mark_snapshot_deleted(&mut self, env: SegmentEnv<'_>, offset: i64) -> io::Result<Option<PathBuf>> {
        let Ok(at) = self.snapshots.binary_search(&offset) else { return Ok(None) };
        self.snapshots.remove(at);
        let path = snapshot_path(env.dir, offset);
        let marked = with_suffix(&path, DELETED_SUFFIX);
        Ok(found(env.disk.rename(&path, &marked))?.map(|()| marked))
    }

    pub(super) fn remove_snapshots(&mut self, dir: &Path, which: impl Fn(i64) -> bool) -> io::Result<()> {
        for offset in self.snapshots.iter().filter(|o| which(**o)) {
            match &mut self.doubtful {
                Some(doubtful) => doubtful.push(*offset),
                None => {
                    found(std::fs::remove_file(snapshot_path(dir, *offset)))?;
                }
            }
        }
        self.snapshots.retain(|offset| !which(*offset));
        Ok(())
    }
}

/// File of the snapshot at `offset`.
pub fn snapshot_path(dir: &Path, offset: i64) -> PathBuf {
    offset_file(dir, offset, SNAPSHOT_SUFFIX)
}
