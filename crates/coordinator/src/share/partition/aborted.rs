//! Records of aborted transactions, which a group that reads committed records only never sees
//! (`SharePartition.maybeFilterAbortedTransactionalAcquiredRecords`).

use std::collections::BTreeSet;

use super::SharePartition;
use super::acquire::{AbortedTransaction, Acquire, AcquiredRecords, FetchedBatch};
use super::state::RecordState;

impl SharePartition {
    /// Archives what was acquired of aborted transactions, and returns the rest.
    pub(super) fn without_aborted(
        &mut self,
        request: &Acquire<'_>,
        taken: Vec<AcquiredRecords>,
    ) -> Vec<AcquiredRecords> {
        if request.aborted_transactions.is_empty() || taken.is_empty() {
            return taken;
        }
        let aborted = aborted_batches(request.batches, request.aborted_transactions);
        for batch in &aborted {
            // A batch of the log can reach further to the left or right than what was acquired of it.
            let from = self.batches.range(..=batch.base_offset).next_back().map_or(i64::MIN, |(key, _)| *key);
            self.archive_records(from, batch.base_offset, batch.last_offset + 1, RecordState::Acquired, true);
        }
        subtract(taken, &aborted)
    }
}

/// The batches that belong to aborted transactions (`fetchAbortedTransactionRecordBatches`).
fn aborted_batches(batches: &[FetchedBatch], aborted: &[AbortedTransaction]) -> Vec<FetchedBatch> {
    let mut to_come: Vec<&AbortedTransaction> = aborted.iter().collect();
    to_come.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
    let mut producers = BTreeSet::new();
    let mut found = Vec::new();
    for batch in batches.iter().filter(|batch| batch.producer_id >= 0) {
        while to_come.last().is_some_and(|transaction| transaction.first_offset <= batch.last_offset) {
            producers.extend(to_come.pop().map(|transaction| transaction.producer_id));
        }
        if batch.is_abort_marker {
            producers.remove(&batch.producer_id);
        } else if batch.is_transactional && producers.contains(&batch.producer_id) {
            found.push(*batch);
        }
    }
    found
}

/// `taken` without the offsets of `removed`. Both are in order.
fn subtract(taken: Vec<AcquiredRecords>, removed: &[FetchedBatch]) -> Vec<AcquiredRecords> {
    let mut left = Vec::with_capacity(taken.len());
    for records in taken {
        let mut first_offset = records.first_offset;
        for batch in removed {
            if batch.last_offset < first_offset || batch.base_offset > records.last_offset {
                continue;
            }
            if batch.base_offset > first_offset {
                left.push(AcquiredRecords { first_offset, last_offset: batch.base_offset - 1, ..records });
            }
            first_offset = batch.last_offset + 1;
        }
        if first_offset <= records.last_offset {
            left.push(AcquiredRecords { first_offset, ..records });
        }
    }
    left
}
