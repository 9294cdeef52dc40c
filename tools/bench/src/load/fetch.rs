//! Consumers: over and over from the beginning, or at the tail.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::{FetchRequest, FetchResponse, ResponseHeader};
use ottla_protocol::records::{BatchIter, RecordBatch};
use ottla_protocol::{Message, Reader, Records, Str};

use super::Moved;
use crate::secure::Door;
use crate::topic::{TIMEOUT, check, end_offsets};
use crate::wire::{Connection, frame};

/// The newest version that names topics, not their ids.
const FETCH_VERSION: i16 = 12;
/// How long a broker may wait for records.
const WAIT_MAX_MS: i32 = 100;

/// A consumer of all partitions of a topic.
pub struct Consumer {
    connection: Connection,
    topic: Str,
    /// Where it is, for each partition.
    offsets: Vec<i64>,
    max_bytes: i32,
    wait_max_ms: i32,
}

impl Consumer {
    /// At the end of each partition; it waits for more.
    pub fn at_end(door: impl Into<Door>, topic: &str, partitions: usize) -> Result<Self> {
        let mut connection = Connection::open(door, TIMEOUT)?;
        let offsets = end_offsets(&mut connection, topic, partitions)?;
        Ok(Self { connection, topic: topic.into(), offsets, max_bytes: 1 << 20, wait_max_ms: WAIT_MAX_MS })
    }

    /// Where it is, for each partition.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// One fetch; `on_batch` sees every whole batch. How many there were.
    pub fn poll(&mut self, mut on_batch: impl FnMut(&RecordBatch<'_>) -> Result<()>) -> Result<usize> {
        self.connection.send(&frame(&self.request(), FETCH_VERSION, 1)?)?;
        let offsets = &mut self.offsets;
        self.connection.with_frame(|frame| {
            let mut batches = 0;
            let mut reader = Reader::new(frame);
            ResponseHeader::decode(&mut reader, 1)?;
            let response = FetchResponse::decode(&mut reader, FETCH_VERSION)?;
            check("Fetch", response.error_code)?;
            for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
                check("Fetch", partition.error_code)?;
                let at =
                    offsets.get_mut(partition.partition_index as usize).context("an unknown partition")?;
                let records = partition.records.as_ref().and_then(Records::bytes);
                for batch in BatchIter::new(records.map_or(&[][..], |bytes| &bytes[..])) {
                    let batch = batch.context("a fetch response")?;
                    *at = batch.header().next_offset();
                    on_batch(&batch)?;
                    batches += 1;
                }
            }
            Ok(batches)
        })
    }

    fn request(&self) -> FetchRequest {
        let partition = |(partition, offset): (usize, &i64)| FetchPartition {
            partition: partition as i32,
            fetch_offset: *offset,
            current_leader_epoch: -1,
            partition_max_bytes: self.max_bytes,
            ..Default::default()
        };
        let partitions = self.offsets.iter().enumerate().map(partition).collect();
        FetchRequest {
            max_wait_ms: self.wait_max_ms,
            min_bytes: i32::from(self.wait_max_ms > 0),
            max_bytes: self.max_bytes,
            session_epoch: -1,
            topics: vec![FetchTopic { topic: self.topic.clone(), partitions, ..Default::default() }],
            ..Default::default()
        }
    }
}

/// Reads partition 0 of a topic from its beginning, again and again, for `time`. Counts whole batches.
pub fn fetch(door: impl Into<Door>, topic: &str, max_bytes: i32, time: Duration) -> Result<Moved> {
    let connection = Connection::open(door, TIMEOUT)?;
    let mut consumer =
        Consumer { connection, topic: topic.into(), offsets: vec![0], max_bytes, wait_max_ms: 0 };
    let mut moved = Moved::default();
    let began = Instant::now();
    while began.elapsed() < time {
        let batches = consumer.poll(|batch| {
            moved.bytes += batch.bytes().len() as u64;
            moved.records += batch.header().records_count() as u64;
            Ok(())
        })?;
        moved.requests += 1;
        if batches == 0 {
            consumer.offsets = vec![0];
        }
    }
    moved.seconds = began.elapsed().as_secs_f64();
    Ok(moved)
}
