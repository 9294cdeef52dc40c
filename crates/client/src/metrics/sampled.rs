//! Averages, maxima and rates over the last minute (Kafka's `SampledStat`): two windows of 30 seconds, the older of which
//! is forgotten when a new one begins.

/// `metrics.sample.window.ms`.
const WINDOW_MS: i64 = 30_000;

/// Values of the last one to two windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampled {
    windows: [Window; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// Number of the window since the beginning.
    number: i64,
    sum: f64,
    count: u64,
    max: f64,
}

impl Sampled {
    /// Takes in a value that is not negative.
    pub fn record(&mut self, value: f64, now_ms: i64) {
        let number = now_ms.max(0) / WINDOW_MS;
        let window = &mut self.windows[usize::from(number % 2 == 1)];
        if window.number != number {
            *window = Window { number, ..Window::default() };
        }
        window.sum += value;
        window.count += 1;
        window.max = window.max.max(value);
    }

    fn current(&self, now_ms: i64) -> impl Iterator<Item = &Window> {
        let number = now_ms.max(0) / WINDOW_MS;
        self.windows.iter().filter(move |window| number - window.number <= 1)
    }

    /// The average; NaN when there is no value.
    pub fn avg(&self, now_ms: i64) -> f64 {
        let (sum, count) =
            self.current(now_ms).fold((0.0, 0), |(sum, count), it| (sum + it.sum, count + it.count));
        if count == 0 { f64::NAN } else { sum / count as f64 }
    }

    /// The largest value; NaN when there is none.
    pub fn max(&self, now_ms: i64) -> f64 {
        let values = self.current(now_ms).filter(|window| window.count > 0);
        values.map(|window| window.max).fold(f64::NAN, f64::max)
    }

    /// The sum of the values by second. At least one whole window is counted, so that the first values do not look like a
    /// flood.
    pub fn rate(&self, now_ms: i64) -> f64 {
        let sum: f64 = self.current(now_ms).map(|window| window.sum).sum();
        let in_window = now_ms.max(0) % WINDOW_MS;
        sum * 1000.0 / (WINDOW_MS + in_window) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_values_are_forgotten() {
        let mut it = Sampled::default();
        assert!(it.avg(0).is_nan() && it.max(0).is_nan());
        it.record(4.0, 1000);
        it.record(8.0, 2000);
        assert_eq!((it.avg(3000), it.max(3000)), (6.0, 8.0));
        it.record(3.0, 31_000);
        assert_eq!((it.avg(59_999), it.max(59_999)), (5.0, 8.0));
        assert_eq!((it.avg(60_000), it.max(60_000)), (3.0, 3.0));
        assert!(it.avg(90_000).is_nan());
        it.record(1.0, 200_000);
        assert_eq!(it.avg(200_000), 1.0);
    }

    #[test]
    fn rates_are_by_second() {
        let mut it = Sampled::default();
        for second in 0..60 {
            it.record(10.0, second * 1000);
        }
        assert!((it.rate(59_999) - 10.0).abs() < 0.1);
        assert!((it.rate(75_000) - 300.0 / 45.0).abs() < 0.1);
        assert_eq!(it.rate(200_000), 0.0);
    }
}
