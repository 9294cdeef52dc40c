//! One connection: a task that reads, calls, and answers.
//!
//! Its [`Connection::poll`] does whatever can be done and returns: finished answers go to the output, the output to the socket, the
//! frames at hand to the service, and only when all of that is done is more read. On the common path a wake-up is one read, one
//! call per complete frame, and one write for all their answers.
//!
//! Everything that must not grow is bounded here. Reading stops while the output is blocked (a slow reader), while
//! [`UNANSWERED_MAX`](crate::replies::UNANSWERED_MAX) requests wait for answers, while [`UNSENT_MAX`] bytes of answers wait for an
//! earlier one, while the client is muted, and while `queued.max.request.bytes` are in use.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use crate::close::{CloseReason, panic_message};
use crate::context::ConnectionContext;
use crate::frame::{BadInput, SIZE_LEN};
use crate::memory::Charge;
use crate::output::{Output, SendError};
use crate::quotas::Permit;
use crate::receive::ReceiveBuffer;
use crate::replies::{Next, Replies};
use crate::response::ResponseFrame;
use crate::service::Reply;
use crate::transport::{Received, Transport};
use crate::turn::{Turn, let_others};
use crate::worker::{Place, Worker};

/// Bytes of answers that may wait in the connection before no more requests are called.
pub(crate) const UNSENT_MAX: u64 = 4 * 1024 * 1024;

/// The longest pause of reading. Kafka's quotas ask for a second at most; this only keeps the arithmetic safe.
const MUTE_MAX: Duration = Duration::from_secs(86_400);

/// A connection and its place in its thread.
pub(crate) struct Connection {
    worker: Rc<Worker>,
    context: Rc<ConnectionContext>,
    handle: Rc<ConnectionHandle>,
    transport: Transport,
    receive: ReceiveBuffer,
    /// The client is not known yet, and smaller frames are asked for.
    limited: bool,
    /// The share of `queued.max.request.bytes` of the frame at the front of `receive`.
    charge: Option<Charge>,
    replies: Replies,
    output: Output,
    /// The end has been reached in the order of replies; it happens when the output is empty.
    closing: Option<CloseReason>,
    muted: Option<Pin<Box<Sleep>>>,
    turn: Turn,
    /// Gives the connection's slot and its part in the thread's load back.
    _counted: (Permit, Place),
}

/// What the thread's sweep and eviction see of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    context: Rc<ConnectionContext>,
    /// Sweep at the time of its beginning.
    pub(crate) opened_tick: Cell<u64>,
    /// Sweep at the time of the last activity.
    pub(crate) active_tick: Cell<u64>,
    /// Order of the last activity among the thread's connections.
    pub(crate) active_order: Cell<u64>,
    /// May not be closed to make room.
    pub(crate) protected: bool,
    kill: Cell<Option<Kill>>,
    waker: RefCell<Option<Waker>>,
}

/// An end that comes from outside the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    Idle,
    Evicted,
    Unauthenticated,
    ListenerClosed,
}

impl ConnectionHandle {
    fn new(context: Rc<ConnectionContext>) -> Self {
        Self {
            opened_tick: Cell::default(),
            active_tick: Cell::default(),
            active_order: Cell::default(),
            protected: context.listener().protected,
            kill: Cell::default(),
            waker: RefCell::default(),
            context,
        }
    }

    /// The listener that it came by.
    pub(crate) fn listener_index(&self) -> usize {
        self.context.listener().index
    }

    /// Whether it is known who the client is, or nobody asks.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.context.is_authenticated()
    }

    /// Ends the connection at its next turn, which is soon.
    pub(crate) fn kill(&self, kill: Kill) {
        self.kill.set(Some(kill));
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }
}

/// What [`Connection::serve`] came to.
enum Served {
    /// At least one frame was called, or the connection's end was found.
    Called,
    /// There is no complete frame.
    NeedsBytes,
    /// `queued.max.request.bytes` are in use; the task is woken when some are free.
    NeedsMemory,
}

