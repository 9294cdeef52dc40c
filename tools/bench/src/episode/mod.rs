//! Rows that start brokers of their own: what counts is how these begin, or what they hold.
//!
//! | file | rows |
//! | --- | --- |
//! | `footprint` | start; memory and CPU without load |
//! | `connections` | memory of connections that do nothing |
//! | `authorization` | thousands of topics and entries, against no authorizer |
//! | `partitions` | creation, memory and throughput of many partitions |
//! | `recovery` | a start after `kill -9` |

mod authorization;
mod connections;
mod footprint;
mod partitions;
mod recovery;

use anyhow::{Context, Result};

use crate::contestant::{Kind, Workplace};
use crate::disturbance::Limits;
use crate::effort::Effort;
use crate::metric::Slice;
use crate::report::Report;
use crate::rotation::{Pairs, order, pairs};

/// Some rows that come from one life of a broker.
pub trait Episode {
    /// Names of the rows.
    fn rows(&self) -> Vec<String>;

    /// Whether this kind of broker can do it at all.
    fn suits(&self, kind: Kind) -> bool {
        kind != Kind::Floor
    }

    /// How often it is done on each of the two.
    fn starts(&self, effort: &Effort) -> usize {
        effort.starts
    }

    /// Starts a broker, looks, and stops it; a slice for each row.
    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>>;
}

/// All of them, in the order of the table.
pub fn all(effort: &Effort) -> Vec<Box<dyn Episode>> {
    use connections::Idle;
    vec![
        Box::new(footprint::Footprint { idle: effort.idle }),
        Box::new(connections::Connections { count: effort.connections, idle: effort.idle, of: Idle::Plain }),
        Box::new(connections::Connections { count: effort.connections, idle: effort.idle, of: Idle::Tls }),
        Box::new(connections::Connections {
            count: effort.connections,
            idle: effort.idle,
            of: Idle::Strangers,
        }),
        Box::new(authorization::Authorization { topics: effort.partitions, slice: effort.slice }),
        Box::new(partitions::Partitions { count: effort.partitions, idle: effort.idle, slice: effort.slice }),
        Box::new(recovery::Recovery { bytes: effort.recovery_bytes }),
    ]
}

/// Both contestants in turn, several times.
pub fn measure(
    episode: &dyn Episode,
    place: &Workplace,
    kinds: [Kind; 2],
    effort: &Effort,
    limits: Limits,
    report: &mut Report,
) -> Result<()> {
    let names = episode.rows();
    eprintln!("{} ...", names.join("; "));
    let one_round = |round: usize| -> Result<[Vec<Slice>; 2]> {
        let mut found = [Vec::new(), Vec::new()];
        for i in order(round) {
            found[i] = episode.once(place, kinds[i]).with_context(|| format!("on {}", kinds[i]))?;
        }
        Ok(found)
    };
    match pairs(episode.starts(effort), limits, one_round) {
        Ok(Pairs { pairs, worst }) => {
            for (i, name) in names.iter().enumerate() {
                let slice = |found: &[Slice]| found.get(i).cloned().unwrap_or_default();
                let of_row: Vec<[Slice; 2]> = pairs.iter().map(|[a, b]| [slice(a), slice(b)]).collect();
                report.row(name, &of_row, worst);
            }
        }
        Err(why) => names.iter().for_each(|name| report.failed(name, &why)),
    }
    Ok(())
}
