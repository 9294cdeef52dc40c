//! Looking into files without waiting for the disk.
//!
//! Who serves connections must not sleep because what one of them asks for has left the page cache, nor hold a log's lock
//! meanwhile. So a look can be told not to wait ([`OnCold::Tell`]): it ends where it would, and says what is missing. Another
//! thread brings that into memory ([`Cold::warm`]), with no lock held, and then the look begins anew.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Advice, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::fs::Disk;

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
pub enum ColdPlace {
    /// Pages of a file.
    #[error("{len} bytes at {position} are not in the page cache")]
    Pages {
        /// The file.
        file: Arc<File>,
        /// Where they begin.
        position: u64,
        /// How many bytes are wanted.
        len: usize,
    },
    /// A file's name or inode.
    #[error("{} is not in memory", .0.display())]
    Name(PathBuf),
}

/// What a look has missed, and the disk that has it.
#[derive(Clone)]
pub struct Cold {
    place: ColdPlace,
    disk: Arc<dyn Disk>,
}

impl Cold {
    pub(crate) fn new(place: ColdPlace, disk: Arc<dyn Disk>) -> Self {
        Self { place, disk }
    }

    /// Brings it into memory. Blocks.
    ///
    /// # Errors
    /// When it can't be read. Whoever looks again waits for what is missing, and so finds out why.
    pub fn warm(&self) -> io::Result<()> {
        self.disk.warm(&self.place)
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

/// What is asked of the disk around a place: a binary search, or a walk over headers, goes on near it. A power of two.
const WINDOW_BYTES: u64 = 128 * 1024;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// [`Disk::read_resident`] of the operating system's disk.
pub(crate) fn read_resident(file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
    loop {
        let mut parts = [io::IoSliceMut::new(buf)];
        match rustix::io::preadv2(file, &mut parts, position, ReadWriteFlags::NOWAIT) {
            Ok(n) => return Ok(Some(n)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            // The file system cannot tell: read, and wait if need be.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return file.read_at(buf, position).map(Some);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// [`Disk::open_resident`] of the operating system's disk.
pub(crate) fn open_resident(path: &std::path::Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::AGAIN) => Ok(None),
        // Linux before 5.12, or a sandbox: open, and wait if need be.
        Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
            File::options().read(true).write(true).open(path).map(Some)
        }
        Err(error) => Err(error.into()),
    }
}

/// [`Disk::warm`] of the operating system's disk.
pub(crate) fn warm(place: &ColdPlace) -> io::Result<()> {
    match place {
        ColdPlace::Name(path) => File::open(path).map(drop),
        ColdPlace::Pages { file, position, len } => {
            let from = position & !(WINDOW_BYTES - 1);
            // Only begins to read. A file system that cannot leaves it to the reads themselves.
            let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(WINDOW_BYTES), Advice::WillNeed);
            let mut buffer = vec![0; (*len).min(READ_BYTES)];
            let (mut at, end) = (*position, position.saturating_add(*len as u64));
            while at < end {
                let wanted = buffer.len().min((end - at) as usize);
                let read = match file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), at) {
                    Ok(0) => break,
                    Ok(n) => n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                    Err(e) => return Err(e),
                };
                at += read as u64;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealDisk;

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
                    None => {
                        let place =
                            ColdPlace::Pages { file: file.clone(), position: at, len: buf.len() - filled };
                        RealDisk.warm(&place).expect("warm");
                    }
                }
            }
            let expected = &content[position as usize..content.len().min(position as usize + buf.len())];
            assert_eq!(&buf[..filled], expected);
        }
    }

    #[test]
    fn a_file_is_opened_by_a_name_that_is_known() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("segment");
        let missing = ColdPlace::Name(path.clone());
        assert_eq!(RealDisk.warm(&missing).expect_err("there is none").kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, b"content").expect("write");
        RealDisk.warm(&missing).expect("warm");
        let file = RealDisk.open_resident(&path).expect("open").expect("its name was just used");
        assert_eq!(read_resident(&file, &mut [0; 100], 3).expect("read"), Some(4));
        assert_eq!(read_resident(&file, &mut [0; 100], 7).expect("read"), Some(0));
    }
}
