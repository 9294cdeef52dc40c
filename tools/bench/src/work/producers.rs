//! Many producers, and producers whose records are flushed before they are acknowledged.

use std::time::Duration;

use anyhow::Result;

use super::{KIB, Work, with_cpu};
use crate::contestant::{Broker, Kind};
use crate::load::batch::BatchKind;
use crate::load::produce::create_writable;
use crate::load::steady::Steady;
use crate::load::swarm::Swarm;
use crate::metric::{Metric, Slice};
use crate::process::cpu_seconds;
use crate::topic;

/// Producers that each wait for an answer before they send the next record.
pub struct Producers {
    count: usize,
    partitions: usize,
    /// `flush.messages=1`: each batch is on the disk before it is acknowledged.
    flushed: bool,
}

impl Producers {
    /// Over ten partitions, in the page cache.
    pub const fn many(count: usize) -> Self {
        Self { count, partitions: 10, flushed: false }
    }

    /// On the disk.
    pub const fn flushed(count: usize, partitions: usize) -> Self {
        Self { count, partitions, flushed: true }
    }
}

impl Work for Producers {
    fn name(&self) -> String {
        let partitions = if self.partitions == 1 {
            "1 partition".into()
        } else {
            format!("{} partitions", self.partitions)
        };
        let flushed = if self.flushed { ", fsync per batch" } else { "" };
        format!("{} producers of single 1 KB records, {partitions}, acks=all{flushed}", self.count)
    }

    fn suits(&self, kind: Kind) -> bool {
        kind != Kind::Floor || !self.flushed
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        let settings: &[topic::Setting] = if self.flushed { &[("flush.messages", "1")] } else { &[] };
        create_writable(broker.port, topic, self.partitions, settings)
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load = Swarm {
            batch: BatchKind::plain(KIB, 0),
            acks: -1,
            producers: self.count,
            partitions: self.partitions,
        };
        // The time to connect them all is another row's subject.
        let ((moved, took, before), _) =
            with_cpu(broker, || load.run(broker.port, topic, time, || cpu_seconds(broker.pid())))?;
        let cpu = cpu_seconds(broker.pid())? - before;
        let slice =
            super::by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerRequest, Metric::Requests]);
        Ok(slice.with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}

/// Connections with a record a second each.
pub struct SlowProducers {
    /// How many.
    pub count: usize,
}

impl Work for SlowProducers {
    fn name(&self) -> String {
        format!("{} connections with a 100 B record a second each, 10 partitions, acks=all", self.count)
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 10, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load =
            Steady { batch: BatchKind::plain(100, 0), acks: -1, producers: self.count, partitions: 10 };
        let ((moved, took, before), _) =
            with_cpu(broker, || load.run(broker.port, topic, time, || cpu_seconds(broker.pid())))?;
        let cpu = cpu_seconds(broker.pid())? - before;
        let slice =
            super::by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerRequest, Metric::Requests]);
        Ok(slice.with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}
