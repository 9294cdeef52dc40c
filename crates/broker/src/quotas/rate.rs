//! How fast something goes, measured over windows (`Rate` over `WindowedSum` of Kafka's metrics).
//!
//! Time is cut into windows of a fixed size, the last `num` of which count. The window that is under way is not full, so
//! the rate of a client that has just begun would be far too high; the time that is divided by is therefore never less
//! than `num - 1` full windows and what has passed of the present one. A window begins with the first thing that is
//! recorded after the one before it has ended: nothing runs while nobody asks.

/// Over which time a quota is measured: `quota.window.num` windows of `quota.window.size.seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// How many, from 1 on; the present one is among them.
    pub num: u32,
    /// Length of each in milliseconds, from 1 on.
    pub size_ms: i64,
}

impl Windows {
    /// From the configuration's figures, which are at least 1.
    pub fn new(num: i32, size_seconds: i32) -> Self {
        Self { num: num.max(1).unsigned_abs(), size_ms: i64::from(size_seconds.max(1)) * 1_000 }
    }

    /// Seconds of the full windows: with a rate, what may come at once after a long silence.
    pub fn full_seconds(self) -> f64 {
        f64::from(self.num - 1) * self.size_ms as f64 / 1_000.0
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    sum: f64,
    start_ms: i64,
    last_ms: i64,
}

impl Window {
    fn new(now_ms: i64) -> Self {
        Self { sum: 0.0, start_ms: now_ms, last_ms: now_ms }
    }
}

/// The windows of one client.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// At most one more than count, because the oldest may reach into those that do.
    windows: Vec<Window>,
    current: usize,
}

/// A rate above its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exceeded {
    /// The rate, in units per second.
    pub rate: f64,
    /// How long nothing must come until the rate is back at the limit, in milliseconds (`QuotaUtils.throttleTime`).
    pub throttle_ms: i64,
}

impl Rate {
    /// Takes note of `value` units; a negative number takes back what was noted.
    pub fn record(&mut self, config: Windows, value: f64, now_ms: i64) {
        let window = match self.windows.get(self.current) {
            Some(window) if now_ms - window.start_ms < config.size_ms => self.current,
            Some(_) => self.advance(config, now_ms),
            None => {
                self.windows = vec![Window::new(now_ms)];
                self.current = 0;
                0
            }
        };
        if let Some(window) = self.windows.get_mut(window) {
            window.sum += value;
            window.last_ms = now_ms;
        }
    }

    fn advance(&mut self, config: Windows, now_ms: i64) -> usize {
        self.current = (self.current + 1) % (config.num as usize + 1);
        match self.windows.get_mut(self.current) {
            Some(window) => *window = Window::new(now_ms),
            None => {
                self.current = self.windows.len();
                self.windows.push(Window::new(now_ms));
            }
        }
        self.current
    }

    /// Units per second.
    pub fn measure(&mut self, config: Windows, now_ms: i64) -> f64 {
        let time_ms = self.time_ms(config, now_ms);
        self.windows.iter().map(|window| window.sum).sum::<f64>() / (time_ms as f64 / 1_000.0)
    }

    /// Whether the rate is above `limit` units per second.
    pub fn exceeds(&mut self, config: Windows, limit: f64, now_ms: i64) -> Option<Exceeded> {
        let rate = self.measure(config, now_ms);
        if rate <= limit || rate.is_nan() {
            return None;
        }
        let throttle_ms = (rate - limit) / limit * self.time_ms(config, now_ms) as f64;
        // A number beyond the type's range becomes its end.
        Some(Exceeded { rate, throttle_ms: throttle_ms.round() as i64 })
    }

    /// Whether nothing that was recorded counts any more.
    pub fn is_idle(&self, config: Windows, now_ms: i64) -> bool {
        self.windows.iter().all(|window| is_obsolete(window, config, now_ms))
    }

    /// The time that the windows cover, in milliseconds.
    fn time_ms(&mut self, config: Windows, now_ms: i64) -> i64 {
        for window in &mut self.windows {
            if is_obsolete(window, config, now_ms) {
                *window = Window::new(now_ms);
            }
        }
        let oldest_ms = self.windows.iter().map(|window| window.start_ms).min().unwrap_or(now_ms);
        let passed_ms = now_ms.saturating_sub(oldest_ms);
        let missing = i64::from(config.num - 1) - passed_ms / config.size_ms;
        passed_ms.saturating_add(missing.max(0).saturating_mul(config.size_ms)).max(1)
    }
}

