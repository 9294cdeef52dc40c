//! What /proc says of one process.

use std::fs;

use anyhow::{Context, Result};

/// CPU time that a process has used, user and system, in seconds. Its resolution is a clock tick.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the broker is gone")?;
    let ticks = ticks_of(&stat).with_context(|| format!("unexpected /proc/{pid}/stat: {stat}"))?;
    Ok(ticks as f64 / ticks_per_second())
}

/// Clock ticks of /proc in a second: entry 17 (AT_CLKTCK) of the vector that the kernel gives to every program.
fn ticks_per_second() -> f64 {
    const AT_CLKTCK: usize = 17;
    const WORD: usize = size_of::<usize>();
    let vector = fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<usize> =
        vector.chunks_exact(WORD).filter_map(|w| Some(usize::from_ne_bytes(w.try_into().ok()?))).collect();
    words.chunks_exact(2).find(|entry| entry[0] == AT_CLKTCK).map_or(100.0, |entry| entry[1] as f64)
}

/// utime + stime. The second field is the name of the program in parentheses, and may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(utime + stime)
}

/// Ticks of a process if one of `parents` is its parent, or if it is this program (`is_me`), then with those of its
/// children that have ended; nothing of a stranger.
pub fn ticks_of_family(stat: &str, is_me: bool, parents: &[u32]) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    let (parent, own) = (number(1)?, number(11)? + number(12)?);
    match is_me {
        true => Some(own + number(13)? + number(14)?),
        false => Some(if parents.iter().any(|p| u64::from(*p) == parent) { own } else { 0 }),
    }
}

/// Resident memory in MB, and the process's share of it (pages shared with others count in part).
pub fn memory_mb(pid: u32) -> Result<(f64, f64)> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the broker is gone")?;
    let of = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let rss = of("Rss:").context("no Rss in smaps_rollup")?;
    let pss = of("Pss:").context("no Pss in smaps_rollup")?;
    Ok((rss / 1024.0, pss / 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_numbers() {
        let (rss, pss) = memory_mb(std::process::id()).expect("own memory");
        assert!(rss >= pss && pss > 0.0);
        assert!(cpu_seconds(std::process::id()).expect("own time") >= 0.0);
    }

    #[test]
    fn ticks_are_those_of_linux() {
        assert_eq!(ticks_per_second(), 100.0);
    }

    #[test]
    fn a_family_is_a_program_and_its_children() {
        let stat = "8 (b) S 7 2 3 4 5 6 7 8 9 10 40 2 5 1 0";
        assert_eq!(ticks_of_family(stat, false, &[2, 7]), Some(42));
        assert_eq!(ticks_of_family(stat, false, &[9]), Some(0));
        assert_eq!(ticks_of_family(stat, true, &[8]), Some(48));
        assert_eq!(ticks_of_family("8 (b) S 7", true, &[8]), None);
    }

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(ticks_of("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 40 2 0"), Some(42));
        assert_eq!(ticks_of("7 a S"), None);
    }
}
