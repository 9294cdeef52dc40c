//! A batch on its way: records of one partition that are sent, retried and answered together
//! (`org.apache.kafka.clients.producer.internals.ProducerBatch`).

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::records::{BatchBuilder, NO_SEQUENCE, increment_sequence};

use super::delivery::{Callback, Completion, RecordFacts};

/// Id and epoch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProducerIdAndEpoch {
    /// Id; -1: none.
    pub id: i64,
    /// Epoch; -1: none.
    pub epoch: i16,
}

impl ProducerIdAndEpoch {
    /// Nobody.
    pub const NONE: Self = Self { id: -1, epoch: -1 };

    /// Whether there is one.
    pub fn is_valid(self) -> bool {
        self.id >= 0
    }
}

impl std::fmt::Display for ProducerIdAndEpoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(producerId={}, epoch={})", self.id, self.epoch)
    }
}

/// A partition by the places of its topic and itself in the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartitionKey {
    /// Place of the topic in the accumulator's list.
    pub topic: u32,
    /// Number of the partition.
    pub partition: u32,
}

/// A batch by its place; places are used again, counts are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BatchId {
    pub(super) at: u32,
    pub(super) count: u64,
}

/// The records of a batch.
#[derive(Debug)]
pub(super) enum Body {
    /// Still or lately being filled.
    Builder(BatchBuilder),
    /// With the sender: it builds it, or waits for the answer.
    Away,
    /// As it was sent, to be sent again.
    Built(Bytes),
}

/// A batch.
#[derive(Debug)]
pub(super) struct ProducerBatch {
    /// Where it goes.
    pub key: PartitionKey,
    /// Its records.
    pub body: Body,
    /// Whether records can still be added.
    pub open: bool,
    /// How many records.
    pub record_count: u32,
    /// Upper bound of the bytes of the largest one.
    pub record_size_max: usize,
    /// When the first record came, ms.
    pub created_ms: i64,
    /// When it was last queued, ms: at first, or for another attempt.
    pub last_attempt_ms: i64,
    /// When it was last taken from the queue, ms.
    pub drained_ms: i64,
    /// Attempts that failed.
    pub attempts: u32,
    /// Value of `attempts` when the partition was last seen to have another leader.
    pub attempts_at_leader_change: Option<u32>,
    /// Epoch of the leader last seen.
    pub leader_epoch: Option<i32>,
    /// Whether it was sent before.
    pub in_retry: bool,
    /// Whether it came of a batch that was too large.
    pub is_split: bool,
    /// Whether a request with it is on its way.
    pub in_flight: bool,
    /// Whether its outcome is given; if it is in flight still, the answer is ignored.
    pub done: bool,
    /// Who sends it, from when it was first taken from the queue.
    pub producer: ProducerIdAndEpoch,
    /// Sequence of its first record; -1: none yet.
    pub base_sequence: i32,
    /// Whether the sequence was changed after it was sent.
    pub sequence_has_been_reset: bool,
    /// Whether the bytes in `body` carry an older producer or sequence.
    pub stale: bool,
    /// Bytes of `buffer.memory` to be given back.
    pub charged: usize,
    /// Bytes before compression at which it is full.
    pub limit: usize,
    /// What its records share.
    pub completion: Arc<Completion>,
    /// Who wants to be called, in order.
    pub callbacks: Vec<(RecordFacts, Callback)>,
}

impl ProducerBatch {
    /// An empty batch.
    pub fn new(
        key: PartitionKey,
        builder: BatchBuilder,
        completion: Arc<Completion>,
        charged: usize,
        limit: usize,
        now_ms: i64,
    ) -> Self {
        Self {
            key,
            body: Body::Builder(builder),
            open: true,
            record_count: 0,
            record_size_max: 0,
            created_ms: now_ms,
            last_attempt_ms: now_ms,
            drained_ms: now_ms,
            attempts: 0,
            attempts_at_leader_change: None,
            leader_epoch: None,
            in_retry: false,
            is_split: false,
            in_flight: false,
            done: false,
            producer: ProducerIdAndEpoch::NONE,
            base_sequence: NO_SEQUENCE,
            sequence_has_been_reset: false,
            stale: false,
            charged,
            limit,
            completion,
            callbacks: Vec::new(),
        }
    }

