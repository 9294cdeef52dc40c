//! Accepting connections and choosing their thread.
//!
//! One thread accepts for all listeners and gives each connection to the data thread that has the fewest. The alternative, one
//! listening socket per data thread with `SO_REUSEPORT`, lets the kernel choose by a hash of the addresses: with the handful of
//! connections that a typical client has, all of them land on one of two threads every other time, while the other core idles. The
//! hand-over costs one wake-up per connection, not per request. Limits and waiting (a full broker stops accepting) also need no
//! coordination this way, and a data thread that is busy does not delay the accepting.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::context::ListenerInfo;
use crate::log_limit::LogLimit;
use crate::quotas::{ConnectionQuotas, Refused};
use crate::stats::NetStats;
use crate::worker::{Accepted, Load, Message, Place};

/// How long an acceptor pauses when accepting fails, for lack of file descriptors for instance.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Connections of addresses that open them too fast which are held for a while before they are closed. More are closed at
/// once.
const HELD_MAX: usize = 1_024;

/// A data thread as the acceptor sees it.
#[derive(Clone, Debug)]
pub(crate) struct WorkerLink {
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) load: Arc<Load>,
}

/// A listener that comes or goes while the server runs.
#[derive(Debug)]
pub(crate) enum ListenerChange {
    /// Accept here.
    Open(Socket, Arc<ListenerInfo>),
    /// Accept no more at the listener with this index, tell when its address is free, and close its connections.
    Close(usize, SyncSender<()>),
}

/// What the acceptors of all listeners share.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) quotas: Arc<ConnectionQuotas>,
    pub(crate) stats: Arc<NetStats>,
    workers: Vec<WorkerLink>,
    next_id: AtomicU64,
    /// Where the search for the least loaded thread starts, so that equals take turns.
    start: AtomicUsize,
    log_limit: LogLimit,
    /// Room for connections that are held.
    held: Arc<Semaphore>,
}

/// Kinds of log lines here.
const LOG_REJECTED: usize = 0;
const LOG_FAILED: usize = 1;
const LOG_BLOCKED: usize = 2;

impl Acceptor {
    pub(crate) fn new(
        quotas: Arc<ConnectionQuotas>,
        stats: Arc<NetStats>,
        workers: Vec<WorkerLink>,
    ) -> Arc<Self> {
        Arc::new(Acceptor {
            quotas,
            stats,
            workers,
            next_id: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            log_limit: LogLimit::new(3),
            held: Arc::new(Semaphore::new(HELD_MAX)),
        })
    }

    /// Accepts for all listeners, also those that come later, until `stop` is there; then the listening sockets are closed.
    pub(crate) async fn run(
        self: Arc<Self>,
        sockets: Vec<(Socket, Arc<ListenerInfo>)>,
        mut changes: mpsc::UnboundedReceiver<ListenerChange>,
        stop: impl Future,
    ) -> io::Result<()> {
        let mut listening = HashMap::new();
        for (socket, listener) in sockets {
            self.open(&mut listening, socket, listener)?;
        }
        tokio::pin!(stop);
        loop {
            tokio::select! {
                _ = &mut stop => return Ok(()),
                change = changes.recv() => match change {
                    Some(ListenerChange::Open(socket, listener)) => {
                        let name = listener.name.clone();
                        if let Err(error) = self.open(&mut listening, socket, listener) {
                            tracing::error!(listener = name, %error, "the listener cannot be opened");
                        }
                    }
                    Some(ListenerChange::Close(index, closed)) => {
                        self.close(listening.remove(&index), index, &closed).await;
                    }
                    // Nobody is left who could change anything.
                    None => {
                        stop.await;
                        return Ok(());
                    }
                },
            }
        }
    }

    fn open(
        self: &Arc<Self>,
        listening: &mut HashMap<usize, JoinHandle<()>>,
        socket: Socket,
        listener: Arc<ListenerInfo>,
    ) -> io::Result<()> {
        let socket = TcpListener::from_std(socket.into())?;
        let index = listener.index;
        listening.insert(index, tokio::spawn(self.clone().listen(socket, listener)));
        Ok(())
    }

