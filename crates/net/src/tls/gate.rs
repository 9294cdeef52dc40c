//! The part of a thread's time that handshakes get.
//!
//! A step of a handshake is signing and agreeing on keys: a tenth of a millisecond with elliptic curves, one and more with RSA, as
//! much as dozens of requests. A thousand clients that come at once, after a restart or with bad intent, would have those that are
//! there wait for all of them. So only [`STEPS_MAX`] steps are made in one turn of the thread's loop, in the order of coming;
//! between turns everybody else is served. A thread that has nothing else to do turns without delay and loses nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// Steps in one turn.
const STEPS_MAX: usize = 2;

/// The gate of one thread.
#[derive(Debug)]
pub(crate) struct HandshakeGate {
    /// Steps that are left of this turn.
    left: Cell<usize>,
    /// Those who wait; the first has the number `called`.
    queue: RefCell<VecDeque<Waker>>,
    called: Cell<u64>,
    /// A step was made, or somebody waits.
    used: Notify,
}

/// A number in the queue.
pub(crate) type Place = u64;

impl HandshakeGate {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(HandshakeGate {
            left: Cell::new(STEPS_MAX),
            queue: RefCell::default(),
            called: Cell::new(0),
            used: Notify::new(),
        })
    }

    /// Lets the caller make one step. `place` is its own in the queue; who is called and does not come holds nobody up.
    pub(crate) fn poll_pass(&self, cx: &mut Context<'_>, place: &mut Option<Place>) -> Poll<()> {
        let mut queue = self.queue.borrow_mut();
        let is_called = match *place {
            None => queue.is_empty(),
            Some(place) => place < self.called.get(),
        };
        if !is_called && place.is_some() {
            return Poll::Pending;
        }
        self.used.notify_one();
        if is_called && self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            *place = None;
            return Poll::Ready(());
        }
        *place = Some(self.called.get() + queue.len() as u64);
        queue.push_back(cx.waker().clone());
        Poll::Pending
    }

    /// Begins a turn after the other, where there is need; a task of the thread for as long as it lives.
    pub(crate) async fn renew(self: Rc<Self>) {
        loop {
            self.used.notified().await;
            // Behind everybody who is ready, and behind what the kernel has news of.
            tokio::task::yield_now().await;
            self.left.set(STEPS_MAX);
            let mut queue = self.queue.borrow_mut();
            for waker in queue.iter().take(STEPS_MAX) {
                self.called.set(self.called.get() + 1);
                waker.wake_by_ref();
            }
            let called = queue.len().min(STEPS_MAX);
            queue.drain(..called);
            if queue.is_empty() {
                *queue = VecDeque::new();
            } else {
                self.used.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn runtime() -> (tokio::runtime::Runtime, tokio::task::LocalSet) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        (runtime, tokio::task::LocalSet::new())
    }

    async fn pass(gate: &HandshakeGate) {
        let mut place = None;
        std::future::poll_fn(|cx| gate.poll_pass(cx, &mut place)).await;
    }

    #[test]
    fn who_does_not_come_holds_nobody_up() {
        let (runtime, local) = runtime();
        local.block_on(&runtime, async {
            let gate = HandshakeGate::new();
            tokio::task::spawn_local(gate.clone().renew());
            let mut places = [None; 50];
            for place in &mut places {
                let _ = gate.poll_pass(&mut Context::from_waker(Waker::noop()), place);
            }
            // All but the first two wait, and never ask again.
            assert_eq!(places.iter().flatten().count(), 50 - STEPS_MAX);
            for _ in 0..10 {
                pass(&gate).await;
            }
        });
    }

    /// Who does one thing after the other gets its turn after a few steps of others, however many are waiting.
    #[test]
    fn a_flood_leaves_room_between_its_steps() {
        const FLOOD: usize = 1000;
        let (runtime, local) = runtime();
        let (longest, steps) = local.block_on(&runtime, async {
            let (gate, steps) = (HandshakeGate::new(), Rc::new(Cell::new(0_usize)));
            tokio::task::spawn_local(gate.clone().renew());
            for _ in 0..FLOOD {
                let (gate, steps) = (gate.clone(), steps.clone());
                tokio::task::spawn_local(async move {
                    pass(&gate).await;
                    steps.set(steps.get() + 1);
                });
            }
            let (mut longest, mut seen) = (0, 0);
            while steps.get() < FLOOD {
                tokio::task::yield_now().await;
                longest = longest.max(steps.get() - seen);
                seen = steps.get();
            }
            (longest, steps.get())
        });
        assert_eq!(steps, FLOOD);
        // Two turns may fall between two looks.
        assert!(longest <= 2 * STEPS_MAX, "{longest} steps at once");
    }
}
