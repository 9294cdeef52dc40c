//! The machine around the brokers: is it quiet, and is its memory warm?

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::disturbance::{Disturbance, Watch};

/// Ticks of all processors since boot, by what they did.
#[derive(Clone, Copy)]
pub struct Ticks {
    all: f64,
    /// Programs and the kernel on their behalf, without interrupts.
    busy: f64,
    steal: f64,
}

impl Ticks {
    /// What /proc/stat says now.
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let fields: Vec<f64> =
            line.split_ascii_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest times are in user already.
        let of = |i: usize| fields.get(i).copied().unwrap_or_default();
        Ok(Self { all: (0..8).map(of).sum(), busy: of(0) + of(1) + of(2), steal: of(7) })
    }

    /// Ticks that programs used since then, that were stolen, and all.
    pub fn since(self, before: Self) -> (f64, f64, f64) {
        (self.busy - before.busy, self.steal - before.steal, (self.all - before.all).max(1.0))
    }
}

/// What others do now: a look of two seconds, before anything was started.
pub fn look_around() -> Result<Disturbance> {
    let watch = Watch::start()?;
    thread::sleep(Duration::from_secs(2));
    watch.stop()
}

/// Writes to memory that is then given back: on a virtual machine the first use of a page can cost twelve times a
/// later one, and the first contestant would pay for both. Takes no more than half of what is free, so that files
/// stay in the page cache.
pub fn touch_memory(bytes_max: usize) {
    const CHUNK: usize = 256 << 20;
    let free = meminfo_kb("MemFree:") as usize * 1024;
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    for _ in 0..bytes_max.min(free / 2) / CHUNK {
        let mut chunk = vec![0_u8; CHUNK];
        for byte in chunk.iter_mut().step_by(4096) {
            *byte = 1;
        }
        chunks.push(chunk);
    }
    std::hint::black_box(&chunks);
}

/// What the machine is, in a line.
pub fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, m)| m.trim());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let gib = meminfo_kb("MemTotal:") / 1024.0 / 1024.0;
    format!("{} processors ({}), {gib:.0} GiB, Linux {}", cores, model.unwrap_or("unknown"), kernel.trim())
}

/// A line of /proc/meminfo; 0 when there is none.
fn meminfo_kb(name: &str) -> f64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}
