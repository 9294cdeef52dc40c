//! Records that nobody had before (`SharePartition.acquireNewBatchRecords`).

use super::SharePartition;
use super::acquire::{AcquiredRecords, Acquiring, FetchedBatch};
use super::in_flight::InFlightBatch;

impl SharePartition {
    /// Takes records from `first_offset` to `last_offset` of which none is in flight.
    pub(super) fn acquire_new(&mut self, acquiring: &mut Acquiring<'_>, first_offset: i64, last_offset: i64) {
        let batches = acquiring.request.batches;
        let max_records = acquiring.max_records - acquiring.count;
        let mut first_offset = first_offset;
        if self.batches.is_empty() {
            first_offset = first_offset.max(self.end_offset);
        }
        let mut last_acquired = last_offset;
        if max_records < last_offset - first_offset + 1 {
            last_acquired = end_of_batch_at(batches, first_offset + max_records - 1);
            // What follows a gap in the persister's state is in flight already.
            if self.is_gap_window_active() {
                last_acquired = last_acquired.min(last_offset);
            }
        }
        if max_records <= 0 || last_acquired < first_offset {
            return;
        }
        let taken = if acquiring.is_record_limit() {
            self.take_limited(acquiring, first_offset, last_acquired, max_records)
        } else {
            self.take_batches(acquiring, first_offset, last_acquired)
        };
        if self.batches.first_key_value().is_some_and(|(key, _)| *key == first_offset) {
            self.start_offset = self.start_offset.max(first_offset);
        }
        self.end_offset = self.end_offset.max(last_acquired);
        let last_taken = taken.last().map_or(last_acquired, |last| last.last_offset);
        self.move_gap_window(last_taken + 1);
        acquiring.count += last_taken - first_offset + 1;
        acquiring.taken.extend(taken);
    }

    /// As many batches as the member's batch size asks for, cut where the log's batches begin, so that
    /// clients can acknowledge them in parts (`createBatches`).
    fn take_batches(
        &mut self,
        acquiring: &Acquiring<'_>,
        first_offset: i64,
        last_offset: i64,
    ) -> Vec<AcquiredRecords> {
        let batch_size = i64::from(acquiring.request.batch_size);
        let mut taken = Vec::new();
        let mut current = first_offset;
        if last_offset - first_offset + 1 > batch_size {
            for batch in acquiring.request.batches.iter().take_while(|batch| batch.base_offset <= last_offset)
            {
                if batch.base_offset > current && batch.base_offset - current >= batch_size {
                    taken.push(first_delivery(current, batch.base_offset - 1));
                    current = batch.base_offset;
                }
            }
        }
        taken.push(first_delivery(current, last_offset));
        let deadline_ms = self.lock_deadline_ms(acquiring.now_ms);
        for records in &taken {
            let lock = self.locks.arm(records.first_offset, records.last_offset, deadline_ms);
            let member_id = acquiring.request.member_id.clone();
            let batch =
                InFlightBatch::acquired(records.first_offset, records.last_offset, member_id, Some(lock));
            self.batches.insert(records.first_offset, batch);
        }
        taken
    }

    /// No more than `max_records`; the rest of the log's batch is in flight, but available.
    fn take_limited(
        &mut self,
        acquiring: &Acquiring<'_>,
        first_offset: i64,
        last_offset: i64,
        max_records: i64,
    ) -> Vec<AcquiredRecords> {
        let deadline_ms = self.lock_deadline_ms(acquiring.now_ms);
        let member_id = acquiring.request.member_id.clone();
        let last_taken = last_offset.min(first_offset + max_records - 1);
        let batch = if last_taken < last_offset {
            let mut batch = InFlightBatch::acquired(first_offset, last_offset, member_id, None);
            batch.cut_after(last_taken, deadline_ms, &mut self.locks);
            self.find_next_fetch_offset = true;
            batch
        } else {
            let lock = self.locks.arm(first_offset, last_offset, deadline_ms);
            InFlightBatch::acquired(first_offset, last_offset, member_id, Some(lock))
        };
        self.batches.insert(first_offset, batch);
        vec![first_delivery(first_offset, last_taken)]
    }
}

fn first_delivery(first_offset: i64, last_offset: i64) -> AcquiredRecords {
    AcquiredRecords { first_offset, last_offset, delivery_count: 1 }
}

/// Last offset of the batch that holds `offset`; `offset` itself when none does.
fn end_of_batch_at(batches: &[FetchedBatch], offset: i64) -> i64 {
    match batches.iter().take_while(|batch| batch.base_offset <= offset).last() {
        Some(batch) if offset <= batch.last_offset => batch.last_offset,
        _ => offset,
    }
}
