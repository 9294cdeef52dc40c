//! What a log must hold: a list of batches, and what follows from it.

use bytes::Bytes;

/// Producers with this id and above are transactional.
pub const FIRST_TRANSACTIONAL: i64 = 4;
/// Ids below are used.
pub const PRODUCERS_END: i64 = 7;

/// One batch as it must be read.
#[derive(Clone, Debug)]
pub struct Batch {
    pub base: i64,
    pub last: i64,
    pub epoch: i32,
    /// Of its first record; each one's is a millisecond later.
    pub timestamp: i64,
    pub bytes: Bytes,
    pub producer: Option<ProducerBatch>,
}

/// What a producer's batch means.
#[derive(Clone, Copy, Debug)]
pub struct ProducerBatch {
    pub id: i64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With the sequence of its last record.
    Data {
        last_sequence: i32,
    },
    Commit,
    Abort,
}

/// A transaction, by the batches of the model.
#[derive(Clone, Copy, Debug)]
pub struct Txn {
    pub producer: i64,
    pub first: i64,
    /// Its first record at or after the log's start; none: all are before.
    pub first_served: Option<i64>,
    /// Its marker, and whether that aborts.
    pub end: Option<(i64, bool)>,
}

/// The log as it must be.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// In order. Those before `start` stay as long as their files may come back with a power failure.
    pub batches: Vec<Batch>,
    pub start: i64,
    pub end: i64,
}

impl Model {
    /// `input` was appended at `base`.
    pub fn push(&mut self, batch: Batch) {
        self.end = batch.last + 1;
        self.batches.push(batch);
    }

    /// The batches that can be read.
    pub fn served(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(|b| b.last >= self.start)
    }

    /// Whole batches at or after `offset` and below `bound`.
    pub fn bytes(&self, offset: i64, bound: i64) -> Vec<u8> {
        let wanted = self.batches.iter().filter(|b| b.last >= offset && b.last < bound);
        wanted.flat_map(|b| b.bytes.iter().copied()).collect()
    }

    /// Everything from `offset` on is gone, and the batch that holds it.
    pub fn truncate(&mut self, offset: i64) {
        self.batches.retain(|b| b.last < offset);
        self.start = self.start.min(offset);
        self.end = self.end.min(offset);
    }

    /// Nothing is left; the log goes on at `offset`.
    pub fn start_over(&mut self, offset: i64) {
        self.batches.clear();
        (self.start, self.end) = (offset, offset);
    }

    /// Offsets at which a batch ends, and where the first begins. What ends in a gap does so only until the log is
    /// opened again.
    pub fn bounds(&self) -> Vec<i64> {
        let first = self.served().next().map_or(self.end, |b| b.base.min(self.start));
        std::iter::once(first).chain(self.served().map(|b| b.last + 1)).collect()
    }

    /// All transactions, in the order of their first records.
    pub fn txns(&self) -> Vec<Txn> {
        let mut txns: Vec<Txn> = Vec::new();
        for batch in &self.batches {
            let Some(ProducerBatch { id, kind }) = batch.producer else { continue };
            if id < FIRST_TRANSACTIONAL {
                continue;
            }
            let served = (batch.last >= self.start).then_some(batch.base);
            let open = txns.iter_mut().find(|t| t.producer == id && t.end.is_none());
            match (kind, open) {
                (Kind::Data { .. }, None) => {
                    txns.push(Txn { producer: id, first: batch.base, first_served: served, end: None });
                }
                (Kind::Data { .. }, Some(txn)) => txn.first_served = txn.first_served.or(served),
                (end, Some(txn)) => txn.end = Some((batch.base, end == Kind::Abort)),
                (_, None) => {}
            }
        }
        txns
    }

    /// The last sequence of each producer with records that are served.
    pub fn sequences(&self) -> Vec<(i64, i32)> {
        let mut found: Vec<(i64, i32)> = Vec::new();
        for batch in self.served() {
            if let Some(ProducerBatch { id, kind: Kind::Data { last_sequence } }) = batch.producer {
                found.retain(|(known, _)| *known != id);
                found.push((id, last_sequence));
            }
        }
        found
    }

    /// The first record at or after `timestamp`.
    pub fn by_timestamp(&self, timestamp: i64) -> Option<(i64, i64)> {
        self.served().find_map(|b| {
            (b.base..=b.last)
                .map(|offset| (b.timestamp + offset - b.base, offset))
                .find(|(at, offset)| *at >= timestamp && *offset >= self.start)
        })
    }
}
