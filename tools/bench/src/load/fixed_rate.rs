//! A producer that keeps to a timetable whatever the broker does, and a consumer behind it.
//!
//! A client that waits for an answer before it sends the next record stops measuring just when the broker stalls
//! ("coordinated omission"). Here records are due at fixed times; each carries the time at which it was due, and that is
//! where its latency begins, however late it was sent.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_protocol::records::{BatchBuilder, BatchOptions};

use super::batch::{acknowledged, now_ms, produce_frame};
use super::fetch::Consumer;
use super::{Moved, on_time};
use crate::histogram::Histogram;
use crate::threads::joined;
use crate::topic::TIMEOUT;
use crate::wire::{Connection, set_correlation_id};

/// Records at a fixed rate: at each tick one for every partition, all in one request.
#[derive(Clone, Copy)]
pub struct FixedRate {
    /// Bytes of a record's value, at least 8.
    pub record_size: usize,
    /// Partitions of the topic.
    pub partitions: usize,
    /// From tick to tick.
    pub tick: Duration,
    /// As in the protocol.
    pub acks: i16,
}

impl FixedRate {
    /// Produces for `time`, and consumes all of it; how long each record took from when it was due until the consumer had it.
    pub fn run(self, port: u16, topic: &str, time: Duration) -> Result<(Moved, Histogram)> {
        let ticks = (time.as_nanos() / self.tick.as_nanos().max(1)).max(1) as u64;
        let records = ticks * self.partitions as u64;
        let mut consumer = Consumer::at_end(port, topic, self.partitions)?;
        let sender = Connection::open(port, TIMEOUT)?;
        let receiver = sender.try_clone()?;
        // The first tick comes when all are ready.
        let began = Instant::now() + Duration::from_millis(20);
        let took = thread::scope(|scope| {
            let consumed = scope.spawn(on_time(move || consume(&mut consumer, began, records)));
            let acknowledged = scope.spawn(on_time(move || receive(receiver, ticks)));
            let sent = scope.spawn(on_time(move || self.send(sender, topic, began, ticks)));
            joined(sent)??;
            joined(acknowledged)??;
            joined(consumed)?
        })?;
        let seconds = began.elapsed().as_secs_f64();
        Ok((Moved { bytes: records * self.record_size as u64, records, requests: ticks, seconds }, took))
    }

    fn send(self, mut connection: Connection, topic: &str, began: Instant, ticks: u64) -> Result<()> {
        let mut value = vec![0x5a_u8; self.record_size.max(8)];
        for tick in 0..ticks {
            let due = self.tick.mul_f64(tick as f64);
            value[..8].copy_from_slice(&(due.as_nanos() as u64).to_be_bytes());
            let batch = one_record(&value)?;
            let batches = (0..self.partitions as i32).map(|i| (i, batch.clone()));
            let mut frame = produce_frame(topic, self.acks, batches)?;
            set_correlation_id(&mut frame, tick as i32);
            thread::sleep((began + due).saturating_duration_since(Instant::now()));
            connection.send(&frame)?;
        }
        Ok(())
    }
}

fn one_record(value: &[u8]) -> Result<Bytes> {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    batch.append(now_ms(), None, Some(value), &[])?;
    Ok(batch.build()?)
}

/// All answers to the producer: it must not wait for them, but they must not fail.
fn receive(mut connection: Connection, requests: u64) -> Result<()> {
    for _ in 0..requests {
        acknowledged(&mut connection)?;
    }
    Ok(())
}

fn consume(consumer: &mut Consumer, began: Instant, records: u64) -> Result<Histogram> {
    let mut took = Histogram::default();
    let mut last = Instant::now();
    while took.count() < records {
        let found = consumer.poll(|batch| {
            for record in batch.record_refs(batch.payload())? {
                let record = record?;
                let due =
                    record.value.and_then(|v| v.first_chunk::<8>()).context("a record without a time")?;
                let due = began + Duration::from_nanos(u64::from_be_bytes(*due));
                took.add(due.elapsed());
            }
            Ok(())
        })?;
        if found > 0 {
            last = Instant::now();
        }
        ensure!(last.elapsed() < TIMEOUT, "{} of {records} records arrived", took.count());
    }
    Ok(took)
}
