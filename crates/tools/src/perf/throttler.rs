//! No more records a second than asked for (Kafka: `ThroughputThrottler`).

use std::time::Duration;

const NS_PER_MS: i64 = 1_000_000;
const NS_PER_SEC: i64 = 1000 * NS_PER_MS;
const SLEEP_MIN_NS: i64 = 2 * NS_PER_MS;

/// Says when to wait, and how long.
#[derive(Clone, Debug)]
pub struct Throttler {
    start_ms: i64,
    sleep_ns: i64,
    deficit_ns: i64,
    target: f64,
}

impl Throttler {
    /// For so many records a second from `start_ms`; without a bound when negative.
    pub fn new(target: f64, start_ms: i64) -> Self {
        let sleep_ns = if target > 0.0 { (NS_PER_SEC as f64 / target) as i64 } else { i64::MAX };
        Self { start_ms, sleep_ns, deficit_ns: 0, target }
    }

    /// How long to wait before the next record, when `so_far` were sent until `now_ms`. A target of 0 means to
    /// wait until somebody ends the tool.
    pub fn wait(&mut self, so_far: i64, now_ms: i64) -> Option<Duration> {
        if self.target < 0.0 {
            return None;
        }
        let elapsed_sec = now_ms.saturating_sub(self.start_ms) as f64 / 1000.0;
        if elapsed_sec <= 0.0 || so_far as f64 / elapsed_sec <= self.target {
            return None;
        }
        if self.target == 0.0 {
            return Some(Duration::MAX);
        }
        // Short waits are gathered: sleeping costs more than they are.
        self.deficit_ns = self.deficit_ns.saturating_add(self.sleep_ns);
        if self.deficit_ns < SLEEP_MIN_NS {
            return None;
        }
        let wait = Duration::from_nanos(u64::try_from(self.deficit_ns).unwrap_or(0));
        self.deficit_ns = 0;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_when_it_is_ahead() {
        let mut throttler = Throttler::new(1000.0, 0);
        assert_eq!(throttler.wait(1, 0), None, "no time has passed");
        assert_eq!(throttler.wait(5, 10), None, "500 a second");
        assert_eq!(throttler.wait(20, 10), None, "a millisecond is too short");
        assert_eq!(throttler.wait(20, 10), Some(Duration::from_millis(2)));
        assert_eq!(Throttler::new(-1.0, 0).wait(1_000_000, 1), None);
        assert_eq!(Throttler::new(0.0, 0).wait(1, 1), Some(Duration::MAX));
    }
}
