//! Ranges of files in a response.
//!
//! A range from the page cache costs least by `sendfile` from [`SENDFILE_MIN`] bytes on (42-60 ns/KB against 150-175 for reading and
//! sending); below that, one `pread` into a pooled buffer that leaves with the rest of the response in one vectored write is
//! cheaper than three system calls and a packet boundary.
//!
//! A range that is *not* in the page cache must not stall the other connections of the thread, so it is asked for with
//! `RWF_NOWAIT`, and read on the runtime's blocking pool when the kernel says that it would have to wait. For `sendfile`, which has no
//! such flag, the first and last byte of each [`WARM_CHUNK`] are asked for, and a cold chunk is read once to make it resident.
//! Whoever reads what is cold reads on: the disk is asked for the next [`READ_AHEAD`] along with it, so that a consumer that
//! catches up waits for one read and finds the others done. The kernel's own read-ahead is an eighth of a megabyte, and goes
//! by the file, which consumers at different places share.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

/// Ranges of at least this many bytes go by `sendfile`.
pub(crate) const SENDFILE_MIN: u64 = 64 * 1024;
/// The part of a large range that is checked, and read if it is cold, at a time.
const WARM_CHUNK: u64 = 512 * 1024;
/// What the disk is asked for beyond a cold read, in bytes.
const READ_AHEAD: u64 = 2 * 1024 * 1024;
/// File buffers kept per thread.
const POOL_MAX: usize = 8;

/// What is still to be sent of a range.
#[derive(Debug)]
pub(crate) struct FileRange {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
    pub(crate) len: u64,
    /// Bytes from `position` on that are known to be in the page cache.
    pub(crate) warm: u64,
}

/// A small range that was read.
#[derive(Debug)]
pub(crate) struct FileBuffer {
    /// [`SENDFILE_MIN`] bytes, from the pool.
    data: Vec<u8>,
    start: usize,
    end: usize,
}

/// Buffers of one thread. They are filled with zeros once, when they are created.
#[derive(Debug, Default)]
pub(crate) struct FileBuffers(RefCell<Vec<Vec<u8>>>);

/// A read on the blocking pool, which hands the buffer back.
pub(crate) type ColdRead = JoinHandle<io::Result<Vec<u8>>>;

impl FileBuffers {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; SENDFILE_MIN as usize])
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut free = self.0.borrow_mut();
        if free.len() < POOL_MAX {
            free.push(buffer);
        }
    }

    /// Frees all buffers; called by the thread's sweep, so that idle threads hold none.
    pub(crate) fn trim(&self) {
        *self.0.borrow_mut() = Vec::new();
    }
}

impl FileBuffer {
    pub(crate) fn unsent(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    pub(crate) fn recycle(self, buffers: &FileBuffers) {
        buffers.give(self.data);
    }

    /// The buffer that a [`FileRange::start_cold_read`] of `len` bytes filled.
    pub(crate) fn filled(data: Vec<u8>, len: u64) -> Self {
        let end = data.len().min(len as usize);
        FileBuffer { data, start: 0, end }
    }
}

impl FileRange {
    pub(crate) fn is_large(&self) -> bool {
        self.len >= SENDFILE_MIN
    }

