//! Counters and histograms that cost their writer next to nothing.
//!
//! What a data thread counts, it counts for itself, in memory that no other thread writes to: a load, an add and a store,
//! without a lock or a locked instruction. A reader adds the threads up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread at a time adds to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds, as the only thread that does.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// What was added so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Times up to 2^FIRST microseconds are in the first bucket.
const FIRST: usize = 5;
/// Buckets, each with twice the bound of the one before; the last has none. The last bound is 2^25 us, 34 s.
const BUCKETS: usize = 22;

/// How often times of each size were measured. One thread at a time records.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_us: Counter,
}

impl Histogram {
    /// A time in microseconds.
    pub fn record(&self, us: u64) {
        if let Some(bucket) = self.buckets.get(bucket(us)) {
            bucket.add(1);
        }
        self.sum_us.add(us);
    }

    /// What was recorded so far.
    pub fn numbers(&self) -> HistogramNumbers {
        HistogramNumbers {
            buckets: std::array::from_fn(|i| read(&self.buckets, i)),
            sum_us: self.sum_us.get(),
        }
    }
}

fn read(buckets: &[Counter; BUCKETS], i: usize) -> u64 {
    buckets.get(i).map_or(0, Counter::get)
}

/// A histogram that several threads record into, seldom.
#[derive(Debug, Default)]
pub struct SharedHistogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl SharedHistogram {
    /// A time in microseconds.
    pub fn record(&self, us: u64) {
        if let Some(bucket) = self.buckets.get(bucket(us)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// What was recorded so far.
    pub fn numbers(&self) -> HistogramNumbers {
        HistogramNumbers {
            buckets: std::array::from_fn(|i| self.buckets.get(i).map_or(0, |bucket| bucket.load(Relaxed))),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

/// The first bucket whose bound is not below the time.
fn bucket(us: u64) -> usize {
    let bits = (u64::BITS - us.saturating_sub(1).leading_zeros()) as usize;
    bits.saturating_sub(FIRST).min(BUCKETS - 1)
}

/// A histogram at one moment. Times are recorded in microseconds and told in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramNumbers {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl HistogramNumbers {
    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Sum of the times in milliseconds.
    pub fn sum(&self) -> f64 {
        self.sum_us as f64 / 1e3
    }

    /// Upper bounds in milliseconds, the last one infinite, and how many times were not above each.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.buckets.iter().enumerate().map(move |(i, count)| {
            below += count;
            let bound = if i + 1 == BUCKETS { f64::INFINITY } else { (1_u64 << (FIRST + i)) as f64 / 1e3 };
            (bound, below)
        })
    }
}

impl std::ops::AddAssign for HistogramNumbers {
    fn add_assign(&mut self, more: Self) {
        self.buckets.iter_mut().zip(more.buckets).for_each(|(bucket, more)| *bucket += more);
        self.sum_us += more.sum_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        for (us, bound_ms) in [(0, 0.032), (32, 0.032), (33, 0.064), (64, 0.064), (65, 0.128), (1_024, 1.024)]
        {
            let histogram = Histogram::default();
            histogram.record(us);
            let first = histogram.numbers().cumulative().find(|(_, count)| *count == 1);
            assert_eq!(first.map(|(bound, _)| bound), Some(bound_ms), "{us}");
        }
        let histogram = SharedHistogram::default();
        histogram.record(33_554_432);
        histogram.record(33_554_433);
        histogram.record(u64::MAX / 2);
        let bounds: Vec<_> = histogram.numbers().cumulative().collect();
        assert_eq!(bounds[BUCKETS - 2..], [(33_554.432, 1), (f64::INFINITY, 3)]);
    }

    #[test]
    fn threads_are_added_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.record(10);
        other.record(2_000);
        let mut sum = one.numbers();
        sum += other.numbers();
        assert_eq!((sum.count(), sum.sum()), (2, 2.01));
    }
}
