//! How many connections an address may open per second: the quota `connection_creation_rate` (KIP-612).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::rate::{RateWindow, TokenBucket};

/// Addresses that are remembered before those without a debt are forgotten.
const BEFORE_PURGE: usize = 1_024;
/// Addresses that are remembered at most.
const REMEMBERED_MAX: usize = 100_000;

/// The quotas of addresses, and what of them is used up. An address without a quota is not remembered.
#[derive(Debug)]
pub(crate) struct IpRates {
    window: RateWindow,
    default: Option<u32>,
    by_ip: HashMap<IpAddr, u32>,
    buckets: HashMap<IpAddr, TokenBucket>,
    purge_at: usize,
}

impl IpRates {
    pub(crate) fn new(window: RateWindow) -> Self {
        IpRates {
            window,
            default: None,
            by_ip: HashMap::new(),
            buckets: HashMap::new(),
            purge_at: BEFORE_PURGE,
        }
    }

    /// Changes the quotas: connections per second of addresses that have one of their own, and of all others.
    pub(crate) fn set(&mut self, default: Option<u32>, by_ip: HashMap<IpAddr, u32>) {
        (self.default, self.by_ip) = (default, by_ip);
        let (default, by_ip) = (self.default, &self.by_ip);
        self.buckets.retain(|ip, bucket| match by_ip.get(ip).copied().or(default) {
            Some(rate) => {
                bucket.set_rate(rate);
                true
            }
            None => false,
        });
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// How long the address has to wait, when it may not have it; it is not counted then.
    pub(crate) fn take(&mut self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.by_ip.get(&ip).copied().or(self.default) else { return Ok(()) };
        if let Some(bucket) = self.buckets.get_mut(&ip) {
            return bucket.try_take(now);
        }
        if self.buckets.len() >= self.purge_at {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= REMEMBERED_MAX {
                // From so many addresses at once, nothing is to be gained by counting each.
                self.buckets.clear();
            }
            self.purge_at = (self.buckets.len() * 2).clamp(BEFORE_PURGE, REMEMBERED_MAX);
        }
        self.buckets.entry(ip).or_insert_with(|| TokenBucket::new(rate, self.window)).try_take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_default_and_addresses_of_their_own() {
        let now = Instant::now();
        let mut rates = IpRates::new(RateWindow::default());
        for _ in 0..1_000 {
            assert_eq!(rates.take(ip(1), now), Ok(()), "no quota, no limit");
        }
        assert!(rates.buckets.is_empty());
        rates.set(Some(1), HashMap::from([(ip(2), 2)]));
        let admitted = |rates: &mut IpRates, ip| (0..100).take_while(|_| rates.take(ip, now).is_ok()).count();
        assert_eq!(admitted(&mut rates, ip(1)), 10);
        assert_eq!(admitted(&mut rates, ip(2)), 20);
        assert_eq!(admitted(&mut rates, ip(3)), 10, "each for itself");
        assert_eq!(rates.take(ip(1), now), Err(Duration::from_secs(1)));
        assert_eq!(rates.take(ip(2), now), Err(Duration::from_millis(500)));
        assert_eq!(rates.take(ip(2), now + Duration::from_millis(500)), Ok(()));
        rates.set(None, HashMap::new());
        assert_eq!(rates.take(ip(1), now), Ok(()));
    }

    #[test]
    fn who_is_refused_is_not_counted() {
        let mut now = Instant::now();
        let mut rates = IpRates::new(RateWindow::default());
        rates.set(Some(2), HashMap::new());
        // Thirty seconds of ten tries a second: the burst, and the rate.
        let mut admitted = 0;
        for _ in 0..300 {
            admitted += u32::from(rates.take(ip(1), now).is_ok());
            now += Duration::from_millis(100);
        }
        assert!((78..=80).contains(&admitted), "{admitted}");
    }

    #[test]
    fn strangers_are_forgotten() {
        let now = Instant::now();
        let mut rates = IpRates::new(RateWindow::default());
        rates.set(Some(1), HashMap::new());
        for last in 0..BEFORE_PURGE as u32 {
            assert_eq!(rates.take(IpAddr::from(last.to_be_bytes()), now), Ok(()));
        }
        assert_eq!(rates.take(ip(1), now + Duration::from_secs(2)), Ok(()));
        assert_eq!(rates.buckets.len(), 1);
    }
}
