//! A short run that judges nothing: every row once, on Ottla and, where it can, on the floor. It fails when a row does.

use anyhow::{Result, bail};

use crate::clients;
use crate::contestant::{Broker, Kind, Workplace};
use crate::effort::Effort;
use crate::episode::Episode;
use crate::metric::Slice;
use crate::work::{Work, lacks};

/// Runs these rows, and those of clients if they are wanted; those that take Kafka's tools are left out.
pub fn run(
    place: &Workplace,
    effort: &Effort,
    episodes: &[Box<dyn Episode>],
    rows: &[Box<dyn Work>],
    wants_clients: bool,
) -> Result<()> {
    let mut smoke = Smoke::default();
    for episode in episodes {
        let name = episode.rows().join("; ");
        for kind in [Kind::Ottla, Kind::Floor].into_iter().filter(|kind| episode.suits(*kind)) {
            smoke.note(kind, &name, episode.once(place, kind));
        }
    }
    if wants_clients {
        for (name, result) in clients::once(place, effort)? {
            smoke.note(Kind::Ottla, &name, result.map(|slice| vec![slice]));
        }
    }
    let brokers = [place.start(Kind::Ottla, "a")?, place.start(Kind::Floor, "b")?];
    let secure = [place.start_secure(Kind::Ottla, "secure", "")?];
    for (i, row) in rows.iter().filter(|row| !row.takes_java()).enumerate() {
        let topic = format!("smoke-{i}");
        let brokers = if row.is_secure() { &secure[..] } else { &brokers };
        for broker in brokers.iter().filter(|broker| row.suits(broker.kind)) {
            if let Some(api) = lacks(row.as_ref(), broker)? {
                smoke.skip(broker.kind, &row.name(), api.name());
                continue;
            }
            let slice = one(row.as_ref(), broker, &topic, effort);
            smoke.note(broker.kind, &row.name(), slice.map(|slice| vec![slice]));
        }
    }
    if smoke.failed > 0 {
        bail!("bench: {} of {} rows failed", smoke.failed, smoke.all);
    }
    let left_out = if smoke.skipped > 0 { format!(", {} left out", smoke.skipped) } else { String::new() };
    println!("bench: {} rows ran, no failure{left_out}", smoke.all);
    Ok(())
}

fn one(row: &dyn Work, broker: &Broker<'_>, topic: &str, effort: &Effort) -> Result<Slice> {
    row.prepare(broker, topic)?;
    let slice = row.slice(broker, topic, effort.slice)?;
    row.clean_up(broker, topic)?;
    Ok(slice)
}

#[derive(Default)]
struct Smoke {
    all: usize,
    failed: usize,
    skipped: usize,
}

impl Smoke {
    fn skip(&mut self, kind: Kind, name: &str, api: &str) {
        self.skipped += 1;
        println!("{kind}: {name}: left out, {api} is not offered");
    }

    fn note(&mut self, kind: Kind, name: &str, result: Result<Vec<Slice>>) {
        self.all += 1;
        match result {
            Ok(slices) => {
                let values = slices.iter().flat_map(|slice| &slice.values);
                let values: Vec<String> =
                    values.map(|(metric, value)| format!("{} {value:.1}", metric.label())).collect();
                println!("{kind}: {name}: {}", values.join("; "));
            }
            Err(why) => {
                self.failed += 1;
                println!("{kind}: {name}: FAILED: {why:#}");
            }
        }
    }
}
