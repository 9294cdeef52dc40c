//! A producer that does little, by a timetable, and by how much longer its records take beside something loud.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::KIB;
use crate::histogram::Histogram;
use crate::load::batch::BatchKind;
use crate::load::produce::Produce;
use crate::metric::Metric;
use crate::secure::Door;
use crate::threads::joined;

/// From record to record: 500 in a second.
const EVERY: Duration = Duration::from_millis(2);

/// A producer of single records of 1 KB.
pub struct QuietProducer<'a> {
    /// Where it connects.
    pub door: Door,
    /// Has one partition.
    pub topic: &'a str,
    /// As in the protocol.
    pub acks: i16,
}

impl QuietProducer<'_> {
    /// How long records took from when they were due, for `time`.
    pub fn latencies(&self, time: Duration) -> Result<Histogram> {
        let load = Produce { batch: BatchKind::plain(KIB, 0), acks: self.acks, in_flight: 1 };
        Ok(load.latencies(&self.door, self.topic, time, EVERY)?.1)
    }

    /// Likewise, while `loud` runs on a thread of its own; and what that yields.
    pub fn beside<T: Send>(
        &self,
        time: Duration,
        loud: impl FnOnce() -> Result<T> + Send,
    ) -> Result<(Histogram, T)> {
        thread::scope(|scope| {
            let loud = scope.spawn(loud);
            let took = self.latencies(time);
            let yielded = joined(loud)??;
            Ok((took?, yielded))
        })
    }
}

/// The 99th percentile beside something loud, as a multiple of what it is alone.
pub fn growth(alone: &Histogram, beside: &Histogram) -> (Metric, f64) {
    (Metric::Growth, beside.percentile_us(99.0) / alone.percentile_us(99.0).max(1.0))
}
