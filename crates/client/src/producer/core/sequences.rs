//! Sequence numbers of one partition (`TxnPartitionEntry`).
//!
//! Kafka's client compares sequences as numbers; here batches are kept in the order in which sequences were given, which
//! stays right when sequences wrap to 0 after 2^31 records.

use ottla_protocol::records::{decrement_sequence, increment_sequence};

use crate::producer::batch::{BatchId, Batches, ProducerIdAndEpoch};

/// What an idempotent producer keeps of a partition.
#[derive(Clone, Debug)]
pub(in crate::producer) struct Sequences {
    /// Under which id and epoch the partition's sequences count; changes only when nothing is in flight.
    pub producer: ProducerIdAndEpoch,
    /// Sequence of the next record.
    pub next: i32,
    /// Latest sequence that was acknowledged; -1: none.
    last_acked: i32,
    /// Highest offset that was acknowledged; -1: none.
    pub last_acked_offset: i64,
    /// Batches with a sequence and without an answer, also those queued to be sent again; by sequence.
    /// With how many were before it.
    tracked: Vec<(BatchId, u64)>,
    /// Batches that were ever tracked.
    count: u64,
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            producer: ProducerIdAndEpoch::NONE,
            next: 0,
            last_acked: -1,
            last_acked_offset: -1,
            tracked: Vec::new(),
            count: 0,
        }
    }
}

impl Sequences {
    /// Whether so many batches were sent since the first without an answer that a broker might not know it again: it
    /// remembers the last five (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`). A connection has at most as many requests
    /// in flight, but a batch that is sent again may be overtaken by others, and when the leader moves, a partition has
    /// requests on two connections.
    pub fn is_full(&self) -> bool {
        self.tracked.first().is_some_and(|(_, count)| self.count - count >= 5)
    }

    /// Whether batches wait for an answer.
    pub fn has_tracked(&self) -> bool {
        !self.tracked.is_empty()
    }

    /// The batch that must be answered first.
    pub fn first(&self) -> Option<BatchId> {
        self.tracked.first().map(|(id, _)| *id)
    }

    /// Gives `count` sequences away; the first of them.
    pub fn take(&mut self, count: u32) -> i32 {
        let first = self.next;
        self.next = increment_sequence(first, i32::try_from(count).unwrap_or(i32::MAX));
        first
    }

    /// Keeps a batch that was given the latest sequences.
    pub fn track(&mut self, id: BatchId) {
        self.tracked.push((id, self.count));
        self.count += 1;
    }

    /// Puts the parts of a batch into its place.
    pub fn replace(&mut self, id: BatchId, parts: &[BatchId]) {
        let at = self.position(id);
        let count = at.and_then(|at| self.tracked.get(at)).map_or(self.count, |(_, count)| *count);
        let parts = parts.iter().map(|part| (*part, count));
        match at {
            Some(at) => drop(self.tracked.splice(at..=at, parts.clone())),
            None => self.tracked.extend(parts.clone()),
        }
        self.count += parts.len() as u64;
    }

    /// Which in the order of sequences a batch is.
    pub fn position(&self, id: BatchId) -> Option<usize> {
        self.tracked.iter().position(|(other, _)| *other == id)
    }

    /// Lets go of a batch.
    pub fn untrack(&mut self, id: BatchId) {
        self.tracked.retain(|(other, _)| *other != id);
    }

    /// Notes an acknowledgement of a batch that was sent under the present id and epoch.
    pub fn acknowledge(&mut self, last_sequence: i32, last_offset: Option<i64>) {
        if self.last_acked < 0 || is_ahead(last_sequence, self.last_acked) {
            self.last_acked = last_sequence;
        }
        if let Some(offset) = last_offset {
            self.last_acked_offset = self.last_acked_offset.max(offset);
        }
    }

    /// Whether `sequence` is the one after the last acknowledged.
    pub fn is_next(&self, sequence: i32) -> bool {
        sequence == increment_sequence(self.last_acked, 1)
    }

    /// Counts from 0 under another id or epoch; batches without answer are numbered anew.
    pub fn restart(&mut self, producer: ProducerIdAndEpoch, batches: &mut Batches) {
        let mut sequence = 0;
        for (id, _) in &self.tracked {
            if let Some(batch) = batches.get_mut(*id) {
                batch.reset_producer_state(producer, sequence);
                sequence = increment_sequence(sequence, batch.record_count as i32);
            }
        }
        self.producer = producer;
        self.next = sequence;
        self.last_acked = -1;
    }

    /// A batch failed for good and will not be sent again: those after it move up.
    pub fn close_gap(&mut self, position: usize, record_count: u32, batches: &mut Batches) {
        let count = record_count as i32;
        self.next = decrement_sequence(self.next, count);
        for (id, _) in self.tracked.iter().skip(position) {
            if let Some(batch) = batches.get_mut(*id) {
                let sequence = decrement_sequence(batch.base_sequence, count);
                batch.reset_producer_state(batch.producer, sequence);
            }
        }
    }
}

/// Whether sequence `a` was given after `b`, of two that are less than 2^30 apart.
pub(super) fn is_ahead(a: i32, b: i32) -> bool {
    let distance = (a.wrapping_sub(b)) & i32::MAX;
    distance != 0 && distance < 1 << 30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        let mut sequences = Sequences { next: i32::MAX - 1, ..Default::default() };
        assert_eq!(sequences.take(3), i32::MAX - 1);
        assert_eq!(sequences.next, 1);
        sequences.acknowledge(i32::MAX, Some(5));
        assert!(sequences.is_next(0));
        sequences.acknowledge(0, Some(4));
        assert!(sequences.is_next(1), "0 comes after the largest");
        assert_eq!(sequences.last_acked_offset, 5);
        sequences.acknowledge(i32::MAX, None);
        assert!(sequences.is_next(1), "an older one changes nothing");
    }
}
