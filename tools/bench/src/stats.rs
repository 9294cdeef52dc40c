//! Medians, and how far to trust them.

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value below which `percent` of all lie (nearest rank, with interpolation); 0 of none.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let rank = percent / 100.0 * last as f64;
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (rank - low as f64)
}

/// The interval in which the median of resampled values lies in 90 of 100 cases. The same values always give the
/// same interval.
pub fn bootstrap_90(values: &[f64]) -> (f64, f64) {
    const RESAMPLES: usize = 2_000;
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let medians: Vec<f64> = (0..if values.is_empty() { 0 } else { RESAMPLES })
        .map(|_| {
            let sample: Vec<f64> = values.iter().map(|_| values[random.below(values.len())]).collect();
            median(&sample)
        })
        .collect();
    (percentile(&medians, 5.0), percentile(&medians, 95.0))
}

/// xorshift64*: good enough to fill records and to draw samples.
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(percentile(&[0.0, 10.0], 99.0), 9.9);
    }

    #[test]
    fn the_interval_holds_the_median() {
        let values: Vec<f64> = (1..=9).map(f64::from).collect();
        let (low, high) = bootstrap_90(&values);
        assert!(low <= 5.0 && 5.0 <= high && low >= 1.0 && high <= 9.0);
        assert_eq!((low, high), bootstrap_90(&values));
    }
}
