//! A batch that a broker finds too large goes on as several smaller ones (KIP-126, `ProducerBatch.split`).

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_protocol::ErrorCode;
use ottla_protocol::records::{
    BatchBuilder, BatchOptions, HeaderRef, Record, RecordBatch, RecordsError, increment_sequence,
};

use super::Core;
use crate::Error;
use crate::producer::batch::{BatchId, Body, ProducerBatch};
use crate::producer::delivery::{Completion, Failure, Outcome, Part};

/// The most that a batch of one's own can decompress to.
const DECOMPRESSED_MAX: usize = i32::MAX as usize;

impl Core {
    /// Splits a batch and queues the parts in its place.
    pub(super) fn split(&mut self, id: BatchId, now_ms: i64) {
        let Some(batch) = self.batches.get(id) else { return };
        let key = batch.key;
        let parts = match self.parts_of(batch, now_ms) {
            Ok(parts) => parts,
            Err(error) => {
                let message = format!("a batch that is too large can't be split: {error}");
                let error = Error::Api { code: ErrorCode::MessageTooLarge, message };
                self.fail(id, Failure::new(error), false);
                return;
            }
        };
        self.splits += 1;
        // Bytes of this size were too much: estimates begin anew.
        self.see_compression(key.topic, 1, 1);
        let told = Arc::new(parts.iter().map(|(part, _)| part.clone()).collect::<Vec<_>>());
        let mut callbacks = match self.batches.get_mut(id) {
            Some(batch) => VecDeque::from(std::mem::take(&mut batch.callbacks)),
            None => VecDeque::new(),
        };
        let mut ids = Vec::with_capacity(parts.len());
        for (part, mut batch) in parts {
            let behind = part.first.saturating_add(batch.record_count);
            while callbacks.front().is_some_and(|(facts, _)| facts.index < behind) {
                let Some((mut facts, callback)) = callbacks.pop_front() else { break };
                facts.index = facts.index.saturating_sub(part.first);
                batch.callbacks.push((facts, callback));
            }
            ids.push(self.batches.insert(batch));
            self.incomplete += 1;
        }
        let has_sequence = self.batches.get(id).is_some_and(ProducerBatch::has_sequence);
        if let (true, Some(partition)) = (has_sequence, self.partition_mut(key)) {
            partition.sequences.replace(id, &ids);
        }
        for id in ids.into_iter().rev() {
            self.insert_in_order(id);
        }
        self.end(id, Outcome::Split(told));
        self.release(id);
    }

    /// By the batch's size; where that would leave it whole, by the number of its records. (Kafka's client sends the same
    /// batch until its time is over when only its largest record is too large.)
    fn parts_of(
        &self,
        batch: &ProducerBatch,
        now_ms: i64,
    ) -> Result<Vec<(Part, ProducerBatch)>, RecordsError> {
        let smaller = batch.record_size_max.max(batch.size() / 2);
        // Once more: what was small enough before was not.
        let target = if batch.is_split { smaller } else { self.settings.batch_size };
        let parts = self.split_records(batch, target, u32::MAX, now_ms)?;
        if parts.len() > 1 || batch.record_count < 2 {
            return Ok(parts);
        }
        self.split_records(batch, smaller, batch.record_count.div_ceil(2), now_ms)
    }

    /// In parts of `target` bytes and `count_max` records at most.
    fn split_records(
        &self,
        batch: &ProducerBatch,
        target: usize,
        count_max: u32,
        now_ms: i64,
    ) -> Result<Vec<(Part, ProducerBatch)>, RecordsError> {
        let Body::Built(bytes) = &batch.body else {
            return Err(RecordsError::InvalidBuild("the batch was not built"));
        };
        let (sent, _) = RecordBatch::parse(bytes)?;
        let mut parts: Vec<(Part, ProducerBatch)> = Vec::new();
        for (index, record) in (0..).zip(sent.records_in(bytes, DECOMPRESSED_MAX)?) {
            let record = record?;
            let added = match parts.last_mut() {
                Some((_, part)) if part.record_count < count_max => add(part, &record)?,
                _ => false,
            };
            if !added {
                let mut part = self.empty_part(batch, target, now_ms);
                add(&mut part, &record)?;
                let completion = part.completion.clone();
                parts.push((Part { first: index, completion }, part));
            }
        }
        if parts.is_empty() {
            return Err(RecordsError::InvalidBuild("Cannot split an empty producer batch."));
        }
        if batch.has_sequence() {
            let mut sequence = batch.base_sequence;
            for (_, part) in &mut parts {
                part.producer = batch.producer;
                part.base_sequence = sequence;
                sequence = increment_sequence(sequence, part.record_count as i32);
            }
        }
        Ok(parts)
    }

    fn empty_part(&self, whole: &ProducerBatch, target: usize, now_ms: i64) -> ProducerBatch {
        let builder = BatchBuilder::new(BatchOptions {
            compression: self.settings.compression,
            level: self.settings.level,
            max_size: target,
            ..Default::default()
        });
        let completion = Completion::new(whole.completion.topic.clone(), whole.completion.partition);
        // The memory of the whole is given back at once, as Kafka's client does: parts are charged nothing.
        let mut part = ProducerBatch::new(whole.key, builder, completion, 0, target, now_ms);
        part.created_ms = whole.created_ms;
        part.open = false;
        part.is_split = true;
        part.record_size_max = whole.record_size_max;
        part.leader_epoch = whole.leader_epoch;
        part
    }
}

fn add(part: &mut ProducerBatch, record: &Record) -> Result<bool, RecordsError> {
    let Body::Builder(builder) = &mut part.body else { return Ok(false) };
    let headers = record
        .headers
        .iter()
        .map(|header| HeaderRef { key: header.key.as_bytes(), value: header.value.as_deref() });
    let key = record.key.as_deref();
    let added = builder.append_if_room(record.timestamp, key, record.value.as_deref(), headers)?;
    if added {
        part.record_count += 1;
    }
    Ok(added)
}
