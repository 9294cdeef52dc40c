//! Consumers: from the beginning over what is in the page cache, and groups at the tail.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use super::{KIB, MIB, Work, by_bytes, with_cpu};
use crate::contestant::Broker;
use crate::load::Moved;
use crate::load::batch::{BatchKind, acknowledged, produce_frame};
use crate::load::fetch::{Consumer, fetch};
use crate::load::produce::{Produce, create_writable};
use crate::metric::Slice;
use crate::secure::Door;
use crate::threads::joined;
use crate::wire::{Connection, set_correlation_id};
use crate::{perf_tools, topic};

/// What consumers from the beginning read.
const FILLED_BYTES: u64 = 512 << 20;

/// One consumer from the beginning.
pub enum Consume {
    /// Kafka's own tool.
    Java,
    /// Our generator.
    Own,
}

impl Work for Consume {
    fn name(&self) -> String {
        match self {
            Consume::Java => "consume 1 KB".to_string(),
            Consume::Own => "consume 1 KB, pipelined".to_string(),
        }
    }

    fn takes_java(&self) -> bool {
        matches!(self, Consume::Java)
    }

    fn writes(&self) -> bool {
        false
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        fill(broker, topic)
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let (moved, cpu) = match self {
            Consume::Java => {
                // A group of its own, which begins at the beginning.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
                let (class_path, group) = (broker.place.class_path()?, format!("bench-{now}"));
                let bytes = ((40.0 * MIB * time.as_secs_f64()) as u64).min(FILLED_BYTES / 16 * 15);
                let records = bytes / KIB as u64;
                with_cpu(broker, || perf_tools::consume(class_path, broker.port, topic, &group, records))?
            }
            Consume::Own => with_cpu(broker, || fetch(broker.port, topic, 1 << 20, time))?,
        };
        Ok(by_bytes(moved, cpu))
    }
}

/// A topic with something to read.
pub fn fill(broker: &Broker<'_>, topic: &str) -> Result<()> {
    create_writable(broker.port, topic, 1, &[])?;
    let load = Produce { batch: BatchKind::plain(KIB, 64 * KIB), acks: 1, in_flight: 4 };
    load.run(broker.port, topic, Duration::from_secs(60), FILLED_BYTES)?;
    Ok(())
}

/// Groups that read what a producer of 50 MB/s has just written. What counts is what they read.
pub struct Tail {
    /// How many read the same topic.
    pub groups: usize,
}

/// From one burst of the producer to the next.
const TICK: Duration = Duration::from_millis(5);
/// Batches of 16 KB in a burst: 50 MB/s.
const BATCHES_PER_TICK: u32 = 16;

impl Work for Tail {
    fn name(&self) -> String {
        let groups = if self.groups == 1 { "1 group".into() } else { format!("{} groups", self.groups) };
        format!("consume at the tail, {groups}, 50 MB/s produced")
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let (moved, cpu) = with_cpu(broker, || self.load(&broker.port.into(), topic, time))?;
        Ok(by_bytes(moved, cpu))
    }
}

impl Tail {
    /// The producer and the consumers come in by the same door.
    pub fn load(&self, door: &Door, topic: &str, time: Duration) -> Result<Moved> {
        let consumers: Vec<Consumer> =
            (0..self.groups).map(|_| Consumer::at_end(door, topic, 1)).collect::<Result<_>>()?;
        // The offset at which they are done; known when the producer is.
        let end = AtomicI64::new(i64::MAX);
        let began = Instant::now();
        let (bytes, last) = thread::scope(|scope| {
            let end = &end;
            let give_up = began + time + topic::TIMEOUT;
            let readers: Vec<_> = consumers
                .into_iter()
                .map(|consumer| scope.spawn(move || read_until(consumer, end, give_up)))
                .collect();
            let produced = produce_paced(door, topic, time);
            // Also when it failed: they would wait in vain.
            end.store(*produced.as_ref().unwrap_or(&0), Ordering::Release);
            produced?;
            let (mut bytes, mut last) = (0, began);
            for reader in readers {
                let (read, at) = joined(reader)??;
                (bytes, last) = (bytes + read, last.max(at));
            }
            Ok::<_, anyhow::Error>((bytes, last))
        })?;
        Ok(Moved { bytes, seconds: (last - began).as_secs_f64(), ..Default::default() })
    }
}

/// Bytes of all batches up to the end, and when the last one came.
fn read_until(mut consumer: Consumer, end: &AtomicI64, give_up: Instant) -> Result<(u64, Instant)> {
    let (mut bytes, mut last) = (0, Instant::now());
    while consumer.offsets().iter().any(|at| *at < end.load(Ordering::Acquire)) {
        let batches = consumer.poll(|batch| {
            bytes += batch.bytes().len() as u64;
            Ok(())
        })?;
        if batches > 0 {
            last = Instant::now();
        }
        ensure!(Instant::now() < give_up, "a consumer did not reach the end");
    }
    Ok((bytes, last))
}

/// Bursts at fixed times; the offset after the last record.
fn produce_paced(door: &Door, topic: &str, time: Duration) -> Result<i64> {
    let batch = BatchKind::plain(KIB, 16 * KIB).batch()?;
    let mut frame = produce_frame(topic, 1, [(0, batch.bytes)])?;
    let mut connection = Connection::open(door, topic::TIMEOUT)?;
    let (mut due, mut end) = (Instant::now(), 0);
    let until = due + time;
    while due < until {
        for id in 0..BATCHES_PER_TICK {
            set_correlation_id(&mut frame, id as i32);
            connection.send(&frame)?;
        }
        for _ in 0..BATCHES_PER_TICK {
            end = acknowledged(&mut connection)? + batch.records as i64;
        }
        due += TICK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(end)
}
