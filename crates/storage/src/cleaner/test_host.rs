//! The host of a cleaner in tests: a clock that is set, and a thread that can be told to stop.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use super::{CleanerHost, CleanerOptions};
use crate::test_support::NOW;

/// Called with the number of times that the cleaner has asked whether to stop.
type Hook = Box<dyn FnMut(i64) + Send>;

pub(crate) struct TestHost {
    pub(crate) now_ms: AtomicI64,
    pub(crate) paused_ms: AtomicI64,
    /// How often the cleaner may ask before it is told to stop.
    pub(crate) stop_after: AtomicI64,
    asked: AtomicI64,
    pub(crate) hook: Mutex<Option<Hook>>,
}

impl TestHost {
    pub(crate) fn new() -> Self {
        Self {
            now_ms: AtomicI64::new(NOW),
            paused_ms: AtomicI64::new(0),
            stop_after: AtomicI64::new(i64::MAX),
            asked: AtomicI64::new(0),
            hook: Mutex::new(None),
        }
    }

    pub(crate) fn asked(&self) -> i64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl CleanerHost for TestHost {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn elapsed_ms(&self) -> i64 {
        self.paused_ms.load(Ordering::Relaxed) + self.asked() * 1000
    }

    fn pause(&self, ms: i64) {
        self.paused_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(hook) = &mut *self.hook.lock() {
            hook(asked);
        }
        asked >= self.stop_after.load(Ordering::Relaxed)
    }
}

pub(crate) fn options(keys: usize) -> CleanerOptions {
    CleanerOptions {
        dedupe_buffer_bytes: keys * 24,
        load_factor: 1.0,
        io_buffer_bytes: 0,
        max_io_buffer_bytes: 1 << 20,
    }
}
