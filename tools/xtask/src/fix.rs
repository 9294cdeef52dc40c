//! `cargo xtask fix`: what `verify` complains of and a machine can mend.

use std::process::ExitCode;

use anyhow::Result;

use crate::{codegen, command, tidy};

/// Runs every mend; the exit code says whether each of them could run.
pub fn run() -> Result<ExitCode> {
    codegen::run(false)?;
    let mut failed = false;
    for args in [
        &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"][..],
        &["fmt", "--all"][..],
    ] {
        failed |= command::exit_code(&mut command::cargo(args))? != 0;
    }
    tidy::shrink_exceptions()?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
