//! Turns: A B, B A, A B, ... so that neither always has the warmer machine.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::Effort;
use crate::contestant::{Broker, Kind};
use crate::generator::{Produce, fetch, wait_until_writable};
use crate::machine::{Ticks, touch_memory};
use crate::report::Report;
use crate::topic;
use crate::work::{Slice, Work};

/// Order of the two in a rotation.
pub fn order(rotation: usize) -> [usize; 2] {
    if rotation.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// Load on both until just-in-time compilers are done.
pub fn warm_up(brokers: &[Broker<'_>; 2], effort: Effort) -> Result<()> {
    let name = "warm-up";
    for broker in brokers {
        topic::create(broker.port, name)?;
        wait_until_writable(broker.port, name)?;
    }
    let began = Instant::now();
    let mut batch_size = 16 << 10;
    while began.elapsed() < effort.warm_up {
        for broker in brokers {
            let load = Produce { record_size: 1024, batch_size, acks: -1, in_flight: 5 };
            load.run(broker.port, name, Duration::from_millis(800), 256 << 20)?;
            if broker.kind != Kind::Floor {
                fetch(broker.port, name, 1 << 20, Duration::from_millis(200))?;
            }
        }
        batch_size = if batch_size == 16 << 10 { 256 << 10 } else { 16 << 10 };
    }
    for broker in brokers {
        topic::delete(broker.port, name)?;
    }
    Ok(())
}

/// All slices of one row. A row that fails is reported as failed; the others go on.
pub fn measure(work: Work, brokers: &[Broker<'_>; 2], effort: Effort, report: &mut Report) -> Result<()> {
    let name = work.name();
    eprintln!("{name} ...");
    // A name of its own: a topic that is deleted can linger.
    let topic = format!("bench-{}", report.rows());
    touch_memory(effort.memory_touched);
    let ticks = Ticks::now()?;
    match slices(work, &topic, brokers, effort) {
        Ok(pairs) => report.row(&name, &pairs, ticks.since()?.steal),
        Err(why) => report.failed(&name, &why),
    }
    for broker in brokers {
        // It may not have been created.
        let _ = topic::delete(broker.port, &topic);
    }
    Ok(())
}

fn slices(work: Work, topic: &str, brokers: &[Broker<'_>; 2], effort: Effort) -> Result<Vec<[Slice; 2]>> {
    let on = |i: usize| format!("on {}", brokers[i].kind);
    for (i, broker) in brokers.iter().enumerate() {
        work.prepare(broker, topic).with_context(|| on(i))?;
        // A first slice, which does not count.
        work.slice(broker, topic, effort.slice / 2).with_context(|| on(i))?;
    }
    let mut pairs = Vec::new();
    for rotation in 0..effort.rotations {
        let mut pair = [Slice::new(), Slice::new()];
        for i in order(rotation) {
            pair[i] = work.slice(&brokers[i], topic, effort.slice).with_context(|| on(i))?;
        }
        pairs.push(pair);
    }
    Ok(pairs)
}
