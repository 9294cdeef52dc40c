//! Many durations in little room: buckets that are less than 1 % wide.

use std::time::Duration;

/// Buckets for each power of two.
const BUCKETS: u64 = 128;

/// How often which duration was seen, in nanoseconds.
#[derive(Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    all: u64,
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&mut self, duration: Duration) {
        let bucket = bucket_of(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.all += 1;
    }

    /// Adds all that another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.all += other.all;
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.all
    }

    /// The duration that `percent` of all do not exceed, in microseconds; 0 of none.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let wanted = ((percent / 100.0 * self.all as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle_of(bucket as u64) as f64 / 1_000.0;
            }
        }
        0.0
    }
}

/// Below 128 each value has a bucket; above, the seven digits after the first one count.
fn bucket_of(value: u64) -> usize {
    if value < BUCKETS {
        return value as usize;
    }
    let shift = u64::from(value.ilog2()) - u64::from(BUCKETS.ilog2());
    ((shift + 1) * BUCKETS + (value >> shift) - BUCKETS) as usize
}

fn middle_of(bucket: u64) -> u64 {
    if bucket < BUCKETS {
        return bucket;
    }
    let shift = bucket / BUCKETS - 1;
    ((BUCKETS + bucket % BUCKETS) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_near_its_middle() {
        for value in [0, 1, 127, 128, 129, 255, 256, 1_000, 123_456, 98_765_432_100, u64::MAX / 2] {
            let middle = middle_of(bucket_of(value) as u64);
            assert!(middle.abs_diff(value) as f64 <= value as f64 / 128.0, "{value} {middle}");
        }
        let buckets: Vec<usize> = (0..100_000).map(bucket_of).collect();
        assert!(buckets.is_sorted_by(|a, b| b - a <= 1));
    }

    #[test]
    fn percentiles_of_two_merged() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        for i in 1..=100 {
            low.add(Duration::from_nanos(i));
            high.add(Duration::from_micros(i * 10));
        }
        assert_eq!(low.percentile_us(50.0), 0.05);
        low.merge(&high);
        assert_eq!((low.count(), low.percentile_us(50.0)), (200, 0.1));
        assert!((low.percentile_us(99.5) / 990.0 - 1.0).abs() < 0.01);
        assert_eq!(Histogram::default().percentile_us(99.0), 0.0);
    }
}
