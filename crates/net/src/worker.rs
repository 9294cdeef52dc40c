//! A data thread: a runtime of its own, the connections it was given, and what they share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::busy_poll::BusyPoll;
use crate::close::CloseReason;
use crate::connection::{Connection, ConnectionHandle, Kill};
use crate::context::{ConnectionContext, ListenerInfo};
use crate::file_range::FileBuffers;
use crate::log_limit::LogLimit;
use crate::memory::QueuedBytes;
use crate::quotas::Permit;
use crate::receive::ReceivePool;
use crate::service::Service;
use crate::stats::{NetStats, WorkerStats};
use crate::tls::{self, HandshakeGate};
use crate::transport::Transport;

/// The settings that connections look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) socket_request_max_bytes: u32,
    pub(crate) connections_max_idle_ms: i64,
    pub(crate) authentication_max_ms: i64,
    pub(crate) busy_poll: Duration,
}

/// What all threads of a server share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) stats: Arc<NetStats>,
    pub(crate) log_limit: Arc<LogLimit>,
    pub(crate) queued: Arc<QueuedBytes>,
}

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Serve this connection.
    Accepted(Accepted),
    /// Close the least recently used connection of an unprotected listener.
    EvictOne,
    /// Close the connections of the listener with this index.
    CloseListener(usize),
}

/// A new connection on its way to its thread.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) id: u64,
    pub(crate) socket: OwnedFd,
    pub(crate) peer_addr: SocketAddr,
    pub(crate) listener: Arc<ListenerInfo>,
    pub(crate) permit: Permit,
    pub(crate) place: Place,
}

/// How many connections a thread has; looked at by the acceptor.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) connections: AtomicUsize,
    /// Those that may be closed to make room.
    pub(crate) evictable: AtomicUsize,
}

/// One connection's part in a [`Load`].
#[derive(Debug)]
pub(crate) struct Place {
    load: Arc<Load>,
    evictable: bool,
}

impl Place {
    pub(crate) fn new(load: &Arc<Load>, evictable: bool) -> Self {
        load.connections.fetch_add(1, Ordering::Relaxed);
        load.evictable.fetch_add(usize::from(evictable), Ordering::Relaxed);
        Place { load: load.clone(), evictable }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.connections.fetch_sub(1, Ordering::Relaxed);
        self.load.evictable.fetch_sub(usize::from(self.evictable), Ordering::Relaxed);
    }
}

/// The state of a data thread. Single-threaded; the connections' tasks hold an `Rc` of it.
pub(crate) struct Worker {
    index: usize,
    pub(crate) settings: Settings,
    pub(crate) service: Rc<dyn Service>,
    pub(crate) queued: Arc<QueuedBytes>,
    pub(crate) receive_pool: RefCell<ReceivePool>,
    pub(crate) file_buffers: FileBuffers,
    handshakes: Rc<HandshakeGate>,
    busy_poll: Rc<BusyPoll>,
    /// Set once: no more requests are called.
    pub(crate) draining: Cell<bool>,
    stats: Arc<NetStats>,
    log_limit: Arc<LogLimit>,
    connections: RefCell<HashMap<u64, Rc<ConnectionHandle>>>,
    /// Counts sweeps. Activity is noted as a number of sweeps, so that no clock is read on the hot path.
    tick: Cell<u64>,
    /// Counts activities, for the order of least recent use.
    order: Cell<u64>,
    /// A connection was closed.
    closed: Notify,
}

/// Sweeps within `connections.max.idle.ms`: a connection is closed at most this part of it late.
const SWEEPS_PER_IDLE: u64 = 4;
/// Bounds of the time between sweeps.
const SWEEP_MIN: Duration = Duration::from_millis(5);
const SWEEP_MAX: Duration = Duration::from_secs(10);

impl Worker {
    pub(crate) fn new(index: usize, service: Rc<dyn Service>, shared: Shared) -> Rc<Self> {
        Rc::new(Worker {
            index,
            settings: shared.settings,
            service,
            queued: shared.queued,
            receive_pool: RefCell::default(),
            file_buffers: FileBuffers::default(),
            handshakes: HandshakeGate::new(),
            busy_poll: BusyPoll::new(shared.settings.busy_poll),
            draining: Cell::new(false),
            stats: shared.stats,
            log_limit: shared.log_limit,
            connections: RefCell::default(),
            tick: Cell::new(0),
            order: Cell::new(0),
            closed: Notify::new(),
        })
    }

