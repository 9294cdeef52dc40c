//! Which batches are of aborted transactions, and which markers have outlived theirs (Kafka:
//! `CleanedTransactionMetadata`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use ottla_protocol::records::{BatchHeader, ControlRecordType, RecordBatch, RecordsError};

use crate::segment::txn_index::AbortedTxn;

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Nothing any more: it was cleaned, and kept for its producer.
    Empty,
    /// A transaction was aborted.
    Abort,
    /// A transaction was committed.
    Commit,
    /// It is about something else.
    Other,
}

impl Marker {
    /// Reads the first record of a control batch.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(batch: &RecordBatch<'_>) -> Result<Self, RecordsError> {
        // Control batches are never compressed, so this is no bound on anything but damage.
        let Some(record) = batch.records(batch.size())?.next().transpose()? else { return Ok(Self::Empty) };
        Ok(match ControlRecordType::parse(record.key.as_deref().unwrap_or_default())? {
            Some(ControlRecordType::Abort) => Self::Abort,
            Some(ControlRecordType::Commit) => Self::Commit,
            _ => Self::Other,
        })
    }
}

/// An aborted transaction between its first record and its marker.
#[derive(Debug)]
struct Ongoing {
    txn: AbortedTxn,
    /// Whether a batch of it is still in the log.
    has_batches: bool,
}

/// The transactions of a log, while its batches go by in the order of their offsets.
#[derive(Debug, Default)]
pub struct CleanedTransactions {
    committed: HashSet<i64>,
    aborted: HashMap<i64, Ongoing>,
    /// Aborted transactions that have not begun yet, by first offset.
    ahead: BinaryHeap<Reverse<(i64, i64, i64, i64)>>,
}

impl CleanedTransactions {
    /// Adds the aborted transactions of a stretch of log that comes now; one that is known does no harm.
    pub fn add_aborted(&mut self, txns: &[AbortedTxn]) {
        self.ahead.extend(
            txns.iter()
                .map(|t| Reverse((t.first_offset, t.producer_id, t.last_offset, t.last_stable_offset))),
        );
    }

    /// A batch of data goes by; whether it can go because its transaction was aborted.
    pub fn on_batch(&mut self, batch: &BatchHeader) -> bool {
        self.begin_up_to(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id()) {
            Some(ongoing) => {
                ongoing.has_batches = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id());
                false
            }
        }
    }

    /// A control batch goes by; whether it can go because nothing is left of its transaction, and the aborted
    /// transaction that it ends if something is.
    pub fn on_control_batch(&mut self, batch: &BatchHeader, marker: Marker) -> (bool, Option<AbortedTxn>) {
        self.begin_up_to(batch.last_offset());
        match marker {
            Marker::Empty => (true, None),
            Marker::Other => (false, None),
            Marker::Commit => (!self.committed.remove(&batch.producer_id()), None),
            Marker::Abort => match self.aborted.remove(&batch.producer_id()) {
                Some(ongoing) if ongoing.has_batches => (false, Some(ongoing.txn)),
                _ => (true, None),
            },
        }
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(Reverse((first_offset, producer_id, last_offset, last_stable_offset))) =
            self.ahead.peek().copied().filter(|Reverse(txn)| txn.0 <= offset)
        {
            self.ahead.pop();
            let txn = AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset };
            self.aborted.entry(producer_id).or_insert(Ongoing { txn, has_batches: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{idempotent, transactional};

    fn header(bytes: &[u8]) -> BatchHeader {
        BatchHeader::parse(bytes).expect("valid")
    }

    fn txn(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    #[test]
    fn aborted_batches_go_and_their_marker_stays_until_they_are_gone() {
        let mut txns = CleanedTransactions::default();
        let (data, other) = (header(&transactional(1, 0, 0, 1)), header(&transactional(2, 0, 0, 1)));
        txns.add_aborted(&[txn(1, 0, 5)]);
        assert!(txns.on_batch(&data));
        assert!(!txns.on_batch(&other), "committed");
        assert!(!txns.on_batch(&header(&idempotent(1, 0, 0, 1))), "no transaction");
        txns.add_aborted(&[txn(1, 0, 5)]);
        assert_eq!(txns.on_control_batch(&data, Marker::Abort), (false, Some(txn(1, 0, 5))));
        assert_eq!(txns.on_control_batch(&other, Marker::Commit), (false, None));
        // The same markers again: nothing precedes them this time.
        assert_eq!(txns.on_control_batch(&data, Marker::Abort), (true, None));
        assert_eq!(txns.on_control_batch(&other, Marker::Commit), (true, None));
        assert_eq!(txns.on_control_batch(&other, Marker::Empty), (true, None));
        assert_eq!(txns.on_control_batch(&other, Marker::Other), (false, None));
        txns.add_aborted(&[txn(1, 0, 5)]);
        assert_eq!(txns.on_control_batch(&data, Marker::Abort), (true, None), "its data went earlier");
        assert!(!txns.on_batch(&data), "the next transaction of the same producer");
    }
}
