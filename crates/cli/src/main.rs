//! `ottla`: the one binary.

mod commands;

use clap::{Parser, Subcommand};

/// Pages that the broker frees are used again at once: mimalloc keeps them, and idles small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Ottla: Apache Kafka's protocol, files and configuration, in one binary.
#[derive(Parser)]
#[command(name = "ottla", version, after_help = "Example: ottla server --override log.dirs=/var/lib/ottla")]
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
    match Args::parse().command {
        Command::Server(args) => commands::server::run(args),
    }
}
