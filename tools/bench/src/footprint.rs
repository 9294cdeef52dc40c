//! Start time and idle memory, of brokers started for that alone.

use std::thread;

use anyhow::Result;

use crate::Effort;
use crate::contestant::{Kind, Workplace};
use crate::machine::Ticks;
use crate::process::memory_mb;
use crate::report::Report;
use crate::rotation::order;
use crate::work::{Metric, Slice};

/// Names of the rows.
pub const ROWS: [&str; 2] = ["start: exec to the first answered Metadata", "idle memory"];

/// Starts both in turn, several times, lets them idle, and looks.
pub fn measure(place: &Workplace, kinds: [Kind; 2], effort: Effort, report: &mut Report) -> Result<()> {
    eprintln!("start and idle memory ...");
    let ticks = Ticks::now()?;
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for rotation in 0..effort.starts {
        let mut start = [Slice::new(), Slice::new()];
        let mut brokers = Vec::new();
        for i in order(rotation) {
            let broker = place.start(kinds[i], ["a", "b"][i])?;
            start[i] = vec![(Metric::Start, broker.start.as_secs_f64() * 1000.0)];
            brokers.push((i, broker));
        }
        thread::sleep(effort.idle);
        let mut idle = [Slice::new(), Slice::new()];
        for (i, broker) in brokers {
            let (rss, pss) = memory_mb(broker.pid())?;
            idle[i] = vec![(Metric::Rss, rss), (Metric::Pss, pss)];
            broker.stop()?;
        }
        starts.push(start);
        memory.push(idle);
    }
    let steal = ticks.since()?.steal;
    report.row(ROWS[0], &starts, steal);
    report.row(ROWS[1], &memory, steal);
    Ok(())
}
