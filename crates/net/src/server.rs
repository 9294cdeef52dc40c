//! Starting and stopping.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

use crate::acceptor::{Acceptor, ListenerChange, WorkerLink};
use crate::close;
use crate::context::ListenerInfo;
use crate::error::NetError;
use crate::listener;
use crate::listeners::Listeners;
use crate::memory::QueuedBytes;
use crate::options::NetOptions;
use crate::quotas::ConnectionQuotas;
use crate::service::Service;
use crate::stats::NetStats;
use crate::time_slice;
use crate::worker::{Load, Settings, Shared, Worker};

/// Time that in-flight requests are given at a shutdown where nothing says otherwise; the whole shutdown then ends within a second.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// Time beyond the grace period for threads to end; one that hangs in a service call is left behind.
const SHUTDOWN_SLACK: Duration = Duration::from_millis(300);
/// Accepted connections on their way to a data thread, before the acceptor waits for it.
const INBOX_MAX: usize = 256;
/// Stack of a data thread, in bytes; only what is touched takes memory.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// Listeners and connections. [`Server::bind`] then [`BoundServer::serve`], or both as [`Server::start`].
#[derive(Debug)]
pub struct Server;

/// A server whose sockets are bound, but that accepts nothing yet: clients that connect wait in the backlog.
#[derive(Debug)]
pub struct BoundServer {
    options: NetOptions,
    sockets: Vec<(Socket, Arc<ListenerInfo>)>,
    addresses: Vec<(String, SocketAddr)>,
    quotas: Arc<ConnectionQuotas>,
}

/// A running server. Dropping it stops the server without waiting for anything.
#[derive(Debug)]
pub struct ServerHandle {
    listeners: Listeners,
    quotas: Arc<ConnectionQuotas>,
    stats: Arc<NetStats>,
    /// Set to the time when everything has to be closed.
    stop: watch::Sender<Option<Instant>>,
    /// Each thread drops its sender when it ends.
    ended: std_mpsc::Receiver<()>,
}

/// Which data thread a service is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// From 0.
    pub index: usize,
    /// Number of data threads.
    pub count: usize,
}

impl Server {
    /// Binds all listeners, or none.
    ///
    /// # Errors
    /// When a listener cannot be served or bound; the error says which, and what to do.
    pub fn bind(options: NetOptions) -> Result<BoundServer, NetError> {
        if options.listeners.is_empty() {
            return Err(NetError::NoListeners);
        }
        let mut names = HashSet::new();
        for listener in &options.listeners {
            if !names.insert(listener.name.as_str()) {
                return Err(NetError::DuplicateListener(listener.name.clone()));
            }
            listener::check(listener)?;
        }
        let infos = (0..).zip(&options.listeners).map(|(index, listener)| {
            let inter_broker = options.inter_broker_listener_name.as_ref() == Some(&listener.name);
            Arc::new(listener::info(listener, index, inter_broker && options.listeners.len() > 1))
        });
        let infos: Vec<_> = infos.collect();
        let quotas = ConnectionQuotas::new(&options, &infos)?;
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for (listener, info) in options.listeners.iter().zip(infos) {
            let socket = listener::bind(listener, &options)?;
            let address = listener::bound_address(&socket).map_err(NetError::Thread)?;
            tracing::info!(listener = listener.name, %address, "listening");
            addresses.push((listener.name.clone(), address));
            sockets.push((socket, info));
        }
        Ok(BoundServer { options, sockets, addresses, quotas })
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// As [`Server::bind`] and [`BoundServer::serve`].
    pub fn start<S: Service>(
        options: NetOptions,
        factory: impl Fn(ThreadInfo) -> S + Send + Sync + 'static,
    ) -> Result<ServerHandle, NetError> {
        Server::bind(options)?.serve(factory)
    }
}

impl BoundServer {
    /// Name and bound address of each listener, in the order given; ports that were 0 are real here.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Starts the threads, builds a service on each (inside its runtime, so that the factory may spawn local tasks), and accepts.
    ///
    /// # Errors
    /// [`NetError::Thread`] when the operating system has no more threads or descriptors.
    pub fn serve<S: Service>(
        self,
        factory: impl Fn(ThreadInfo) -> S + Send + Sync + 'static,
    ) -> Result<ServerHandle, NetError> {
        let count = match self.options.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let shared = Shared {
            settings: Settings {
                socket_request_max_bytes: self.options.socket_request_max_bytes.min(i32::MAX as u32),
                connections_max_idle_ms: self.options.connections_max_idle_ms,
                authentication_max_ms: self.options.authentication_max_ms,
                busy_poll: self.options.busy_poll,
            },
            stats: Arc::new(NetStats::new(count)),
            log_limit: Arc::new(close::log_limit()),
            queued: QueuedBytes::new(self.options.queued_max_request_bytes),
        };
        let factory = Arc::new(factory);
        let (ended_sender, ended) = std_mpsc::sync_channel(count + 1);
        let (stop, stopped) = watch::channel(None);
        let mut workers = Vec::new();
        for index in 0..count {
            let factory = factory.clone();
            let service = move || Rc::new(factory(ThreadInfo { index, count })) as Rc<dyn Service>;
            workers.push(start_worker(
                index,
                service,
                shared.clone(),
                stopped.clone(),
                ended_sender.clone(),
            )?);
        }
        let acceptor = Acceptor::new(self.quotas.clone(), shared.stats.clone(), workers);
        // Changes are as rare as alterations of the configuration, and none may wait.
        #[allow(clippy::disallowed_methods)]
        let (changes, changed) = mpsc::unbounded_channel();
        start_acceptor(acceptor, self.sockets, changed, stopped, ended_sender)?;
        let listeners = Listeners::new(self.options, self.addresses, self.quotas.clone(), changes);
        Ok(ServerHandle { listeners, quotas: self.quotas, stats: shared.stats, stop, ended })
    }
}

impl ServerHandle {
    /// Name and bound address of each listener, in the order given; those that came later are last.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.listeners.addresses()
    }

