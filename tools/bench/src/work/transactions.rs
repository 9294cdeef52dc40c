//! Transactional producers: what a commit costs, and how long it takes.

use std::time::Duration;

use anyhow::Result;

use super::{KIB, Work, by_count, with_cpu};
use crate::contestant::Broker;
use crate::load::batch::BatchKind;
use crate::load::produce::create_writable;
use crate::load::transactions::Transactions;
use crate::metric::{Metric, Slice};
use crate::process::cpu_seconds;

/// Producers that write a batch and commit it so many milliseconds after the transaction began; with 0, at once.
pub struct Committed {
    /// How many, each with a partition of its own.
    pub producers: usize,
    /// From the beginning of a transaction to its commit.
    pub every_ms: u64,
}

impl Work for Committed {
    fn name(&self) -> String {
        let producers =
            if self.producers == 1 { "1 producer".into() } else { format!("{} producers", self.producers) };
        let every = if self.every_ms == 0 {
            "commits back to back".into()
        } else {
            format!("commits every {} ms", self.every_ms)
        };
        format!("transactions of a 16 KB batch, {producers}, {every}")
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, self.producers, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load = Transactions {
            batch: BatchKind::plain(KIB, 16 * KIB),
            every: Duration::from_millis(self.every_ms),
            producers: self.producers,
        };
        let ((commits, seconds, before), _) =
            with_cpu(broker, || load.run(broker.port, topic, time, || cpu_seconds(broker.pid())))?;
        let cpu = cpu_seconds(broker.pid())? - before;
        let metrics = [Metric::CpuPerTransaction, Metric::Transactions];
        let slice = by_count(commits.count(), seconds, cpu, metrics);
        Ok(slice.with_latencies(commits, &[Metric::P50, Metric::P99]))
    }
}
