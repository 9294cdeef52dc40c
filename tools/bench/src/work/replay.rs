//! A producer beside a consumer that reads what only the disk has.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::quiet::{QuietProducer, growth};
use super::{KIB, Work};
use crate::contestant::Broker;
use crate::load::batch::{BatchKind, now_ms};
use crate::load::fetch::fetch;
use crate::load::produce::{Produce, create_writable};
use crate::metric::{Metric, Slice};
use crate::secure::Door;
use crate::topic;

/// A record every two milliseconds, first alone, then while a consumer replays a topic that was evicted from memory.
pub struct Replay {
    /// Bytes in the topic.
    pub bytes: u64,
}

impl Work for Replay {
    fn name(&self) -> String {
        "500 records/s of 1 KB beside a consumer that replays evicted data, acks=all".to_string()
    }

    fn writes(&self) -> bool {
        false
    }

    fn stretch(&self) -> u32 {
        2
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])?;
        let load = Produce { batch: BatchKind::plain(KIB, 64 * KIB), acks: 1, in_flight: 4 };
        load.run(broker.port, topic, Duration::from_secs(120), self.bytes)?;
        // What is still to be written would be in the way of all reads, the other contestant's too.
        evict(&broker.data_folder().join(format!("{topic}-0")))
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let (port, half) = (broker.port, time / 2);
        let quiet_topic = format!("{topic}-quiet-{}", now_ms());
        create_writable(port, &quiet_topic, 1, &[])?;
        evict(&broker.data_folder().join(format!("{topic}-0")))?;
        let quiet = QuietProducer { door: Door::from(port), topic: &quiet_topic, acks: -1 };
        let alone = quiet.latencies(half)?;
        let (took, read) = quiet.beside(half, || fetch(port, topic, 1 << 20, half))?;
        topic::delete(port, &quiet_topic)?;
        let rate = read.bytes as f64 / super::MIB / read.seconds.max(1e-3);
        let slice = Slice::of([(Metric::Rate, rate), growth(&alone, &took)]);
        Ok(slice.with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}

/// Has the files of a partition written to the disk and taken out of the page cache.
fn evict(partition: &Path) -> Result<()> {
    let entries = fs::read_dir(partition).with_context(|| format!("listing {}", partition.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let file = File::open(&path)?;
            file.sync_data()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
