//! Clients that come and go, as after a restart of a network.

use std::time::Duration;

use anyhow::Result;

use super::{Work, by_count, with_cpu};
use crate::contestant::{Broker, Kind};
use crate::load::reconnect;
use crate::metric::{Metric, Slice};

/// Clients that connect, ask for the versions, and leave.
pub struct Reconnect;

impl Work for Reconnect {
    fn name(&self) -> String {
        "reconnect storm: connect, ApiVersions, leave".to_string()
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn prepare(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }

    fn slice(&self, broker: &Broker<'_>, _: &str, time: Duration) -> Result<Slice> {
        let (moved, cpu) = with_cpu(broker, || reconnect::storm(broker.port, time))?;
        Ok(by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerConnection, Metric::Connections]))
    }

    fn clean_up(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }
}

/// The same, but so many a second, as they come when a network is back.
pub struct PacedReconnect;

impl PacedReconnect {
    const EACH_SECOND: u32 = 2_000;
}

impl Work for PacedReconnect {
    fn name(&self) -> String {
        "reconnect storm: 2,000 clients a second connect, ask for the versions, leave".to_string()
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn prepare(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }

    fn slice(&self, broker: &Broker<'_>, _: &str, time: Duration) -> Result<Slice> {
        let ((moved, took), cpu) =
            with_cpu(broker, || reconnect::paced(broker.port, Self::EACH_SECOND, time))?;
        let slice =
            by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerConnection, Metric::Connections]);
        Ok(slice.with_latencies(took, &[Metric::P50, Metric::P99]))
    }

    fn clean_up(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }
}
