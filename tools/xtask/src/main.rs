//! The chores of this repository: `cargo xtask --help`.

mod bench;
mod codegen;
mod command;
mod compat;
mod fix;
mod fuzz;
mod instructions;
mod parallel;
mod repo;
mod tidy;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", after_help = "Example: cargo xtask verify --skip-tests")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks everything that needs nothing but Rust, and edits nothing: format, clippy, tidy, tests.
    Verify {
        /// Leave out `cargo test --workspace`.
        #[arg(long)]
        skip_tests: bool,
    },
    /// Checks what no compiler checks: layers, purity, `unsafe`, lengths, words, generated code.
    Tidy,
    /// Mends what a machine can mend: format, clippy's suggestions, generated code, shrunk exceptions of tidy.
    Fix,
    /// Makes crates/protocol/src/generated again from the schema.
    Codegen {
        /// Write nothing; fail when a generated file is not what the schema says.
        #[arg(long)]
        check: bool,
    },
    /// Runs the client suites of tests/compat on a release build and prints one matrix.
    Compat(compat::Options),
    /// Feeds broken bytes to the decoders (tools/fuzz), guided by coverage, for a bounded time.
    Fuzz(fuzz::Options),
    /// Measures Ottla beside Apache Kafka on this machine (tools/bench): `cargo xtask bench --help`.
    Bench(bench::Options),
    /// Counts instructions of hot functions with valgrind (tools/instructions); fails where one grew by more than 10 %.
    Instructions(instructions::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().chore {
        Chore::Verify { skip_tests } => verify::run(skip_tests),
        Chore::Tidy => tidy::run(),
        Chore::Fix => fix::run(),
        Chore::Codegen { check } => codegen::run(check).map(|()| ExitCode::SUCCESS),
        Chore::Compat(options) => compat::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Instructions(options) => instructions::run(&options),
    }
}
