//! What the handles and the tasks of a client share.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::{Request, Str, constant_name};
use parking_lot::{Mutex, RwLock};
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{Instrument, debug, debug_span, error, info, warn};

use super::authenticate::NoConnection;
use super::connection::{self, End, Link, NotSent, Opened, Outgoing, PauseAsked};
use super::frame::{self, Frame};
use super::interest::Interest;
use super::merge::Epochs;
use super::opening::{self, OpenError};
use super::peers::{Attempt, Peers, Rules};
use super::refresh::Refresh;
use super::throttle::throttle_ms;
use super::{CoordinatorKind, Metadata, Node, bootstrap, pusher, updater};
use crate::backoff::{Backoff, millis};
use crate::config::DnsLookup;
use crate::metrics::Metrics;
use crate::metrics::otlp::Encoder;
use crate::metrics::telemetry::Telemetry;
use crate::{ClientConfig, Error, Result, random};

/// What is written before a client was dropped may take this long to leave.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// Ids above are those of nodes that have a second connection.
const DEDICATED_ABOVE: i32 = i32::MAX / 2;

pub(super) struct Shared {
    pub config: ClientConfig,
    settings: connection::Settings,
    runtime: Handle,
    started: Instant,
    pub state: Mutex<State>,
    /// Written while the state is locked, so that snapshots come in order; see [`Shared::set_metadata`].
    pub metadata: RwLock<Arc<Metadata>>,
    /// Of the metadata: a producer looks for each record whether it is still the same, which must not cost a lock.
    pub generation: AtomicU64,
    /// Metadata or the state of a connection changed.
    pub changed: Notify,
    /// The updater has something to look at.
    pub updater_wake: Notify,
    /// True: all tasks end.
    pub stop: watch::Sender<bool>,
    pub metrics: Metrics,
    pub encoder: Mutex<Encoder>,
}

pub(super) struct State {
    pub peers: Peers<Link>,
    pub refresh: Refresh,
    pub interest: Interest,
    pub epochs: Epochs,
    pub allow_auto_creation: bool,
    pub bootstrap: Vec<Node>,
    /// Nodes that are not in the metadata, but some broker told of.
    pub told: HashMap<i32, Node>,
    pub coordinators: HashMap<(CoordinatorKind, Str), i32>,
    /// Bootstrap servers whose names could not be resolved at the last attempt.
    unresolved: HashSet<i32>,
    resolved_once: bool,
    /// The updater's task is there.
    updating: bool,
    pub telemetry: Telemetry,
    /// The pusher's task is, or was, there.
    pub pushing: bool,
    /// The node that takes the figures.
    pub pushed_to: Option<i32>,
    /// Why there will be no metadata, until somebody was told.
    pub fatal: Option<Error>,
    /// Logins and TLS handshakes that failed, ever, and why the last one did.
    pub refusals: (u64, Option<Error>),
    /// The same, until somebody was told or a connection was made.
    pub refusal: Option<Error>,
    closed: bool,
}

