//! A cluster as a client sees it: connections to its nodes, what it knows of them, and where the coordinators are.

//!
//! | file | what |
//! | --- | --- |
//! | `bootstrap` | `bootstrap.servers` as addresses |
//! | `opening`, `authenticate` | making a connection: TLS, versions, login |
//! | `connection`, `writer`, `transport`, `wire`, `frame`, `versions` | one connection: its task, its socket, its bytes |
//! | `peers` | the state of all connections, and which node has least to do (pure) |
//! | `interest`, `refresh`, `merge` | which topics, when to ask, what to believe (pure) |
//! | `updater` | the task that keeps the metadata fresh |
//! | `route`, `shared` | from a target to a connection; what handles and tasks share |
//! | `coordinators` | who coordinates a group or a transaction |
//! | `pusher` | the task that pushes figures to the brokers (KIP-714) |

mod authenticate;
mod bootstrap;
mod connection;
mod coordinators;
mod frame;
mod interest;
mod merge;
mod metadata;
mod opening;
mod peers;
mod pusher;
mod refresh;
mod route;
mod shared;
mod throttle;
mod transport;
mod updater;
mod versions;
mod wire;
mod writer;

#[cfg(test)]
#[path = "cluster_test.rs"]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_protocol::{ErrorCode, Request, Str};
use tokio::time::{Instant, timeout_at};

use self::interest::Change;
pub(crate) use self::merge::is_stale;
pub use self::metadata::{Metadata, Node, PartitionMetadata, TopicMetadata};
use self::shared::{Handing, Shared};
pub use self::transport::SocketBuffers;
pub use self::versions::{NodeVersions, VersionRange};
use crate::backoff::Backoff;
use crate::metrics::{Metric, Metrics};
use crate::{ClientConfig, Error, Result, random};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node with the fewest requests in flight.
    Any,
    /// A node by its id.
    Node(i32),
    /// The controller as the metadata names it.
    Controller,
}

/// Kinds of coordinators (FindCoordinator's key types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// Of groups: 0.
    Group,
    /// Of transactions: 1.
    Transaction,
    /// Of the state of share groups: 2.
    Share,
}

/// Topics whose metadata is kept fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// All there are.
    All,
    /// Those with these names.
    Named(Vec<Str>),
}

/// The answer to a request that was handed over, with its version.
pub type Submitted<R> = Pin<Box<dyn Future<Output = Result<(i16, <R as Request>::Response)>> + Send>>;

/// One connection to a node; the next to the same node is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    /// The node.
    pub node: i32,
    /// From 1 on.
    serial: u64,
}

impl ConnectionId {
    /// No connection to the node: what is handed to it fails.
    pub fn none(node: i32) -> Self {
        Self { node, serial: 0 }
    }
}

