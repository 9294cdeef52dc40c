//! What went into a partition and out of it, for metrics.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ottla_storage::Appended;

/// Counts since the partition came to this broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What was appended.
    pub appended: Appended,
    /// Batches that were refused.
    pub appends_refused: u64,
    /// Bytes of records that were sent to consumers.
    pub bytes_out: u64,
    /// Reads that were refused.
    pub reads_refused: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.appended += more.appended;
        self.appends_refused += more.appends_refused;
        self.bytes_out += more.bytes_out;
        self.reads_refused += more.reads_refused;
    }
}

/// What is counted in the partition itself; appends are counted by its log, which has them under its lock anyway.
#[derive(Debug, Default)]
pub(super) struct TrafficCounts {
    appends_refused: AtomicU64,
    bytes_out: AtomicU64,
    reads_refused: AtomicU64,
}

impl TrafficCounts {
    pub(super) fn append_refused(&self) {
        self.appends_refused.fetch_add(1, Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    pub(super) fn read_refused(&self) {
        self.reads_refused.fetch_add(1, Relaxed);
    }

    /// The counts, together with those of the log.
    pub(super) fn with(&self, appended: Appended) -> Traffic {
        Traffic {
            appended,
            appends_refused: self.appends_refused.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            reads_refused: self.reads_refused.load(Relaxed),
        }
    }
}