    /// The thread's life. Must run on a runtime that can spawn local tasks. When `stop` gets a deadline, what was called is
    /// answered until then, and it ends.
    pub(crate) async fn run(
        self: Rc<Self>,
        mut inbox: mpsc::Receiver<Message>,
        mut stop: watch::Receiver<Option<std::time::Instant>>,
    ) {
        let Settings { connections_max_idle_ms: idle_ms, authentication_max_ms, .. } = self.settings;
        let period = sweep_period(idle_ms).min(sweep_period(authentication_max_ms));
        let (idle_ticks, authentication_ticks) =
            (ticks(idle_ms, period), ticks(authentication_max_ms, period));
        tokio::task::spawn_local(self.handshakes.clone().renew());
        tokio::task::spawn_local(self.busy_poll.clone().run());
        let mut sweep = tokio::time::interval(period);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                message = inbox.recv() => match message {
                    Some(Message::Accepted(accepted)) => self.accept(accepted),
                    Some(Message::EvictOne) => self.evict_one(),
                    Some(Message::CloseListener(index)) => self.close_listener(index),
                    None => break,
                },
                _ = sweep.tick() => self.sweep(idle_ticks, authentication_ticks),
            }
        }
        let deadline = stop.borrow().map_or_else(Instant::now, Instant::from);
        drop(inbox);
        self.draining.set(true);
        for handle in self.handles() {
            handle.wake();
        }
        let drained = async {
            while !self.connections.borrow().is_empty() {
                self.closed.notified().await;
            }
        };
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            tracing::debug!(
                connections = self.connections.borrow().len(),
                "closing connections with unanswered requests"
            );
        }
    }

    fn accept(self: &Rc<Self>, accepted: Accepted) {
        let Accepted { id, socket, peer_addr, listener, permit, place } = accepted;
        let opened = Transport::new(socket, listener.tls.as_ref(), &self.handshakes)
            .and_then(|transport| Ok((transport.local_addr()?, transport)));
        match opened {
            Ok((local_addr, transport)) => {
                let local_addr = SocketAddr::new(local_addr.ip().to_canonical(), local_addr.port());
                let context =
                    Rc::new(ConnectionContext::new(id, self.index, listener, peer_addr, local_addr));
                let connection = Connection::new(self.clone(), context, transport, (permit, place));
                tokio::task::spawn_local(connection.run());
            }
            // The client is gone already, or there is no memory for the registration.
            Err(error) => tracing::debug!(%peer_addr, %error, "accepted connection lost"),
        }
    }

    /// Notes a new connection and tells the service.
    pub(crate) fn open(&self, context: &Rc<ConnectionContext>, handle: &Rc<ConnectionHandle>) {
        self.touch(handle);
        handle.opened_tick.set(self.tick.get());
        self.connections.borrow_mut().insert(context.id(), handle.clone());
        self.stats().opened.add(1);
        self.guarded("connected", || self.service.connected(context));
    }

    /// Forgets a connection and tells the service.
    pub(crate) fn close(&self, context: &Rc<ConnectionContext>) {
        self.guarded("disconnected", || self.service.disconnected(context));
        self.connections.borrow_mut().remove(&context.id());
        self.stats().closed.add(1);
        self.closed.notify_one();
    }

    fn guarded(&self, hook: &str, call: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            self.stats().panics.add(1);
            tracing::error!(hook, "the service panicked; please report this");
        }
    }

    /// Notes that a connection made progress: a complete request came, or part of an answer left.
    pub(crate) fn touch(&self, handle: &ConnectionHandle) {
        let order = self.order.get().wrapping_add(1);
        self.order.set(order);
        handle.active_order.set(order);
        self.busy_poll.note();
        handle.active_tick.set(self.tick.get());
    }

    pub(crate) fn stats(&self) -> &WorkerStats {
        // The index is below the number of threads by construction.
        #[allow(clippy::indexing_slicing)]
        &self.stats.workers[self.index]
    }

    pub(crate) fn report(&self, context: &ConnectionContext, reason: &CloseReason) {
        reason.report(context, self.settings.connections_max_idle_ms, &self.log_limit, self.stats());
    }

    /// Closes what was idle for `idle_ticks` sweeps or nobody's for `authentication_ticks`, and gives unused buffers back.
    fn sweep(&self, idle_ticks: Option<u64>, authentication_ticks: Option<u64>) {
        let tick = self.tick.get() + 1;
        self.tick.set(tick);
        self.receive_pool.borrow_mut().trim();
        self.file_buffers.trim();
        tls::trim();
        let is_over = |since: u64, ticks: Option<u64>| ticks.is_some_and(|ticks| tick - since > ticks);
        for handle in self.connections.borrow().values() {
            if is_over(handle.active_tick.get(), idle_ticks) {
                handle.kill(Kill::Idle);
            } else if !handle.is_authenticated() && is_over(handle.opened_tick.get(), authentication_ticks) {
                handle.kill(Kill::Unauthenticated);
            }
        }
    }

    fn evict_one(&self) {
        let connections = self.connections.borrow();
        let candidates = connections.values().filter(|handle| !handle.protected);
        if let Some(handle) = candidates.min_by_key(|handle| handle.active_order.get()) {
            handle.kill(Kill::Evicted);
        }
    }

    fn close_listener(&self, index: usize) {
        let connections = self.connections.borrow();
        let those = connections.values().filter(|handle| handle.listener_index() == index);
        those.for_each(|handle| handle.kill(Kill::ListenerClosed));
    }

    fn handles(&self) -> Vec<Rc<ConnectionHandle>> {
        self.connections.borrow().values().cloned().collect()
    }
}

/// Time between sweeps that find out in time what has lasted for `max_ms`; negative: nothing does.
fn sweep_period(max_ms: i64) -> Duration {
    let Ok(max_ms) = u64::try_from(max_ms) else { return SWEEP_MAX };
    (Duration::from_millis(max_ms) / SWEEPS_PER_IDLE as u32).clamp(SWEEP_MIN, SWEEP_MAX)
}

/// How many sweeps a time takes; `None` for one that never ends.
fn ticks(max_ms: i64, period: Duration) -> Option<u64> {
    let max = u128::from(u64::try_from(max_ms).ok()?);
    Some(u64::try_from(max.div_ceil(period.as_millis().max(1))).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_rare_but_often_enough() {
        let plan = |ms| (sweep_period(ms), ticks(ms, sweep_period(ms)));
        assert_eq!(plan(600_000), (Duration::from_secs(10), Some(60)));
        assert_eq!(plan(1000), (Duration::from_millis(250), Some(4)));
        assert_eq!(plan(1), (SWEEP_MIN, Some(1)));
        assert_eq!(plan(0), (SWEEP_MIN, Some(0)));
        assert_eq!(plan(-1), (SWEEP_MAX, None));
        assert_eq!(plan(i64::MAX).0, SWEEP_MAX);
        assert_eq!(ticks(600_000, sweep_period(1000)), Some(2400));
    }
}
