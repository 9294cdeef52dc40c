//! The mark on a log whose place a copy in another log directory is about to take. It names that directory.
//!
//! While it is there, nothing is appended to the log, and the copy holds all of it. So of two directories for one
//! partition, which is what a crash between the two renames of a move leaves, the marked one has had its time.
//! Kafka knows nothing of this file, and does not look at files of such names.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use ottla_protocol::Uuid;

use crate::fs::{Disk, found};

/// Name of the file in a partition's directory.
pub const MOVED_TO_FILE: &str = "ottla-moved-to";

/// Marks the log in `dir`, durably.
pub fn write(dir: &Path, target: Uuid, disk: &dyn Disk) -> io::Result<()> {
    let mut file = File::create(dir.join(MOVED_TO_FILE))?;
    file.write_all(format!("version: 0\ndirectory.id: {target}\n").as_bytes())?;
    disk.sync_data(&file)?;
    disk.sync_dir(dir)
}

/// The id of the directory that the log in `dir` was moved to; none without a mark, or with one that was not finished.
pub fn read(dir: &Path) -> io::Result<Option<Uuid>> {
    let Some(content) = found(std::fs::read_to_string(dir.join(MOVED_TO_FILE)))? else { return Ok(None) };
    let target = content.strip_prefix("version: 0\ndirectory.id: ").and_then(|rest| rest.strip_suffix('\n'));
    Ok(Some(target.and_then(|id| id.parse().ok()).unwrap_or(Uuid::ZERO)))
}

/// Takes the mark away, durably, before anything is appended.
pub fn remove(dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    match found(std::fs::remove_file(dir.join(MOVED_TO_FILE)))? {
        Some(()) => disk.sync_dir(dir),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealDisk;

    #[test]
    fn a_mark_is_read_until_it_is_removed() {
        let dir = tempfile::tempdir().expect("temp dir");
        let target = Uuid::from_parts(3, 4);
        assert_eq!(read(dir.path()).expect("missing"), None);
        write(dir.path(), target, &RealDisk).expect("write");
        assert_eq!(read(dir.path()).expect("read"), Some(target));
        // Cut short: it says nothing, but is there to be removed.
        for torn in ["", "version: 0\ndirectory.id: AAAA"] {
            std::fs::write(dir.path().join(MOVED_TO_FILE), torn).expect("write");
            assert_eq!(read(dir.path()).expect("read"), Some(Uuid::ZERO), "{torn:?}");
        }
        for _ in 0..2 {
            remove(dir.path(), &RealDisk).expect("remove");
            assert_eq!(read(dir.path()).expect("gone"), None);
        }
    }
}
