//! A rate limit on new connections.

use std::time::{Duration, Instant};

use crate::options::UNLIMITED;

/// Over which time a rate is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateWindow {
    /// Seconds of the rate that may come at once. Kafka measures the rate over all full windows (`quota.window.num` - 1,
    /// `quota.window.size.seconds`), which admits the same burst.
    burst_seconds: f64,
    /// A single connection waits at most one window.
    delay_max: Duration,
}

impl RateWindow {
    /// `num` windows of `seconds` each.
    pub(crate) fn new(num: u32, seconds: u32) -> Self {
        RateWindow {
            burst_seconds: f64::from(num.saturating_sub(1)) * f64::from(seconds),
            delay_max: Duration::from_secs(u64::from(seconds)),
        }
    }
}

/// Kafka's defaults.
impl Default for RateWindow {
    fn default() -> Self {
        RateWindow::new(11, 1)
    }
}

/// Tokens that flow in at the rate; a connection takes one and waits for it if there is none.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    window: RateWindow,
    tokens: f64,
    filled_at: Option<Instant>,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32, window: RateWindow) -> Self {
        let mut bucket = TokenBucket { per_second, window, tokens: 0.0, filled_at: None };
        bucket.tokens = bucket.burst();
        bucket
    }

    /// Most tokens that are saved.
    fn burst(&self) -> f64 {
        match self.per_second {
            0 => 0.0,
            // With one window only, there is no burst, but also no token to begin with.
            rate => (f64::from(rate) * self.window.burst_seconds).max(1.0),
        }
    }

    /// Changes the rate; what has been saved is kept within the new burst.
    pub(crate) fn set_rate(&mut self, per_second: u32) {
        if self.per_second >= UNLIMITED {
            *self = TokenBucket::new(per_second, self.window);
        } else {
            self.per_second = per_second;
            self.tokens = self.tokens.min(self.burst());
        }
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = self.filled_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.filled_at = Some(now);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * f64::from(self.per_second)).min(self.burst());
    }

    /// Takes a token at `now` and says how long the taker has to wait for it.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        if self.per_second >= UNLIMITED {
            return Duration::ZERO;
        }
        self.fill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        if self.per_second == 0 {
            self.tokens = 0.0;
            return self.window.delay_max;
        }
        self.delay(-self.tokens)
    }

    /// Takes a token, if there is one.
    ///
    /// # Errors
    /// The time until there is one.
    pub(crate) fn try_take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.per_second >= UNLIMITED {
            return Ok(());
        }
        self.fill(now);
        if self.tokens < 1.0 {
            return Err(self.delay(1.0 - self.tokens));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Puts back a token that was not used.
    pub(crate) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.burst());
    }

    /// Whether nothing is used up, so that a new bucket would say the same.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.burst()
    }

    fn delay(&self, missing: f64) -> Duration {
        match self.per_second {
            0 => self.window.delay_max,
            rate => Duration::from_secs_f64(missing / f64::from(rate)).min(self.window.delay_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(20, RateWindow::default());
        for _ in 0..200 {
            assert_eq!(bucket.take(start), Duration::ZERO);
        }
        let mut now = start;
        for _ in 0..100 {
            let delay = bucket.take(now);
            assert!((delay.as_secs_f64() - 0.05).abs() < 1e-6, "{delay:?}");
            now += delay;
        }
        assert!((now - start).as_secs_f64() > 4.9);
    }

    #[test]
    fn unlimited_and_zero() {
        let now = Instant::now();
        assert_eq!(TokenBucket::new(UNLIMITED, RateWindow::default()).take(now), Duration::ZERO);
        assert_eq!(TokenBucket::new(0, RateWindow::default()).take(now), Duration::from_secs(1));
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(UNLIMITED, RateWindow::default());
        bucket.take(now);
        bucket.set_rate(1);
        for _ in 0..10 {
            assert_eq!(bucket.take(now), Duration::ZERO);
        }
        assert_eq!(bucket.take(now), Duration::from_secs(1));
        bucket.set_rate(UNLIMITED);
        assert_eq!(bucket.take(now), Duration::ZERO);
    }
}