impl Connection {
    pub(crate) fn new(
        worker: Rc<Worker>,
        context: Rc<ConnectionContext>,
        transport: Transport,
        counted: (Permit, Place),
    ) -> Self {
        let handle = Rc::new(ConnectionHandle::new(context.clone()));
        worker.open(&context, &handle);
        let max = worker.settings.socket_request_max_bytes;
        let limited = !context.is_authenticated();
        let limit = if limited { context.listener().unauthenticated_request_max_bytes } else { max };
        Connection {
            receive: ReceiveBuffer::new(limit.min(max)),
            limited,
            worker,
            context,
            handle,
            transport,
            charge: None,
            replies: Replies::default(),
            output: Output::default(),
            closing: None,
            muted: None,
            turn: Turn::default(),
            _counted: counted,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let reason = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.transport.close();
        self.worker.report(&self.context, &reason);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.handle.register(cx.waker());
        if let Some(kill) = self.handle.kill.take() {
            return Poll::Ready(self.killed(kill));
        }
        self.turn = Turn::default();
        self.poll_waiting(cx, false);
        loop {
            self.settle();
            if let Err(reason) = ready!(self.poll_flush(cx)) {
                return Poll::Ready(reason);
            }
            if let Some(reason) = self.closing.take() {
                return Poll::Ready(reason);
            }
            if self.worker.draining.get() {
                // What was not called yet will not be; what was is answered.
                return if self.replies.is_empty() {
                    Poll::Ready(CloseReason::Shutdown)
                } else {
                    Poll::Pending
                };
            }
            ready!(self.poll_muted(cx));
            if !self.may_call() {
                // The output is empty, so an answer is waited for, and it wakes the task.
                return Poll::Pending;
            }
            if self.turn.is_over() {
                return let_others(cx);
            }
            match self.serve(cx) {
                Served::Called => {}
                Served::NeedsMemory => return Poll::Pending,
                Served::NeedsBytes => {
                    if let Err(reason) = ready!(self.poll_read(cx)) {
                        return Poll::Ready(reason);
                    }
                    if self.limited {
                        self.note_certificate();
                    }
                }
            }
        }
    }

    /// Hands the complete frames to the service, as far as the bounds allow.
    fn serve(&mut self, cx: &mut Context<'_>) -> Served {
        let mut called = false;
        while !self.turn.is_over() && self.may_call() {
            // A login may have been waited for, too.
            if self.limited && self.context.is_authenticated() {
                self.lift_limit();
            }
            let size = match self.receive.frame_size() {
                Ok(Some(size)) => size,
                Ok(None) => break,
                Err(bad) => {
                    let bad = match bad {
                        BadInput::TooLarge { size, max } if self.limited => {
                            BadInput::TooLargeUnauthenticated { size, max }
                        }
                        bad => bad,
                    };
                    self.replies.push_close(CloseReason::BadInput(bad));
                    return Served::Called;
                }
            };
            // What strangers announce is bounded by itself, and takes nothing from those who belong here.
            if !self.limited && self.charge.is_none() {
                match self.worker.queued.poll_charge(size, cx) {
                    Poll::Ready(charge) => self.charge = Some(charge),
                    Poll::Pending if called => break,
                    Poll::Pending => return Served::NeedsMemory,
                }
            }
            let Some(frame) = self.receive.split_frame(size) else { break };
            self.turn.called(frame.len());
            called = true;
            self.call(frame);
        }
        if !called {
            return Served::NeedsBytes;
        }
        self.worker.touch(&self.handle);
        self.poll_waiting(cx, true);
        Served::Called
    }

    fn call(&mut self, frame: Bytes) {
        self.worker.stats().requests.add(1);
        let charge = self.charge.take().unwrap_or_default();
        let bytes = frame.len();
        let (service, context) = (&self.worker.service, &self.context);
        match catch_unwind(AssertUnwindSafe(|| service.call(context, frame))) {
            Ok(Reply::Now(frame)) => {
                self.mute(frame.mute_for);
                if self.replies.is_empty() {
                    self.emit(frame);
                } else {
                    self.replies.push(Reply::Now(frame), charge, bytes);
                }
            }
            Ok(Reply::Pause(duration)) => self.mute(Some(duration)),
            Ok(reply) => self.replies.push(reply, charge, bytes),
            Err(panic) => self.replies.push_close(CloseReason::Panic(panic_message(&*panic))),
        }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>, only_new: bool) {
        let mut mute = None;
        self.replies.poll_waiting(cx, only_new, |duration| mute = mute.max(duration));
        self.mute(mute);
    }

    /// Moves the answers that are due to the output.
    fn settle(&mut self) {
        while self.closing.is_none() {
            match self.replies.next() {
                Next::Frame(frame) => self.emit(frame),
                Next::Close(reason) => self.closing = Some(reason),
                Next::Wait => return,
            }
        }
    }

    fn emit(&mut self, frame: ResponseFrame) {
        if frame.is_well_formed() {
            self.worker.stats().responses.add(1);
            self.output.push(frame);
        } else {
            self.closing = Some(CloseReason::Malformed);
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        if self.output.is_empty() && !self.transport.has_unsent() {
            return Poll::Ready(Ok(()));
        }
        let (worker, unsent) = (&self.worker, self.output.unsent());
        let flushed = self.output.poll_flush(
            cx,
            &mut self.transport,
            &worker.file_buffers,
            worker.stats(),
            &mut self.turn,
        );
        if self.output.unsent() < unsent {
            worker.touch(&self.handle);
        }
        flushed.map_err(|error| match error {
            SendError::Socket(error) => CloseReason::of_socket(error),
            SendError::File(error) => CloseReason::File(error),
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let pool = &mut *self.worker.receive_pool.borrow_mut();
        // Asked first, so that no buffer is taken when there is nothing to read.
        if let Err(error) = match self.transport.poll_readable(cx) {
            Poll::Ready(ready) => ready,
            Poll::Pending => {
                self.receive.park(pool);
                return Poll::Pending;
            }
        } {
            return Poll::Ready(Err(CloseReason::of_socket(error)));
        }
        let buffer = self.receive.prepare(pool);
        let spare = buffer.capacity() - buffer.len();
        let read = match self.transport.poll_read(cx, buffer) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                self.receive.park(pool);
                return Poll::Pending;
            }
        };
        Poll::Ready(match read {
            Ok(Received { bytes: 0, .. }) => Err(CloseReason::Peer),
            Ok(Received { bytes, was_full }) => {
                // With TLS there is less than room for it: headers and seals are gone.
                self.receive.learn(if was_full { spare } else { bytes }, spare);
                self.turn.moved(bytes);
                self.worker.stats().bytes_in.add(bytes as u64);
                Ok(())
            }
            Err(error) => Err(CloseReason::of_socket(error)),
        })
    }

    /// A request has come on a connection with TLS, so its handshake is done. Without SASL nothing else is asked for.
    fn note_certificate(&mut self) {
        if let Some(der) = self.transport.peer_certificate() {
            self.context.set_peer_certificate(der);
        }
        if !self.context.security_protocol().has_sasl() {
            self.context.set_authenticated();
            self.lift_limit();
        }
    }

    /// From now on `socket.request.max.bytes` holds.
    fn lift_limit(&mut self) {
        self.limited = false;
        self.receive.set_max(self.worker.settings.socket_request_max_bytes);
    }

    fn may_call(&self) -> bool {
        self.muted.is_none()
            && self.closing.is_none()
            && self.replies.has_room()
            && self.output.unsent().saturating_add(self.replies.ready_bytes()) < UNSENT_MAX
    }

    fn mute(&mut self, duration: Option<Duration>) {
        let Some(duration) = duration.filter(|duration| !duration.is_zero()) else { return };
        let until = tokio::time::Instant::now() + duration.min(MUTE_MAX);
        if self.muted.as_ref().is_none_or(|muted| muted.deadline() < until) {
            self.muted = Some(Box::pin(tokio::time::sleep_until(until)));
        }
    }

    fn poll_muted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(muted) = &mut self.muted {
            ready!(muted.as_mut().poll(cx));
            self.muted = None;
        }
        Poll::Ready(())
    }

    fn killed(&self, kill: Kill) -> CloseReason {
        match kill {
            Kill::Evicted => CloseReason::Evicted,
            Kill::Unauthenticated => CloseReason::Unauthenticated,
            Kill::ListenerClosed => CloseReason::ListenerClosed,
            Kill::Idle => match (self.receive.len(), self.receive.frame_size()) {
                (0, _) | (_, Err(_)) => CloseReason::Idle,
                (received, Ok(Some(size))) if received >= size.saturating_add(SIZE_LEN) => CloseReason::Idle,
                (received, Ok(size)) => CloseReason::Incomplete { received, size },
            },
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.close(&self.context);
    }
}
