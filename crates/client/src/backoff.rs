//! Growing pauses between attempts (Kafka's `ExponentialBackoff`, KIP-580).

use std::time::Duration;

/// A pause that doubles with each failed attempt, up to a limit, spread by 20 % so that clients do not come in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    initial_ms: i64,
    max_ms: i64,
}

/// How much a pause is spread to either side.
const JITTER: f64 = 0.2;

impl Backoff {
    /// From `initial` up to `max`; always `initial` (or `max` if that is less) when there is no room to grow.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial_ms: millis(initial).min(millis(max)), max_ms: millis(max) }
    }

    /// The pause in ms after `attempts` failed attempts beyond the first; `random` is from 0 to 1.
    pub fn after_ms(&self, attempts: u32, random: f64) -> i64 {
        if self.max_ms <= self.initial_ms {
            return self.initial_ms;
        }
        let growth_max = (self.max_ms as f64 / self.initial_ms.max(1) as f64).log2();
        let grown = f64::from(attempts) >= growth_max;
        let term =
            if grown { self.max_ms as f64 } else { self.initial_ms as f64 * 2f64.powf(attempts.into()) };
        let spread = 1.0 - JITTER + 2.0 * JITTER * random;
        ((term * spread) as i64).min(self.max_ms)
    }

    /// Likewise as a duration.
    pub fn after(&self, attempts: u32, random: f64) -> Duration {
        Duration::from_millis(self.after_ms(attempts, random).max(0) as u64)
    }
}

/// A duration in whole ms.
pub fn millis(duration: Duration) -> i64 {
    // Not by `as_millis`: a producer asks for each record, and numbers of 128 bits cost more than the clock.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(i64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(initial: u64, max: u64) -> Backoff {
        Backoff::new(Duration::from_millis(initial), Duration::from_millis(max))
    }

    #[test]
    fn doubles_to_the_limit_with_a_spread() {
        let it = backoff(100, 1000);
        let middle: Vec<i64> = (0..6).map(|attempts| it.after_ms(attempts, 0.5)).collect();
        assert_eq!(middle, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(it.after_ms(0, 0.0), 80);
        assert_eq!(it.after_ms(1, 0.999_999), 239);
        assert_eq!(it.after_ms(u32::MAX, 1.0), 1000);
    }

    #[test]
    fn without_room_to_grow_it_is_constant() {
        assert_eq!(backoff(100, 50).after_ms(9, 0.0), 50);
        assert_eq!(backoff(100, 100).after_ms(9, 0.0), 100);
        assert_eq!(backoff(0, 1000).after_ms(3, 0.5), 0);
    }
}
