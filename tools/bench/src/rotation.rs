//! Turns: A B, B A, A B, ... so that neither always has the warmer machine.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::contestant::{Broker, Kind};
use crate::disturbance::{Disturbance, Limits, Watch};
use crate::effort::Effort;
use crate::load::batch::BatchKind;
use crate::load::fetch::fetch;
use crate::load::produce::{Produce, create_writable};
use crate::machine::touch_memory;
use crate::metric::Slice;
use crate::report::Report;
use crate::secure::Door;
use crate::topic;
use crate::work::{Work, lacks};

/// After so many rotations a row that writes gets a new topic, so that the disk does not fill.
const ROTATIONS_PER_TOPIC: usize = 3;

/// Order of the two in a rotation.
pub fn order(rotation: usize) -> [usize; 2] {
    if rotation.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// After so many rounds the warm-up gets a new topic, for the same reason.
const ROUNDS_PER_TOPIC: usize = 8;

/// Load on both until just-in-time compilers are done.
pub fn warm_up(brokers: &[Broker<'_>; 2], time: Duration) -> Result<()> {
    let began = Instant::now();
    for number in (0..).take_while(|_| began.elapsed() < time) {
        let name = format!("warm-up-{number}");
        for broker in brokers {
            create_writable(broker.port, &name, 1, &[("file.delete.delay.ms", "1000")])
                .with_context(|| broker.condition())?;
        }
        let sizes = [16 << 10, 256 << 10].into_iter().cycle().take(ROUNDS_PER_TOPIC);
        for batch_size in sizes.take_while(|_| began.elapsed() < time) {
            brokers.iter().try_for_each(|broker| warm_up_round(broker, &name, batch_size))?;
        }
        for broker in brokers {
            topic::delete(broker.port, &name)?;
        }
    }
    Ok(())
}

fn warm_up_round(broker: &Broker<'_>, topic: &str, batch_size: usize) -> Result<()> {
    let load = Produce { batch: BatchKind::plain(1024, batch_size), acks: -1, in_flight: 5 };
    // With TLS, where there is some: it takes a compiler longer than the rest.
    let door = broker.secure().map_or(Ok(Door::from(broker.port)), |ports| ports.ssl())?;
    load.run(&door, topic, Duration::from_millis(800), 256 << 20).with_context(|| broker.condition())?;
    if broker.kind != Kind::Floor {
        fetch(&door, topic, 1 << 20, Duration::from_millis(200))?;
    }
    Ok(())
}

/// What neighbouring slices yielded, and the worst disturbance in any of them.
pub struct Pairs<T> {
    /// Of the first and the second contestant.
    pub pairs: Vec<[T; 2]>,
    /// Never beyond the limits.
    pub worst: Disturbance,
}

/// So many pairs that were not disturbed. As many again may have been disturbed and are measured once more; with more
/// of them there is no result.
pub fn pairs<T>(
    count: usize,
    limits: Limits,
    mut one: impl FnMut(usize) -> Result<[T; 2]>,
) -> Result<Pairs<T>> {
    let mut found = Pairs { pairs: Vec::with_capacity(count), worst: Disturbance::default() };
    let mut loudest = Disturbance::default();
    for round in 0..2 * count {
        let watch = Watch::start()?;
        let pair = one(round)?;
        let disturbance = watch.stop()?;
        if limits.forbid(disturbance) {
            loudest = loudest.worse(disturbance);
            continue;
        }
        found.worst = found.worst.worse(disturbance);
        found.pairs.push(pair);
        if found.pairs.len() == count {
            return Ok(found);
        }
    }
    bail!(
        "the machine was busy: up to {loudest}; {} of {count} rotations were quiet (--force counts all)",
        found.pairs.len()
    )
}

/// All slices of one row. A row that fails is reported as failed; the others go on.
pub fn measure(
    work: &dyn Work,
    brokers: &[Broker<'_>; 2],
    effort: &Effort,
    limits: Limits,
    report: &mut Report,
) -> Result<()> {
    let name = work.name();
    eprintln!("{name} ...");
    for broker in brokers {
        match lacks(work, broker) {
            Ok(None) => {}
            Ok(Some(api)) => {
                report.left_out(&name, &format!("{} does not offer {}", broker.kind, api.name()));
                return Ok(());
            }
            Err(why) => {
                report.failed(&name, &why);
                return Ok(());
            }
        }
    }
    // A name of its own: a topic that is deleted can linger.
    let mut topic = format!("bench-{}", report.rows());
    touch_memory(effort.memory_touched);
    match slices(work, &mut topic, brokers, effort, limits) {
        Ok(found) => report.row(&name, &found.pairs, found.worst),
        Err(why) => report.failed(&name, &why),
    }
    for broker in brokers {
        // It may not have been created.
        let _ = work.clean_up(broker, &topic);
    }
    Ok(())
}

fn slices(
    work: &dyn Work,
    topic: &mut String,
    brokers: &[Broker<'_>; 2],
    effort: &Effort,
    limits: Limits,
) -> Result<Pairs<Slice>> {
    let on = |i: usize| brokers[i].condition();
    let time = effort.slice * work.stretch();
    for (i, broker) in brokers.iter().enumerate() {
        work.prepare(broker, topic).with_context(|| on(i))?;
        // A first slice, which does not count.
        work.slice(broker, topic, effort.slice / 2).with_context(|| on(i))?;
    }
    pairs(effort.rotations, limits, |rotation| {
        if work.writes() && rotation > 0 && rotation.is_multiple_of(ROTATIONS_PER_TOPIC) {
            let next = format!("{topic}-{rotation}");
            for (i, broker) in brokers.iter().enumerate() {
                work.clean_up(broker, topic).with_context(|| on(i))?;
                work.prepare(broker, &next).with_context(|| on(i))?;
            }
            *topic = next;
        }
        let mut pair = [Slice::default(), Slice::default()];
        for i in order(rotation) {
            pair[i] = work.slice(&brokers[i], topic, time).with_context(|| on(i))?;
        }
        Ok(pair)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_as_often() {
        assert_eq!([order(0), order(1), order(2)], [[0, 1], [1, 0], [0, 1]]);
    }

    #[test]
    fn disturbed_rotations_are_repeated_and_not_for_ever() {
        let all = Limits::NONE;
        let found = pairs(3, all, |round| Ok([round, round + 1])).expect("quiet");
        assert_eq!(found.pairs, [[0, 1], [1, 2], [2, 3]]);
        let mut rounds = 0;
        let nothing = Limits::below_nothing();
        let result = pairs(3, nothing, |_| {
            rounds += 1;
            Ok([(), ()])
        });
        assert_eq!((result.is_err(), rounds), (true, 6));
    }
}
