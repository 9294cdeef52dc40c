//! What a log knows about one producer (Kafka: `ProducerStateEntry`, `BatchMetadata`).

use ottla_protocol::records::{
    BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP, decrement_sequence,
};

/// Batches per producer that a retry is recognised by.
pub const BATCHES_TO_RETAIN: usize = 5;

/// One batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Last offset less first offset.
    pub offset_delta: i32,
    /// Largest timestamp, Unix ms.
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Sequence of its first record.
    pub fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset.wrapping_sub(i64::from(self.offset_delta))
    }
}

/// The newest batches, oldest first; at most [`BATCHES_TO_RETAIN`], in place.
#[derive(Clone, Copy, Debug, Default)]
struct Batches {
    slots: [Option<BatchMetadata>; BATCHES_TO_RETAIN],
}

impl Batches {
    fn push(&mut self, batch: BatchMetadata) {
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(free) => *free = Some(batch),
            None => {
                self.slots.rotate_left(1);
                if let Some(last) = self.slots.last_mut() {
                    *last = Some(batch);
                }
            }
        }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &BatchMetadata> {
        self.slots.iter().flatten()
    }
}

/// A producer's state in one partition.
#[derive(Clone, Debug)]
pub struct ProducerEntry {
    /// Whose it is.
    pub producer_id: i64,
    /// Its newest epoch; -1: none.
    pub producer_epoch: i16,
    /// Epoch of the transaction coordinator that wrote the last marker; -1: none.
    pub coordinator_epoch: i32,
    /// Timestamp of the last batch or marker, Unix ms.
    pub last_timestamp: i64,
    /// First offset of the ongoing transaction.
    pub current_txn_first_offset: Option<i64>,
    batches: Batches,
}

impl ProducerEntry {
    /// A producer of which nothing is known.
    pub fn empty(producer_id: i64) -> Self {
        Self {
            producer_id,
            producer_epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            current_txn_first_offset: None,
            batches: Batches::default(),
        }
    }

    /// The same producer, without its batches: what an append starts from.
    pub fn without_batches(&self) -> Self {
        Self { batches: Batches::default(), ..self.clone() }
    }

    /// Whether no batch of the newest epoch is known.
    pub fn is_empty(&self) -> bool {
        self.batches.iter().next().is_none()
    }

    /// The newest batches, oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &BatchMetadata> {
        self.batches.iter()
    }

    fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches.iter().next_back()
    }

    /// Sequence of the last record; -1: none.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |b| b.last_sequence)
    }

    /// Offset of the last record; -1: none.
    pub fn last_data_offset(&self) -> i64 {
        self.last_batch().map_or(-1, |b| b.last_offset)
    }

    /// Last offset less first offset of the last batch.
    pub fn last_offset_delta(&self) -> i32 {
        self.last_batch().map_or(0, |b| b.offset_delta)
    }

    /// Adds a batch; a new epoch forgets the batches of the old one.
    pub fn add_batch(&mut self, producer_epoch: i16, batch: BatchMetadata) {
        self.update_epoch(producer_epoch);
        self.batches.push(batch);
        self.last_timestamp = batch.timestamp;
    }

    /// Adds what an append, or several, have brought.
    pub fn update(&mut self, next: &ProducerEntry) {
        self.update_epoch(next.producer_epoch);
        next.batches.iter().for_each(|batch| self.batches.push(*batch));
        self.coordinator_epoch = next.coordinator_epoch;
        self.current_txn_first_offset = next.current_txn_first_offset;
        self.last_timestamp = next.last_timestamp;
    }

    /// Notes a transaction marker.
    pub fn end_transaction(&mut self, producer_epoch: i16, coordinator_epoch: i32, timestamp: i64) {
        self.update_epoch(producer_epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.current_txn_first_offset = None;
        self.last_timestamp = timestamp;
    }

    /// The batch that `batch` repeats: same epoch, same first and last sequence.
    pub fn find_duplicate(&self, batch: &BatchHeader) -> Option<BatchMetadata> {
        if batch.producer_epoch() != self.producer_epoch {
            return None;
        }
        let (first, last) = (batch.base_sequence(), batch.last_sequence());
        self.batches.iter().find(|b| b.first_sequence() == first && b.last_sequence == last).copied()
    }

    fn update_epoch(&mut self, producer_epoch: i16) {
        if self.producer_epoch != producer_epoch {
            self.batches = Batches::default();
            self.producer_epoch = producer_epoch;
        }
    }
}
