//! One run of a program: what it said, and what it cost.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::process::cpu_seconds;
use crate::threads::joined;

/// How often the memory of a program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A run that ended well.
pub struct Run {
    /// Its standard output.
    pub said: String,
    /// User and system time in seconds.
    pub cpu_s: f64,
    /// The most resident memory that was seen, in MB.
    pub peak_mb: f64,
}

/// Runs a program to its end. What it says to standard error goes into a file in `folder`.
pub fn run(mut command: Command, folder: &Path) -> Result<Run> {
    let log = folder.join("client.log");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let pid = child.id();
    let mut said = String::new();
    let has_ended = AtomicBool::new(false);
    let mut output = child.stdout.take().context("no standard output")?;
    let peak_mb = thread::scope(|scope| {
        let watcher = scope.spawn(|| peak_mb(pid, &has_ended));
        let read = output.read_to_string(&mut said);
        has_ended.store(true, Ordering::Release);
        let peak = joined(watcher)?;
        read.map(|_| peak).context("reading what a client says")
    })?;
    // It has ended, and nobody has waited for it: its times are there still.
    let id = Pid::from_raw(i32::try_from(pid)?).context("no process")?;
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let cpu_s = cpu_seconds(pid)?;
    let status = child.wait()?;
    ensure!(status.success(), "{status}: {said}{}", fs::read_to_string(&log).unwrap_or_default());
    Ok(Run { said, cpu_s, peak_mb })
}

/// The most memory of a process until it has ended, by looks.
fn peak_mb(pid: u32, has_ended: &AtomicBool) -> f64 {
    let mut peak_kb = 0.0f64;
    while !has_ended.load(Ordering::Acquire) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
        peak_kb = peak_kb.max(kb.unwrap_or(0.0));
        thread::sleep(LOOK_EVERY);
    }
    peak_kb / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, text: &str) -> Result<Run> {
        let folder = std::env::temp_dir().join(format!("ottla-bench-program-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        let result = run(command, &folder);
        fs::remove_dir_all(&folder)?;
        result
    }

    #[test]
    fn tells_output_and_cost() {
        let busy =
            shell("busy", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done").expect("a run");
        assert_eq!(busy.said, "done\n");
        assert!(busy.cpu_s > 0.0 && busy.peak_mb > 0.0, "{} s, {} MB", busy.cpu_s, busy.peak_mb);
    }

    #[test]
    fn a_failure_says_why() {
        let why = shell("bad", "echo bad >&2; exit 3").err().expect("fails").to_string();
        assert!(why.contains("bad") && why.contains('3'), "{why}");
    }
}
