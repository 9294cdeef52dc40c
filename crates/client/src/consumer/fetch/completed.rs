//! What a broker answered for one partition, and how records are taken out of it
//! (`org.apache.kafka.clients.consumer.internals.CompletedFetch`).

use std::collections::HashSet;

use bytes::Bytes;
use ottla_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use ottla_protocol::records::{
    BatchHeader, BatchIter, ControlRecordType, NO_PARTITION_LEADER_EPOCH, Record, RecordBatch, RecordIter,
    RecordView,
};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::IsolationLevel;
use crate::record::{ConsumerRecord, Header};
use crate::{Error, Result};

/// Most bytes that the records of one batch may decompress to. Producers can't make larger ones: their buffers and the
/// brokers' limits are far below.
pub const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// How records are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// `check.crcs`.
    pub check_crcs: bool,
}

/// A partition's part of an answer.
#[derive(Debug)]
pub struct CompletedFetch {
    /// The partition.
    pub partition: TopicPartition,
    /// The node that answered.
    pub node: i32,
    /// Error of the partition.
    pub error: ErrorCode,
    /// The offset that was asked for.
    pub fetch_offset: i64,
    /// The high watermark, if told.
    pub high_watermark: Option<i64>,
    /// The last stable offset, if told.
    pub last_stable_offset: Option<i64>,
    /// The log's start, if told.
    pub log_start_offset: Option<i64>,
    /// The follower to read from.
    pub preferred_read_replica: Option<i32>,
    /// Whether what it says of the partition has been taken over.
    pub is_initialized: bool,
    frame: Bytes,
    at: usize,
    end_offset: Option<i64>,
    /// Ordered by first offset, the first one last.
    aborted: Vec<AbortedTransaction>,
    aborted_producers: HashSet<i64>,
    batch: Option<(BatchHeader, RecordIter)>,
    next_offset: i64,
    last_epoch: Option<i32>,
    failed: Option<Error>,
    is_consumed: bool,
}

impl CompletedFetch {
    /// What `node` answered for a partition when asked for `fetch_offset`.
    pub fn new(partition: TopicPartition, node: i32, fetch_offset: i64, data: PartitionData) -> Self {
        let known = |offset: i64| (offset >= 0).then_some(offset);
        let mut aborted = data.aborted_transactions.unwrap_or_default();
        aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        let frame = data.records.as_ref().and_then(|records| records.bytes()).cloned().unwrap_or_default();
        Self {
            partition,
            node,
            error: ErrorCode::from_code(data.error_code),
            fetch_offset,
            high_watermark: known(data.high_watermark),
            last_stable_offset: known(data.last_stable_offset),
            log_start_offset: known(data.log_start_offset),
            preferred_read_replica: (data.preferred_read_replica >= 0).then_some(data.preferred_read_replica),
            is_initialized: false,
            at: 0,
            end_offset: end_offset(&frame, fetch_offset),
            frame,
            aborted,
            aborted_producers: HashSet::new(),
            batch: None,
            next_offset: fetch_offset,
            last_epoch: None,
            failed: None,
            is_consumed: false,
        }
    }

    /// Bytes of records.
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// Whether there are bytes, but not one whole batch.
    pub fn is_cut_off(&self) -> bool {
        !self.frame.is_empty() && self.end_offset.is_none() && BatchIter::new(&self.frame).next().is_none()
    }

    /// The offset behind all of its records, if they are whole: what can be fetched while they are being used.
    pub fn end_offset(&self) -> Option<i64> {
        self.end_offset
    }

    /// The offset behind what was taken.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Epoch of the leader that appended what was taken last.
    pub fn last_epoch(&self) -> Option<i32> {
        self.last_epoch
    }

    /// Whether nothing is left in it.
    pub fn is_consumed(&self) -> bool {
        self.is_consumed
    }

    /// Drops what is left.
    pub fn drain(&mut self) {
        self.is_consumed = true;
        self.batch = None;
        self.frame = Bytes::new();
    }

