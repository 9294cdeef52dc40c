//! Open files, shared by all logs and bounded in number.
//!
//! Every segment file has a [`FileSlot`], which is empty until the file is needed. The slots that hold an
//! open file stand in a clock (second chance): opening one more than the limit closes one that was not used
//! since the hand last passed. Using an open file takes only its own slot's lock, so logs do not meet here.
//! A closed slot does not disturb readers: they hold the file itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::fs::is_exhaustion;

/// The bound on open files, and the clock over the open ones.
#[derive(Debug)]
pub struct FileCache {
    open_max: usize,
    open: AtomicUsize,
    clock: Mutex<VecDeque<Weak<FileSlot>>>,
}

impl FileCache {
    /// A cache that keeps at most about `open_max` files open.
    pub fn new(open_max: usize) -> Arc<Self> {
        Arc::new(Self { open_max: open_max.max(1), open: AtomicUsize::new(0), clock: Mutex::default() })
    }

    /// A bound that leaves half of this process's descriptors to connections.
    pub fn default_open_max() -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let soft = limit.current.unwrap_or(1 << 20);
        usize::try_from(soft / 2).unwrap_or(usize::MAX).clamp(16, 1 << 19)
    }

    /// How many files are open now.
    pub fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Closes what was not used since the last call: an idle partition holds no open file.
    pub fn close_idle(&self) {
        // Closing thousands of files takes a while; who opens one meanwhile must not wait for it.
        let mut slots = std::mem::take(&mut *self.clock.lock());
        slots.retain(|slot| match slot.upgrade() {
            None => false,
            Some(slot) => slot.used.swap(false, Ordering::Relaxed) || !slot.close(),
        });
        self.clock.lock().append(&mut slots);
    }

    fn enter(&self, slot: &Arc<FileSlot>) {
        let mut clock = self.clock.lock();
        clock.push_back(Arc::downgrade(slot));
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.open_max {
            self.evict(&mut clock, 1, slot);
        }
    }

    /// Closes up to `wanted` files, but never that of `keep`.
    fn evict(&self, clock: &mut VecDeque<Weak<FileSlot>>, mut wanted: usize, keep: &Arc<FileSlot>) {
        for _ in 0..clock.len() * 2 {
            if wanted == 0 {
                return;
            }
            let Some(candidate) = clock.pop_front() else { return };
            let Some(slot) = candidate.upgrade() else { continue };
            if Arc::ptr_eq(&slot, keep) || slot.used.swap(false, Ordering::Relaxed) || !slot.close() {
                clock.push_back(candidate);
            } else {
                wanted -= 1;
            }
        }
    }
}

/// The place of one file, open or not.
#[derive(Debug)]
pub struct FileSlot {
    cache: Arc<FileCache>,
    file: Mutex<Option<Arc<File>>>,
    used: AtomicBool,
}

impl FileSlot {
    /// An empty slot.
    pub fn new(cache: &Arc<FileCache>) -> Arc<Self> {
        Arc::new(Self { cache: cache.clone(), file: Mutex::default(), used: AtomicBool::new(false) })
    }

    /// The file; `open` is called when it is not open.
    pub fn file(self: &Arc<Self>, open: impl Fn() -> io::Result<File>) -> io::Result<Arc<File>> {
        let mut place = self.file.lock();
        self.used.store(true, Ordering::Relaxed);
        if let Some(file) = &*place {
            return Ok(file.clone());
        }
        let file = Arc::new(self.opened(open)?);
        *place = Some(file.clone());
        // The clock takes slot locks only by `try_lock`, so this order cannot deadlock.
        drop(place);
        self.cache.enter(self);
        Ok(file)
    }

    /// Opens the file if it is not, without keeping those waiting who ask for it meanwhile.
    pub fn warm(self: &Arc<Self>, open: impl Fn() -> io::Result<File>) -> io::Result<()> {
        if self.file.lock().is_some() {
            return Ok(());
        }
        let file = Arc::new(self.opened(open)?);
        let mut place = self.file.lock();
        self.used.store(true, Ordering::Relaxed);
        if place.is_none() {
            *place = Some(file);
            drop(place);
            self.cache.enter(self);
        }
        Ok(())
    }

    fn opened(self: &Arc<Self>, open: impl Fn() -> io::Result<File>) -> io::Result<File> {
        match open() {
            Err(e) if is_exhaustion(&e) => {
                let mut clock = self.cache.clock.lock();
                self.cache.evict(&mut clock, 64, self);
                drop(clock);
                open()
            }
            other => other,
        }
    }

    /// Closes the file unless its slot is being used right now; false in that case.
    fn close(&self) -> bool {
        let Some(mut place) = self.file.try_lock() else { return false };
        if place.take().is_some() {
            self.cache.open.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }
}

impl Drop for FileSlot {
    fn drop(&mut self) {
        if self.file.get_mut().take().is_some() {
            self.cache.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_open_files_is_bounded() {
        let dir = tempfile::tempdir().expect("temp dir");
        let cache = FileCache::new(4);
        let slots: Vec<_> = (0..20).map(|_| FileSlot::new(&cache)).collect();
        for round in 0..3 {
            for (i, slot) in slots.iter().enumerate() {
                let path = dir.path().join(i.to_string());
                let file = slot.file(|| crate::fs::open_rw(&path)).expect("open");
                use std::os::unix::fs::FileExt;
                file.write_all_at(&[round], u64::from(round)).expect("write");
                assert!(cache.open_count() <= 5, "{}", cache.open_count());
            }
        }
        drop(slots);
        assert_eq!(cache.open_count(), 0);
    }

    #[test]
    fn idle_files_are_closed_at_the_second_pass() {
        let dir = tempfile::tempdir().expect("temp dir");
        let cache = FileCache::new(100);
        let slot = FileSlot::new(&cache);
        let path = dir.path().join("f");
        let held = slot.file(|| crate::fs::open_rw(&path)).expect("open");
        cache.close_idle();
        assert_eq!(cache.open_count(), 1);
        cache.close_idle();
        assert_eq!(cache.open_count(), 0);
        held.sync_data().expect("a reader's file stays open");
        slot.file(|| crate::fs::open_rw(&path)).expect("opens again");
        assert_eq!(cache.open_count(), 1);
    }
}
