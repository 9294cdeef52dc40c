//! Start, memory and CPU without load.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Episode;
use crate::contestant::{Kind, Workplace};
use crate::metric::{Metric, Slice};
use crate::process::{cpu_seconds, memory_mb};

/// A broker that has nothing to do.
pub struct Footprint {
    /// How long it idles before its memory counts.
    pub idle: Duration,
}

impl Episode for Footprint {
    fn rows(&self) -> Vec<String> {
        vec!["start on an empty folder".to_string(), "idle".to_string()]
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = place.start(kind, "footprint")?;
        let start = Slice::of([(Metric::Start, broker.start.as_secs_f64() * 1000.0)]);
        // The first half belongs to what follows a start.
        let half = self.idle / 2;
        thread::sleep(half);
        let before = cpu_seconds(broker.pid())?;
        thread::sleep(half);
        let cpu = (cpu_seconds(broker.pid())? - before) * 1_000.0 / half.as_secs_f64().max(1e-3);
        let (rss, pss) = memory_mb(broker.pid())?;
        broker.stop()?;
        let idle = Slice::of([(Metric::Rss, rss), (Metric::Pss, pss), (Metric::IdleCpu, cpu)]);
        Ok(vec![start, idle])
    }
}
