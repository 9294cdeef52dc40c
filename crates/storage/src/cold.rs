//! Looking into files without waiting for the disk.
//!
//! Who serves connections must not sleep because what one of them asks for has left the page cache, nor hold a log's lock
//! meanwhile. So a look can be told not to wait ([`OnCold::Tell`]): it ends where it would, and says what is missing. Another
//! thread brings that into memory ([`Cold::warm`]), with no lock held, and then the look begins anew.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::file_cache::FileSlot;
use crate::fs::{Disk, RealDisk, read_up_to};
use crate::log_dir::LogDir;

/// What a look does when it would have to wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCold {
    /// It waits.
    Wait,
    /// It ends with [`StorageError::Cold`](crate::StorageError::Cold).
    Tell,
}

/// What is not in memory.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ColdPlace {
    /// Pages of a file.
    #[error("{len} bytes at {position} are not in the page cache")]
    Pages { file: Arc<File>, position: u64, len: usize },
    /// The name or inode of a file that is to be opened.
    #[error("{} is not open", .path.display())]
    Closed { slot: Arc<FileSlot>, path: PathBuf },
}

/// What a look has missed, and where it is.
#[derive(Clone)]
pub struct Cold {
    place: ColdPlace,
    log_dir: Arc<LogDir>,
    doing: String,
}

impl Cold {
    /// What was missed while `doing`.
    pub(crate) fn new(place: ColdPlace, log_dir: Arc<LogDir>, doing: String) -> Self {
        Self { place, log_dir, doing }
    }

    /// Brings it into memory. Blocks. What can't be read takes the log directory offline, as in any other look.
    pub fn warm(&self) {
        let disk = self.log_dir.disk();
        let warmed = match &self.place {
            ColdPlace::Pages { file, position, len } => disk.warm(file, *position, *len),
            ColdPlace::Closed { slot, path } => slot.warm(|| disk.open(path, false)),
        };
        match warmed {
            Ok(()) => {}
            // It was removed meanwhile: the next look will know.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => drop(self.log_dir.fail(self.doing.clone(), e)),
        }
    }
}

impl std::fmt::Debug for Cold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cold").field(&self.place).finish()
    }
}

impl std::fmt::Display for Cold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f)
    }
}

/// So often the same place may be missed. Then memory is so short that it does not stay, and it must be waited for.
const MISSES_MAX: u32 = 8;

/// How often looks have missed what they were looking for.
#[derive(Debug, Default)]
pub struct Misses(HashMap<PlaceKey, u32>);

#[derive(Debug, PartialEq, Eq, Hash)]
enum PlaceKey {
    Pages(usize, u64),
    Closed(PathBuf),
}

impl Misses {
    /// Takes note of what was missed. Whether it does no good to bring it into memory.
    pub fn note(&mut self, cold: &Cold) -> bool {
        let key = match &cold.place {
            ColdPlace::Pages { file, position, .. } => PlaceKey::Pages(Arc::as_ptr(file).addr(), *position),
            ColdPlace::Closed { path, .. } => PlaceKey::Closed(path.clone()),
        };
        let times = self.0.entry(key).or_default();
        *times += 1;
        *times > MISSES_MAX
    }
}

/// What is asked of the disk around a place: a binary search, or a walk over headers, goes on near it. A power of two.
const WINDOW_BYTES: u64 = 128 * 1024;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// [`Disk::read_resident`](crate::fs::Disk::read_resident) of the operating system's disk.
pub(crate) fn read_resident(file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
    loop {
        let mut parts = [io::IoSliceMut::new(buf)];
        match rustix::io::preadv2(file, &mut parts, position, ReadWriteFlags::NOWAIT) {
            Ok(n) => return Ok(Some(n)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            // The file system cannot tell: read, and wait if need be.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return read_up_to(file, buf, position).map(Some);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// [`Disk::open_resident`](crate::fs::Disk::open_resident) of the operating system's disk.
pub(crate) fn open_resident(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        // Linux before 5.12, or a sandbox: open, and wait if need be.
        Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => RealDisk.open(path, false).map(Some),
        Err(error) => Err(error.into()),
    }
}

/// [`Disk::warm`](crate::fs::Disk::warm) of the operating system's disk.
pub(crate) fn warm(file: &File, position: u64, len: usize) -> io::Result<()> {
    let from = position & !(WINDOW_BYTES - 1);
    // Only begins to read. A file system that cannot leaves it to the reads themselves.
    let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(WINDOW_BYTES), Advice::WillNeed);
    let mut buffer = vec![0; len.min(READ_BYTES)];
    let (mut at, end) = (position, position.saturating_add(len as u64));
    while at < end {
        let wanted = buffer.len().min((end - at) as usize);
        match read_up_to(file, buffer.get_mut(..wanted).unwrap_or_default(), at)? {
            0 => break,
            n => at += n as u64,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the pages go depends on the file system; that what is read is right does not.
    #[test]
    fn what_is_evicted_is_found_once_it_is_warm() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("segment");
        let content: Vec<u8> = (0..1_000_000u32).map(|i| (i / 1000) as u8).collect();
        std::fs::write(&path, &content).expect("write");
        let file = Arc::new(crate::fs::open_rw(&path).expect("open"));
        file.sync_all().expect("sync");
        rustix::fs::fadvise(&*file, 0, None, Advice::DontNeed).expect("evict");
        let mut buf = vec![0; 5000];
        for position in [0, 999_000, 500_000, 131_000] {
            let mut filled = 0;
            while filled < buf.len() {
                let at = position + filled as u64;
                match RealDisk.read_resident(&file, &mut buf[filled..], at).expect("read") {
                    Some(0) => break,
                    Some(n) => filled += n,
                    None => RealDisk.warm(&file, at, buf.len() - filled).expect("warm"),
                }
            }
            let expected = &content[position as usize..content.len().min(position as usize + buf.len())];
            assert_eq!(&buf[..filled], expected);
        }
    }

    /// Whether a name is known depends on the file system, too.
    #[test]
    fn a_file_is_opened_by_a_name_that_is_known() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("segment");
        std::fs::write(&path, b"content").expect("write");
        if let Some(file) = RealDisk.open_resident(&path).expect("open") {
            assert_eq!(read_resident(&file, &mut [0; 100], 3).expect("read"), Some(4));
            assert_eq!(read_resident(&file, &mut [0; 100], 7).expect("read"), Some(0));
        }
        std::fs::remove_file(&path).expect("remove");
        match RealDisk.open_resident(&path) {
            Ok(found) => assert!(found.is_none()),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::NotFound),
        }
    }

    #[test]
    fn what_is_missed_again_and_again_must_be_waited_for() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = Arc::new(crate::fs::open_rw(&dir.path().join("segment")).expect("open"));
        let log_dir = LogDir::standalone(dir.path().to_path_buf());
        let at = |position| {
            let place = ColdPlace::Pages { file: file.clone(), position, len: 1 };
            Cold::new(place, log_dir.clone(), String::new())
        };
        let mut misses = Misses::default();
        // However many places there are.
        assert!((0..10_000).all(|position| !misses.note(&at(position))));
        assert!((1..MISSES_MAX).all(|_| !misses.note(&at(7))));
        assert!(misses.note(&at(7)));
        assert!(!misses.note(&at(8)));
    }
}
