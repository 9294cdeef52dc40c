//! `ottla top`: topics, groups and brokers as they are, and what comes and goes (Kafka has no such tool).
//!
//! | file | what |
//! | --- | --- |
//! | `sample` | what one look at a cluster finds |
//! | `gather` | asks the cluster for it |
//! | `history` | the last samples: rates and trends |
//! | `table` | what a view shows: rows and cells |
//! | `model`, `keys` | the state of the screen, and what keys do to it |
//! | `draw` | from the model to a buffer of cells |
//! | `screen` | the terminal |
//!
//! Only `gather` and `screen` know a network or a terminal.

mod draw;
mod gather;
mod history;
mod keys;
mod model;
#[cfg(test)]
mod picture;
mod sample;
mod screen;
mod table;
#[cfg(test)]
mod testing;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::model::{INTERVAL_MS, Model, Order};
use self::table::View;
use crate::connect::{read_properties, with_admin};
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Args, Failure, Io, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "top",
    script: "",
    group: Group::Cluster,
    about: "Shows topics, groups and brokers as they are, live: rates, sizes, lag and its trend.",
    examples: "ottla top --bootstrap-server localhost:9092\n\
               ottla top --bootstrap-server localhost:9092 --view groups --once\n\
               ottla top --bootstrap-server localhost:9092 --view topics --once --output json",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 10] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
        .value("server to connect to")
        .default("localhost:9092")
        .beyond_kafka(),
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("config file")
        .beyond_kafka(),
    opt("interval", "Seconds between two looks at the cluster, 0.5 to 60.")
        .value("seconds")
        .kind(Kind::Double)
        .default("2")
        .beyond_kafka(),
    opt("view", "What is shown first.")
        .value("view")
        .choices(&["topics", "groups", "brokers"])
        .default("topics")
        .beyond_kafka(),
    opt("sort", "The heading of the column that is sorted by: IN/S, SIZE, LAG, ...")
        .value("column")
        .beyond_kafka(),
    opt("filter", "Only rows whose name contains this.").value("text").beyond_kafka(),
    opt("internal", "Shows internal topics too.").beyond_kafka(),
    opt("once", "Prints one picture as text and ends: after two looks, so that there are rates.")
        .beyond_kafka(),
    opt("columns", "With --once: how wide the picture is, in characters.")
        .value("number")
        .kind(Kind::Int)
        .default("110")
        .beyond_kafka(),
    opt("timeout", "How long to wait for answers, in milliseconds.")
        .value("timeout (ms)")
        .kind(Kind::Long)
        .default("10000")
        .beyond_kafka(),
];

/// Widths of a picture.
const COLUMNS: std::ops::RangeInclusive<u16> = 40..=500;
/// Rows of a picture: what a buffer of cells can hold.
const ROWS_MAX: usize = 10_000;

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    // Without any arguments it shows the cluster of this machine, not its help.
    let arguments =
        if arguments.is_empty() { &["--view".to_owned(), "topics".to_owned()] } else { arguments };
    let args = tool.parse(io, arguments)?;
    let mut model = model(&args)?;
    let is_once = args.has("once") || io.json();
    if !is_once && !io.terminal {
        return Err(Failure::message("ottla top draws on a terminal; for files and pipes use --once."));
    }
    let columns: u16 = args.number("columns")?.unwrap_or(110);
    let columns = columns.clamp(*COLUMNS.start(), *COLUMNS.end());
    let timeout = Duration::from_millis(args.number("timeout")?.unwrap_or(10_000));
    let mut properties = match args.value("command-config")? {
        Some(path) => read_properties(path)?,
        None => Default::default(),
    };
    properties.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
    with_admin(&properties, async |admin| {
        if !is_once {
            return screen::show(admin, &mut model, timeout).await;
        }
        model.looked(Ok(gather::look(admin, Some(timeout)).await?));
        tokio::time::sleep(Duration::from_millis(model.interval_ms)).await;
        model.looked(Ok(gather::look(admin, Some(timeout)).await?));
        Ok(())
    })?;
    if is_once {
        print(io, &mut model, columns);
    }
    Ok(())
}

/// What the command line says of the screen.
fn model(args: &Args) -> Result<Model, Failure> {
    let view = match args.text("view")? {
        "groups" => View::Groups,
        "brokers" => View::Brokers,
        "topics" => View::Topics,
        other => return Err(args.usage(format!("--view {other}: topics, groups or brokers"))),
    };
    let seconds: f64 = args.number("interval")?.unwrap_or(2.0);
    let interval_ms = seconds * 1_000.0;
    if !(*INTERVAL_MS.start() as f64..=*INTERVAL_MS.end() as f64).contains(&interval_ms) {
        return Err(args.usage(format!("--interval {seconds}: seconds from 0.5 to 60")));
    }
    let mut model = Model::new(view, interval_ms as u64);
    if let Some(heading) = args.value("sort")? {
        let headings = || model.view.columns().iter().map(|(it, _)| *it).collect::<Vec<_>>().join(", ");
        let order = Order::by_heading(&model.view, heading);
        model.order = order.ok_or_else(|| args.usage(format!("--sort {heading}: one of {}", headings())))?;
    }
    model.filter = args.text("filter")?.to_owned();
    model.internal = args.has("internal");
    Ok(model)
}

/// Prints what would be on a screen that has room for all rows.
fn print(io: &mut Io, model: &mut Model, columns: u16) {
    if io.json() {
        return io.print_json(&model.to_json());
    }
    // No row is selected on paper.
    for line in picture_lines(model, columns) {
        outln!(io, "{line}");
    }
}

fn picture_lines(model: &mut Model, columns: u16) -> Vec<String> {
    let rows = model.rows().len().clamp(1, ROWS_MAX);
    let height = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(draw::FRAME_LINES);
    let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width: columns, height });
    draw::draw(model, buffer.area, &mut buffer);
    let mut lines = draw::text(&buffer);
    // The last line explains keys, which paper has none of.
    lines.pop();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::run_captured;

    #[test]
    fn a_wrong_command_line_is_answered_with_help() {
        for (arguments, says) in [
            (&["--view", "nothing"][..], "--view nothing: topics, groups or brokers"),
            (&["--interval", "0"], "--interval 0: seconds from 0.5 to 60"),
            (&["--sort", "LAG"], "--sort LAG: one of TOPIC, PARTITIONS"),
        ] {
            let (code, out, err) = run_captured("top", arguments, "").unwrap();
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.contains(says) && err.contains("--once"), "{err}");
        }
        let (code, _, err) = run_captured("top", &[], "").unwrap();
        assert!(code == 1 && err.contains("draws on a terminal"), "{err}");
    }
}
