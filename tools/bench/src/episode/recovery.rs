//! A start after `kill -9`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Episode;
use crate::contestant::{Kind, Workplace};
use crate::load::batch::BatchKind;
use crate::load::produce::{Produce, SINGLE, create_writable, wait_until_writable};
use crate::metric::{Metric, Slice};
use crate::work::KIB;

const TOPIC: &str = "recovery";

/// A broker that is killed with so much in a log, and comes again. What it had acknowledged must still be there.
pub struct Recovery {
    /// Bytes of records' values in the log.
    pub bytes: u64,
}

impl Episode for Recovery {
    fn rows(&self) -> Vec<String> {
        vec![format!("recovery after kill -9 with {} MB in one partition", self.bytes >> 20)]
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = place.start(kind, "recovery")?;
        create_writable(broker.port, TOPIC, 1, &[])?;
        let before = SINGLE.once(broker.port, TOPIC)? + 1;
        let load = Produce { batch: BatchKind::plain(KIB, 64 * KIB), acks: -1, in_flight: 5 };
        let moved = load.run(broker.port, TOPIC, Duration::from_secs(300), self.bytes)?;
        let end = before + moved.records as i64;
        let broker = broker.kill_and_restart().context("after kill -9")?;
        wait_until_writable(broker.port, TOPIC, 1)?;
        let first_ack = broker.began.elapsed();
        let next = SINGLE.once(broker.port, TOPIC)?;
        ensure!(
            next == end + 1,
            "acknowledged records were lost: the next offset is {next}, not {}",
            end + 1
        );
        let start = broker.start;
        broker.stop()?;
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        Ok(vec![Slice::of([(Metric::Start, ms(start)), (Metric::FirstAck, ms(first_ack))])])
    }
}
