//! Tokens that flow in at the rate of a quota and are spent by what it counts (`TokenBucket`, KIP-599).
//!
//! A rate over windows holds one large burst against a client until its window has gone by, also where far less waiting
//! would do. Creating topics is nothing but bursts, so it has a bucket: it may be overdrawn by one request, and the next
//! waits until the debt is paid.

use super::rate::Windows;

/// The bucket of one client. It is full at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    tokens: f64,
    /// When it was filled up to now; a bucket that was never used is full by now, whatever the clock says.
    filled_ms: i64,
}

impl TokenBucket {
    /// What is in it.
    pub fn tokens(&mut self, config: Windows, per_second: f64, now_ms: i64) -> f64 {
        let burst = burst(config, per_second);
        let passed_seconds = now_ms.saturating_sub(self.filled_ms).max(0) as f64 / 1_000.0;
        self.tokens = (self.tokens + per_second * passed_seconds).min(burst);
        self.filled_ms = now_ms;
        self.tokens
    }

    /// Takes tokens, also those that are not there.
    pub fn take(&mut self, config: Windows, per_second: f64, tokens: f64, now_ms: i64) {
        let left = self.tokens(config, per_second, now_ms) - tokens;
        self.tokens = left.min(burst(config, per_second));
    }

    /// How long it takes until nothing is owed, in milliseconds; nothing when nothing is.
    pub fn throttle_ms(&mut self, config: Windows, per_second: f64, now_ms: i64) -> i64 {
        let tokens = self.tokens(config, per_second, now_ms);
        if tokens < 0.0 { throttle_ms(tokens, per_second) } else { 0 }
    }
}

fn burst(config: Windows, per_second: f64) -> f64 {
    f64::from(config.num) * config.size_ms as f64 / 1_000.0 * per_second
}

/// `ControllerMutationQuotaManager.throttleTimeMs`
fn throttle_ms(tokens: f64, per_second: f64) -> i64 {
    (-tokens / per_second * 1_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: Windows = Windows { num: 10, size_ms: 1_000 };
    const NOW: i64 = 1_700_000_000_000;

    /// The figures of `StrictControllerMutationQuotaTest` and `ControllerMutationQuotaManagerTest`.
    #[test]
    fn overdrawn_and_filled_again() {
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.tokens(CONFIG, 10.0, NOW), 100.0);
        bucket.take(CONFIG, 10.0, 90.0, NOW);
        assert_eq!(bucket.throttle_ms(CONFIG, 10.0, NOW), 0);
        bucket.take(CONFIG, 10.0, 90.0, NOW);
        assert_eq!(bucket.throttle_ms(CONFIG, 10.0, NOW), 8_000);
        bucket.take(CONFIG, 10.0, 90.0, NOW);
        assert_eq!(bucket.throttle_ms(CONFIG, 10.0, NOW), 17_000);
        assert_eq!(bucket.throttle_ms(CONFIG, 10.0, NOW + 5_000), 12_000);
        assert_eq!(bucket.throttle_ms(CONFIG, 10.0, NOW + 17_000), 0);
        assert_eq!(bucket.tokens(CONFIG, 10.0, NOW + 1_000_000), 100.0, "no more than the burst");
    }

    #[test]
    fn figures_of_throttle_times() {
        assert_eq!([0.0, -5.0, -10.0].map(|tokens| throttle_ms(tokens, 10.0)), [0, 500, 1_000]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            takes in prop::collection::vec((0.0..50.0f64, 0i64..3_000), 1..200),
            per_second in 0.1..100.0f64,
        ) {
            let (mut bucket, mut now_ms, mut taken) = (TokenBucket::default(), NOW, 0.0);
            for (tokens, step) in takes {
                now_ms += step;
                if bucket.throttle_ms(CONFIG, per_second, now_ms) == 0 {
                    bucket.take(CONFIG, per_second, tokens, now_ms);
                    taken += tokens;
                }
            }
            let seconds = (now_ms - NOW) as f64 / 1_000.0;
            prop_assert!(taken <= per_second * (10.0 + seconds) + 50.0 + 1e-6);
        }
    }
}