/// Handle to everything that a client knows of a cluster. Clones share it; the tasks end with the last clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap_servers", &self.config().bootstrap_servers)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster to be reached through `bootstrap.servers`. Connects when first asked something. To be called on a tokio
    /// runtime with time and IO.
    ///
    /// # Errors
    /// When an entry is no address, or there is none; or outside a runtime.
    pub fn new(config: ClientConfig) -> Result<Self> {
        Ok(Self { inner: Arc::new(Inner { shared: Shared::new(config)? }) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Its settings.
    pub fn config(&self) -> &ClientConfig {
        &self.shared().config
    }

    /// The client's figures: those of its network, and of the parts that added theirs.
    pub fn metrics(&self) -> Vec<Metric> {
        let shared = self.shared();
        shared.metrics.read(shared.config.kind, &shared.config.client_id, shared.now_ms())
    }

    /// Where parts of a client add their figures.
    pub fn metrics_registry(&self) -> &Metrics {
        &self.shared().metrics
    }

    /// One request, one answer, in the highest version that both sides know. Connects first where needed. Errors
    /// inside the answer are the caller's; nothing is tried twice once it was sent.
    ///
    /// # Errors
    /// When the node can't be reached, the connection ends, or the time is up.
    pub async fn call<R: Request>(
        &self,
        target: Target,
        request: R,
        deadline: Instant,
    ) -> Result<R::Response> {
        Ok(self.call_as(target, R::MIN_VERSION, R::MAX_VERSION, |_| Ok(request), deadline).await?.1)
    }

    /// Likewise, with versions from `lowest` to `highest` only; `build` makes the request for the version agreed on.
    /// The answer comes with that version.
    ///
    /// The deadline is for connecting and for the answer. It should not be later than `request.timeout.ms` from now
    /// ([`Cluster::request_deadline`]) unless the broker is meant to take its time: a connection is only given up when
    /// both are over.
    ///
    /// # Errors
    /// Also when the node offers no such version.
    pub async fn call_as<R: Request>(
        &self,
        target: Target,
        lowest: i16,
        highest: i16,
        build: impl FnOnce(i16) -> Result<R>,
        deadline: Instant,
    ) -> Result<(i16, R::Response)> {
        let shared = self.shared();
        let (node, link) = shared.link(target, deadline).await?;
        let version = link.versions.highest(R::KEY, lowest, highest)?;
        let how = Handing { deadline, expects_answer: true, may_be_skipped: true };
        let request = build(version)?;
        // When the time is up the answer's deadline says so.
        let _ = timeout_at(deadline, link.has_room()).await;
        let receiver = shared.hand_over(&link, &request, version, how)?;
        // The connection may end while the answer is awaited.
        drop(link);
        Ok((version, shared.receive::<R>(node, version, receiver, how).await?))
    }

    /// Hands a request to a connection at once, behind those handed over before: the order on the wire is the order of the
    /// calls. No answer is waited for when `expects_answer` is not set
    /// (Produce with acks=0): the future then ends once the request is written, with a default response. The request is
    /// sent also when the future is dropped.
    ///
    /// # Errors
    /// When the connection is there no more, or more than a thousand requests wait to be written to it.
    pub fn submit<R: Request>(
        &self,
        connection: ConnectionId,
        build: impl FnOnce(i16) -> Result<R>,
        expects_answer: bool,
        deadline: Instant,
    ) -> Result<Submitted<R>> {
        self.submit_as(connection, R::MAX_VERSION, build, expects_answer, deadline)
    }

    /// Likewise, in no version above `highest`.
    ///
    /// # Errors
    /// Also when the node offers no such version.
    pub fn submit_as<R: Request>(
        &self,
        connection: ConnectionId,
        highest: i16,
        build: impl FnOnce(i16) -> Result<R>,
        expects_answer: bool,
        deadline: Instant,
    ) -> Result<Submitted<R>> {
        let shared = self.shared().clone();
        let ConnectionId { node, serial } = connection;
        let link = match shared.state.lock().peers.connection(node) {
            Some((at, link)) if at == serial => Some(link.clone()),
            _ => None,
        };
        let link = link.ok_or_else(|| Error::Disconnected(format!("Node {node} is not connected")))?;
        let version = link.versions.highest(R::KEY, R::MIN_VERSION, highest)?;
        let how = Handing { deadline, expects_answer, may_be_skipped: false };
        let receiver = shared.hand_over(&link, &build(version)?, version, how)?;
        Ok(Box::pin(async move { Ok((version, shared.receive::<R>(node, version, receiver, how).await?)) }))
    }

    /// Whether a node is connected, its versions are known, and it has not asked for a pause. If it is not connected, a
    /// connection is begun (when its back-off is over); [`Cluster::changed`] tells when it is there.
    pub fn is_ready(&self, node: i32) -> bool {
        self.ready(node).is_some()
    }

    /// Likewise; which connection it is that is ready.
    pub fn ready(&self, node: i32) -> Option<ConnectionId> {
        let shared = self.shared();
        let mut state = shared.state.lock();
        if let Some((serial, _)) = state.peers.ready(node, shared.now_ms()) {
            return Some(ConnectionId { node, serial });
        }
        if state.peers.is_down(node) && shared.endpoint(&state, node).is_some() {
            shared.connect(&mut state, node);
        }
        None
    }

    /// Whether there is neither a connection to a node nor an attempt at one in this moment, and why the last one ended.
    pub fn connection_error(&self, node: i32) -> Option<Error> {
        let state = self.shared().state.lock();
        if state.peers.is_down(node) { state.peers.ended(node).1.cloned() } else { None }
    }

    /// Why a node did not let the client in, or the client did not trust it (Kafka's `AuthenticationException`): once, and only
    /// as long as no connection was made since.
    pub fn take_refusal(&self) -> Option<Error> {
        self.shared().state.lock().refusal.take()
    }

    /// How often that was so, ever.
    pub fn refusals(&self) -> u64 {
        self.shared().state.lock().refusals.0
    }

    /// The last time that was so, if it was more often than `before`.
    pub fn refusal_since(&self, before: u64) -> Option<Error> {
        let state = self.shared().state.lock();
        let (count, refusal) = &state.refusals;
        refusal.clone().filter(|_| *count > before)
    }

    /// Requests to a node without an answer yet.
    pub fn in_flight(&self, node: i32) -> usize {
        use self::peers::Load;
        self.shared().state.lock().peers.link(node).map_or(0, Load::in_flight)
    }

    /// The id of a second connection to the same node, to be used like a node's id. The consumer keeps one to its
    /// coordinator, so that heartbeats do not queue behind fetches.
    pub fn dedicated(&self, node: i32) -> i32 {
        i32::MAX - node
    }

    /// A node by its id, or by [`Cluster::dedicated`]: from the metadata, or as some broker told of it.
    pub fn node(&self, id: i32) -> Option<Node> {
        self.shared().endpoint(&self.shared().state.lock(), id)
    }

    /// Highest version of an API that both a connected node and this crate know.
    pub fn version_of<R: Request>(&self, node: i32) -> Option<i16> {
        self.versions(node)?.highest(R::KEY, R::MIN_VERSION, R::MAX_VERSION).ok()
    }

    /// What a connected node told of itself.
    pub fn versions(&self, node: i32) -> Option<Arc<NodeVersions>> {
        self.shared().state.lock().peers.link(node).map(|link| link.versions.clone())
    }

    /// What the target told of itself when it was connected; connects if need be.
    ///
    /// # Errors
    /// When it can't be reached, or the time is up.
    pub async fn versions_of(&self, target: Target, deadline: Instant) -> Result<(i32, Arc<NodeVersions>)> {
        let (node, link) = self.shared().link(target, deadline).await?;
        Ok((node, link.versions))
    }

    /// The level of a feature on which the cluster has agreed, by the latest word of all connected nodes; 0 when the
    /// feature is off, nothing when no node is connected.
    pub fn finalized_feature(&self, feature: &str) -> Option<i16> {
        let state = self.shared().state.lock();
        let latest = state.peers.links().map(|(_, link)| &link.versions);
        let latest = latest.max_by_key(|versions| versions.finalized_features_epoch)?;
        Some(latest.finalized_features.get(feature).map_or(0, |(_, highest)| *highest))
    }

    /// Completes at the next change of metadata or of a connection's state after this call: to miss nothing, call it,
    /// then look, then await.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared().changed.notified()
    }

    /// What is known now, without asking.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.shared().metadata()
    }

    /// Generation of what is known now.
    pub(crate) fn metadata_generation(&self) -> u64 {
        self.shared().generation.load(Ordering::Acquire)
    }

    /// Sets the topics to keep fresh. New ones are asked for at once in the background.
    pub fn set_topics(&self, topics: Topics, allow_auto_creation: bool) {
        let mut state = self.shared().state.lock();
        state.allow_auto_creation = allow_auto_creation;
        let change = state.interest.set(topics);
        self.interest_changed(&mut state, change);
    }

    /// Adds a topic to those kept fresh; it is forgotten after `metadata.max.idle.ms` without another call (producers).
    pub fn add_topic(&self, topic: &Str) {
        let mut state = self.shared().state.lock();
        let change = state.interest.add(topic, self.shared().now_ms());
        self.interest_changed(&mut state, change);
    }

    fn interest_changed(&self, state: &mut shared::State, change: Change) {
        match change {
            Change::Nothing => return,
            Change::New => state.refresh.request_new(),
            Change::Everything => drop(state.refresh.request_now()),
        }
        self.shared().wake_updater(state);
    }

    /// Asks for fresh metadata in the background, with the back-off of retries.
    pub fn request_refresh(&self) {
        let mut state = self.shared().state.lock();
        state.refresh.request();
        self.shared().wake_updater(&mut state);
    }

    /// Asks for fresh metadata and waits for it.
    ///
    /// # Errors
    /// When no node answers in time, or what it answers is final.
    pub async fn refresh(&self, deadline: Instant) -> Result<Arc<Metadata>> {
        let shared = self.shared();
        let asked = {
            let mut state = shared.state.lock();
            state.fatal = None;
            let asked = state.refresh.request_now();
            shared.wake_updater(&mut state);
            asked
        };
        let began = Instant::now();
        loop {
            let changed = shared.changed.notified();
            {
                let mut state = shared.state.lock();
                shared.ensure_open(&state)?;
                if state.refresh.served() >= asked {
                    return Ok(shared.metadata());
                }
                if let Some(error) = state.fatal.take().or_else(|| shared.bootstrap_error(&state)) {
                    return Err(error);
                }
            }
            if timeout_at(deadline, changed).await.is_err() {
                let ms = began.elapsed().as_millis();
                let causes = shared.why_down();
                return Err(Error::Timeout(format!("Failed to update metadata after {ms} ms.{causes}")));
            }
        }
    }

    /// What a broker said of a partition's leader in passing (KIP-951); older epochs are ignored. True when it was news.
    pub fn learn_leader(
        &self,
        topic: &Str,
        partition: i32,
        leader: i32,
        leader_epoch: i32,
        endpoints: &[Node],
    ) -> bool {
        let shared = self.shared();
        let mut state = shared.state.lock();
        let old = shared.metadata();
        let new =
            merge::with_leader(&old, &mut state.epochs, topic, partition, leader, leader_epoch, endpoints);
        let Some(new) = new else { return false };
        shared.set_metadata(new);
        drop(state);
        shared.changed.notify_waiters();
        true
    }

    /// A leader's epoch that was seen in passing, in a record batch or in an answer: metadata of older epochs is not
    /// believed any more, and newer is asked for. True when it was news.
    pub fn learn_epoch(&self, topic: &Str, partition: i32, leader_epoch: i32) -> bool {
        let mut state = self.shared().state.lock();
        let seen = state.epochs.get_mut(topic).and_then(|epochs| epochs.get_mut(&partition));
        match seen {
            Some(seen) if *seen < leader_epoch => *seen = leader_epoch,
            _ => return false,
        }
        state.refresh.request();
        self.shared().wake_updater(&mut state);
        true
    }

    /// The latest epoch of a partition's leader that was seen anywhere.
    pub fn last_seen_epoch(&self, topic: &str, partition: i32) -> Option<i32> {
        self.shared().state.lock().epochs.get(topic)?.get(&partition).copied()
    }

    /// The node that coordinates a key, asked for when it is not known; retried while there is none yet.
    ///
    /// # Errors
    /// What FindCoordinator answers, or when the time is up.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str, deadline: Instant) -> Result<i32> {
        let key = Str::from(key);
        let mut found: HashMap<Str, Result<i32>> =
            self.coordinators(kind, std::slice::from_ref(&key), deadline).await?;
        found.remove(&key).unwrap_or_else(|| Err(Error::api(ErrorCode::CoordinatorNotAvailable, None)))
    }

    /// To be called after NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE or a lost connection: the next look-up asks anew.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.shared().state.lock().coordinators.remove(&(kind, Str::from(key)));
    }

    /// Time to wait before the attempt after `failures` failed ones: `retry.backoff.ms` doubled up to
    /// `retry.backoff.max.ms`, with 20 % of jitter (KIP-580).
    pub fn backoff(&self, failures: u32) -> Duration {
        let config = self.config();
        let backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        backoff.after(failures.saturating_sub(1), random::next_f64())
    }

    /// `request.timeout.ms` from now, or the deadline when that is sooner: how long one attempt of an operation may take.
    pub fn request_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.config().request_timeout)
    }

    /// Ends the connection to a node, with all that is in flight there; it is made anew when needed.
    pub fn disconnect(&self, node: i32) {
        let shared = self.shared();
        shared.state.lock().peers.drop_link(node);
        shared.changed.notify_waiters();
    }

    /// Ends all connections and tasks, for all clones. Requests that were handed over are written first.
    pub async fn close(&self) {
        self.shared().close();
        self.shared().stop.closed().await;
    }
}

/// The code of an answer.
pub fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}
