//! A disk that makes writers wait until it is told to let them go.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::fs::Disk;

/// See the module's text.
#[derive(Default)]
pub struct GateDisk {
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    waiting: usize,
}

impl GateDisk {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Writes wait from now on.
    pub fn close(&self) {
        self.gate.lock().is_closed = true;
    }

    /// Writes wait no more.
    pub fn open(&self) {
        self.gate.lock().is_closed = false;
        self.changed.notify_all();
    }

    /// Comes back once a writer waits.
    pub fn until_somebody_waits(&self) {
        let mut gate = self.gate.lock();
        while gate.waiting == 0 {
            self.changed.wait(&mut gate);
        }
    }
}

impl Disk for GateDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut gate = self.gate.lock();
        gate.waiting += 1;
        self.changed.notify_all();
        while gate.is_closed {
            self.changed.wait(&mut gate);
        }
        gate.waiting -= 1;
        drop(gate);
        Ok(rustix::io::pwritev(file, parts, position)?)
    }
}
