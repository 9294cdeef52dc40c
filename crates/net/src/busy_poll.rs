//! Looking for the next request for a moment before a thread sleeps (`ottla.network.busy.poll.us`).
//!
//! A processor without work halts, and what it takes to wake it is most of the time of a small request on a virtual machine: the
//! request itself takes some 10 µs, a wake-up 20 to 30, and there is one on either side. A thread that has just answered and
//! looks on for as long as the client usually takes finds the next request without it. The price is the processor, which does
//! nothing else meanwhile; so nobody looks unless told to, and no longer than told to after the last activity.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// One thread's part; not shared with others.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    /// Zero: the thread sleeps whenever there is nothing to do.
    time: Duration,
    /// Something happened since the last look.
    active: Cell<bool>,
    asleep: Cell<bool>,
    wake: Notify,
}

impl BusyPoll {
    pub(crate) fn new(time: Duration) -> Rc<Self> {
        Rc::new(Self { time, active: Cell::new(false), asleep: Cell::new(false), wake: Notify::new() })
    }

    /// Something happened: what belongs to it may follow soon.
    pub(crate) fn note(&self) {
        self.active.set(true);
        if self.asleep.take() {
            self.wake.notify_one();
        }
    }

    /// Keeps the thread's runtime from sleeping for as long as was asked for after each [`note`](Self::note). As long as a task is
    /// about to run, the runtime asks for events without waiting for them.
    pub(crate) async fn run(self: Rc<Self>) {
        if self.time.is_zero() {
            return;
        }
        loop {
            self.asleep.set(true);
            self.wake.notified().await;
            let mut last = Instant::now();
            while last.elapsed() < self.time {
                tokio::task::yield_now().await;
                if self.active.take() {
                    last = Instant::now();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_ends_in_its_time_and_begins_again() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("runtime");
        runtime.block_on(async {
            let poll = BusyPoll::new(Duration::from_micros(200));
            tokio::task::spawn_local(poll.clone().run());
            for _ in 0..3 {
                // The first time it has not begun to wait yet.
                while !poll.asleep.get() {
                    tokio::task::yield_now().await;
                }
                poll.note();
                assert!(!poll.asleep.get());
                let noted = Instant::now();
                while !poll.asleep.get() {
                    tokio::task::yield_now().await;
                }
                assert!(noted.elapsed() >= Duration::from_micros(200), "{:?}", noted.elapsed());
            }
        });
    }
}