/// Whether a window has nothing of the measured time in it. One that only began before it still counts.
fn is_obsolete(window: &Window, config: Windows, now_ms: i64) -> bool {
    now_ms.saturating_sub(window.last_ms) >= i64::from(config.num).saturating_mul(config.size_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KAFKA: Windows = Windows { num: 11, size_ms: 1_000 };

    fn throttle(rate: &mut Rate, value: f64, limit: f64, now_ms: i64) -> i64 {
        rate.record(KAFKA, value, now_ms);
        rate.exceeds(KAFKA, limit, now_ms).map_or(0, |exceeded| exceeded.throttle_ms)
    }

    /// The figures of `ClientQuotaManagerTest.testQuotaViolation`.
    #[test]
    fn a_spike_of_bytes() {
        let (mut rate, mut now_ms) = (Rate::default(), 1_000_000);
        for _ in 0..10 {
            assert_eq!(throttle(&mut rate, 400.0, 500.0, now_ms), 0);
            now_ms += 1_000;
        }
        now_ms += 500;
        assert_eq!(throttle(&mut rate, 2_300.0, 500.0, now_ms), 2_100);
        now_ms += 2_100;
        for _ in 0..10 {
            throttle(&mut rate, 400.0, 500.0, now_ms);
            now_ms += 1_000;
        }
        assert_eq!(throttle(&mut rate, 0.0, 500.0, now_ms), 0, "the spike has gone by");
    }

    /// The figures of `ClientRequestQuotaManagerTest`: one per cent, in milliseconds per second.
    #[test]
    fn a_spike_of_time() {
        let (mut rate, mut now_ms) = (Rate::default(), 1_000_000);
        for _ in 0..10 {
            assert_eq!(throttle(&mut rate, 0.4, 1.0, now_ms), 0);
            now_ms += 1_000;
        }
        now_ms += 500;
        assert_eq!(throttle(&mut rate, 6.71, 1.0, now_ms), 210);
        now_ms += 210;
        for _ in 0..11 {
            throttle(&mut rate, 0.4, 1.0, now_ms);
            now_ms += 1_000;
        }
        assert_eq!(throttle(&mut rate, 0.0, 1.0, now_ms), 0);
        assert!(throttle(&mut rate, 50.0, 1.0, now_ms) > 1_000);
        for _ in 0..10 {
            now_ms += 1_000;
            assert!(throttle(&mut rate, 0.0, 1.0, now_ms) > 1_000);
        }
        now_ms += 1_000;
        assert_eq!(throttle(&mut rate, 0.0, 1.0, now_ms), 0);
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut rate = Rate::default();
        rate.record(KAFKA, 100.0, 5_000);
        assert!(rate.exceeds(KAFKA, 1.0, 5_000).is_some());
        rate.record(KAFKA, -100.0, 5_000);
        assert_eq!(rate.measure(KAFKA, 5_000), 0.0);
        assert!(!rate.is_idle(KAFKA, 5_000));
        assert!(rate.is_idle(KAFKA, 16_000));
    }

    #[test]
    fn one_window_and_tiny_limits() {
        let config = Windows::new(1, 1);
        let mut rate = Rate::default();
        rate.record(config, 5.0, 0);
        assert_eq!(rate.measure(config, 0), 5_000.0, "at least a millisecond");
        let exceeded = rate.exceeds(config, f64::MIN_POSITIVE, 0).expect("above the limit");
        assert_eq!(exceeded.throttle_ms, i64::MAX);
    }

    proptest! {
        /// Whoever sends whatever they like, and then waits as they are told, stays at the limit over half a minute.
        #[test]
        fn who_waits_stays_within_the_limit(
            limit in 1_000.0..10_000_000.0f64,
            sizes in prop::collection::vec(0.001..1.0f64, 1..50),
        ) {
            let mut rate = Rate::default();
            let (mut now_ms, mut sent, mut at) = (0i64, 0.0, 0);
            while now_ms < 60_000 {
                // As a client with batches: the largest is what one second allows.
                let size = sizes[at % sizes.len()] * limit;
                at += 1;
                rate.record(KAFKA, size, now_ms);
                sent += size;
                let throttle_ms = rate.exceeds(KAFKA, limit, now_ms).map_or(0, |exceeded| exceeded.throttle_ms);
                now_ms += throttle_ms.max(1);
            }
            let measured = sent / (now_ms as f64 / 1_000.0);
            // What ten silent seconds have saved comes on top once.
            prop_assert!(measured <= limit * (1.0 + 11.0 / 60.0 + 0.05), "{measured} of {limit}");
        }

        /// Whatever comes and however time goes, also backwards: no panic, no number that is none.
        #[test]
        fn numbers_stay_numbers(
            steps in prop::collection::vec((-1e12..1e12f64, -5_000i64..20_000), 1..200),
            num in 1i32..20,
            seconds in 1i32..5,
        ) {
            let (config, mut rate, mut now_ms) = (Windows::new(num, seconds), Rate::default(), 1_000_000i64);
            for (value, step) in steps {
                now_ms += step;
                rate.record(config, value, now_ms);
                prop_assert!(rate.measure(config, now_ms).is_finite());
                prop_assert!(rate.windows.len() <= num as usize + 1);
            }
        }
    }
}
