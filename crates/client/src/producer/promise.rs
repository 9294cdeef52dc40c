//! A value that comes once and is awaited by many. No runtime: wakers only.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// A value to come. Once it is there, looking at it takes no lock: of a batch's records each looks.
#[derive(Debug)]
pub(super) struct Promise<T> {
    value: OnceLock<T>,
    /// Of those that wait; a waiter knows its place, so that one that is polled often takes one.
    wakers: Mutex<Vec<Waker>>,
}

impl<T> Default for Promise<T> {
    fn default() -> Self {
        Self { value: OnceLock::new(), wakers: Mutex::default() }
    }
}

impl<T> Promise<T> {
    /// Gives the value and wakes all who wait. The first value stays.
    pub fn set(&self, value: T) {
        if self.value.set(value).is_err() {
            return;
        }
        // Behind the value: who registers after this sees it.
        let wakers = std::mem::take(&mut *self.wakers.lock());
        for waker in wakers {
            waker.wake();
        }
    }

    /// Looks at the value, or sees to it that `cx` is woken once it is there. `place` is the waiter's own, `None` at
    /// first.
    pub fn poll_with<R>(
        &self,
        cx: &mut Context<'_>,
        place: &mut Option<usize>,
        look: impl FnOnce(&T) -> R,
    ) -> Poll<R> {
        if let Some(value) = self.value.get() {
            return Poll::Ready(look(value));
        }
        let mut wakers = self.wakers.lock();
        if let Some(value) = self.value.get() {
            return Poll::Ready(look(value));
        }
        match place.and_then(|at| wakers.get_mut(at)) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                *place = Some(wakers.len());
                wakers.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }

    /// The value once it is there.
    pub fn wait(self: &Arc<Self>) -> Wait<T>
    where
        T: Clone,
    {
        Wait { promise: self.clone(), place: None }
    }
}

/// Waits for a promise.
#[derive(Debug)]
pub(super) struct Wait<T> {
    promise: Arc<Promise<T>>,
    place: Option<usize>,
}

impl<T: Clone> Future for Wait<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        this.promise.poll_with(cx, &mut this.place, T::clone)
    }
}
