//! How fast logs move between the broker's directories (`ReplicationQuotaManager` of the type AlterLogDirsReplication).
//!
//! A move goes in slices, of which one may be far above what a second allows. A rate over windows forgets it with its window,
//! and a low limit would not be kept; a bucket that is overdrawn by a slice does not forget, and the next slice waits until
//! it is paid for.

use super::rate::Windows;
use super::token_bucket::TokenBucket;

/// The quota of all moves together.
#[derive(Debug)]
pub(crate) struct MoveQuota {
    window: Windows,
    bucket: TokenBucket,
}

impl MoveQuota {
    /// As much as a window allows may be copied at once.
    pub(crate) fn new(window_size_seconds: i32) -> Self {
        Self { window: Windows::new(1, window_size_seconds), bucket: TokenBucket::default() }
    }

    /// How long nothing must be copied, ms. The limit may be another one each time.
    pub(crate) fn throttle_ms(&mut self, bytes_per_second: i64, now_ms: i64) -> i64 {
        self.bucket.throttle_ms(self.window, bytes_per_second as f64, now_ms)
    }

    /// Takes note of what was copied.
    pub(crate) fn record(&mut self, bytes: u64, bytes_per_second: i64, now_ms: i64) {
        self.bucket.take(self.window, bytes_per_second as f64, bytes as f64, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const SLICE: u64 = 1 << 20;

    /// Bytes that are copied in an hour.
    fn in_an_hour(bytes_per_second: i64) -> u64 {
        let (mut quota, mut now_ms, mut bytes) = (MoveQuota::new(1), NOW, 0);
        while now_ms < NOW + 3_600_000 {
            match quota.throttle_ms(bytes_per_second, now_ms) {
                0 => {
                    quota.record(SLICE, bytes_per_second, now_ms);
                    bytes += SLICE;
                    now_ms += 1;
                }
                throttle_ms => now_ms = now_ms.saturating_add(throttle_ms),
            }
        }
        bytes
    }

    #[test]
    fn a_limit_is_kept_however_low() {
        for limit in [1_000, 50_000, 1_000_000, 100_000_000] {
            let (bytes, allowed) = (in_an_hour(limit), limit as u64 * 3_600);
            assert!((allowed..=allowed + limit as u64 + 2 * SLICE).contains(&bytes), "{bytes} at {limit}");
        }
        assert_eq!(in_an_hour(i64::MAX), 3_600_000 * SLICE);
        assert_eq!(in_an_hour(0), SLICE, "it is overdrawn once");
    }

    #[test]
    fn another_limit_holds_for_what_is_owed() {
        let mut quota = MoveQuota::new(1);
        quota.record(1_001_000, 1_000, NOW);
        assert_eq!(quota.throttle_ms(1_000, NOW), 1_000_000);
        assert_eq!(quota.throttle_ms(0, NOW), i64::MAX);
        assert_eq!(quota.throttle_ms(500_000, NOW), 2_000);
        assert_eq!(quota.throttle_ms(i64::MAX, NOW), 0);
        assert_eq!(quota.throttle_ms(500_000, NOW - 3_600_000), 2_000, "the clock was set back");
        assert_eq!(quota.throttle_ms(500_000, NOW - 3_600_000 + 2_000), 0);
    }
}
