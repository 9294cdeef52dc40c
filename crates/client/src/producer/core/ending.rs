//! Batches that end without an answer, and what is handed out when a batch ends.

use std::sync::Arc;

use ottla_protocol::records::{BATCH_HEADER_SIZE, increment_sequence};

use super::Core;
use crate::Error;
use crate::producer::batch::BatchId;
use crate::producer::delivery::{Callback, Completion, Failure, Outcome, RecordFacts};

/// A batch that ended: to be told outside of the lock.
#[derive(Debug)]
pub(in crate::producer) struct Ended {
    /// What its records share; none when only memory is given back.
    pub told: Option<Told>,
    /// Bytes of `buffer.memory` to be given back.
    pub released: usize,
}

/// Who is told what.
#[derive(Debug)]
pub(in crate::producer) struct Told {
    /// What the records share.
    pub completion: Arc<Completion>,
    /// What became of them.
    pub outcome: Outcome,
    /// Who is called first.
    pub callbacks: Vec<(RecordFacts, Callback)>,
    /// Records.
    pub record_count: u32,
}

impl Core {
    /// Ends batches whose `delivery.timeout.ms` are over; when the next one's will be (ms; `i64::MAX`: there is none).
    pub(super) fn expire(&mut self, now_ms: i64) -> i64 {
        let timeout_ms = self.settings.delivery_timeout_ms;
        let mut next_ms = i64::MAX;
        let mut expired = Vec::new();
        // True when the batch stays.
        let mut look = |id: BatchId| {
            let Some(batch) = self.batches.get(id).filter(|batch| !batch.done) else { return false };
            if batch.has_expired(timeout_ms, now_ms) {
                expired.push(id);
                return false;
            }
            next_ms = next_ms.min(batch.created_ms.saturating_add(timeout_ms));
            !batch.in_retry
        };
        for partition in self.topics.iter().flat_map(|topic| &topic.partitions) {
            for id in &partition.in_flight {
                look(*id);
            }
            // What was never sent is in the order of creation.
            for id in &partition.queue {
                if look(*id) {
                    break;
                }
            }
        }
        for id in expired {
            self.expire_one(id, now_ms);
        }
        next_ms
    }

    fn expire_one(&mut self, id: BatchId, now_ms: i64) {
        let Some(batch) = self.batches.get(id) else { return };
        let (key, was_sent) = (batch.key, batch.has_sequence());
        let next_sequence = increment_sequence(batch.last_sequence(), 1);
        let text = format!(
            "Expiring {} record(s) for {}-{}:{} ms has passed since batch creation. The request has not been sent, or \
             no server response has been received yet.",
            batch.record_count,
            batch.completion.topic,
            batch.completion.partition,
            now_ms.saturating_sub(batch.created_ms)
        );
        self.take_from_queue(id);
        self.fail(id, Failure::new(Error::Timeout(text)), false);
        if self.txn.is_some() && was_sent {
            self.mark_unresolved(key, next_sequence);
        }
    }

    fn is_in_flight(&self, id: BatchId) -> bool {
        self.batches.get(id).is_some_and(|batch| batch.in_flight)
    }

    /// Ends everything, also what is on its way: its answers will be ignored.
    pub fn abort_all(&mut self, error: &Error) {
        self.abort_where(error, |_| true);
    }

    /// Ends what was never sent.
    pub(super) fn abort_unsent(&mut self, error: &Error) {
        self.abort_where(error, |batch| !batch.has_sequence());
    }

    fn abort_where(
        &mut self,
        error: &Error,
        choose: impl Fn(&crate::producer::batch::ProducerBatch) -> bool,
    ) {
        if self.incomplete == 0 {
            return;
        }
        let mut chosen: Vec<(i64, u64, BatchId)> = self
            .batches
            .iter()
            .filter(|(_, batch)| !batch.done && choose(batch))
            .map(|(id, batch)| (batch.created_ms, id.count, id))
            .collect();
        chosen.sort_unstable_by_key(|(created_ms, count, _)| (*created_ms, *count));
        for (_, _, id) in chosen {
            self.take_from_queue(id);
            self.end(id, Outcome::Failed(Failure::new(error.clone())));
            self.untrack(id);
            self.release(id);
        }
    }

    fn take_from_queue(&mut self, id: BatchId) {
        let Some(key) = self.batches.get(id).map(|batch| batch.key) else { return };
        let Some(partition) = self.partition_mut(key) else { return };
        let before = partition.queue.len();
        partition.queue.retain(|other| *other != id);
        let removed = before - partition.queue.len();
        self.queued = self.queued.saturating_sub(removed);
    }

    /// Gives a batch its outcome. False when it had one.
    pub(super) fn end(&mut self, id: BatchId, outcome: Outcome) -> bool {
        let Some(batch) = self.batches.get_mut(id) else { return false };
        if batch.done {
            return false;
        }
        batch.done = true;
        batch.open = false;
        let told = Told {
            completion: batch.completion.clone(),
            outcome,
            callbacks: std::mem::take(&mut batch.callbacks),
            record_count: batch.record_count,
        };
        self.incomplete = self.incomplete.saturating_sub(1);
        self.ended.push(Ended { told: Some(told), released: 0 });
        true
    }

    /// Gives a batch's memory back and forgets it, unless it is on its way still.
    pub(super) fn release(&mut self, id: BatchId) {
        if self.is_in_flight(id) {
            return;
        }
        if let Some(batch) = self.batches.remove(id) {
            debug_assert!(batch.size() == 0 || batch.size() >= BATCH_HEADER_SIZE);
            self.ended.push(Ended { told: None, released: batch.charged });
        }
    }
}