impl Shared {
    pub(super) fn new(config: ClientConfig) -> Result<Arc<Self>> {
        let started = Instant::now();
        let runtime = Handle::try_current().map_err(|_| {
            Error::Illegal(
                "a client must be made on a tokio runtime: call this from an async function".into(),
            )
        })?;
        let (servers, key) = match &*config.bootstrap_controllers {
            [] => (&config.bootstrap_servers, "bootstrap.servers"),
            controllers => (&controllers.to_vec(), "bootstrap.controllers"),
        };
        let bootstrap = bootstrap::parse(servers, key)?;
        let rules = Rules {
            reconnect: Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max),
            setup: Backoff::new(config.socket_setup_timeout, config.socket_setup_timeout_max),
        };
        let state = State {
            peers: Peers::new(rules),
            refresh: Refresh::new(
                millis(config.metadata_max_age),
                Backoff::new(config.retry_backoff, config.retry_backoff_max),
                millis(config.rebootstrap_trigger),
            ),
            interest: Interest::new(millis(config.metadata_max_idle)),
            epochs: Epochs::new(),
            allow_auto_creation: true,
            bootstrap,
            told: HashMap::new(),
            coordinators: HashMap::new(),
            unresolved: HashSet::new(),
            resolved_once: false,
            updating: false,
            telemetry: Telemetry::default(),
            pushing: false,
            pushed_to: None,
            fatal: None,
            refusals: (0, None),
            refusal: None,
            closed: false,
        };
        Ok(Arc::new(Self {
            settings: connection::Settings::new(&config, started),
            config,
            runtime,
            started,
            state: Mutex::new(state),
            metadata: RwLock::default(),
            generation: AtomicU64::new(0),
            changed: Notify::new(),
            updater_wake: Notify::new(),
            stop: watch::Sender::new(false),
            metrics: Metrics::default(),
            encoder: Mutex::new(Encoder::new(pusher::unix_ns())),
        }))
    }

    /// ms since the client was made.
    pub(super) fn now_ms(&self) -> i64 {
        millis(self.started.elapsed())
    }

    pub(super) fn metadata(&self) -> Arc<Metadata> {
        self.metadata.read().clone()
    }

    /// Takes newer metadata. To be called while the state is locked.
    pub(super) fn set_metadata(&self, newer: Metadata) {
        let mut metadata = self.metadata.write();
        self.generation.store(newer.generation, Ordering::Release);
        *metadata = Arc::new(newer);
    }

    /// Ends all tasks; what was handed over already is written first.
    pub(super) fn close(&self) {
        self.push_last();
        let mut state = self.state.lock();
        state.closed = true;
        state.peers.clear();
        drop(state);
        self.stop.send_replace(true);
        self.changed.notify_waiters();
    }

    /// Runs a task, which has to end when the client is closed.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Lets the updater run, and look at what was changed.
    pub(super) fn wake_updater(self: &Arc<Self>, state: &mut State) {
        if !state.updating && !state.closed {
            state.updating = true;
            self.runtime.spawn(updater::run(self.clone()));
        }
        self.updater_wake.notify_one();
    }

    /// The ids to choose from when any node will do.
    pub(super) fn candidates(&self, state: &State) -> Vec<i32> {
        let metadata = self.metadata.read();
        if metadata.nodes.is_empty() {
            state.bootstrap.iter().map(|node| node.id).collect()
        } else {
            metadata.nodes.keys().copied().collect()
        }
    }

    /// Where a node listens, if anybody said so.
    pub(super) fn endpoint(&self, state: &State, id: i32) -> Option<Node> {
        let id = if id > DEDICATED_ABOVE { i32::MAX - id } else { id };
        if id < 0 {
            return state.bootstrap.iter().find(|node| node.id == id).cloned();
        }
        self.metadata.read().nodes.get(&id).or_else(|| state.told.get(&id)).cloned()
    }

    /// A node's id and address, for texts.
    pub(super) fn describe(&self, id: i32) -> String {
        match self.endpoint(&self.state.lock(), id) {
            Some(node) => format!("{} ({}:{})", node.id, node.host, node.port),
            None => id.to_string(),
        }
    }

    /// Why no bootstrap server will ever be reached; Kafka says so when the client is made.
    pub(super) fn bootstrap_error(&self, state: &State) -> Option<Error> {
        let hopeless = !state.resolved_once && state.unresolved.len() >= state.bootstrap.len();
        let key = match &*self.config.bootstrap_controllers {
            [] => "bootstrap.servers",
            _ => "bootstrap.controllers",
        };
        hopeless.then(|| bootstrap::none_resolvable(key).into())
    }

    /// Fails when the client was closed.
    pub(super) fn ensure_open(&self, state: &State) -> Result<()> {
        if state.closed { Err(Error::Closed("The client was closed".into())) } else { Ok(()) }
    }

    /// Begins a connection unless there is one; in a back-off it begins when that is over.
    pub(super) fn connect(self: &Arc<Self>, state: &mut State, node: i32) {
        if state.closed {
            return;
        }
        if let Some(attempt) = state.peers.connect(node, self.now_ms(), random::next_f64()) {
            let span = debug_span!("connection", node);
            self.runtime.spawn(self.clone().drive(node, attempt).instrument(span));
        }
    }

    /// The life of a connection.
    async fn drive(self: Arc<Self>, node: i32, attempt: Attempt) {
        let mut stop = self.stop.subscribe();
        let serial = attempt.serial;
        if attempt.delay_ms > 0 {
            tokio::select! {
                _ = stopped(&mut stop) => return,
                () = sleep(Duration::from_millis(attempt.delay_ms as u64)) => {}
            }
            if !self.state.lock().peers.begun(node, serial, self.now_ms()) {
                return;
            }
            self.changed.notify_waiters();
        }
        let opened = tokio::select! {
            _ = stopped(&mut stop) => return,
            opened = self.open(node, attempt.setup_timeout) => opened,
        };
        match opened {
            Err(OpenError { why: NoConnection::Refused(error), .. }) => {
                self.metrics.network.login_failed(self.now_ms());
                self.refused(node, serial, error);
            }
            Err(OpenError { why: NoConnection::Lost(why), before_tcp }) => {
                let text = format!(
                    "Connection to node {} could not be established: {why}. Node may not be available.",
                    self.describe(node)
                );
                warn!("{text}");
                self.disconnected(node, serial, Error::Unreachable(text), before_tcp);
            }
            Ok(opened) => self.serve(node, serial, opened, stop).await,
        }
    }

    async fn serve(
        self: &Arc<Self>,
        node: i32,
        serial: u64,
        opened: Opened,
        mut stop: watch::Receiver<bool>,
    ) {
        {
            let mut state = self.state.lock();
            if !state.peers.connected(node, serial, opened.link.clone()) {
                return;
            }
            state.refusal = None;
            state.fatal.take_if(|error| error.is_authentication());
        }
        debug!("connected");
        if self.config.security.is_any() {
            self.metrics.network.logged_in(opened.is_session_endless(), self.now_ms());
        }
        self.changed.notify_waiters();
        let figures = self.metrics.network.opened(node, self.now_ms());
        let throttle = |pause_ms| self.throttle(node, pause_ms);
        let end = tokio::select! {
            end = connection::run(opened, &self.settings, &figures, &throttle) => end,
            () = async { stopped(&mut stop).await; sleep(LAST_WORDS_MAX).await } => return,
        };
        self.metrics.network.closed(self.now_ms());
        match end {
            End::Unneeded => {}
            End::Idle => {
                debug!("closed after having been idle");
                let error = Error::Disconnected("the connection was idle".into());
                self.disconnected(node, serial, error, false);
            }
            End::Refused(error) => self.refused(node, serial, error),
            End::Broken(why) => {
                let text = format!("Node {} disconnected: {why}", self.describe(node));
                info!("{text}");
                {
                    let mut state = self.state.lock();
                    state.refresh.request();
                }
                self.disconnected(node, serial, Error::Disconnected(text), false);
            }
        }
    }

    /// The node does not let the client in, or the client does not trust it: another attempt would end the same.
    fn refused(&self, node: i32, serial: u64, error: Error) {
        error!("Connection to node {} failed authentication due to: {error}", self.describe(node));
        {
            let mut state = self.state.lock();
            state.refusals = (state.refusals.0 + 1, Some(error.clone()));
            state.refusal = Some(error.clone());
            state.fatal = Some(error.clone());
        }
        self.disconnected(node, serial, error, false);
    }

    fn disconnected(&self, node: i32, serial: u64, error: Error, before_tcp: bool) {
        let now_ms = self.now_ms();
        {
            let mut state = self.state.lock();
            state.peers.disconnected(node, serial, error, before_tcp, now_ms, random::next_f64());
            if before_tcp {
                state.refresh.request();
            }
        }
        self.updater_wake.notify_one();
        self.changed.notify_waiters();
    }

    async fn open(&self, node: i32, setup_timeout: Duration) -> Result<Opened, OpenError> {
        let failed = |why: String| OpenError { why: NoConnection::Lost(why), before_tcp: true };
        let endpoint = self.endpoint(&self.state.lock(), node);
        let endpoint = endpoint.ok_or_else(|| failed("nobody knows its address".to_owned()))?;
        let resolved = match timeout(setup_timeout, resolve(&endpoint)).await {
            Ok(resolved) => resolved,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the name was not resolved in time")),
        };
        let addresses = match resolved {
            Ok(addresses) if !addresses.is_empty() => self.resolved(&endpoint, addresses),
            Ok(_) => return Err(self.unresolved(&endpoint, "the name has no address")),
            Err(error) => return Err(self.unresolved(&endpoint, &error.to_string())),
        };
        opening::open(&addresses, &endpoint.host, &self.settings, setup_timeout).await
    }

    fn unresolved(&self, node: &Node, why: &str) -> OpenError {
        if node.id < 0 {
            warn!("Couldn't resolve server {}:{} of the bootstrap servers: {why}", node.host, node.port);
            self.state.lock().unresolved.insert(node.id);
        }
        let why = format!("the host name {} can't be resolved ({why})", node.host);
        OpenError { why: NoConnection::Lost(why), before_tcp: true }
    }

    /// Which of a name's addresses to try. Further addresses of a bootstrap server may become servers of their own.
    fn resolved(&self, node: &Node, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if node.id >= 0 {
            return addresses;
        }
        let mut state = self.state.lock();
        state.unresolved.remove(&node.id);
        state.resolved_once = true;
        if self.config.dns_lookup == DnsLookup::ResolveCanonicalBootstrapServersOnly {
            for address in addresses.drain(1..) {
                let host = Str::from(address.ip().to_string());
                if !state.bootstrap.iter().any(|known| known.host == host && known.port == address.port()) {
                    let id = -(state.bootstrap.len() as i32) - 1;
                    state.bootstrap.push(Node { id, host, port: address.port(), rack: None });
                }
            }
        }
        addresses
    }

    /// Forgets what is known, and begins with the bootstrap servers.
    pub(super) fn rebootstrap(&self, state: &mut State) {
        info!("beginning anew with the bootstrap servers: none of the known nodes can be reached");
        let metadata = self.metadata();
        for node in metadata.nodes.keys() {
            state.peers.drop_link(*node);
        }
        self.set_metadata(Metadata {
            generation: metadata.generation + 1,
            cluster_id: metadata.cluster_id.clone(),
            ..Default::default()
        });
        state.told.clear();
        state.coordinators.clear();
        state.refresh.rebootstrapped(self.now_ms());
        self.changed.notify_waiters();
    }

    /// Hands a request to a connection.
    pub(super) fn hand_over<R: Request>(
        &self,
        link: &Link,
        request: &R,
        version: i16,
        how: Handing,
    ) -> Result<oneshot::Receiver<Result<Bytes, Arc<str>>>> {
        let frame = Frame::new(request, version, &self.config.client_id)?;
        let (reply, receiver) = oneshot::channel();
        let sent = link.send(Outgoing {
            frame,
            api: R::KEY,
            deadline: how.deadline,
            expects_answer: how.expects_answer,
            may_be_skipped: how.may_be_skipped,
            reply,
            pause: PauseAsked { read: pause_ms::<R>, version },
            counted: link.count(),
        });
        sent.map(|()| receiver).map_err(|why| {
            let name = constant_name(R::KEY.name());
            match why {
                NotSent::Ended => Error::Disconnected(format!("The connection ended before {name} was sent")),
                NotSent::Full => Error::Timeout(format!(
                    "{name} was not sent: too many requests wait for the node already"
                )),
            }
        })
    }

    /// Waits for an answer and reads it.
    pub(super) async fn receive<R: Request>(
        self: &Arc<Self>,
        node: i32,
        version: i16,
        receiver: oneshot::Receiver<Result<Bytes, Arc<str>>>,
        how: Handing,
    ) -> Result<R::Response> {
        let why = match timeout_at(how.deadline, receiver).await {
            Ok(Ok(Ok(_))) if !how.expects_answer => return Ok(R::Response::default()),
            Ok(Ok(Ok(frame))) => {
                let response = frame::decode::<R>(frame, version)?;
                self.throttle(node, throttle_ms(&response, version));
                return Ok(response);
            }
            Ok(Ok(Err(why))) => why,
            Ok(Err(_)) if self.state.lock().closed => "the client was closed".into(),
            // It went with the connection's task, which had it in hand.
            Ok(Err(_)) => "it broke while the request was being written".into(),
            Err(_) => {
                let (node, name) = (self.describe(node), constant_name(R::KEY.name()));
                return Err(Error::Timeout(format!("Timed out waiting for node {node} to answer {name}")));
            }
        };
        let (node, name) = (self.describe(node), constant_name(R::KEY.name()));
        Err(Error::Disconnected(format!(
            "The connection to node {node} ended before it answered {name}: {why}"
        )))
    }

    fn throttle(self: &Arc<Self>, node: i32, pause_ms: i32) {
        if pause_ms <= 0 {
            return;
        }
        let until_ms = self.now_ms() + i64::from(pause_ms);
        self.state.lock().peers.throttle(node, until_ms);
        let shared = self.clone();
        // Who waits for the node must hear of the end of the pause.
        self.runtime.spawn(async move {
            let mut stop = shared.stop.subscribe();
            tokio::select! {
                _ = stopped(&mut stop) => {}
                () = sleep(Duration::from_millis(pause_ms as u64)) => shared.changed.notify_waiters(),
            }
        });
    }
}

/// The pause that an answer asks for.
fn pause_ms<R: Request>(frame: Bytes, version: i16) -> i32 {
    frame::decode::<R>(frame, version).map_or(0, |response| throttle_ms(&response, version))
}

/// How a request is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handing {
    pub deadline: Instant,
    pub expects_answer: bool,
    pub may_be_skipped: bool,
}

/// Completes when the client is closed.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The addresses of a node; IPv4 first, as the JVM has it.
async fn resolve(node: &Node) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = node.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, node.port)]);
    }
    let mut addresses: Vec<SocketAddr> = lookup_host((&*node.host, node.port)).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    Ok(addresses)
}
