//! Ottla and Apache Kafka side by side on one machine: `cargo xtask bench --help`.
//!
//! A machine changes while one looks at it, so nothing here is measured by itself: two brokers take turns in
//! short slices, and what is reported is the ratio of neighbouring slices with its spread. The steadiest number is
//! the broker's own CPU time for each megabyte; throughput and latency come with it.
//!
//! | file | what |
//! | --- | --- |
//! | `contestant`, `kafka_dist`, `guard` | starting and stopping a broker, of either kind |
//! | `floor` | a sink that does only what no broker can leave out |
//! | `process`, `machine`, `disturbance` | what /proc says of a broker, and of everything else |
//! | `wire`, `secure`, `topic`, `load` | our own client: prepared frames, few threads |
//! | `perf_tools` | Kafka's own producer and consumer benchmarks as clients |
//! | `clients` | Ottla's client beside others, on one broker |
//! | `work` | rows of the table in slices on running brokers |
//! | `episode` | rows that start brokers of their own |
//! | `rotation`, `smoke`, `soak` | turns of two; a short run that judges nothing; a long one under everything at once |
//! | `threads` | how threads end |
//! | `metric`, `histogram`, `stats`, `report` | numbers, ratios, tables, pictures |

mod clients;
mod contestant;
mod disturbance;
mod effort;
mod episode;
mod floor;
mod guard;
mod histogram;
mod kafka_dist;
mod load;
mod machine;
mod metric;
mod perf_tools;
mod process;
mod report;
mod rotation;
mod secure;
mod smoke;
mod soak;
mod stats;
mod threads;
mod topic;
mod wire;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Parser;

use clients::Maker;
use contestant::{Kind, Workplace};
use disturbance::Limits;
use effort::Effort;
use episode::Episode;
use report::Report;
use work::Work;

/// Ottla beside Apache Kafka 4.3.1 (or a floor, or an earlier build) on this machine: ratios with their spread.
#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    after_help = "Examples: cargo xtask bench --quick pipelined\n          cargo xtask bench --clients librdkafka\n          cargo xtask bench --markdown docs/performance.md --svg docs/performance"
)]
struct Args {
    /// Only rows whose name contains one of these.
    rows: Vec<String>,
    /// No rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    without: Vec<String>,
    /// Whom Ottla is measured against.
    #[arg(long, visible_alias = "b", value_enum, default_value = "kafka")]
    against: Kind,
    /// Not brokers, but clients: Ottla's against this one, on one broker of Ottla (the rows "client ...").
    #[arg(long, value_enum, value_name = "CLIENT", conflicts_with_all = ["against", "a", "soak"])]
    clients: Option<Maker>,
    /// Another first contestant; the ratios are its numbers by the other's.
    #[arg(long, value_enum, default_value = "ottla")]
    a: Kind,
    /// Short slices, few rotations, and a JVM that is hardly warm: some minutes. Good for a direction, not for a claim.
    #[arg(long)]
    quick: bool,
    /// Every row once on Ottla and on the floor, without judging: fails only when a row does.
    #[arg(long)]
    smoke: bool,
    /// No rows, but so many minutes of load, rolling segments, compaction and clients that come and go; fails where memory or
    /// latency grows.
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["smoke", "quick", "rows"])]
    soak: Option<f64>,
    /// Names the rows, and does nothing.
    #[arg(long)]
    list: bool,
    /// How often the two take turns [default: 9, quick: 3].
    #[arg(long)]
    rotations: Option<usize>,
    /// Length of a slice in seconds [default: 5, quick: 1].
    #[arg(long)]
    slice_s: Option<f64>,
    /// Gigabytes in the log of the recovery row [default: 4, quick: 0.5].
    #[arg(long)]
    recovery_gb: Option<f64>,
    /// Writes the table into this Markdown file, between its marks `bench:begin` and `bench:end`.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Writes everything, each slice too, into this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes pictures into this folder; with --markdown, the file shows them.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// The Ottla binary [default: the release build, or $OTTLA_BIN].
    #[arg(long)]
    ottla: Option<PathBuf>,
    /// Further lines for server.properties of both.
    #[arg(long = "property", value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Where the brokers keep their data while they run [default: the system's folder for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure although the machine is busy; the table says so.
    #[arg(long)]
    force: bool,
    /// Be the floor: a sink on this port, writing to this file.
    #[arg(long, hide = true, num_args = 2, value_names = ["PORT", "FILE"])]
    be_floor: Option<Vec<String>>,
    /// Be the guard of this folder.
    #[arg(long, hide = true)]
    be_guard: Option<PathBuf>,
}

