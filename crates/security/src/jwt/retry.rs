//! Attempts to reach an issuer (`Retry`): pauses that double, for as long as the longest pause may be.

/// The attempts of one errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    next_ms: i64,
    end_ms: i64,
}

impl Retries {
    /// Attempts from now on; both pauses in milliseconds, at least 0.
    pub fn new(backoff_ms: i64, backoff_max_ms: i64, now_ms: i64) -> Self {
        Self { next_ms: backoff_ms.max(0), end_ms: now_ms.saturating_add(backoff_max_ms.max(0)) }
    }

    /// An attempt has failed: how many milliseconds to wait before the next one; `None`: there is none.
    pub fn failed(&mut self, now_ms: i64) -> Option<i64> {
        let pause_ms = self.next_ms.min(self.end_ms.saturating_sub(now_ms));
        self.next_ms = self.next_ms.saturating_mul(2);
        (pause_ms > 0).then_some(pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_time_is_over() {
        let mut retries = Retries::new(100, 1_000, 50);
        let mut now_ms = 50;
        let mut pauses = Vec::new();
        while let Some(pause) = retries.failed(now_ms) {
            pauses.push(pause);
            now_ms += pause;
        }
        assert_eq!((pauses, now_ms), (vec![100, 200, 400, 300], 1_050));
        assert_eq!(Retries::new(0, 1_000, 0).failed(0), None, "as Kafka: no pause, no further attempt");
        assert_eq!(Retries::new(100, 1_000, 0).failed(1_001), None);
    }
}
