//! `queued.max.request.bytes`: a bound on the requests in memory, over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Bytes of frames whose size is known and which are not answered yet. As in Kafka's `SimpleMemoryPool` without strictness, a
/// frame is let in while anything is left, so that one larger than the limit is served too.
#[derive(Debug)]
pub(crate) struct QueuedBytes {
    limit: i64,
    used: AtomicI64,
    waiting: Mutex<Vec<Waker>>,
    waiting_count: AtomicUsize,
}

/// One frame's share; dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Charge(Option<(Arc<QueuedBytes>, i64)>);

impl QueuedBytes {
    /// `limit` in bytes; zero or less means no limit.
    pub(crate) fn new(limit: i64) -> Arc<Self> {
        Arc::new(QueuedBytes {
            limit,
            used: AtomicI64::new(0),
            waiting: Mutex::new(Vec::new()),
            waiting_count: AtomicUsize::new(0),
        })
    }

    /// Charges a frame of `bytes`, or registers the task to be woken when something was given back.
    pub(crate) fn poll_charge(self: &Arc<Self>, bytes: usize, cx: &mut Context<'_>) -> Poll<Charge> {
        if self.limit <= 0 {
            return Poll::Ready(Charge(None));
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.try_charge(bytes) {
            return Poll::Ready(Charge(Some((self.clone(), bytes))));
        }
        {
            let mut waiting = self.waiting.lock();
            // A task that waits may be polled for other reasons again and again.
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            self.waiting_count.store(waiting.len(), Ordering::SeqCst);
        }
        // What was given back between the two looks found nobody waiting.
        if self.try_charge(bytes) {
            return Poll::Ready(Charge(Some((self.clone(), bytes))));
        }
        Poll::Pending
    }

    fn try_charge(&self, bytes: i64) -> bool {
        let mut used = self.used.load(Ordering::SeqCst);
        while used < self.limit {
            match self.used.compare_exchange_weak(
                used,
                used.saturating_add(bytes),
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(now) => used = now,
            }
        }
        false
    }

    fn release(&self, bytes: i64) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting_count.load(Ordering::SeqCst) > 0 {
            let waiting = {
                let mut waiting = self.waiting.lock();
                self.waiting_count.store(0, Ordering::SeqCst);
                std::mem::take(&mut *waiting)
            };
            for waker in waiting {
                waker.wake();
            }
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((queued, bytes)) = self.0.take() {
            queued.release(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_last_byte_lets_one_more_in_and_release_wakes() {
        let queued = QueuedBytes::new(100);
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let first = queued.poll_charge(99, &mut cx);
        let second = queued.poll_charge(500, &mut cx);
        assert!(first.is_ready() && second.is_ready());
        assert!(queued.poll_charge(1, &mut cx).is_pending());
        drop(second);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(queued.poll_charge(1, &mut cx).is_ready());
        drop(first);
        assert_eq!(queued.used.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn off() {
        let queued = QueuedBytes::new(-1);
        let mut cx = Context::from_waker(Waker::noop());
        let charges: Vec<_> = (0..10).map(|_| queued.poll_charge(usize::MAX, &mut cx)).collect();
        assert!(charges.iter().all(Poll::is_ready));
    }
}