impl Args {
    fn effort(&self) -> Effort {
        let mut effort = match (self.smoke, self.quick) {
            (true, _) => Effort::SMOKE,
            (_, true) => Effort::QUICK,
            _ => Effort::FULL,
        };
        effort.rotations = self.rotations.unwrap_or(effort.rotations).max(1);
        effort.starts = self.rotations.unwrap_or(effort.starts).clamp(1, effort.starts);
        effort.slice = self.slice_s.map_or(effort.slice, Duration::from_secs_f64);
        if let Some(gb) = self.recovery_gb {
            effort.recovery_bytes = (gb.max(0.01) * 1024.0) as u64 * (1 << 20);
        }
        effort
    }

    fn wants(&self, row: &str) -> bool {
        let named = |parts: &[String]| parts.iter().any(|part| row.contains(part.as_str()));
        (self.rows.is_empty() || named(&self.rows)) && !named(&self.without)
    }

    fn suit(&self, suits: impl Fn(Kind) -> bool) -> bool {
        self.smoke || self.list || (suits(self.a) && suits(self.against))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    raise_limit_of_files();
    if let Some([port, file]) = args.be_floor.as_deref() {
        return floor::serve(port.parse()?, Path::new(file));
    }
    if let Some(folder) = &args.be_guard {
        return guard::serve(folder);
    }
    let effort = args.effort();
    let mut episodes = episode::all(&effort);
    episodes.retain(|e| e.rows().iter().any(|row| args.wants(row)) && args.suit(|kind| e.suits(kind)));
    let mut rows = work::rows(&effort);
    rows.retain(|row| args.wants(&row.name()) && args.suit(|kind| row.suits(kind)));
    let mut of_clients = clients::names();
    of_clients.retain(|name| args.wants(name) && (args.clients.is_some() || args.smoke || args.list));
    ensure!(
        !episodes.is_empty() || !rows.is_empty() || !of_clients.is_empty(),
        "no such row; --list names them"
    );
    if args.list {
        let names = episodes.iter().flat_map(|e| e.rows()).chain(rows.iter().map(|row| row.name()));
        names.chain(of_clients).for_each(|name| println!("{name}"));
        return Ok(());
    }
    let mut properties = args.properties.clone();
    if args.soak.is_some() {
        properties.extend(soak::PROPERTIES.map(str::to_string));
    }
    let place = Workplace::new(args.dir.clone(), args.ottla.clone(), properties)?;
    if let Some(minutes) = args.soak {
        let time = Duration::from_secs_f64(minutes * 60.0);
        return soak::run(&place, args.a, time, time.div_f64(30.0).max(Duration::from_secs(1)));
    }
    if args.smoke {
        return smoke::run(&place, &effort, &episodes, &rows, !of_clients.is_empty());
    }
    compare(&args, &place, &effort, &episodes, &rows)
}

fn compare(
    args: &Args,
    place: &Workplace,
    effort: &Effort,
    episodes: &[Box<dyn Episode>],
    rows: &[Box<dyn Work>],
) -> Result<()> {
    let limits = if args.force { Limits::NONE } else { Limits::STRICT };
    let before = machine::look_around()?;
    if limits.forbid(before) {
        bail!("{before}: a ratio taken now would mean little; wait, or say --force");
    }
    if let Some(against) = args.clients {
        let names = [Maker::Ottla, against].map(|maker| maker.to_string());
        let mut report = Report::new(names, *effort, args.force);
        clients::measure(place, against, effort, limits, |row| args.wants(row), &mut report)?;
        return finish(args, &report);
    }
    let kinds = [args.a, args.against];
    let mut report = Report::new(kinds.map(|kind| kind.to_string()), *effort, args.force);
    for episode in episodes {
        episode::measure(episode.as_ref(), place, kinds, effort, limits, &mut report)?;
    }
    for is_secure in [false, true] {
        let mut rows = rows.iter().filter(|row| row.is_secure() == is_secure).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let start = |kind, name| match is_secure {
            false => place.start(kind, name),
            true => place.start_secure(kind, name, ""),
        };
        let brokers = [start(args.a, "a")?, start(args.against, "b")?];
        rotation::warm_up(&brokers, effort.warm_up)?;
        for row in rows {
            rotation::measure(row.as_ref(), &brokers, effort, limits, &mut report)?;
        }
    }
    finish(args, &report)
}

fn finish(args: &Args, report: &Report) -> Result<()> {
    report.write(args.markdown.as_deref(), args.json.as_deref(), args.svg.as_deref())?;
    report.finish()
}

/// Thousands of connections need as many descriptors; brokers inherit the limit.
fn raise_limit_of_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