    /// Appends up to `max` records to `out`. A batch that can't be read is an error every time until the consumer seeks
    /// past it, after the records before it were handed out.
    ///
    /// # Errors
    /// A wrong checksum, or bytes that are no records.
    pub fn take(&mut self, max: usize, options: ReadOptions, out: &mut Vec<ConsumerRecord>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let before = out.len();
        match self.take_until(before.saturating_add(max), options, out) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.failed = Some(error.clone());
                if out.len() > before { Ok(()) } else { Err(error) }
            }
        }
    }

    fn take_until(&mut self, end: usize, options: ReadOptions, out: &mut Vec<ConsumerRecord>) -> Result<()> {
        while out.len() < end && !self.is_consumed {
            let Some((header, mut records)) = self.batch.take() else {
                self.open_next_batch(options)?;
                continue;
            };
            let taken = self.take_of_batch(&header, &mut records, end, out);
            match taken {
                Err(error) => return Err(self.unreadable(error)),
                Ok(true) => self.next_offset = self.next_offset.max(header.next_offset()),
                Ok(false) => self.batch = Some((header, records)),
            }
        }
        // Known at once, so that the next answer is put into use, and what follows it fetched, at the start of the next poll.
        let rest = self.frame.get(self.at..).unwrap_or_default();
        if self.batch.is_none() && BatchIter::new(rest).next().is_none() {
            self.drain();
        }
        Ok(())
    }

    /// Takes records of the batch; whether it has no more.
    fn take_of_batch(
        &mut self,
        header: &BatchHeader,
        records: &mut RecordIter,
        end: usize,
        out: &mut Vec<ConsumerRecord>,
    ) -> Result<bool, ottla_protocol::records::RecordsError> {
        let timestamp_type = header.timestamp_type();
        out.reserve(records.size_hint().1.unwrap_or(0).min(end.saturating_sub(out.len())));
        while out.len() < end {
            let Some(record) = records.next_view() else { return Ok(true) };
            let record = record?;
            let offset = record.offset();
            // A batch may begin before the offset that was asked for.
            if offset < self.next_offset {
                continue;
            }
            self.next_offset = offset.saturating_add(1);
            out.push(ConsumerRecord {
                topic: self.partition.topic.clone(),
                partition: self.partition.partition,
                offset,
                timestamp_ms: record.timestamp(),
                timestamp_type,
                leader_epoch: self.last_epoch,
                delivery_count: None,
                key: record.key(),
                value: record.value(),
                headers: headers_of(&record),
            });
        }
        Ok(records.size_hint().1 == Some(0))
    }

    /// Goes on to the next batch that has records for the application, or to the end.
    fn open_next_batch(&mut self, options: ReadOptions) -> Result<()> {
        let frame = self.frame.clone();
        let mut batches = BatchIter::new(frame.get(self.at..).unwrap_or_default());
        while let Some(batch) = batches.next() {
            let batch = batch.map_err(|error| self.unreadable(error))?;
            self.last_epoch = known_epoch(batch.partition_leader_epoch());
            if options.check_crcs {
                batch.check_crc().map_err(|error| self.invalid(&batch, error))?;
            }
            self.at = frame.len() - batches.rest().len();
            if self.is_visible(&batch, options.isolation) {
                let records = batch.records_in(&frame, DECOMPRESSED_BYTES_MAX);
                let records = records.map_err(|error| self.unreadable(error))?;
                self.batch = Some((*batch.header(), records));
                return Ok(());
            }
            self.next_offset = self.next_offset.max(batch.next_offset());
        }
        self.drain();
        Ok(())
    }

    /// Whether the application is to see the batch: not markers, and not what an aborted transaction wrote.
    fn is_visible(&mut self, batch: &RecordBatch<'_>, isolation: IsolationLevel) -> bool {
        if isolation == IsolationLevel::ReadCommitted && batch.has_producer_id() {
            let last_offset = batch.last_offset();
            while let Some(begun) = self.aborted.pop_if(|begun| begun.first_offset <= last_offset) {
                self.aborted_producers.insert(begun.producer_id);
            }
            let producer_id = batch.producer_id();
            if is_abort_marker(batch) {
                self.aborted_producers.remove(&producer_id);
            } else if batch.is_transactional() && self.aborted_producers.contains(&producer_id) {
                return false;
            }
        }
        !batch.is_control()
    }

    fn invalid(&self, batch: &RecordBatch<'_>, why: impl std::fmt::Display) -> Error {
        self.unreadable(format_args!("the batch at offset {} is invalid: {why}", batch.base_offset()))
    }

    fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        Error::Protocol(format!(
            "Received exception when fetching the next record from {} (offset {}): {why}. If needed, please seek past \
             the record to continue consumption.",
            self.partition, self.next_offset
        ))
    }
}

/// A leader's epoch, if the batch has one.
pub fn known_epoch(epoch: i32) -> Option<i32> {
    (epoch != NO_PARTITION_LEADER_EPOCH).then_some(epoch)
}

/// The offset behind the last whole batch, if all before it can be read.
fn end_offset(frame: &[u8], fetch_offset: i64) -> Option<i64> {
    let mut end = None;
    for batch in BatchIter::new(frame) {
        end = Some(batch.ok()?.next_offset());
    }
    end.filter(|end| *end > fetch_offset)
}

fn is_abort_marker(batch: &RecordBatch<'_>) -> bool {
    if !batch.is_control() {
        return false;
    }
    let Ok(mut records) = batch.record_refs(batch.payload()) else { return false };
    let key = records.next().and_then(|record| record.ok()?.key);
    matches!(key.map(ControlRecordType::parse), Some(Ok(Some(ControlRecordType::Abort))))
}

fn headers_of(record: &RecordView<'_>) -> Vec<Header> {
    if record.headers_count() == 0 {
        return Vec::new();
    }
    record.headers().map(|header| Header { key: header.key, value: header.value }).collect()
}

/// A record as the application gets it.
pub fn consumer_record(
    partition: &TopicPartition,
    record: Record,
    timestamp_type: ottla_protocol::records::TimestampType,
    leader_epoch: Option<i32>,
) -> ConsumerRecord {
    ConsumerRecord {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp,
        timestamp_type,
        leader_epoch,
        delivery_count: None,
        key: record.key,
        value: record.value,
        headers: record
            .headers
            .into_iter()
            .map(|header| Header { key: header.key, value: header.value })
            .collect(),
    }
}