    /// Bound address of the listener of that name.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses().into_iter().find(|(name, _)| name == listener).map(|(_, address)| address)
    }

    /// Opens and closes listeners.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The connection limits, which can be changed at any time.
    pub fn quotas(&self) -> &Arc<ConnectionQuotas> {
        &self.quotas
    }

    /// Counters.
    pub fn stats(&self) -> &Arc<NetStats> {
        &self.stats
    }

    /// Stops accepting, lets the requests that were called be answered within `grace`, and closes everything. Blocks until the
    /// threads have ended, at most 300 ms longer than `grace` (of a day at most); returns whether they have. Not to be called on
    /// a thread of a runtime whose tasks have to go on meanwhile.
    pub fn shutdown(self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace.min(Duration::from_secs(86_400));
        self.stop.send_replace(Some(deadline));
        loop {
            let left = (deadline + SHUTDOWN_SLACK).saturating_duration_since(Instant::now());
            match self.ended.recv_timeout(left) {
                Ok(()) => {}
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return true,
                Err(std_mpsc::RecvTimeoutError::Timeout) => {
                    tracing::warn!("a network thread did not end in time; it is left behind");
                    return false;
                }
            }
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| stop.replace(stop.unwrap_or_else(Instant::now)).is_none());
    }
}

fn start_worker(
    index: usize,
    service: impl FnOnce() -> Rc<dyn Service> + Send + 'static,
    shared: Shared,
    stop: watch::Receiver<Option<Instant>>,
    ended: std_mpsc::SyncSender<()>,
) -> Result<WorkerLink, NetError> {
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let (ready_sender, ready) = std_mpsc::sync_channel(1);
    let run = move || {
        let _ended = ended;
        time_slice::ask_for_a_short_one();
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready_sender.send(Err(error));
                return;
            }
        };
        runtime.block_on(async move {
            let worker = Worker::new(index, service(), shared);
            let _ = ready_sender.send(Ok(()));
            worker.run(inbox, stop).await;
        });
        // A cold read that is still waiting for its disk is not waited for.
        runtime.shutdown_background();
    };
    let name = format!("ottla-net-{index}");
    thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(run).map_err(NetError::Thread)?;
    match ready.recv() {
        Ok(Ok(())) => Ok(WorkerLink { sender, load: Arc::new(Load::default()) }),
        Ok(Err(error)) => Err(NetError::Thread(error)),
        Err(_) => Err(NetError::Thread(std::io::Error::other("the service could not be built"))),
    }
}

fn start_acceptor(
    acceptor: Arc<Acceptor>,
    sockets: Vec<(Socket, Arc<ListenerInfo>)>,
    changes: mpsc::UnboundedReceiver<ListenerChange>,
    mut stop: watch::Receiver<Option<Instant>>,
    ended: std_mpsc::SyncSender<()>,
) -> Result<(), NetError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(NetError::Thread)?;
    let run = move || {
        let _ended = ended;
        let stopped = async move { stop.changed().await };
        if let Err(error) = runtime.block_on(acceptor.run(sockets, changes, stopped)) {
            tracing::error!(%error, "the acceptor failed; no more connections are accepted");
        }
    };
    thread::Builder::new().name("ottla-accept".to_owned()).spawn(run).map_err(NetError::Thread)?;
    Ok(())
}
