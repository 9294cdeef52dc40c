//! Acquisition locks in the order in which they run out (`AcquisitionLockTimerTask`).

use std::collections::BTreeMap;

/// A lock that was armed once. It has run out when it is armed no more and nobody has cancelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lock {
    deadline_ms: i64,
    number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// The offsets, first and last, that each lock is about.
    armed: BTreeMap<Lock, (i64, i64)>,
    next_number: u64,
}

impl Locks {
    pub fn arm(&mut self, first_offset: i64, last_offset: i64, deadline_ms: i64) -> Lock {
        self.next_number += 1;
        let lock = Lock { deadline_ms, number: self.next_number };
        self.armed.insert(lock, (first_offset, last_offset));
        lock
    }

    /// A lock on one record that runs out with the one on its batch, or has run out with it.
    pub fn split(&mut self, lock: Lock, offset: i64) -> Lock {
        if self.is_armed(lock) { self.arm(offset, offset, lock.deadline_ms) } else { lock }
    }

    pub fn cancel(&mut self, lock: Lock) {
        self.armed.remove(&lock);
    }

    pub fn is_armed(&self, lock: Lock) -> bool {
        self.armed.contains_key(&lock)
    }

    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.armed.first_key_value().map(|(lock, _)| lock.deadline_ms)
    }

    /// Takes the next lock that has run out.
    pub fn pop_expired(&mut self, now_ms: i64) -> Option<(i64, i64)> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        self.armed.pop_first().map(|(_, offsets)| offsets)
    }

    pub fn len(&self) -> usize {
        self.armed.len()
    }
}
