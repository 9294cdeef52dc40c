//! Which batches leave, and with which sequences (`RecordAccumulator.drain`).

use bytes::Bytes;
use ottla_protocol::records::{BatchBuilder, RecordsError, with_producer_state};

use super::Core;
use crate::cluster::Metadata;
use crate::producer::batch::{BatchId, Body, PartitionKey, ProducerIdAndEpoch};

/// A batch that leaves. It is built outside of the core.
#[derive(Debug)]
pub(in crate::producer) struct Drained {
    /// Which.
    pub id: BatchId,
    /// Where it goes.
    pub key: PartitionKey,
    /// Bytes before compression, or as it was sent before.
    pub size: usize,
    /// Records.
    pub record_count: u32,
    /// Ms that it was queued.
    pub queued_ms: i64,
    records: DrainedRecords,
}

#[derive(Debug)]
enum DrainedRecords {
    New(Box<BatchBuilder>),
    Again(Bytes),
    /// As sent before, but under another producer id, epoch or sequence.
    Restamped(Bytes, ProducerIdAndEpoch, i32),
}

impl Drained {
    /// Makes the batch as it goes over the wire: compression and checksum.
    ///
    /// # Errors
    /// When the codec fails.
    pub fn build(self) -> Result<Bytes, RecordsError> {
        match self.records {
            DrainedRecords::New(builder) => builder.build(),
            DrainedRecords::Again(bytes) => Ok(bytes),
            DrainedRecords::Restamped(bytes, producer, sequence) => {
                with_producer_state(&bytes, producer.id, producer.epoch, sequence)
            }
        }
    }

    /// Whether it leaves for the first time.
    pub fn is_new(&self) -> bool {
        matches!(self.records, DrainedRecords::New(_))
    }
}

/// Whether a batch at the head of its queue may leave.
enum Verdict {
    Leaves,
    Stays,
}

impl Core {
    /// Takes one request's worth of batches for each node: at most one batch of each partition, and
    /// `max.request.size` bytes unless a single batch is larger.
    pub(super) fn drain(
        &mut self,
        metadata: &Metadata,
        nodes: Vec<(i32, Vec<PartitionKey>)>,
        now_ms: i64,
    ) -> Vec<(i32, Vec<Drained>)> {
        let mut drained = Vec::new();
        for (node, partitions) in nodes {
            let batches = self.drain_node(metadata, node, &partitions, now_ms);
            if !batches.is_empty() {
                drained.push((node, batches));
            }
        }
        drained
    }

    fn drain_node(
        &mut self,
        metadata: &Metadata,
        node: i32,
        partitions: &[PartitionKey],
        now_ms: i64,
    ) -> Vec<Drained> {
        // Each request begins behind the partition that the one before ended with: none starves.
        let last = self.nodes.get(&node).and_then(|state| state.drained_last);
        let start = last.map_or(0, |last| partitions.partition_point(|key| *key <= last));
        let (before, after) = partitions.split_at_checked(start).unwrap_or((&[], partitions));
        let mut drained = Vec::new();
        let mut size = 0usize;
        for key in after.iter().chain(before) {
            let Some(id) = self.partition(*key).and_then(|partition| partition.queue.front().copied()) else {
                continue;
            };
            self.see_leader(metadata, *key, id);
            if matches!(self.judge(*key, id, now_ms), Verdict::Stays) {
                continue;
            }
            let estimate = self.estimate_size(*key, id);
            if !drained.is_empty() && size.saturating_add(estimate) > self.settings.request_size_max {
                break;
            }
            if let Some(batch) = self.take_first(*key, id, now_ms) {
                size = size.saturating_add(estimate);
                drained.push(batch);
                let state = self.nodes.entry(node).or_default();
                state.drained_last = Some(*key);
            }
        }
        drained
    }

    fn see_leader(&mut self, metadata: &Metadata, key: PartitionKey, id: BatchId) {
        let Some(topic) = self.topics.get(key.topic as usize) else { return };
        let epoch = metadata
            .partition(&topic.name, key.partition as i32)
            .and_then(|partition| partition.leader_epoch);
        if let Some(batch) = self.batches.get_mut(id) {
            batch.see_leader_epoch(epoch);
        }
    }

