//! The transactions of one log that are not over.

use std::collections::BTreeMap;

use super::verification::VerificationEntry;

/// A transaction of the log, by its first offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct TxnMetadata {
    pub(super) producer_id: i64,
    /// Its marker; none while it is ongoing.
    pub(super) last_offset: Option<i64>,
}

/// What is under way, and who is about to begin.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// By producer.
    pub(super) verifications: BTreeMap<i64, VerificationEntry>,
    /// By first offset.
    pub(super) ongoing: BTreeMap<i64, TxnMetadata>,
    /// Ended, but the marker may be lost with this leader: by first offset.
    pub(super) unreplicated: BTreeMap<i64, TxnMetadata>,
}

/// Of a log without any.
pub(super) static NO_TRANSACTIONS: Transactions =
    Transactions { verifications: BTreeMap::new(), ongoing: BTreeMap::new(), unreplicated: BTreeMap::new() };

impl Transactions {
    pub(super) fn is_empty(&self) -> bool {
        self.verifications.is_empty() && self.ongoing.is_empty() && self.unreplicated.is_empty()
    }

    /// The first offset of a transaction that is not ended, or whose end is not yet replicated.
    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        let first = |txns: &BTreeMap<i64, TxnMetadata>| txns.first_key_value().map(|(offset, _)| *offset);
        match (first(&self.ongoing), first(&self.unreplicated)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
