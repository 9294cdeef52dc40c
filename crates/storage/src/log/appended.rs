//! What was appended as leader since the log was opened: the numbers that metrics are made of.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::PartitionLog;

/// Counts of what was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Batches, without those that were in the log already.
    pub batches: u64,
    /// Records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for Appended {
    fn add_assign(&mut self, more: Self) {
        self.batches += more.batches;
        self.records += more.records;
        self.bytes += more.bytes;
    }
}

/// *Invariant:* written under the log's mutex only, so that no locked instruction is needed; read by anybody.
#[derive(Debug, Default)]
pub(super) struct AppendCounts {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl AppendCounts {
    pub(super) fn note(&self, records: u64, bytes: u64) {
        let add = |counter: &AtomicU64, n| counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
        add(&self.batches, 1);
        add(&self.records, records);
        add(&self.bytes, bytes);
    }
}

impl PartitionLog {
    /// What was appended as leader since the log was opened.
    pub fn appended(&self) -> Appended {
        Appended {
            batches: self.appended.batches.load(Relaxed),
            records: self.appended.records.load(Relaxed),
            bytes: self.appended.bytes.load(Relaxed),
        }
    }
}
