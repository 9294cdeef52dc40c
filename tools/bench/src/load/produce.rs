//! One producer.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::batch::{BatchKind, acknowledged, produce_frame};
use super::{Moved, on_time};
use crate::histogram::Histogram;
use crate::secure::Door;
use crate::threads::joined;
use crate::topic::{self, Setting, TIMEOUT};
use crate::wire::{Connection, set_correlation_id};

/// A load of one producer.
#[derive(Clone, Copy)]
pub struct Produce {
    /// What a request carries for each partition.
    pub batch: BatchKind,
    /// As in the protocol: 1, or -1 for all.
    pub acks: i16,
    /// Requests under way at once.
    pub in_flight: usize,
}

/// A request, and what it counts for.
struct Prepared {
    frame: Vec<u8>,
    records: u64,
    value_bytes: u64,
}

impl Produce {
    /// A request for partitions `first..first + count`.
    fn prepared(self, topic: &str, first: usize, count: usize) -> Result<Prepared> {
        let batch = self.batch.batch()?;
        let batches = (first..first + count).map(|i| (i as i32, batch.bytes.clone()));
        let frame = produce_frame(topic, self.acks, batches)?;
        let count = count as u64;
        Ok(Prepared { frame, records: batch.records * count, value_bytes: batch.value_bytes * count })
    }

    /// Produces to partition 0 for `time`, but no more than `bytes_max`.
    pub fn run(self, door: impl Into<Door>, topic: &str, time: Duration, bytes_max: u64) -> Result<Moved> {
        self.pipeline(door.into(), vec![self.prepared(topic, 0, 1)?], time, bytes_max)
    }

    /// Produces to all of `partitions` in turn, one batch for each of ten partitions in a request.
    pub fn run_over(
        self,
        port: u16,
        topic: &str,
        partitions: usize,
        time: Duration,
        bytes_max: u64,
    ) -> Result<Moved> {
        let firsts = (0..partitions).step_by(10);
        let requests = firsts.map(|first| self.prepared(topic, first, (partitions - first).min(10)));
        self.pipeline(port.into(), requests.collect::<Result<_>>()?, time, bytes_max)
    }

    fn pipeline(
        self,
        door: Door,
        mut requests: Vec<Prepared>,
        time: Duration,
        bytes_max: u64,
    ) -> Result<Moved> {
        let mut connection = Connection::open(door, TIMEOUT)?;
        let began = Instant::now();
        let (mut sent, mut moved) = (0_u64, Moved::default());
        let mut sent_bytes = 0;
        loop {
            let more = began.elapsed() < time && sent_bytes < bytes_max;
            while more && sent - moved.requests < self.in_flight as u64 {
                let next = sent as usize % requests.len();
                set_correlation_id(&mut requests[next].frame, sent as i32);
                connection.send(&requests[next].frame)?;
                sent_bytes += requests[next].value_bytes;
                sent += 1;
            }
            if moved.requests == sent {
                break;
            }
            acknowledged(&mut connection)?;
            let answered = &requests[moved.requests as usize % requests.len()];
            moved.bytes += answered.value_bytes;
            moved.records += answered.records;
            moved.requests += 1;
        }
        moved.seconds = began.elapsed().as_secs_f64();
        Ok(moved)
    }

    /// One request at a time for `time`; how long each took. With `every`, one is due each time that has passed, and
    /// a late one counts from when it was due.
    pub fn latencies(
        self,
        door: impl Into<Door>,
        topic: &str,
        time: Duration,
        every: Duration,
    ) -> Result<(Moved, Histogram)> {
        let door = door.into();
        let measured = || self.one_at_a_time(door, topic, time, every);
        thread::scope(|scope| joined(scope.spawn(on_time(measured))))?
    }

    fn one_at_a_time(
        self,
        door: Door,
        topic: &str,
        time: Duration,
        every: Duration,
    ) -> Result<(Moved, Histogram)> {
        let mut request = self.prepared(topic, 0, 1)?;
        let mut connection = Connection::open(door, TIMEOUT)?;
        let mut took = Histogram::default();
        let began = Instant::now();
        let mut due = began;
        while began.elapsed() < time {
            if every.is_zero() {
                due = Instant::now();
            } else {
                due += every;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            set_correlation_id(&mut request.frame, took.count() as i32);
            connection.send(&request.frame)?;
            acknowledged(&mut connection)?;
            took.add(due.elapsed());
        }
        let requests = took.count();
        let (bytes, records) = (requests * request.value_bytes, requests * request.records);
        Ok((Moved { bytes, records, requests, seconds: began.elapsed().as_secs_f64() }, took))
    }

    /// Produces one request to partition 0; the offset of its first record.
    pub fn once(self, port: u16, topic: &str) -> Result<i64> {
        let mut connection = Connection::open(port, TIMEOUT)?;
        connection.send(&self.prepared(topic, 0, 1)?.frame)?;
        acknowledged(&mut connection)
    }
}

/// A record so small that it hardly counts.
pub const SINGLE: Produce = Produce { batch: BatchKind::plain(1, 0), acks: -1, in_flight: 1 };

/// A topic that takes records already.
pub fn create_writable(port: u16, topic: &str, partitions: usize, settings: &[Setting]) -> Result<()> {
    topic::create(port, topic, partitions, settings)?;
    wait_until_writable(port, topic, partitions)
}

/// Writes single records until one is acknowledged: a leader can take a moment to know that it leads.
pub fn wait_until_writable(port: u16, topic: &str, partitions: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        match SINGLE.run_over(port, topic, partitions, Duration::from_secs(30), partitions as u64) {
            Err(_) if began.elapsed() < TIMEOUT => thread::sleep(Duration::from_millis(20)),
            result => return result.map(|_| ()),
        }
    }
}
