//! Fetches that wait for `min_bytes`.
//!
//! A waiting fetch registers with each partition it reads. An append tells the partition's waiters how many
//! bytes came; a waiter wakes its task when enough have come, and not before. There is no scan and no
//! shared list: what an append costs depends on who waits for this partition.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// One waiting fetch, shared by the partitions that it reads.
#[derive(Debug)]
pub struct FetchWaiter {
    /// Bytes still missing.
    missing: AtomicI64,
    notify: Notify,
}

impl FetchWaiter {
    /// A waiter for `missing` bytes.
    pub fn new(missing: i64) -> Arc<Self> {
        Arc::new(Self { missing: AtomicI64::new(missing), notify: Notify::new() })
    }

    /// `bytes` more can be read.
    pub fn add(&self, bytes: i64) {
        if self.missing.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.notify.notify_one();
        }
    }

    /// Starts to count anew, after a wake-up that did not suffice.
    pub fn reset(&self, missing: i64) {
        self.missing.store(missing, Ordering::Release);
    }

    /// Ready when enough bytes have come, or when a partition changed otherwise. A wake-up that came
    /// before the call counts.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// The fetches that wait for one partition.
#[derive(Debug, Default)]
pub struct FetchWaiters {
    /// Read without the lock: an append to a partition for which nobody waits does not take it.
    count: AtomicUsize,
    waiters: Mutex<Vec<Weak<FetchWaiter>>>,
}

impl FetchWaiters {
    /// Registers a waiter. It is forgotten when its fetch drops it.
    pub fn register(&self, waiter: &Arc<FetchWaiter>) {
        let mut waiters = self.waiters.lock();
        // Those that gave up leave here, so that the list stays as long as the number of those who wait.
        waiters.retain(|w| w.strong_count() > 0);
        waiters.push(Arc::downgrade(waiter));
        self.count.store(waiters.len(), Ordering::Release);
    }

    /// Tells the waiters that `bytes` more can be read.
    pub fn bytes_added(&self, bytes: usize) {
        self.each(|waiter| waiter.add(bytes as i64));
    }

    /// Wakes the waiters whatever they miss: the partition went away, or its leader changed.
    pub fn wake_all(&self) {
        self.each(|waiter| waiter.add(i64::from(i32::MAX)));
    }

    fn each(&self, f: impl Fn(&FetchWaiter)) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        waiters.retain(|waiter| {
            let Some(waiter) = waiter.upgrade() else { return false };
            f(&waiter);
            true
        });
        self.count.store(waiters.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_woken(waiter: &Arc<FetchWaiter>) -> bool {
        let mut woken = std::pin::pin!(waiter.woken());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        woken.as_mut().poll(&mut context).is_ready()
    }
    use std::future::Future;

    #[test]
    fn wakes_when_enough_bytes_came_from_any_partition() {
        let (a, b) = (FetchWaiters::default(), FetchWaiters::default());
        let waiter = FetchWaiter::new(10);
        a.register(&waiter);
        b.register(&waiter);
        a.bytes_added(6);
        assert!(!is_woken(&waiter));
        b.bytes_added(4);
        assert!(is_woken(&waiter));
    }

    #[test]
    fn a_change_wakes_whatever_is_missing() {
        let waiters = FetchWaiters::default();
        let waiter = FetchWaiter::new(1 << 20);
        waiters.register(&waiter);
        waiters.wake_all();
        assert!(is_woken(&waiter));
    }

    #[test]
    fn those_who_gave_up_are_forgotten() {
        let waiters = FetchWaiters::default();
        waiters.register(&FetchWaiter::new(1));
        assert_eq!(waiters.count.load(Ordering::Acquire), 1);
        waiters.bytes_added(1);
        assert_eq!(waiters.count.load(Ordering::Acquire), 0);
    }
}
