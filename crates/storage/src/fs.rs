//! The few disk operations whose failure or slowness must be tested, behind a seam; and small helpers over files.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cold;

/// What a log does to a disk that may fail, or keep who asks waiting. Tests put such a disk in its place; all other file
/// operations are plain `std::fs`.
pub trait Disk: Send + Sync {
    /// Opens a file of a log for reading and writing; one that is missing is made only if `create` says so.
    fn open(&self, path: &Path, create: bool) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)
    }

    /// Opens a file of a log that exists; none if it takes the disk to find it.
    fn open_resident(&self, path: &Path) -> io::Result<Option<File>> {
        cold::open_resident(path)
    }

    /// Fills some of `buf` from `position` on, from the page cache: how many bytes, 0 at the file's end; none if the first
    /// of them is not there.
    fn read_resident(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        cold::read_resident(file, buf, position)
    }

    /// Brings bytes that a look has missed into memory, and waits until they are there.
    fn warm(&self, file: &File, position: u64, len: usize) -> io::Result<()> {
        cold::warm(file, position, len)
    }

    /// Writes some of `parts` at `position` and says how many bytes.
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(file, parts, position)?)
    }

    /// Makes the file's content durable (`fdatasync`).
    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Sets blocks aside for `len` bytes from `position` on, without changing the file's length.
    fn reserve(&self, file: &File, position: u64, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, position, len)?)
    }

    /// Cuts the file at `len` bytes; with its own length, gives back what is reserved behind it.
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    /// Gives a file another name in the same directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }
}

/// The operating system's disk.
#[derive(Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// Most parts that one write takes.
const PARTS_MAX: usize = 16;

/// Writes all of `parts` at `position`; one system call unless the disk takes less than it was given.
pub fn write_all_at(disk: &dyn Disk, file: &File, parts: &[&[u8]], mut position: u64) -> io::Result<()> {
    let mut rest = parts;
    let mut skip = 0usize;
    loop {
        while let Some((first, tail)) = rest.split_first() {
            if skip < first.len() {
                break;
            }
            skip -= first.len();
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let mut slices: [IoSlice<'_>; PARTS_MAX] = std::array::from_fn(|_| IoSlice::new(&[]));
        let mut used = 0;
        for (slot, part) in slices.iter_mut().zip(rest) {
            let from = if used == 0 { skip } else { 0 };
            *slot = IoSlice::new(part.get(from..).unwrap_or_default());
            used += 1;
        }
        let written = match disk.write_vectored_at(file, slices.get(..used).unwrap_or_default(), position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        position += written as u64;
        skip += written;
    }
}

/// Fills as much of `buf` from `position` as the file holds; the number of bytes read.
pub fn read_up_to(file: &File, buf: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Replaces `path` by `content`, so that a crash leaves either the old file or the new one. With `sync`
/// this holds for a power failure, too; without, only for the end of the process.
pub fn replace_file(path: &Path, content: &[u8], sync: bool) -> io::Result<()> {
    replace_file_with(path, ".tmp", sync, |file| file.write_all(content))
}

/// As [`replace_file`], for what is written piece by piece. Until it is whole the file's name ends in `suffix`.
pub fn replace_file_with(
    path: &Path,
    suffix: &str,
    sync: bool,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = with_suffix(path, suffix);
    let mut file = File::create(&temporary)?;
    content(&mut file)?;
    if sync {
        file.sync_data()?;
    }
    drop(file);
    std::fs::rename(&temporary, path)?;
    if sync && let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    Ok(())
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// `path` with `suffix` added to its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file for reading and writing, creating it when it is missing.
pub fn open_rw(path: &Path) -> io::Result<File> {
    RealDisk.open(path, true)
}

/// Turns "there is no such file" into none.
pub fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether an error says that this process or machine has no file descriptor or memory left: the disk is
/// sound, so the log directory stays online.
pub fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes at most `step` bytes a time, and is interrupted in between.
    struct Halting {
        step: usize,
        calls: std::sync::atomic::AtomicUsize,
    }

    impl Disk for Halting {
        fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
            if self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let joined: Vec<u8> = parts.iter().flat_map(|p| p.to_vec()).take(self.step).collect();
            file.write_all_at(&joined, position)?;
            Ok(joined.len())
        }
    }

    #[test]
    fn short_writes_are_carried_on() {
        let dir = tempfile::tempdir().expect("temp dir");
        for step in [1, 2, 3, 5, 100] {
            let file = open_rw(&dir.path().join(format!("f{step}"))).expect("open");
            let disk = Halting { step, calls: 0.into() };
            let parts: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; usize::from(i % 4)]).collect();
            let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            write_all_at(&disk, &file, &slices, 3).expect("write");
            let mut found = vec![0; 1000];
            let n = read_up_to(&file, &mut found, 3).expect("read");
            assert_eq!(found[..n], parts.concat());
        }
    }

    #[test]
    fn replacing_leaves_no_temporary() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("checkpoint");
        replace_file(&path, b"one", true).expect("write");
        replace_file(&path, b"two", false).expect("write");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
