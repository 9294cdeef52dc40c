//! How much is measured, and how large things are.

use std::time::Duration;

/// How much is measured, and how large things are.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often the contestants take turns.
    pub rotations: usize,
    /// Length of a slice.
    pub slice: Duration,
    /// How often a row that starts brokers of its own does so.
    pub starts: usize,
    /// How long a broker idles before its memory counts.
    pub idle: Duration,
    /// Load before the first slice.
    pub warm_up: Duration,
    /// Bytes of memory used once before each row.
    pub memory_touched: usize,
    /// "Many partitions".
    pub partitions: usize,
    /// "Many connections", mostly idle.
    pub connections: usize,
    /// "Many producers".
    pub producers: usize,
    /// Bytes in the log when the broker is killed.
    pub recovery_bytes: u64,
    /// Bytes that a consumer reads from the disk.
    pub replayed_bytes: u64,
}

impl Effort {
    /// For a claim.
    pub const FULL: Effort = Effort {
        rotations: 9,
        slice: Duration::from_secs(5),
        starts: 5,
        idle: Duration::from_secs(15),
        warm_up: Duration::from_secs(120),
        memory_touched: 8 << 30,
        partitions: 10_000,
        connections: 5_000,
        producers: 1_000,
        recovery_bytes: 4 << 30,
        replayed_bytes: 4 << 30,
    };

    /// For a direction: some minutes.
    pub const QUICK: Effort = Effort {
        rotations: 3,
        slice: Duration::from_secs(1),
        starts: 2,
        idle: Duration::from_secs(2),
        warm_up: Duration::from_secs(16),
        memory_touched: 4 << 30,
        partitions: 2_000,
        connections: 5_000,
        producers: 1_000,
        recovery_bytes: 512 << 20,
        replayed_bytes: 1 << 30,
    };

    /// To see that all rows work.
    pub const SMOKE: Effort = Effort {
        rotations: 1,
        slice: Duration::from_millis(500),
        starts: 1,
        idle: Duration::from_millis(200),
        warm_up: Duration::ZERO,
        memory_touched: 0,
        partitions: 500,
        connections: 500,
        producers: 100,
        recovery_bytes: 64 << 20,
        replayed_bytes: 64 << 20,
    };
}
