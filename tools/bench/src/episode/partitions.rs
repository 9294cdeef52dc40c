//! Creation, memory and throughput of many partitions.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Episode;
use crate::contestant::{Kind, Workplace};
use crate::load::batch::BatchKind;
use crate::load::produce::{Produce, create_writable, wait_until_writable};
use crate::metric::{Metric, Slice};
use crate::process::{cpu_seconds, memory_mb};
use crate::topic;
use crate::work::{KIB, MIB};

/// Partitions that a controller creates at once, by its limit on records in a batch.
const PARTITIONS_PER_TOPIC: usize = 1_000;

/// Many partitions, then a producer over few, then one over all of a topic.
pub struct Partitions {
    /// How many.
    pub count: usize,
    /// How long the broker idles before its memory counts.
    pub idle: Duration,
    /// How long each producer produces.
    pub slice: Duration,
}

impl Episode for Partitions {
    fn rows(&self) -> Vec<String> {
        let count = self.count;
        vec![
            format!("{count} partitions: creation"),
            format!("{count} partitions: memory"),
            format!("{count} partitions: produce 1 KB to 10 of them, acks=1, pipelined"),
            format!("{count} partitions: produce 1 KB to all of them, acks=1, pipelined"),
        ]
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = place.start(kind, "partitions")?;
        let port = broker.port;
        let topics = self.count.div_ceil(PARTITIONS_PER_TOPIC);
        let each = self.count.min(PARTITIONS_PER_TOPIC);
        let names: Vec<String> = (0..topics).map(|i| format!("many-{i}")).collect();
        let began = Instant::now();
        for name in &names {
            topic::create(port, name, each, &[])?;
        }
        let creation = began.elapsed().as_secs_f64() * 1_000.0;
        for name in &names {
            wait_until_writable(port, name, each)?;
        }
        create_writable(port, "few", 10, &[])?;
        thread::sleep(self.idle);
        let (rss, _) = memory_mb(broker.pid())?;
        let cpu_before = cpu_seconds(broker.pid())?;
        let few = produce(port, &["few".to_string()], 10, self.slice)?;
        let cpu_between = cpu_seconds(broker.pid())?;
        let all = produce(port, &names, each, self.slice)?;
        let cpu_after = cpu_seconds(broker.pid())?;
        broker.discard()?;
        Ok(vec![
            Slice::of([(Metric::Creation, creation)]),
            Slice::of([(Metric::Rss, rss)]),
            rate(few, cpu_between - cpu_before),
            rate(all, cpu_after - cpu_between),
        ])
    }
}

/// Megabytes and seconds.
fn produce(port: u16, topics: &[String], partitions: usize, time: Duration) -> Result<(f64, f64)> {
    let load = Produce { batch: BatchKind::plain(KIB, 0), acks: 1, in_flight: 5 };
    let (mut mb, mut seconds) = (0.0, 0.0);
    for name in topics {
        let moved = load.run_over(port, name, partitions, time / topics.len() as u32, 1 << 30)?;
        mb += moved.bytes as f64 / MIB;
        seconds += moved.seconds;
    }
    Ok((mb, seconds))
}

fn rate((mb, seconds): (f64, f64), cpu: f64) -> Slice {
    Slice::of([(Metric::CpuPerMb, cpu * 1e3 / mb.max(1e-3)), (Metric::Rate, mb / seconds.max(1e-3))])
}
