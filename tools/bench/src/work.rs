//! The rows of the table: what one slice of each does, and what it yields.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::contestant::{Broker, Kind};
use crate::generator::{self, Moved, Produce};
use crate::perf_tools::{self, ProducerPerformance};
use crate::process::cpu_seconds;
use crate::stats::percentile;

const MIB: f64 = 1024.0 * 1024.0;
const KIB: usize = 1024;

/// What no slice goes beyond, so that data stays in the page cache and the disk does not fill.
const SLICE_BYTES_MAX: u64 = 1 << 30;
/// What consumers read.
const FILLED_BYTES: u64 = 512 << 20;

/// A number that slices yield.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// From exec to the first answered Metadata.
    Start,
    /// Resident memory.
    Rss,
    /// Proportional share of memory.
    Pss,
    /// CPU time of the broker for each megabyte.
    CpuPerMb,
    /// Throughput.
    Rate,
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
}

impl Metric {
    /// Its name and unit.
    pub fn label(self) -> &'static str {
        match self {
            Metric::Start => "ms",
            Metric::Rss => "RSS, MB",
            Metric::Pss => "PSS, MB",
            Metric::CpuPerMb => "broker CPU, ms/MB",
            Metric::Rate => "MB/s",
            Metric::P50 => "p50, us",
            Metric::P99 => "p99, us",
        }
    }
}

/// What one slice yielded.
pub type Slice = Vec<(Metric, f64)>;

/// Who the client is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Kafka's own performance tools: what a real application costs.
    Java,
    /// Our generator, pipelined: what the broker can do.
    Own,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Producing batches.
    Produce { client: Client, record_size: usize, batch_size: usize, acks: i16 },
    /// Consuming what is in the page cache.
    Consume { client: Client },
    /// One record at a time.
    Latency { acks: i16 },
}

/// All rows, in the order of the table.
pub const ROWS: [Work; 11] = [
    java(KIB, 16 * KIB, 1),
    java(KIB, 16 * KIB, -1),
    java(KIB, 256 * KIB, 1),
    java(KIB, 256 * KIB, -1),
    java(100, 16 * KIB, 1),
    Work::Consume { client: Client::Java },
    own(KIB, 16 * KIB, 1),
    own(KIB, 16 * KIB, -1),
    own(KIB, 256 * KIB, 1),
    Work::Consume { client: Client::Own },
    Work::Latency { acks: -1 },
];

const fn java(record_size: usize, batch_size: usize, acks: i16) -> Work {
    Work::Produce { client: Client::Java, record_size, batch_size, acks }
}

const fn own(record_size: usize, batch_size: usize, acks: i16) -> Work {
    Work::Produce { client: Client::Own, record_size, batch_size, acks }
}

impl Work {
    /// What the table calls it.
    pub fn name(self) -> String {
        let acks = |acks: i16| if acks == -1 { "all".to_string() } else { acks.to_string() };
        match self {
            Work::Produce { client, record_size, batch_size, acks: a } => {
                let record = if record_size == KIB { "1 KB".into() } else { format!("{record_size} B") };
                format!(
                    "produce {record}, {} KB batches, acks={}{}",
                    batch_size / KIB,
                    acks(a),
                    client.suffix()
                )
            }
            Work::Consume { client } => format!("consume 1 KB{}", client.suffix()),
            Work::Latency { acks: a } => format!("produce one 1 KB record at a time, acks={}", acks(a)),
        }
    }

    /// Whether this kind of broker can do it at all.
    pub fn suits(self, kind: Kind) -> bool {
        kind != Kind::Floor || !matches!(self, Work::Consume { .. })
    }

    /// Makes the topic as it must be before the first slice.
    pub fn prepare(self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        crate::topic::create(broker.port, topic)?;
        generator::wait_until_writable(broker.port, topic)?;
        if matches!(self, Work::Consume { .. }) {
            let load = Produce { record_size: KIB, batch_size: 64 * KIB, acks: 1, in_flight: 4 };
            load.run(broker.port, topic, Duration::from_secs(60), FILLED_BYTES)?;
        }
        Ok(())
    }

    /// How many records a slice of Kafka's tools moves; both contestants do the same work. 0 where a slice ends by
    /// the clock.
    pub fn records(self, time: Duration) -> u64 {
        let of = |mb_per_s: f64, record_size: usize, bytes_max: u64| {
            let bytes = (mb_per_s * MIB * time.as_secs_f64()) as u64;
            bytes.min(bytes_max) / record_size as u64
        };
        match self {
            // Smaller records cost the client more.
            Work::Produce { client: Client::Java, record_size, .. } if record_size < KIB => {
                of(10.0, record_size, SLICE_BYTES_MAX)
            }
            Work::Produce { client: Client::Java, record_size, .. } => of(40.0, record_size, SLICE_BYTES_MAX),
            Work::Consume { client: Client::Java } => of(40.0, KIB, FILLED_BYTES / 16 * 15),
            _ => 0,
        }
    }

    /// One slice: the load, and the broker's CPU time meanwhile.
    pub fn slice(self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let cpu_before = cpu_seconds(broker.pid())?;
        let (moved, mut slice) = self.load(broker, topic, time)?;
        let cpu = cpu_seconds(broker.pid())? - cpu_before;
        let mb = moved.bytes as f64 / MIB;
        if !matches!(self, Work::Latency { .. }) {
            slice.insert(0, (Metric::CpuPerMb, cpu * 1000.0 / mb.max(0.001)));
            slice.push((Metric::Rate, mb / moved.seconds.max(0.001)));
        }
        Ok(slice)
    }

    fn load(self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<(Moved, Slice)> {
        let records = self.records(time);
        let port = broker.port;
        let nothing = Slice::new();
        match self {
            Work::Produce { client: Client::Java, record_size, batch_size, acks } => {
                let class_path = broker.place.class_path()?;
                let tool =
                    ProducerPerformance { class_path, port, topic, records, record_size, batch_size, acks };
                Ok((tool.run()?, nothing))
            }
            Work::Produce { client: Client::Own, record_size, batch_size, acks } => {
                let load = Produce { record_size, batch_size, acks, in_flight: 5 };
                Ok((load.run(port, topic, time, SLICE_BYTES_MAX)?, nothing))
            }
            Work::Consume { client: Client::Java } => {
                // A group of its own, which begins at the beginning.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
                let (class_path, group) = (broker.place.class_path()?, format!("bench-{now}"));
                Ok((perf_tools::consume(class_path, port, topic, &group, records)?, nothing))
            }
            Work::Consume { client: Client::Own } => {
                Ok((generator::fetch(port, topic, 1 << 20, time)?, nothing))
            }
            Work::Latency { acks } => {
                let load = Produce { record_size: KIB, batch_size: 0, acks, in_flight: 1 };
                let (moved, took) = load.latencies_us(port, topic, time).context("single records")?;
                Ok((
                    moved,
                    vec![(Metric::P50, percentile(&took, 50.0)), (Metric::P99, percentile(&took, 99.0))],
                ))
            }
        }
    }
}

impl Client {
    fn suffix(self) -> &'static str {
        match self {
            Client::Java => "",
            Client::Own => ", pipelined",
        }
    }
}
