//! Memory of connections that do nothing.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Episode;
use crate::contestant::{Kind, Workplace};
use crate::load::reconnect;
use crate::metric::{Metric, Slice};
use crate::process::memory_mb;

/// Connections that have asked one question and are silent since.
pub struct Connections {
    /// How many.
    pub count: usize,
    /// How long the broker idles before its memory counts.
    pub idle: Duration,
}

impl Episode for Connections {
    fn rows(&self) -> Vec<String> {
        vec![format!("{} idle connections", self.count)]
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = place.start(kind, "connections")?;
        // What the first ones cost is not what one more costs.
        drop(reconnect::idle(broker.port, 50)?);
        thread::sleep(self.idle / 2);
        let (before, _) = memory_mb(broker.pid())?;
        let connections = reconnect::idle(broker.port, self.count)?;
        thread::sleep(self.idle / 2);
        let (with, _) = memory_mb(broker.pid())?;
        drop(connections);
        broker.stop()?;
        let each_kb = (with - before).max(0.0) * 1024.0 / self.count as f64;
        Ok(vec![Slice::of([(Metric::RssPerConnection, each_kb), (Metric::Rss, with)])])
    }
}
