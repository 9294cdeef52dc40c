//! `ottla`: the one binary.

mod commands;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Pages that the broker frees are used again at once: mimalloc keeps them, and idles small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Ottla: Apache Kafka's protocol, files, configuration and tools, in one binary.
#[derive(Parser)]
#[command(name = "ottla", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node: broker and controller. On a bare machine it needs no options.
    Server(commands::server::Args),
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    // Tools first: they are asked often, and start in no time when nothing else is built.
    if let Some(code) = commands::tools::run(&arguments) {
        std::process::exit(code);
    }
    let matches = match commands::server::from_script(&arguments) {
        Some(translated) if commands::server::in_background(&arguments, &translated)? => return Ok(()),
        Some(translated) => command().get_matches_from(translated),
        None => command().get_matches(),
    };
    match Args::from_arg_matches(&matches)?.command {
        Command::Server(args) => commands::server::run(args),
    }
}

fn command() -> clap::Command {
    let after = format!(
        "Tools, each with Apache Kafka's options (ottla <tool> --help):\n\n{}\
         Example: ottla server --override log.dirs=/var/lib/ottla\n\
         Example: ottla topics --bootstrap-server localhost:9092 --list",
        ottla_tools::registry::overview()
    );
    Args::command().after_help(after)
}
