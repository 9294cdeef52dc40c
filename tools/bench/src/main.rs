//! Ottla and Apache Kafka side by side on one machine: `cargo xtask bench --help`.
//!
//! A machine changes while one looks at it, so nothing here is measured by itself: two brokers take turns in
//! short slices, and what is reported is the ratio of neighbouring slices with its spread. The steadiest number is
//! the broker's own CPU time for each megabyte; throughput and latency come with it.
//!
//! | file | what |
//! | --- | --- |
//! | `contestant`, `kafka_dist` | starting and stopping a broker, of either kind |
//! | `floor` | a sink that does only what no broker can leave out |
//! | `process`, `machine` | what /proc says of a broker, and of everything else |
//! | `wire`, `topic`, `generator` | our own client: one thread, prepared frames |
//! | `perf_tools` | Kafka's own producer and consumer benchmarks as clients |
//! | `work` | the rows of the table: what one slice does |
//! | `footprint` | start time and idle memory |
//! | `rotation`, `stats`, `report` | turns, ratios, table |

mod contestant;
mod floor;
mod footprint;
mod generator;
mod kafka_dist;
mod machine;
mod perf_tools;
mod process;
mod report;
mod rotation;
mod stats;
mod topic;
mod wire;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use contestant::{Kind, Workplace};
use report::Report;

/// Ottla and Apache Kafka 4.3.1 side by side on this machine: ratios with their spread.
#[derive(Parser)]
#[command(name = "cargo xtask bench", after_help = "Example: cargo xtask bench --quick --only 'produce'")]
struct Args {
    /// First contestant; the ratios are its numbers by the other's.
    #[arg(long, value_enum, default_value = "ottla")]
    a: Kind,
    /// Second contestant.
    #[arg(long, value_enum, default_value = "kafka")]
    b: Kind,
    /// About two minutes on a quiet machine: short slices, few rotations, and a JVM that is hardly warm. Good for a direction, not
    /// for a claim.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// How often the two take turns [default: 9, quick: 3].
    #[arg(long)]
    rotations: Option<usize>,
    /// Length of a slice in seconds [default: 5, quick: 1].
    #[arg(long)]
    slice_s: Option<f64>,
    /// Writes the table into this Markdown file, between its marks `bench:begin` and `bench:end`.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// The Ottla binary [default: the release build, or $OTTLA_BIN].
    #[arg(long)]
    ottla: Option<PathBuf>,
    /// Further lines for server.properties of both.
    #[arg(long = "property", value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Where the brokers keep their data while they run [default: the system's folder for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure although the machine is busy.
    #[arg(long)]
    force: bool,
    /// Be the floor: a sink on this port, writing to this file.
    #[arg(long, hide = true, num_args = 2, value_names = ["PORT", "FILE"])]
    be_floor: Option<Vec<String>>,
}

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    rotations: usize,
    slice: Duration,
    starts: usize,
    idle: Duration,
    warm_up: Duration,
    memory_touched: usize,
}

impl Args {
    fn effort(&self) -> Effort {
        let mut effort = if self.quick {
            Effort {
                rotations: 3,
                slice: Duration::from_secs(1),
                starts: 2,
                idle: Duration::from_secs(2),
                warm_up: Duration::from_secs(16),
                memory_touched: 4 << 30,
            }
        } else {
            Effort {
                rotations: 9,
                slice: Duration::from_secs(5),
                starts: 5,
                idle: Duration::from_secs(15),
                warm_up: Duration::from_secs(120),
                memory_touched: 8 << 30,
            }
        };
        effort.rotations = self.rotations.unwrap_or(effort.rotations).max(1);
        effort.slice = self.slice_s.map_or(effort.slice, Duration::from_secs_f64);
        effort
    }

    fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|part| row.contains(part.as_str()))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some([port, file]) = args.be_floor.as_deref() {
        return floor::serve(port.parse()?, Path::new(file));
    }
    let effort = args.effort();
    if let Some(busy) = machine::too_busy()?
        && !args.force
    {
        bail!("{busy}: a ratio taken now would mean little; wait, or say --force");
    }
    let place = Workplace::new(args.dir.clone(), args.ottla.clone(), args.properties.clone())?;
    let mut report = Report::new(args.a, args.b, effort);
    if footprint::ROWS.iter().any(|row| args.wants(row)) {
        footprint::measure(&place, [args.a, args.b], effort, &mut report)?;
    }
    let rows: Vec<work::Work> = work::ROWS
        .iter()
        .copied()
        .filter(|row| args.wants(&row.name()))
        .filter(|row| row.suits(args.a) && row.suits(args.b))
        .collect();
    if !rows.is_empty() {
        let brokers = [place.start(args.a, "a")?, place.start(args.b, "b")?];
        rotation::warm_up(&brokers, effort)?;
        for row in rows {
            rotation::measure(row, &brokers, effort, &mut report)?;
        }
    }
    report.finish()?;
    if let Some(path) = &args.markdown {
        report.write_markdown(path)?;
    }
    Ok(())
}
