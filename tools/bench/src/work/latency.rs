//! How long a record takes: one at a time, at a fixed rate, and beside a loud neighbour.

use std::time::Duration;

use anyhow::{Context, Result};

use super::quiet::{QuietProducer, growth};
use super::{KIB, SLICE_BYTES_MAX, Work, acks_text, with_cpu};
use crate::contestant::{Broker, Kind};
use crate::histogram::Histogram;
use crate::load::batch::{BatchKind, now_ms};
use crate::load::fixed_rate::FixedRate;
use crate::load::produce::{Produce, create_writable};
use crate::metric::{Metric, Slice};
use crate::secure::Door;
use crate::topic;

/// One record at a time, each after the answer to the last.
pub struct OneAtATime {
    /// As in the protocol.
    pub acks: i16,
}

impl Work for OneAtATime {
    fn name(&self) -> String {
        format!("produce one 1 KB record at a time, acks={}", acks_text(self.acks))
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load = Produce { batch: BatchKind::plain(KIB, 0), acks: self.acks, in_flight: 1 };
        let (_, took) = load.latencies(broker.port, topic, time, Duration::ZERO).context("single records")?;
        Ok(Slice::default().with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}

/// 10,000 records in a second over ten partitions, from when they are due until a consumer has them.
pub struct FixedRateRow {
    /// As in the protocol.
    pub acks: i16,
}

impl FixedRateRow {
    const PARTITIONS: usize = 10;
}

impl Work for FixedRateRow {
    fn name(&self) -> String {
        format!("10,000 records/s of 1 KB, 10 partitions, acks={}, end to end", acks_text(self.acks))
    }

    fn stretch(&self) -> u32 {
        8
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, Self::PARTITIONS, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load = FixedRate {
            record_size: KIB,
            partitions: Self::PARTITIONS,
            tick: Duration::from_millis(1),
            acks: self.acks,
        };
        let ((moved, took), cpu) = with_cpu(broker, || load.run(broker.port, topic, time))?;
        let slice = Slice::of([(Metric::CpuPerRecord, cpu * 1e6 / (moved.records as f64).max(1.0))]);
        Ok(slice.with_latencies(took, &[Metric::P50, Metric::P99, Metric::P999]))
    }
}

/// A record every two milliseconds, first alone, then while another producer takes all it can get on another topic.
pub struct Quiet;

impl Quiet {
    /// The loud one's time without a new topic; more would fill the disk.
    const ROUND: Duration = Duration::from_secs(2);

    /// How long records took beside the loud one.
    fn round(quiet: &QuietProducer<'_>, port: u16, time: Duration) -> Result<Histogram> {
        let loud_topic = format!("{}-loud-{}", quiet.topic, now_ms());
        create_writable(port, &loud_topic, 1, &[("file.delete.delay.ms", "1000")])?;
        let loud = Produce { batch: BatchKind::plain(KIB, 256 * KIB), acks: -1, in_flight: 5 };
        // A little longer than the other.
        let longer = time + Duration::from_millis(50);
        let (took, _) = quiet.beside(time, || loud.run(port, &loud_topic, longer, 4 * SLICE_BYTES_MAX))?;
        topic::delete(port, &loud_topic)?;
        Ok(took)
    }
}

impl Work for Quiet {
    fn name(&self) -> String {
        "a quiet topic (500 records/s) beside a saturating producer, acks=all".to_string()
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn stretch(&self) -> u32 {
        2
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let quiet = QuietProducer { door: Door::from(broker.port), topic, acks: -1 };
        // All of it before the disk has work.
        let alone = quiet.latencies(time / 2)?;
        let rounds = time.div_duration_f64(Self::ROUND).ceil().max(1.0);
        let mut took = Histogram::default();
        for _ in 0..rounds as u32 {
            took.merge(&Self::round(&quiet, broker.port, time.div_f64(rounds))?);
        }
        Ok(Slice::of([growth(&alone, &took)]).with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}
