//! Our own load: it costs the machine so little that what is measured is the broker.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{FetchRequest, ProduceRequest};
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions};
use ottla_protocol::{Records, Str};

use crate::stats::Random;
use crate::topic::{TIMEOUT, check};
use crate::wire::{Connection, frame, set_correlation_id};

/// The newest version that names topics, not their ids.
const PRODUCE_VERSION: i16 = 12;
/// Likewise.
const FETCH_VERSION: i16 = 12;

/// What a load moved.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    /// Bytes of the records' values.
    pub bytes: u64,
    /// From the first request to the last response.
    pub seconds: f64,
}

/// A load of one producer on one partition.
#[derive(Clone, Copy)]
pub struct Produce {
    /// Bytes of a record's value.
    pub record_size: usize,
    /// Bytes of a batch, at most.
    pub batch_size: usize,
    /// As in the protocol: 1, or -1 for all.
    pub acks: i16,
    /// Requests under way at once.
    pub in_flight: usize,
}

impl Produce {
    /// A produce request for `topic`, its frame, and the bytes of values in it.
    fn frame(self, topic: &str) -> Result<(Vec<u8>, u64)> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let mut random = Random::new(now_ms as u64);
        let value: Vec<u8> = (0..self.record_size).map(|_| random.bits() as u8).collect();
        let mut batch = BatchBuilder::new(BatchOptions { max_size: self.batch_size, ..Default::default() });
        while batch.has_room_for(now_ms, None, Some(&value), &[]) {
            batch.append(now_ms, None, Some(&value), &[])?;
        }
        let bytes = batch.records_count() as u64 * self.record_size as u64;
        let partition = PartitionProduceData { index: 0, records: Some(Records::Bytes(batch.build()?)) };
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: topic.into(),
                partition_data: vec![partition],
                ..Default::default()
            }],
        };
        Ok((frame(&request, PRODUCE_VERSION, 0)?, bytes))
    }

    /// Produces for `time`, but no more than `bytes_max`.
    pub fn run(self, port: u16, topic: &str, time: Duration, bytes_max: u64) -> Result<Moved> {
        let (mut frame, bytes_each) = self.frame(topic)?;
        let mut connection = Connection::open(port, TIMEOUT)?;
        let began = Instant::now();
        let (mut sent, mut answered) = (0_u64, 0_u64);
        loop {
            let more = began.elapsed() < time && sent * bytes_each < bytes_max;
            while more && sent - answered < self.in_flight as u64 {
                set_correlation_id(&mut frame, sent as i32);
                connection.send(&frame)?;
                sent += 1;
            }
            if answered == sent {
                break;
            }
            acknowledged(&mut connection)?;
            answered += 1;
        }
        Ok(Moved { bytes: answered * bytes_each, seconds: began.elapsed().as_secs_f64() })
    }

    /// One request at a time for `time`; how long each took, in microseconds.
    pub fn latencies_us(self, port: u16, topic: &str, time: Duration) -> Result<(Moved, Vec<f64>)> {
        let (mut frame, bytes_each) = self.frame(topic)?;
        let mut connection = Connection::open(port, TIMEOUT)?;
        let mut took = Vec::new();
        let began = Instant::now();
        while began.elapsed() < time {
            set_correlation_id(&mut frame, took.len() as i32);
            let sent = Instant::now();
            connection.send(&frame)?;
            acknowledged(&mut connection)?;
            took.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        let bytes = took.len() as u64 * bytes_each;
        Ok((Moved { bytes, seconds: began.elapsed().as_secs_f64() }, took))
    }
}

/// Writes single records until one is acknowledged: a leader can take a moment to know that it leads.
pub fn wait_until_writable(port: u16, topic: &str) -> Result<()> {
    let single = Produce { record_size: 1, batch_size: 0, acks: -1, in_flight: 1 };
    let began = Instant::now();
    loop {
        match single.run(port, topic, Duration::from_secs(1), 1) {
            Err(_) if began.elapsed() < TIMEOUT => thread::sleep(Duration::from_millis(20)),
            result => return result.map(|_| ()),
        }
    }
}

fn acknowledged(connection: &mut Connection) -> Result<()> {
    let response = connection.receive::<ProduceRequest>(PRODUCE_VERSION)?;
    for partition in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
        check("Produce", partition.error_code)?;
    }
    Ok(())
}

/// Reads partition 0 of a topic from its beginning, again and again, for `time`. Counts whole batches.
pub fn fetch(port: u16, topic: &str, max_bytes: i32, time: Duration) -> Result<Moved> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    let (mut offset, mut bytes) = (0_i64, 0_u64);
    let topic = Str::from(topic);
    let began = Instant::now();
    while began.elapsed() < time {
        connection.send(&frame(&fetch_request(&topic, offset, max_bytes), FETCH_VERSION, 1)?)?;
        let response = connection.with_frame(|frame| whole_batches(frame).context("a fetch response"))?;
        match response {
            Some((next_offset, size)) => {
                offset = next_offset;
                bytes += size;
            }
            None => offset = 0,
        }
    }
    Ok(Moved { bytes, seconds: began.elapsed().as_secs_f64() })
}

fn fetch_request(topic: &Str, offset: i64, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition {
        fetch_offset: offset,
        current_leader_epoch: -1,
        partition_max_bytes: max_bytes,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 0,
        max_bytes,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: topic.clone(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    }
}

/// Offset after the last whole batch and bytes of all of them; `None` at the end of the log.
fn whole_batches(frame: bytes::Bytes) -> Result<Option<(i64, u64)>> {
    use ottla_protocol::messages::{FetchResponse, ResponseHeader};
    use ottla_protocol::{Message, Reader};
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, 1)?;
    let response = FetchResponse::decode(&mut reader, FETCH_VERSION)?;
    check("Fetch", response.error_code)?;
    let mut last = None;
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        check("Fetch", partition.error_code)?;
        let records = partition.records.as_ref().and_then(Records::bytes);
        for batch in BatchIter::new(records.map_or(&[][..], |bytes| &bytes[..])) {
            let batch = batch?;
            let (_, size) = last.unwrap_or((0, 0_u64));
            last = Some((batch.header().next_offset(), size + batch.bytes().len() as u64));
        }
    }
    Ok(last)
}