    /// Reads a small range if all of it is in the page cache; `None` if it is not.
    pub(crate) fn read_resident(&self, buffers: &FileBuffers) -> io::Result<Option<FileBuffer>> {
        let mut data = buffers.take();
        let outcome = match data.get_mut(..self.len as usize) {
            Some(target) => read_resident(&self.file, self.position, target),
            None => Ok(false),
        };
        match outcome {
            Ok(true) => Ok(Some(FileBuffer::filled(data, self.len))),
            Ok(false) => {
                buffers.give(data);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the next chunk of a large range is in the page cache, as far as its ends tell.
    pub(crate) fn check_warm(&mut self) -> io::Result<bool> {
        if self.warm > 0 {
            return Ok(true);
        }
        let chunk = self.len.min(WARM_CHUNK);
        let mut byte = [0];
        let resident = read_resident(&self.file, self.position, &mut byte)?
            && read_resident(&self.file, self.position.saturating_add(chunk - 1), &mut byte)?;
        if resident {
            self.warm = chunk;
        }
        Ok(resident)
    }

    /// Reads a small range, or the next chunk of a large one, on the blocking pool.
    pub(crate) fn start_cold_read(&self, buffers: &FileBuffers) -> ColdRead {
        let (file, mut position) = (self.file.clone(), self.position);
        let mut left = if self.is_large() { self.len.min(WARM_CHUNK) } else { self.len };
        let mut data = buffers.take();
        tokio::task::spawn_blocking(move || {
            // Only begins to read. A file system that cannot leaves it to the reads themselves.
            let ahead = NonZeroU64::new(left + READ_AHEAD);
            let _ = rustix::fs::fadvise(&file, position, ahead, Advice::WillNeed);
            while left > 0 {
                let n = left.min(data.len() as u64);
                let target = data.get_mut(..n as usize).unwrap_or_default();
                file.read_exact_at(target, position)?;
                position += n;
                left -= n;
            }
            Ok(data)
        })
    }

    /// A [`FileRange::start_cold_read`] of a large range is done.
    pub(crate) fn warmed(&mut self) {
        self.warm = self.len.min(WARM_CHUNK);
    }

    pub(crate) fn advance(&mut self, n: u64) {
        self.position = self.position.saturating_add(n);
        self.len = self.len.saturating_sub(n);
        self.warm = self.warm.saturating_sub(n);
    }
}

/// Fills `target` from the page cache; `false` if that would mean waiting for the disk.
///
/// # Errors
/// When the file ends before, or can't be read.
pub fn read_resident(file: &File, mut position: u64, mut target: &mut [u8]) -> io::Result<bool> {
    while !target.is_empty() {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(target)], position, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                position += n as u64;
                target = target.split_at_mut_checked(n).map(|(_, rest)| rest).unwrap_or_default();
            }
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            // The file system cannot tell: read, and wait if need be.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return file.read_exact_at(target, position).map(|()| true);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn range(content: &[u8], position: u64, len: u64) -> FileRange {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        FileRange { file: Arc::new(file), position, len, warm: 0 }
    }

    #[test]
    fn reads_what_is_there_and_refuses_what_is_not() {
        let buffers = FileBuffers::default();
        let buffer = range(b"0123456789", 3, 4).read_resident(&buffers).unwrap().unwrap();
        assert_eq!(buffer.unsent(), b"3456");
        buffer.recycle(&buffers);
        assert_eq!(buffers.0.borrow().len(), 1);
        let short = range(b"0123456789", 8, 4).read_resident(&buffers).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_cold_read_brings_along_what_comes_next() {
        let len = WARM_CHUNK + READ_AHEAD;
        let mut range = range(&vec![7; len as usize], 0, len);
        range.file.sync_all().unwrap();
        // In memory there is nothing to evict; then all is warm from the beginning.
        rustix::fs::fadvise(&range.file, 0, None, Advice::DontNeed).unwrap();
        range.start_cold_read(&FileBuffers::default()).await.unwrap().unwrap();
        range.warmed();
        range.advance(WARM_CHUNK);
        // Nobody waits for the disk but this test.
        let began = std::time::Instant::now();
        while range.len > 0 {
            if range.check_warm().unwrap() {
                range.advance(range.warm);
            }
            assert!(began.elapsed() < std::time::Duration::from_secs(30), "{} bytes are cold", range.len);
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn cold_reads() {
        let buffers = FileBuffers::default();
        let data = range(b"0123456789", 3, 4).start_cold_read(&buffers).await.unwrap().unwrap();
        assert_eq!(FileBuffer::filled(data, 4).unsent(), b"3456");
        let short = range(b"0123456789", 8, 4).start_cold_read(&buffers).await.unwrap().unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        let mut large = range(&vec![1; 1_000_000], 0, 1_000_000);
        large.start_cold_read(&buffers).await.unwrap().unwrap();
        large.warmed();
        assert_eq!(large.warm, WARM_CHUNK);
        large.advance(WARM_CHUNK);
        assert_eq!((large.warm, large.len), (0, 1_000_000 - WARM_CHUNK));
        assert!(large.check_warm().unwrap());
    }
}
