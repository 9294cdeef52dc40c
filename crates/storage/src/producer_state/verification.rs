//! Proof that the transaction coordinator knows of a transaction before its first record is appended
//! (KIP-890; Kafka: `VerificationStateEntry`, `VerificationGuard`).

use std::sync::atomic::{AtomicU64, Ordering};

/// Ties a produce request to the verification that was made for it: an abort marker written in between takes
/// the guard away, so a late answer of the coordinator cannot let the records in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationGuard(u64);

static NEXT: AtomicU64 = AtomicU64::new(1);

impl VerificationGuard {
    /// No verification.
    pub const SENTINEL: Self = Self(0);

    fn unique() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether `request` carries this very guard.
    pub fn verify(self, request: VerificationGuard) -> bool {
        request != Self::SENTINEL && request == self
    }
}

/// A verification that is on its way or was granted.
#[derive(Clone, Copy, Debug)]
pub struct VerificationEntry {
    /// When it began, Unix ms.
    pub timestamp: i64,
    /// What the request must bring.
    pub guard: VerificationGuard,
    /// The smallest sequence that was seen: later ones that overtook it are refused.
    pub lowest_sequence: i32,
    /// Epoch of the producer.
    pub epoch: i16,
    /// Whether the producer gets a new epoch with every transaction (transactions V2).
    pub supports_epoch_bump: bool,
}

impl VerificationEntry {
    /// A new verification.
    pub fn new(timestamp: i64, sequence: i32, epoch: i16, supports_epoch_bump: bool) -> Self {
        let guard = VerificationGuard::unique();
        Self { timestamp, guard, lowest_sequence: sequence, epoch, supports_epoch_bump }
    }

    /// Notes another request for the same producer.
    pub fn saw(&mut self, sequence: i32, epoch: i16) {
        if epoch == self.epoch && sequence < self.lowest_sequence {
            self.lowest_sequence = sequence;
        }
        if epoch > self.epoch {
            self.epoch = epoch;
            self.lowest_sequence = sequence;
        }
    }
}