    /// Stops listening, then has the listener's connections closed: none comes after that.
    async fn close(&self, listening: Option<JoinHandle<()>>, index: usize, closed: &SyncSender<()>) {
        if let Some(listening) = listening {
            listening.abort();
            let _ = listening.await;
        }
        // Whoever closes the listener may have stopped waiting.
        let _ = closed.try_send(());
        for worker in &self.workers {
            // Fails when the server stops.
            let _ = worker.sender.send(Message::CloseListener(index)).await;
        }
    }

    async fn listen(self: Arc<Self>, socket: TcpListener, listener: Arc<ListenerInfo>) {
        loop {
            match accept(&socket).await {
                Ok((connection, peer_addr)) => self.admit(connection, peer_addr, &listener).await,
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if let Some(suppressed) = self.log_limit.allow(LOG_FAILED, Instant::now()) {
                        let listener = &listener.name;
                        tracing::error!(listener, %error, suppressed, "cannot accept connections; if there are too many open files, raise ulimit -n");
                    }
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Kafka's order: the creation rate, a slot (both are waited for with the connection in hand, which leaves the next ones in
    /// the backlog), then the rate and the limit of the address.
    async fn admit(&self, socket: OwnedFd, peer_addr: SocketAddr, listener: &Arc<ListenerInfo>) {
        let delay = self.quotas.throttle(listener.index, Instant::now());
        if !delay.is_zero() {
            self.stats.accepts.throttled.add(1);
            tokio::time::sleep(delay).await;
        }
        let admitted =
            self.quotas.admit_when_free(listener.index, peer_addr.ip(), || self.blocked(listener)).await;
        let (permit, over_limit) = match admitted {
            Ok(admitted) => admitted,
            Err(Refused::TooMany(max)) => return self.rejected(peer_addr, listener, max),
            Err(Refused::TooFast(delay)) => return self.hold(socket, delay),
        };
        if over_limit {
            self.evict_one();
        }
        let Some(worker) = self.least_loaded() else { return };
        let accepted = Accepted {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            socket,
            peer_addr,
            listener: listener.clone(),
            permit,
            place: Place::new(&worker.load, !listener.protected),
        };
        self.stats.accepts.accepted.add(1);
        // Fails when the server stops, and the connection is closed then.
        let _ = worker.sender.send(Message::Accepted(accepted)).await;
    }

    fn least_loaded(&self) -> Option<&WorkerLink> {
        let start = self.start.fetch_add(1, Ordering::Relaxed);
        let turn = (0..self.workers.len())
            .filter_map(|i| self.workers.get(start.wrapping_add(i) % self.workers.len()));
        turn.min_by_key(|worker| worker.load.connections.load(Ordering::Relaxed))
    }

    /// Has the thread with the most connections that may be closed close its least recently used one. Kafka closes one on a
    /// network thread of its choice too.
    fn evict_one(&self) {
        let fullest = self.workers.iter().max_by_key(|worker| worker.load.evictable.load(Ordering::Relaxed));
        if let Some(worker) = fullest {
            // Where the thread's inbox is full, the next connection tries again.
            let _ = worker.sender.try_send(Message::EvictOne);
        }
    }

    fn rejected(&self, peer: SocketAddr, listener: &ListenerInfo, max: u32) {
        self.stats.accepts.rejected.add(1);
        self.quotas.count_refused(listener.index);
        if let Some(suppressed) = self.log_limit.allow(LOG_REJECTED, Instant::now()) {
            tracing::info!(%peer, listener = listener.name, suppressed, "connection rejected: its address has the {max} connections of max.connections.per.ip");
        }
    }

    /// Closes a connection after a while, without serving it: whoever opens them too fast then tries less often (KIP-612).
    fn hold(&self, socket: OwnedFd, delay: Duration) {
        self.stats.accepts.throttled_by_ip.add(1);
        if let Ok(room) = self.held.clone().try_acquire_owned() {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                drop((socket, room));
            });
        }
    }

    fn blocked(&self, listener: &ListenerInfo) {
        self.stats.accepts.blocked.add(1);
        if let Some(suppressed) = self.log_limit.allow(LOG_BLOCKED, Instant::now()) {
            tracing::warn!(
                listener = listener.name,
                suppressed,
                "max.connections is reached: new connections wait until one is closed"
            );
        }
    }
}

async fn accept(socket: &TcpListener) -> io::Result<(OwnedFd, SocketAddr)> {
    let (connection, peer) = socket.accept().await?;
    // Leaves this thread's runtime, for that of its data thread.
    let connection = OwnedFd::from(connection.into_std()?);
    Ok((connection, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
}
