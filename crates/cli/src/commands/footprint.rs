//! Memory that only the start needed, or another thing that is done once.
//!
//! To start, a node runs code from all over a program of thirty megabytes, once. The kernel maps the 64 KiB around each
//! page that is touched, and counts them as the process' memory from then on. They are given back when the node has started, and
//! again when it is idle and shows some megabytes more: whatever runs again is mapped again, from the page cache, at the price of
//! a minor fault.

use std::ffi::c_void;
use std::time::Duration;

use rustix::mm::{Advice, madvise};
use rustix::time::{ClockId, clock_gettime};

/// How long after it is ready a node counts as started.
const STARTED_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked for idleness.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A node is idle that takes no more of a processor.
const IDLE_PART: f64 = 0.01;
/// What was mapped since the last time that is worth it. A node that is asked something now and then touches less. Bytes.
const GROWN_MIN: usize = 4 << 20;

/// Keeps what is mapped of the program small, for as long as the node runs.
pub async fn keep_small() {
    tokio::time::sleep(STARTED_AFTER).await;
    give_back_code();
    let (mut left, mut cpu) = (shown_of_files(), cpu_time());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (shown, cpu_now) = (shown_of_files(), cpu_time());
        if is_due(shown.saturating_sub(left), cpu_now.saturating_sub(cpu)) {
            give_back_code();
            left = shown_of_files();
        }
        cpu = cpu_now;
    }
}

/// Whether it is worth it, after an interval in which the node took `cpu`, with so many bytes more than when it was done last.
fn is_due(grown: usize, cpu: Duration) -> bool {
    grown >= GROWN_MIN && cpu <= LOOK_EVERY.mul_f64(IDLE_PART)
}

/// Bytes of files that are mapped and in memory (`proc_pid_statm(5)`); 0 where it can't be told.
fn shown_of_files() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_ascii_whitespace().nth(2).and_then(|pages| pages.parse().ok()).unwrap_or(0usize);
    pages.saturating_mul(rustix::param::page_size())
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// A range of this process' addresses that shows a file, cannot be written to, and holds no page of its own.
struct Mapped {
    start: usize,
    len: usize,
}

/// Gives back what is mapped of the program and its libraries; how many bytes that were at most. A process that can't look at
/// itself keeps what it has.
fn give_back_code() -> usize {
    let Ok(smaps) = std::fs::read_to_string("/proc/self/smaps") else { return 0 };
    mapped_code(&smaps).iter().filter(|mapped| give_back(mapped)).map(|mapped| mapped.len).sum()
}

/// Ranges of `smaps` (`proc_pid_smaps(5)`) that can be read, not written, show a file, and of which no page was copied: the
/// part that the linker relocated (`.data.rel.ro`) was, and is left alone.
fn mapped_code(smaps: &str) -> Vec<Mapped> {
    let mut found = Vec::new();
    let mut last: Option<Mapped> = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some((start, end)) = first.split_once('-') {
            let permissions = words.next().unwrap_or_default();
            let is_of_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
            let range = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16));
            last = match range {
                (Ok(start), Ok(end)) if is_of_file && matches!(permissions, "r-xp" | "r--p") => {
                    end.checked_sub(start).map(|len| Mapped { start, len })
                }
                _ => None,
            };
        } else if first == "Anonymous:" {
            found.extend(last.take().filter(|_| words.next() == Some("0")));
        }
    }
    found
}

#[expect(unsafe_code, reason = "`madvise` is given addresses")]
fn give_back(mapped: &Mapped) -> bool {
    // SAFETY: `MADV_DONTNEED` on a private mapping of a file shows the file's own bytes again at the next access. The range can't
    // be written to and held no page that differs from the file (`Anonymous: 0`), so every byte that anybody may be
    // looking at, or running, stays what it is. Nothing else lies in the range: it is one mapping, as the kernel named it.
    unsafe { madvise(mapped.start as *mut c_void, mapped.len, Advice::LinuxDontNeed) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r--p 00000000 fe:00 7 /bin/ottla
Rss:                   8 kB
Anonymous:             0 kB
3000-9000 r-xp 00002000 fe:00 7 /bin/ottla
Anonymous:             0 kB
9000-a000 r--p 00008000 fe:00 7 /bin/ottla
Anonymous:             4 kB
a000-b000 rw-p 00009000 fe:00 7 /bin/ottla
Anonymous:             0 kB
b000-c000 r--s 00000000 fe:00 9 /data/file
Anonymous:             0 kB
c000-d000 r--p 00000000 00:00 0 [vvar]
Anonymous:             0 kB
d000-e000 r-xp 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_what_equals_its_file_is_given_back() {
        let found: Vec<_> = mapped_code(SMAPS).iter().map(|m| (m.start, m.len)).collect();
        assert_eq!(found, [(0x1000, 0x2000), (0x3000, 0x6000)]);
        assert!(mapped_code("").is_empty() && mapped_code("x-y r-xp 0 0 0 /a\nAnonymous: 0 kB").is_empty());
    }

    #[test]
    fn an_idle_node_that_shows_more_than_it_did_gives_it_back() {
        let idle = Duration::from_millis(40);
        assert!(is_due(GROWN_MIN, idle));
        assert!(!is_due(GROWN_MIN - 1, idle), "not worth it");
        assert!(!is_due(GROWN_MIN, Duration::from_millis(60)), "busy");
        assert!(shown_of_files() > 0);
        let before = cpu_time();
        assert!((0..1_000_000).any(|_| cpu_time() > before), "the clock of the processor stands still");
    }

    /// Kilobytes of this program's code that are mapped.
    fn resident_code() -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut code = false;
        let mut sum = 0;
        for line in smaps.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                [range, permissions, _, _, _, ..] if range.contains('-') => code = permissions == "r-xp",
                ["Rss:", size, ..] if code => sum += size.parse::<u64>().unwrap(),
                _ => {}
            }
        }
        sum
    }

    #[test]
    fn the_program_goes_on_and_is_smaller() {
        let text = (0..1000).map(|n| format!("{n:x}")).collect::<String>();
        let before = resident_code();
        assert!(give_back_code() > 0);
        let after = resident_code();
        assert!(after < before, "{after} of {before} kB");
        assert_eq!((0..1000).map(|n| format!("{n:x}")).collect::<String>(), text);
    }
}
