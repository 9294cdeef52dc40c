//! A disk that lets some writes wait until its gate is opened.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex};

use ottla_storage::fs::Disk;

/// A disk that writes what it holds up only while its gate is open.
pub struct GateDisk {
    holds: fn(&File, &[u8]) -> bool,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    waiting: usize,
}

impl GateDisk {
    /// Which bytes, to which file, have to pass the gate. It is open at first.
    pub fn new(holds: fn(&File, &[u8]) -> bool) -> Self {
        Self { holds, gate: Mutex::default(), changed: Condvar::new() }
    }

    pub fn close(&self) {
        self.gate.lock().expect("gate").is_closed = true;
    }

    pub fn open(&self) {
        self.gate.lock().expect("gate").is_closed = false;
        self.changed.notify_all();
    }

    pub fn until_somebody_waits(&self) {
        let gate = self.gate.lock().expect("gate");
        drop(self.changed.wait_while(gate, |gate| gate.waiting == 0).expect("gate"));
    }

    fn pass(&self) {
        let mut gate = self.gate.lock().expect("gate");
        gate.waiting += 1;
        self.changed.notify_all();
        gate = self.changed.wait_while(gate, |gate| gate.is_closed).expect("gate");
        gate.waiting -= 1;
    }
}

impl Disk for GateDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        if (self.holds)(file, &bytes) {
            self.pass();
        }
        file.write_all_at(&bytes, position)?;
        Ok(bytes.len())
    }
}
