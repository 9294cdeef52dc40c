//! Who else used the machine while a slice was measured.
//!
//! Busy is what /proc/stat says of all processors. Ours is what this program, its brokers and its clients used, and the
//! threads of the kernel, which write to the disk what brokers left in memory; the rest were others. Steal is what other
//! guests of the host took.

use std::fs;

use anyhow::Result;

use crate::machine::Ticks;
use crate::process::ticks_of_family;

/// The parent of all threads of the kernel.
const KTHREADD: u32 = 2;

/// What is too much.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Share of all processors' time that others on this machine may use, in percent.
    others: f64,
    /// Share that other guests of the host may take, in percent.
    steal: f64,
}

impl Limits {
    /// What a ratio bears.
    pub const STRICT: Limits = Limits { others: 20.0, steal: 10.0 };
    /// For `--force`.
    pub const NONE: Limits = Limits { others: f64::INFINITY, steal: f64::INFINITY };

    /// Which nothing keeps within.
    #[cfg(test)]
    pub fn below_nothing() -> Limits {
        Limits { others: -1.0, steal: -1.0 }
    }

    /// Whether so much is too much.
    pub fn forbid(&self, disturbance: Disturbance) -> bool {
        disturbance.others > self.others || disturbance.steal > self.steal
    }
}

/// Shares of all processors' time, in percent.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Disturbance {
    /// Used by programs that have nothing to do with the measurement.
    pub others: f64,
    /// Taken by other guests of the host.
    pub steal: f64,
}

impl Disturbance {
    /// The worse of each.
    pub fn worse(self, other: Self) -> Self {
        Self { others: self.others.max(other.others), steal: self.steal.max(other.steal) }
    }
}

impl std::fmt::Display for Disturbance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} % used by other programs, {:.0} % stolen by other guests", self.others, self.steal)
    }
}

/// A look at the clocks; a second one tells what happened in between.
pub struct Watch {
    ticks: Ticks,
    ours: u64,
}

impl Watch {
    /// Now.
    pub fn start() -> Result<Self> {
        Ok(Self { ticks: Ticks::now()?, ours: ours()? })
    }

    /// What others did since then.
    pub fn stop(&self) -> Result<Disturbance> {
        let (busy, steal, all) = Ticks::now()?.since(self.ticks);
        let ours = ours()?.saturating_sub(self.ours) as f64;
        // Interrupts are nobody's; and ticks are counted where they fall, so that little is not nothing.
        Ok(Disturbance { others: 100.0 * (busy - ours).max(0.0) / all, steal: 100.0 * steal / all })
    }
}

/// Ticks of this program, of children that have ended, of those that run, and of the kernel's threads.
fn ours() -> Result<u64> {
    let me = std::process::id();
    // In a container it may be any program.
    let is_kernel =
        fs::read_to_string(format!("/proc/{KTHREADD}/comm")).is_ok_and(|name| name.trim() == "kthreadd");
    let parents = if is_kernel { vec![me, KTHREADD] } else { vec![me] };
    let mut sum = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may be gone by now.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        sum += ticks_of_family(&stat, pid == me, &parents).unwrap_or(0);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_forbid_what_is_above_them() {
        let quiet = Disturbance { others: 5.0, steal: 1.0 };
        let loud = quiet.worse(Disturbance { others: 1.0, steal: 11.0 });
        assert_eq!(loud, Disturbance { others: 5.0, steal: 11.0 });
        assert!(!Limits::STRICT.forbid(quiet) && Limits::STRICT.forbid(loud) && !Limits::NONE.forbid(loud));
    }

    #[test]
    fn own_work_is_not_that_of_others() {
        let before = ours().expect("/proc");
        let began = std::time::Instant::now();
        while ours().expect("/proc") < before + 3 {
            assert!(began.elapsed().as_secs() < 60, "time does not pass");
        }
    }
}
