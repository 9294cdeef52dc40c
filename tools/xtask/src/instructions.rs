//! `cargo xtask instructions`: counts the instructions of hot functions (tools/instructions) and compares them with what is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::parallel::on_all_processors;
use crate::{command, repo};

const BASELINE: &str = "tools/instructions/baseline.tsv";
/// Growth that fails, in percent.
const GROWTH_PERCENT_MAX: f64 = 10.0;
/// The function inside of which instructions count.
const COUNTED: &str = "*ottla_instructions*measured*";

/// What is counted, and whether it is kept.
#[derive(Args)]
pub struct Options {
    /// Writes what is found as the new baseline, instead of failing where one has grown.
    #[arg(long)]
    update: bool,
    /// Only cases whose name contains this.
    only: Option<String>,
}

/// Counts all cases, prints a table, and fails when one has grown by more than 10 %.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(
        Command::new("valgrind").arg("--version").output().is_ok_and(|said| said.status.success()),
        "this needs valgrind: `apt-get install valgrind`, `dnf install valgrind`, or https://valgrind.org"
    );
    let mut build = command::cargo(&["build", "--quiet", "--release", "--package", "ottla-instructions"]);
    let code = command::exit_code(&mut build)?;
    if code != 0 {
        return Ok(ExitCode::from(code));
    }
    let program = repo::target().join("release").join("ottla-instructions");
    let wanted = |name: &&str| options.only.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let listed = said(&mut command::program(&program))?;
    let path = repo::root().join(BASELINE);
    let before = baseline(&fs::read_to_string(&path).unwrap_or_default());
    let mut after = before.clone();
    if options.only.is_none() {
        after.retain(|name, _| listed.lines().any(|line| line == name));
    }
    println!("{:<42} {:>10} {:>10} {:>8}", "instructions for each call", "before", "now", "");
    let mut grown = Vec::new();
    let names: Vec<&str> = listed.lines().filter(wanted).collect();
    let counts = on_all_processors(&names, |name| count(&program, name));
    for (name, now) in names.into_iter().zip(counts) {
        let now = now?;
        after.insert(name.to_string(), now);
        let Some(was) = before.get(name).copied() else {
            println!("{name:<42} {:>10} {now:>10} {:>8}", "", "new");
            grown.push(name);
            continue;
        };
        let percent = 100.0 * (now as f64 / (was as f64).max(1.0) - 1.0);
        println!("{name:<42} {was:>10} {now:>10} {percent:>+7.1} %");
        if percent > GROWTH_PERCENT_MAX {
            grown.push(name);
        }
    }
    if options.update {
        let order = |name: &str| listed.lines().position(|line| line == name);
        fs::write(&path, written(&after, order)?).with_context(|| format!("writing {BASELINE}"))?;
        println!("instructions: {BASELINE} written");
        return Ok(ExitCode::SUCCESS);
    }
    if !grown.is_empty() {
        println!(
            "instructions: FAILED: {}: more than {GROWTH_PERCENT_MAX} % above {BASELINE}, or not in it",
            grown.join("; ")
        );
        println!(
            "Another compiler can do that too: its first line names the one it was made with. `--update` accepts what is there now."
        );
        return Ok(ExitCode::FAILURE);
    }
    println!("instructions: none has grown by more than {GROWTH_PERCENT_MAX} %");
    Ok(ExitCode::SUCCESS)
}

/// Instructions of one call of a case.
fn count(program: &Path, name: &str) -> Result<u64> {
    let case: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let file = std::env::temp_dir().join(format!("ottla-callgrind-{}-{case}", std::process::id()));
    let mut valgrind = command::program("valgrind");
    valgrind
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg(name);
    let calls = said(&mut valgrind)?;
    let calls: u64 =
        calls.trim().parse().with_context(|| format!("{name}: {calls} is not a number of calls"))?;
    let profile = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    fs::remove_file(&file)?;
    let instructions = total(&profile).context("a profile without a total")?;
    ensure!(instructions > 0, "{name}: nothing was counted; is `{COUNTED}` the name of the function?");
    Ok(instructions / calls.max(1))
}

/// What a program prints; an error when it fails.
fn said(program: &mut Command) -> Result<String> {
    let output = program.output().with_context(|| format!("starting {}", program.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", program.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The instructions in all of a profile.
fn total(profile: &str) -> Option<u64> {
    let line =
        profile.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line?.split_ascii_whitespace().next()?.parse().ok()
}

/// Names and counts; lines that begin with `#` are for people.
fn baseline(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, count)| Some((name.to_string(), count.parse().ok()?)))
        .collect()
}

fn written(counts: &BTreeMap<String, u64>, order: impl Fn(&str) -> Option<usize>) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = said(command::program(rustc).arg("--version"))?;
    let mut text = format!(
        "# Instructions for each call, by {} on {}. `cargo xtask instructions --update` writes this file.\n",
        version.trim(),
        std::env::consts::ARCH
    );
    let mut names: Vec<&String> = counts.keys().collect();
    names.sort_by_key(|name| order(name));
    for name in names {
        text += &format!("{name}\t{}\n", counts[name]);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_callgrind_writes() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1) a\n3 4\ntotals: 4217\n"), Some(4217));
        assert_eq!(total("summary: 12 3\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn the_baseline_reads_as_it_is_written() {
        let counts = BTreeMap::from([("append 1".to_string(), 7), ("read".to_string(), 9)]);
        let text = written(&counts, |name| Some(10 - name.len())).expect("rustc");
        assert!(text.starts_with("# ") && text.ends_with("append 1\t7\nread\t9\n"), "{text}");
        assert_eq!(baseline(&text), counts);
    }
}
