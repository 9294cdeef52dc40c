//! `ottla metadata-shell`: the cluster's metadata as a tree to walk in (Kafka: `MetadataShell`).
//!
//! | file | what |
//! | --- | --- |
//! | `load` | an image from a snapshot, a log file or a directory |
//! | `node` | the tree (`org.apache.kafka.image.node`) |
//! | `describe` | registrations and rights as Kafka prints them |
//! | `glob` | patterns in paths |
//! | `commands`, `listing` | `ls`, `cat`, `cd`, ... |
//!
//! Beyond Kafka: `--snapshot` may name a log directory, or the directory of the metadata log; what is read is its
//! newest snapshot and the log behind it.

mod commands;
mod describe;
mod glob;
mod listing;
mod load;
mod node;

use std::path::Path;

use self::commands::Shell;
use crate::option::{Opt, opt};
use crate::tool::{Command, Group, Syntax, Tool};
use crate::{Failure, Io, out, outln};

static OPTIONS: [Opt; 2] = [
    opt("snapshot", "The snapshot to read; a log file, or a log directory.")
        .alias(&["s"])
        .value("SNAPSHOT")
        .required(),
    opt("command", "The command to run; without one they are read from the standard input.")
        .positional()
        .any_values("command"),
];

static COMMAND: Command = Command {
    name: "kafka-metadata-shell",
    about: "Shows the metadata of a cluster as a tree.",
    options: &OPTIONS,
    commands: &[],
    metavar: "",
    help_code: 1,
};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "metadata-shell",
    script: "kafka-metadata-shell",
    group: Group::Files,
    about: "Shows the metadata of a cluster as a tree, from its files.",
    examples: "ottla metadata-shell --snapshot /var/lib/ottla/__cluster_metadata-0/\
               00000000000000000000-0000000000.checkpoint\n\
               ottla metadata-shell --snapshot /var/lib/ottla ls /image/topics/byName",
    syntax: Syntax::Commands(&COMMAND),
    run,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let path = args.text("snapshot")?.to_owned();
    let command: Vec<String> = args.values("command").into_iter().map(str::to_owned).collect();
    let unexpected = |why: String| Failure::message(format!("Unexpected error: {why}"));
    let _lock = load::lock_if_used(Path::new(&path)).map_err(unexpected)?;
    let image = load::image(Path::new(&path)).map_err(unexpected)?;
    if !command.is_empty() {
        return Shell::new(&image, false).run(&command, io).map_err(unexpected);
    }
    outln!(io, "Loading...\nStarting...\n[ Kafka Metadata Shell ]");
    let mut shell = Shell::new(&image, true);
    while !shell.is_done() && !io.is_broken() {
        if io.terminal {
            out!(io, ">> ");
        }
        io.flush();
        let mut line = String::new();
        match io.input.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(why) => return Err(unexpected(why.to_string())),
        }
        let line = line.trim_end_matches(['\n', '\r']);
        shell.remember(line);
        shell.run(&words(line), io).map_err(unexpected)?;
    }
    Ok(())
}

/// The words of a line: white space separates them, quotes and backslashes keep it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
#[path = "metadata_shell_test.rs"]
mod tests;
