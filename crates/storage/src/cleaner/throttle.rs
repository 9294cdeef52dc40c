//! Keeps the cleaners' reads and writes below a rate (Kafka: `Throttler`).

/// The rate is looked at when at least so much time has gone by. Milliseconds.
const CHECK_INTERVAL_MS: i64 = 300;

/// Says how long to wait. All cleaner threads share one, under a mutex.
#[derive(Debug)]
pub struct Throttler {
    bytes_per_second: f64,
    /// In the future while somebody waits: whoever comes meanwhile waits as long.
    period_start_ms: i64,
    observed_bytes: f64,
}

impl Throttler {
    /// A throttler for `bytes_per_second`. `now_ms` counts from anywhere, but never runs backward.
    pub fn new(bytes_per_second: f64, now_ms: i64) -> Self {
        Self { bytes_per_second, period_start_ms: now_ms, observed_bytes: 0.0 }
    }

    /// Another rate holds from now on.
    pub fn set_rate(&mut self, bytes_per_second: f64) {
        self.bytes_per_second = bytes_per_second;
    }

    /// Notes that `bytes` were read or written; how many milliseconds to wait before the next ones.
    pub fn observe(&mut self, bytes: usize, now_ms: i64) -> i64 {
        self.observed_bytes += bytes as f64;
        let elapsed_ms = now_ms.saturating_sub(self.period_start_ms);
        if elapsed_ms <= CHECK_INTERVAL_MS {
            return (-elapsed_ms).max(0);
        }
        let due_ms = self.observed_bytes * 1000.0 / self.bytes_per_second;
        let wait_ms = (due_ms - elapsed_ms as f64).round().max(0.0) as i64;
        self.period_start_ms = now_ms.saturating_add(wait_ms);
        self.observed_bytes = 0.0;
        wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_rate_is_met() {
        let mut throttler = Throttler::new(1000.0, 0);
        assert_eq!(throttler.observe(500, 0), 0);
        assert_eq!(throttler.observe(500, 300), 0, "too early to tell");
        assert_eq!(throttler.observe(500, 400), 1100, "1500 bytes take 1500 ms, 400 of which have gone by");
        assert_eq!(throttler.observe(100, 900), 600, "another thread, while the first one waits");
        assert_eq!(throttler.observe(200, 2500), 0, "300 bytes in a second");
        throttler.set_rate(100.0);
        assert_eq!(throttler.observe(100, 2900), 600);
    }

    #[test]
    fn without_a_bound_nobody_waits() {
        let mut throttler = Throttler::new(f64::MAX, 0);
        assert!((0..100).all(|i| throttler.observe(usize::MAX, i * 301) == 0));
        assert_eq!(Throttler::new(0.0, 0).observe(1, 1000), i64::MAX, "no rate at all");
    }
}
