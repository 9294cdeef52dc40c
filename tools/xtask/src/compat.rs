//! `cargo xtask compat`: real clients against the binary, through `tests/compat/run`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{command, repo};

/// Which suites, and against what.
#[derive(Args)]
#[command(
    after_help = "Examples: cargo xtask compat python\n          cargo xtask compat kafka\n          cargo xtask compat java --against kafka"
)]
pub struct Options {
    /// Names of suites, or first parts of names; none means all. `kafka` alone runs all of Kafka's own tests.
    suites: Vec<String>,
    /// Which broker the suites start: this one, or Apache Kafka 4.3.1 from Maven Central.
    #[arg(long, default_value = "ottla", value_parser = ["ottla", "kafka"])]
    against: String,
    /// Take the release binary as it is.
    #[arg(long)]
    no_build: bool,
    /// Further options of tests/compat/run, after `--`.
    #[arg(last = true)]
    more: Vec<String>,
}

/// Builds the release binary when it is wanted, then hands over to the launcher of the suites.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.against == "ottla" && !options.no_build {
        let code = command::exit_code(&mut command::cargo(&["build", "--release", "--bin", "ottla"]))?;
        if code != 0 {
            return Ok(ExitCode::from(code));
        }
    }
    let mut launcher = command::program(repo::root().join("tests/compat/run"));
    launcher.args(&options.suites).args(["--against", &options.against]).args(&options.more);
    if std::env::var_os("OTTLA_BIN").is_none() {
        launcher.env("OTTLA_BIN", repo::target().join("release/ottla"));
    }
    // CI runs a selection of Kafka's own tests; who asks for them by name means all.
    if options.suites == ["kafka"] && !options.more.iter().any(|m| m == "--only") {
        launcher.arg("--full");
    }
    Ok(ExitCode::from(command::exit_code(&mut launcher)?))
}
