//! Records out of a node's answer: those that were acquired (`ShareCompletedFetch`).

use std::collections::VecDeque;

use bytes::Bytes;
use ottla_protocol::TopicPartition;
use ottla_protocol::messages::share_fetch_response::{AcquiredRecords, PartitionData};
use ottla_protocol::records::{BatchIter, RecordBatch};

use super::TopicIdPartition;
use super::acknowledge::AcknowledgeType;
use super::in_flight::Batch;
use crate::consumer::internals::{DECOMPRESSED_BYTES_MAX, consumer_record, known_epoch};
use crate::record::ConsumerRecord;
use crate::{Error, Result};

/// Most offsets that are taken as acquired at once: far above what brokers lock for one member
/// (`group.share.partition.max.record.locks` is at most 10,000).
const ACQUIRED_MAX: i64 = 1_000_000;

/// A partition's part of an answer, as far as it has not been handed out.
#[derive(Debug)]
pub struct Completed {
    pub partition: TopicIdPartition,
    pub node: i32,
    pub lock_timeout_ms: Option<i32>,
    frame: Bytes,
    at: usize,
    acquired: VecDeque<(i64, i64, i16)>,
    check_crcs: bool,
}

impl Completed {
    /// What `node` gave.
    ///
    /// # Errors
    /// When it acquired more than can be.
    pub fn new(
        partition: TopicIdPartition,
        node: i32,
        lock_timeout_ms: Option<i32>,
        data: PartitionData,
        check_crcs: bool,
    ) -> Result<Self> {
        let mut total = 0i64;
        let mut next = i64::MIN;
        for AcquiredRecords { first_offset, last_offset, .. } in &data.acquired_records {
            let count = last_offset.saturating_sub(*first_offset).saturating_add(1);
            total = total.saturating_add(count.max(0));
            if count <= 0 || *first_offset < next || total > ACQUIRED_MAX {
                return Err(Error::Protocol(format!(
                    "the answer of node {node} acquired offsets of {}-{} that can't be: {first_offset} to {last_offset}",
                    partition.topic, partition.partition
                )));
            }
            next = last_offset.saturating_add(1);
        }
        let acquired = data.acquired_records.into_iter();
        Ok(Self {
            partition,
            node,
            lock_timeout_ms,
            frame: data.records.bytes().cloned().unwrap_or_default(),
            at: 0,
            acquired: acquired.map(|a| (a.first_offset, a.last_offset, a.delivery_count)).collect(),
            check_crcs,
        })
    }

    /// How many bytes of it were handed out.
    pub fn bytes_read(&self) -> usize {
        self.at
    }

    /// Whether all was handed out.
    pub fn is_consumed(&self) -> bool {
        self.acquired.is_empty()
    }

    /// Records for the application, at least `max` if there are as many, always of whole batches. What was acquired and
    /// has no record is acknowledged as a gap; what can't be read is rejected, and told as an error.
    pub fn take(&mut self, max: usize) -> (Batch, Option<Error>) {
        let mut batch = Batch::new(self.node);
        let frame = self.frame.clone();
        let mut batches = BatchIter::new(frame.get(self.at..).unwrap_or_default());
        while batch.records.len() < max && !self.acquired.is_empty() {
            let Some(next) = batches.next() else {
                self.acknowledge_until(i64::MAX, None, &mut batch);
                break;
            };
            self.at = frame.len() - batches.rest().len();
            let error = match next {
                Err(error) => {
                    // Where the next batch begins is unknown: all the rest goes back for another try.
                    self.acknowledge_until(i64::MAX, Some(AcknowledgeType::Release), &mut batch);
                    error.to_string()
                }
                Ok(next) => {
                    let Err(error) = self.take_batch(&frame, &next, &mut batch) else { continue };
                    self.acknowledge_until(next.last_offset(), Some(AcknowledgeType::Reject), &mut batch);
                    error
                }
            };
            let partition = TopicPartition::new(self.partition.topic.clone(), self.partition.partition);
            return (
                batch,
                Some(Error::Protocol(format!("Record batch for partition {partition} is invalid: {error}"))),
            );
        }
        (batch, None)
    }

    fn take_batch(&mut self, frame: &Bytes, next: &RecordBatch<'_>, out: &mut Batch) -> Result<(), String> {
        if self.check_crcs {
            next.check_crc().map_err(|error| error.to_string())?;
        }
        if next.is_control() {
            self.acknowledge_until(next.last_offset(), None, out);
            return Ok(());
        }
        let header = next.header();
        let partition = TopicPartition::new(self.partition.topic.clone(), self.partition.partition);
        let epoch = known_epoch(next.partition_leader_epoch());
        let records = next.records_in(frame, DECOMPRESSED_BYTES_MAX).map_err(|error| error.to_string())?;
        for record in records {
            let record = record.map_err(|error| error.to_string())?;
            let offset = record.offset;
            self.acknowledge_until(offset.saturating_sub(1), None, out);
            if let Some(delivery_count) = self.acquire(offset) {
                let record = consumer_record(&partition, record, header.timestamp_type(), epoch);
                out.records.insert(offset, ConsumerRecord { delivery_count: Some(delivery_count), ..record });
            }
        }
        self.acknowledge_until(next.last_offset(), None, out);
        Ok(())
    }

    /// Takes an offset off what was acquired, if it is the first there.
    fn acquire(&mut self, offset: i64) -> Option<i16> {
        let (first, last, count) = self.acquired.front_mut().filter(|(first, ..)| *first == offset)?;
        let count = *count;
        if first == last {
            self.acquired.pop_front();
        } else {
            *first += 1;
        }
        Some(count)
    }

    /// What was acquired up to an offset has no record, or none that can be read.
    fn acknowledge_until(&mut self, end: i64, kind: Option<AcknowledgeType>, out: &mut Batch) {
        while let Some((first, ..)) = self.acquired.front().copied().filter(|(first, ..)| *first <= end) {
            self.acquire(first);
            match kind {
                Some(kind) => {
                    out.acks.insert(first, kind);
                    out.unreadable.insert(first);
                }
                None => out.acks.insert_gap(first),
            }
        }
    }
}
