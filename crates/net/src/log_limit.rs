//! Keeps a storm of bad connections from filling the log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines of one kind per window.
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Lets ten lines of each kind through in ten seconds, and counts the rest.
#[derive(Debug)]
pub(crate) struct LogLimit {
    kinds: Mutex<Vec<Kind>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    window_start: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    pub(crate) fn new(kinds: usize) -> Self {
        LogLimit { kinds: Mutex::new(vec![Kind::default(); kinds]) }
    }

    /// Whether a line of this kind may be written at `now`; if so, how many were suppressed before it.
    pub(crate) fn allow(&self, kind: usize, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock();
        let kind = kinds.get_mut(kind)?;
        if kind.window_start.is_none_or(|start| now.saturating_duration_since(start) >= WINDOW) {
            kind.window_start = Some(now);
            kind.lines = 0;
        }
        if kind.lines < LINES_MAX {
            kind.lines += 1;
            Some(std::mem::take(&mut kind.suppressed))
        } else {
            kind.suppressed += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_then_a_count() {
        let limit = LogLimit::new(2);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(limit.allow(0, start), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(limit.allow(0, start + WINDOW / 2), None);
        }
        assert_eq!(limit.allow(1, start), Some(0), "kinds are separate");
        assert_eq!(limit.allow(0, start + WINDOW), Some(500));
        assert_eq!(limit.allow(0, start + WINDOW), Some(0));
        assert_eq!(limit.allow(9, start), None);
    }
}
