//! Start, and memory without load.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Episode;
use crate::contestant::{Kind, Workplace};
use crate::metric::{Metric, Slice};
use crate::process::memory_mb;

/// A broker that has nothing to do.
pub struct Footprint {
    /// How long it idles before its memory counts.
    pub idle: Duration,
}

impl Episode for Footprint {
    fn rows(&self) -> Vec<String> {
        vec!["start on an empty folder".to_string(), "idle memory".to_string()]
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = place.start(kind, "footprint")?;
        let start = Slice::of([(Metric::Start, broker.start.as_secs_f64() * 1000.0)]);
        thread::sleep(self.idle);
        let (rss, pss) = memory_mb(broker.pid())?;
        broker.stop()?;
        Ok(vec![start, Slice::of([(Metric::Rss, rss), (Metric::Pss, pss)])])
    }
}
