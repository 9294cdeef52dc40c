//! Brokers must not outlive a bench that is interrupted, nor may their gigabytes.
//!
//! A second process of this program reads from a pipe which brokers run. However the bench ends, the pipe ends with it, and
//! what is still running then is killed, and its folder removed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// The bench's end of the pipe.
pub struct Guard {
    process: RefCell<Child>,
}

impl Guard {
    /// Starts the second process, for what runs in this folder.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--be-guard").arg(folder).stdin(Stdio::piped());
        // A group of its own: an interrupt from the terminal is not for it.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let process = command.spawn().context("starting the guard")?;
        Ok(Self { process: RefCell::new(process) })
    }

    /// This process runs now.
    pub fn watch(&self, pid: u32) -> Result<()> {
        self.say(&format!("+{pid}\n"))
    }

    /// It has ended, and somebody else may get its id.
    pub fn forget(&self, pid: u32) -> Result<()> {
        self.say(&format!("-{pid}\n"))
    }

    fn say(&self, line: &str) -> Result<()> {
        let mut process = self.process.borrow_mut();
        let pipe = process.stdin.as_mut().context("the guard has no pipe")?;
        pipe.write_all(line.as_bytes()).context("the guard is gone")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Waiting closes the pipe first.
        let _ = self.process.get_mut().wait();
    }
}

/// Is the second process: listens until the pipe ends, then cleans up.
pub fn serve(folder: &Path) -> Result<()> {
    for pid in running(io::stdin().lock())? {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    for _ in 0..100 {
        if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What runs when the input ends.
fn running(input: impl BufRead) -> Result<BTreeSet<u32>> {
    let mut running = BTreeSet::new();
    for line in input.lines() {
        let line = line?;
        if let Some(pid) = line.strip_prefix('+') {
            running.insert(pid.parse()?);
        } else if let Some(pid) = line.strip_prefix('-') {
            running.remove(&pid.parse()?);
        }
    }
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_left_alone() {
        let found = running(&b"+7\n+8\n-7\n+9\n"[..]).expect("well formed");
        assert_eq!(found, BTreeSet::from([8, 9]));
        assert!(running(&b"+x\n"[..]).is_err());
    }
}
