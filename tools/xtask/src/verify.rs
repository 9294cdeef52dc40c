//! `cargo xtask verify`: everything that a change must pass and that needs nothing but Rust. It edits nothing.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{command, repo, tidy};

const FUZZ: &str = "tools/fuzz/Cargo.toml";

/// Runs all steps, also after one has failed, and ends with a line for each.
pub fn run(skip_tests: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.cargo("format", &["fmt", "--all", "--check"])?;
    steps.take("tidy", || Ok(tidy::report(&tidy::problems()?)))?;
    steps.cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // A workspace of its own, which the steps above do not see.
    steps.cargo("fuzz fmt", &["fmt", "--manifest-path", FUZZ, "--check"])?;
    let target = repo::target().to_string_lossy().into_owned();
    let clippy = ["clippy", "--manifest-path", FUZZ, "--target-dir", &target, "--all-targets"];
    steps.cargo("fuzz lint", &[&clippy[..], &["--", "-D", "warnings"]].concat())?;
    if skip_tests {
        println!("\n== tests: left out");
    } else {
        steps.cargo("tests", &["test", "--workspace"])?;
    }
    Ok(steps.summary())
}

#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, bool, Duration)>,
}

impl Steps {
    fn cargo(&mut self, name: &'static str, args: &[&str]) -> Result<()> {
        self.take(name, || Ok(command::exit_code(&mut command::cargo(args))? == 0))
    }

    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Result<bool>) -> Result<()> {
        println!("\n== {name}");
        let began = Instant::now();
        let passed = step()?;
        self.done.push((name, passed, began.elapsed()));
        Ok(())
    }

    fn summary(&self) -> ExitCode {
        println!();
        for (name, passed, took) in &self.done {
            println!("{name:<9} {} {:>5} s", if *passed { "passed" } else { "FAILED" }, took.as_secs());
        }
        let failed = self.done.iter().any(|(_, passed, _)| !passed);
        println!("verify: {}", if failed { "FAILED" } else { "passed" });
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
