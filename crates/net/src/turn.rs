//! How much a connection does before the thread's other connections get their turn.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

/// Some 100 to 200 µs, so that who sends or reads all it can does not make others wait for long. A look for events in between
/// costs 1.
const BYTES_MAX: usize = 512 * 1024;
/// What a frame counts beside its bytes.
const PER_CALL: usize = 4096;

/// The work of one turn: bytes read, handed to the service, and sent.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    done: usize,
}

impl Turn {
    /// Bytes came from the socket, or went there.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(bytes);
    }

    /// The service is called with a frame of so many bytes.
    pub(crate) fn called(&mut self, bytes: usize) {
        self.moved(PER_CALL.saturating_add(bytes));
    }

    /// Whether it is time to let others work.
    pub(crate) fn is_over(&self) -> bool {
        self.done >= BYTES_MAX
    }
}

/// Has the task woken when the thread has looked for events, and what they woke has had its turn. A task that wakes itself at once is run
/// again without such a look, up to 60 times: the thread would do one connection's work and not see what comes on the others.
pub(crate) fn let_others<T>(cx: &mut Context<'_>) -> Poll<T> {
    // Its first poll leaves the waker with the runtime, for after that look.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}
