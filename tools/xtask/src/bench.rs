//! `cargo xtask bench`: builds the release binaries and hands over to tools/bench, which see for what it can.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::command;

/// What the bench program is told.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Options of the bench program, `--help` among them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// Builds `ottla` (unless another binary was named) and the bench program, then runs it.
pub fn run(options: &Options) -> Result<ExitCode> {
    let words = ["--help", "-h", "--list"];
    let only_words = options.more.iter().any(|m| words.contains(&m.as_str()));
    let is_built =
        std::env::var_os("OTTLA_BIN").is_some() || options.more.iter().any(|m| m.starts_with("--ottla"));
    if !only_words && !is_built {
        // By itself: together with this program's dependencies it would get other features, and be built once more.
        let code = command::exit_code(&mut command::cargo(&["build", "--release"]))?;
        if code != 0 {
            return Ok(ExitCode::from(code));
        }
    }
    let mut bench = command::cargo(&["run", "--quiet", "--release", "--package", "ottla-bench", "--"]);
    bench.args(&options.more);
    Ok(ExitCode::from(command::exit_code(&mut bench)?))
}