    fn judge(&self, key: PartitionKey, id: BatchId, now_ms: i64) -> Verdict {
        let (Some(partition), Some(batch)) = (self.partition(key), self.batches.get(id)) else {
            return Verdict::Stays;
        };
        if self.settings.one_in_flight && !partition.in_flight.is_empty() {
            return Verdict::Stays;
        }
        if self.backs_off_until(id, now_ms).is_some() {
            return Verdict::Stays;
        }
        let Some(txn) = &self.txn else { return Verdict::Leaves };
        if !txn.is_send_allowed(key) || !txn.producer().is_valid() {
            return Verdict::Stays;
        }
        let sequences = &partition.sequences;
        if !batch.has_sequence() {
            // Batches of the older epoch must be answered before one of the newer leaves.
            if sequences.has_tracked() && sequences.producer != txn.producer() {
                return Verdict::Stays;
            }
            if self.unresolved.contains_key(&key) || sequences.is_full() {
                return Verdict::Stays;
            }
            return Verdict::Leaves;
        }
        // Again: one at a time and in order, or a later one could be taken before an earlier one.
        match sequences.first() {
            Some(first) if first != id => Verdict::Stays,
            _ => Verdict::Leaves,
        }
    }

    fn estimate_size(&self, key: PartitionKey, id: BatchId) -> usize {
        let Some(batch) = self.batches.get(id) else { return 0 };
        let size = batch.size();
        match (&batch.body, self.topics.get(key.topic as usize)) {
            (Body::Builder(_), Some(topic)) => (size as f64 * f64::from(topic.compression_ratio)) as usize,
            _ => size,
        }
    }

    fn take_first(&mut self, key: PartitionKey, id: BatchId, now_ms: i64) -> Option<Drained> {
        let producer = self.txn.as_ref().map(|txn| (txn.producer(), txn.is_transactional()));
        let topic = self.topics.get_mut(key.topic as usize)?;
        let partition = topic.partitions.get_mut(key.partition as usize)?;
        partition.queue.pop_front()?;
        self.queued = self.queued.saturating_sub(1);
        let needs_sequence =
            producer.is_some() && self.batches.get(id).is_some_and(|batch| !batch.has_sequence());
        if let (true, Some((producer, _))) = (needs_sequence, producer) {
            let sequences = &mut partition.sequences;
            if sequences.producer != producer && !sequences.has_tracked() {
                sequences.restart(producer, &mut self.batches);
            }
            let count = self.batches.get(id).map_or(0, |batch| batch.record_count);
            let base_sequence = sequences.take(count);
            if let Some(batch) = self.batches.get_mut(id) {
                batch.producer = producer;
                batch.base_sequence = base_sequence;
            }
            sequences.track(id);
        }
        partition.in_flight.push(id);
        let batch = self.batches.get_mut(id)?;
        batch.open = false;
        batch.in_flight = true;
        batch.drained_ms = batch.drained_ms.max(now_ms);
        let (size, queued_ms) = (batch.size(), now_ms.saturating_sub(batch.created_ms).max(0));
        let is_transactional = producer.is_some_and(|(_, transactional)| transactional);
        let records = match std::mem::replace(&mut batch.body, Body::Away) {
            Body::Builder(mut builder) => {
                if batch.has_sequence() {
                    let ProducerIdAndEpoch { id, epoch } = batch.producer;
                    builder.set_producer_state(id, epoch, batch.base_sequence, is_transactional);
                }
                DrainedRecords::New(Box::new(builder))
            }
            Body::Built(bytes) if batch.stale => {
                DrainedRecords::Restamped(bytes, batch.producer, batch.base_sequence)
            }
            Body::Built(bytes) => DrainedRecords::Again(bytes),
            Body::Away => return None,
        };
        batch.stale = false;
        batch.sequence_has_been_reset = false;
        Some(Drained { id, key, size, record_count: batch.record_count, queued_ms, records })
    }
}
