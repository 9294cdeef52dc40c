//! Share consumers that divide one partition between them.

use std::time::Duration;

use anyhow::Result;
use ottla_protocol::ApiKey;

use super::{KIB, Work, by_count, with_cpu};
use crate::contestant::Broker;
use crate::load::batch::{BatchKind, now_ms};
use crate::load::produce::{Produce, create_writable};
use crate::load::share::ShareGroup;
use crate::metric::{Metric, Slice};

/// What a new group finds in the partition.
const FILLED_RECORDS: u64 = 500_000;

/// A new group at the beginning of what was written before; each consumer acknowledges every record.
pub struct Shared {
    /// How many.
    pub consumers: usize,
}

impl Work for Shared {
    fn name(&self) -> String {
        let consumers = if self.consumers == 1 {
            "1 share consumer".into()
        } else {
            format!("{} share consumers", self.consumers)
        };
        format!("{consumers} of 1 KB records, 1 partition")
    }

    fn needs(&self) -> &'static [ApiKey] {
        &[ApiKey::ShareGroupHeartbeat, ApiKey::ShareFetch, ApiKey::ShareAcknowledge]
    }

    fn writes(&self) -> bool {
        false
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])?;
        let load = Produce { batch: BatchKind::plain(KIB, 16 * KIB), acks: 1, in_flight: 4 };
        load.run(broker.port, topic, Duration::from_secs(60), FILLED_RECORDS * KIB as u64)?;
        Ok(())
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let name = format!("{topic}-{}", now_ms());
        let mut group = ShareGroup::join(broker.port, &name, topic, self.consumers)?;
        let (moved, cpu) = with_cpu(broker, || group.run(time, FILLED_RECORDS))?;
        group.leave()?;
        Ok(by_count(moved.records, moved.seconds, cpu, [Metric::CpuPerRecord, Metric::Records]))
    }
}
