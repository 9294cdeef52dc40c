//! The chores of this repository: `cargo xtask --help`.

mod codegen;

use clap::{Parser, Subcommand};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", after_help = "Example: cargo xtask codegen --check")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Makes crates/protocol/src/generated again from the schema.
    Codegen {
        /// Write nothing; fail when a generated file is not what the schema says.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().chore {
        Chore::Codegen { check } => codegen::run(check),
    }
}
