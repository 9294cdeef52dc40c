//! A rate limit on new connections.

use std::time::{Duration, Instant};

use crate::options::UNLIMITED;

/// Seconds of the rate that may come at once. Kafka measures the rate over ten full windows of one second
/// (`quota.window.num` - 1, `quota.window.size.seconds`), which admits the same burst.
const BURST_SECONDS: f64 = 10.0;
/// A single connection waits at most one window.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// Tokens that flow in at the rate; a connection takes one and waits for it if there is none.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    tokens: f64,
    filled_at: Option<Instant>,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32) -> Self {
        TokenBucket { per_second, tokens: f64::from(per_second) * BURST_SECONDS, filled_at: None }
    }

    /// Changes the rate; what has been saved is kept within the new burst.
    pub(crate) fn set_rate(&mut self, per_second: u32) {
        if self.per_second >= UNLIMITED {
            *self = TokenBucket::new(per_second);
        } else {
            self.per_second = per_second;
            self.tokens = self.tokens.min(f64::from(per_second) * BURST_SECONDS);
        }
    }

    /// Takes a token at `now` and says how long the taker has to wait for it.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        if self.per_second >= UNLIMITED {
            return Duration::ZERO;
        }
        let rate = f64::from(self.per_second);
        let elapsed = self.filled_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.filled_at = Some(now);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * rate).min(rate * BURST_SECONDS) - 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        if self.per_second == 0 {
            self.tokens = 0.0;
            return DELAY_MAX;
        }
        Duration::from_secs_f64(-self.tokens / rate).min(DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(20);
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
        assert_eq!(TokenBucket::new(UNLIMITED).take(now), Duration::ZERO);
        assert_eq!(TokenBucket::new(0).take(now), DELAY_MAX);
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(UNLIMITED);
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