    /// Whether it has a sequence.
    pub fn has_sequence(&self) -> bool {
        self.base_sequence != NO_SEQUENCE
    }

    /// Sequence of the last record.
    pub fn last_sequence(&self) -> i32 {
        increment_sequence(self.base_sequence, (self.record_count as i32).saturating_sub(1))
    }

    /// Gives it another producer and sequence after it was sent.
    pub fn reset_producer_state(&mut self, producer: ProducerIdAndEpoch, base_sequence: i32) {
        self.producer = producer;
        self.base_sequence = base_sequence;
        self.sequence_has_been_reset = true;
        self.stale = true;
    }

    /// Bytes as it stands, before compression; 0 while it is away.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Builder(builder) => builder.uncompressed_size(),
            Body::Away => 0,
            Body::Built(bytes) => bytes.len(),
        }
    }

    /// Whether nothing fits any more.
    pub fn is_full(&self) -> bool {
        !self.open || self.size() >= self.limit
    }

    /// Whether `delivery.timeout.ms` are over.
    pub fn has_expired(&self, delivery_timeout_ms: i64, now_ms: i64) -> bool {
        delivery_timeout_ms <= now_ms.saturating_sub(self.created_ms)
    }

    /// How long it has been queued, ms.
    pub fn waited_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.last_attempt_ms).max(0)
    }

    /// Notes the leader's epoch, and whether it is another than at the last attempt.
    pub fn see_leader_epoch(&mut self, epoch: Option<i32>) {
        if epoch.is_some() && self.leader_epoch != epoch {
            self.attempts_at_leader_change = Some(self.attempts);
            self.leader_epoch = epoch;
        }
    }

    /// Whether the attempt that is due goes to another leader than the one before: no need to back off then.
    pub fn leader_changed(&self) -> bool {
        self.attempts >= 1 && self.attempts_at_leader_change == Some(self.attempts)
    }
}

/// All batches that have not ended, by place.
#[derive(Debug, Default)]
pub(super) struct Batches {
    slots: Vec<Option<(u64, ProducerBatch)>>,
    free: Vec<u32>,
    count: u64,
}

impl Batches {
    /// Takes a batch in.
    pub fn insert(&mut self, batch: ProducerBatch) -> BatchId {
        self.count += 1;
        let entry = Some((self.count, batch));
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    *slot = entry;
                }
                at
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        BatchId { at, count: self.count }
    }

    /// A batch, if it has not been removed.
    pub fn get(&self, id: BatchId) -> Option<&ProducerBatch> {
        match self.slots.get(id.at as usize)? {
            Some((count, batch)) if *count == id.count => Some(batch),
            _ => None,
        }
    }

    /// Likewise.
    pub fn get_mut(&mut self, id: BatchId) -> Option<&mut ProducerBatch> {
        match self.slots.get_mut(id.at as usize)? {
            Some((count, batch)) if *count == id.count => Some(batch),
            _ => None,
        }
    }

    /// Takes a batch out.
    pub fn remove(&mut self, id: BatchId) -> Option<ProducerBatch> {
        let slot = self.slots.get_mut(id.at as usize)?;
        let (_, batch) = slot.take_if(|(count, _)| *count == id.count)?;
        self.free.push(id.at);
        Some(batch)
    }

    /// All, in no order of meaning.
    pub fn iter(&self) -> impl Iterator<Item = (BatchId, &ProducerBatch)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let (count, batch) = slot.as_ref()?;
            Some((BatchId { at: at as u32, count: *count }, batch))
        })
    }
}
