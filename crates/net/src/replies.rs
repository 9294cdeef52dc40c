//! The replies a connection owes, in the order of its requests.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::close::{CloseReason, panic_message};
use crate::memory::Charge;
use crate::response::ResponseFrame;
use crate::service::{Answer, Reply};

/// Requests without a complete answer before no more are called.
pub(crate) const UNANSWERED_MAX: usize = 100;
/// Bytes of requests whose answers have yet to come before no more are called: what waits for a slow disk is in memory.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Replies that cannot leave yet: the one at the front is waited for, the others are behind it.
#[derive(Default)]
pub(crate) struct Replies {
    slots: VecDeque<Slot>,
    /// Slots that are `Waiting`.
    waiting: usize,
    /// Bytes of their requests.
    waiting_bytes: usize,
    /// Slots whose future was never polled are at the end, this many.
    unpolled: usize,
    /// Bytes of the frames that are `Ready`.
    ready_bytes: u64,
}

enum Slot {
    /// The charge is held until the answer is there; last, the request's size in bytes.
    Waiting(Pin<Box<dyn Future<Output = Answer>>>, #[allow(dead_code)] Charge, usize),
    Ready(ResponseFrame),
    /// A response, and the end of the connection behind it.
    Last(ResponseFrame, String),
    Silent,
    Close(CloseReason),
}

/// What can leave next.
pub(crate) enum Next {
    /// A response.
    Frame(ResponseFrame),
    /// The connection's end; nothing comes after it.
    Close(CloseReason),
    /// Nothing now.
    Wait,
}

impl Replies {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of responses that wait for earlier ones.
    pub(crate) fn ready_bytes(&self) -> u64 {
        self.ready_bytes
    }

    /// Whether another request may be called.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.len() < UNANSWERED_MAX
            && self.waiting_bytes < WAITING_BYTES_MAX
            && !matches!(self.slots.back(), Some(Slot::Close(_) | Slot::Last(..)))
    }

    /// Adds the reply to the request of `bytes` that came after all others.
    pub(crate) fn push(&mut self, reply: Reply, charge: Charge, bytes: usize) {
        match reply {
            Reply::Now(frame) => {
                self.ready_bytes += frame.len();
                self.slots.push_back(Slot::Ready(frame));
            }
            Reply::Later(answer) => {
                self.slots.push_back(Slot::Waiting(answer, charge, bytes));
                self.waiting += 1;
                self.waiting_bytes += bytes;
                self.unpolled += 1;
            }
            Reply::None | Reply::Pause(_) => {}
            Reply::Close(reason) => self.push_close(CloseReason::Service(reason)),
        }
    }

    /// Ends the connection after the earlier replies.
    pub(crate) fn push_close(&mut self, reason: CloseReason) {
        self.slots.push_back(Slot::Close(reason));
    }

    /// Polls all waiting answers, or only those that never were. `mute` hears of each pause
    /// of reading that comes with an answer.
    pub(crate) fn poll_waiting(
        &mut self,
        cx: &mut Context<'_>,
        only_new: bool,
        mut mute: impl FnMut(Option<Duration>),
    ) {
        if self.waiting == 0 || (only_new && self.unpolled == 0) {
            return;
        }
        let mut new_left = self.unpolled;
        for slot in self.slots.iter_mut().rev() {
            let Slot::Waiting(answer, _, bytes) = slot else { continue };
            let bytes = *bytes;
            if only_new && new_left == 0 {
                break;
            }
            new_left = new_left.saturating_sub(1);
            let done = match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(Answer::Frame(frame))) => {
                    mute(frame.mute_for);
                    self.ready_bytes += frame.len();
                    Slot::Ready(frame)
                }
                Ok(Poll::Ready(Answer::Last(frame, reason))) => {
                    self.ready_bytes += frame.len();
                    Slot::Last(frame, reason)
                }
                Ok(Poll::Ready(Answer::None)) => Slot::Silent,
                Ok(Poll::Ready(Answer::Pause(duration))) => {
                    mute(Some(duration));
                    Slot::Silent
                }
                Ok(Poll::Ready(Answer::Close(reason))) => Slot::Close(CloseReason::Service(reason)),
                Err(panic) => Slot::Close(CloseReason::Panic(panic_message(&*panic))),
            };
            self.waiting -= 1;
            self.waiting_bytes -= bytes;
            *slot = done;
        }
        self.unpolled = 0;
    }

    /// Takes what is due.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            match self.slots.front() {
                None | Some(Slot::Waiting(..)) => return Next::Wait,
                _ => {}
            }
            match self.slots.pop_front() {
                Some(Slot::Ready(frame)) => {
                    self.ready_bytes = self.ready_bytes.saturating_sub(frame.len());
                    return Next::Frame(frame);
                }
                Some(Slot::Last(frame, reason)) => {
                    // What was asked for behind it is not answered.
                    *self = Replies::default();
                    self.push_close(CloseReason::Service(reason));
                    return Next::Frame(frame);
                }
                Some(Slot::Close(reason)) => {
                    // What was asked for after the end is not answered.
                    *self = Replies::default();
                    return Next::Close(reason);
                }
                _ => {}
            }
        }
    }
}
