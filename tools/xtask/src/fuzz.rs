//! `cargo xtask fuzz`: the targets of tools/fuzz, guided by coverage, for a bounded time each.
//!
//! Works with the stable compiler: libFuzzer needs LLVM's coverage pass, not a sanitizer.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::parallel::on_all_processors;
use crate::{command, repo};

const TARGETS: [&str; 14] = [
    "request",
    "internal_record",
    "record_batch",
    "codec",
    "log_dir",
    "small_file",
    "metadata_snapshot",
    "server_properties",
    "client_metrics",
    "sasl",
    "oauth",
    "kerberos",
    "security_text",
    "keystore",
];

/// Inputs that are kept, by target: what each begins with.
const KEPT: &str = "tools/fuzz/corpus";

/// Batches that Kafka wrote: what the fuzzing of batches begins with.
const BATCHES: &str = "crates/protocol/src/records/fixtures";

/// LLVM's counters for libFuzzer; what cargo-fuzz gives, without a sanitizer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Which targets, and for how long.
#[derive(Args)]
#[command(after_help = "Examples: cargo xtask fuzz\n          cargo xtask fuzz record_batch --seconds 3600")]
pub struct Options {
    /// Targets; none means all.
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// Builds the targets and runs each. What they learn stays in `target/fuzz/corpus`; an input that fails is
/// written to `target/fuzz/failures`, and named.
pub fn run(options: &Options) -> Result<ExitCode> {
    let built = repo::target().join("fuzz");
    let mut build = command::cargo(&["build", "--release", "--manifest-path", "tools/fuzz/Cargo.toml"]);
    // A target triple keeps the flags away from build scripts, which would otherwise count coverage too.
    let host = host()?;
    build.args(["--target", &host]).arg("--target-dir").arg(&built).env("RUSTFLAGS", FLAGS);
    let code = command::exit_code(&mut build)?;
    if code != 0 {
        return Ok(ExitCode::from(code));
    }
    let failures = built.join("failures");
    fs::create_dir_all(&failures)?;
    let wanted = |target: &&str| options.targets.is_empty() || options.targets.iter().any(|t| t == target);
    let targets: Vec<&str> = TARGETS.into_iter().filter(wanted).collect();
    println!("fuzz: {} targets, {} s each ...", targets.len(), options.seconds);
    let programs = built.join(host).join("release");
    let failed = on_all_processors(&targets, |target| fuzz(&programs.join(target), &built, options.seconds));
    for result in failed {
        if !result? {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("fuzz: no failure");
    Ok(ExitCode::SUCCESS)
}

/// Runs the program of one target, and tells how it went: whether it did not fail.
fn fuzz(program: &Path, built: &Path, seconds: u32) -> Result<bool> {
    let target = program.file_name().and_then(|name| name.to_str()).context("a target without a name")?;
    let failures = built.join("failures");
    let corpus = built.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let mut fuzz = command::program(program);
    fuzz.arg(&corpus);
    let kept = repo::root().join(KEPT).join(target);
    if kept.is_dir() {
        fuzz.arg(kept);
    }
    if target == "record_batch" {
        fuzz.arg(repo::root().join(BATCHES));
    }
    fuzz.arg(format!("-max_total_time={seconds}"));
    // An input of a few kilobytes has no business with half a gigabyte, or with a second.
    fuzz.args(["-rss_limit_mb=512", "-timeout=5", "-max_len=4096", "-print_funcs=0", "-print_final_stats=1"]);
    fuzz.arg(format!("-artifact_prefix={}/{target}-", failures.display()));
    let output = fuzz.output().with_context(|| format!("starting {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
        println!("fuzz: {target} FAILED; the input is in {}", failures.display());
        return Ok(false);
    }
    let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let inputs = inputs.context("libFuzzer gave no statistics")?.trim();
    println!("fuzz {target}: {inputs} inputs, no failure");
    Ok(true)
}

/// The triple of this machine, as rustc names it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = command::program(rustc).arg("-vV").output().context("starting rustc")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host =
        said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}
