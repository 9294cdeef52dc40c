//! How the controller of a single node starts: read the log, begin a term, register this node as a broker.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ottla_controller::{
    BootstrapMetadata, ConfigSchema, Controller, ControllerOptions, RequestContext, RequestOrigin,
};
use ottla_metadata::feature::supported_features;
use ottla_metadata::{Endpoint, MetadataLoader, MetadataVersion, PublishedImage};
use ottla_protocol::messages::broker_registration_request::{Feature, Listener};
use ottla_protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest};
use ottla_protocol::{ErrorCode, Str, Uuid};
use tokio::sync::mpsc;

use super::metadata_log::{Loaded, MetadataLog, MetadataLogError};
use super::quorum_state::QuorumState;
use super::snapshots::MetadataLogOptions;
use super::task::ControllerTask;
use super::{ControllerHandle, Request, Shared, bootstrap_file, dynamic_quorum};
use crate::clock::now_ms;
use crate::fatal::Fatal;
use crate::random::Random;

/// What the controller needs to start.
pub struct ControllerStartup {
    /// The directory that holds `__cluster_metadata-0`.
    pub metadata_log_dir: PathBuf,
    /// Its id.
    pub directory_id: Uuid,
    /// Settings of the metadata log.
    pub metadata_log: MetadataLogOptions,
    /// Settings of the core.
    pub options: ControllerOptions,
    /// The configuration keys.
    pub schema: Arc<dyn ConfigSchema>,
    /// Where clients reach this node as a broker.
    pub endpoints: Vec<Endpoint>,
    /// Where others reach it as a controller.
    pub controller_endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Ids of the log directories.
    pub log_dirs: Vec<Uuid>,
    /// Ids of those that take no new replicas.
    pub cordoned_log_dirs: Vec<Uuid>,
    /// Whether a new quorum keeps its voters in the log: the configuration does not name them.
    pub dynamic_quorum: bool,
    /// Levels of features for a new cluster, where they are not the defaults.
    pub new_cluster: NewCluster,
    /// Raised when the metadata can't be written any more.
    pub fatal: Fatal,
}

/// What a cluster begins with.
#[derive(Clone, Debug, Default)]
pub struct NewCluster {
    /// `metadata.version`; the latest production one when none is given.
    pub metadata_version: Option<MetadataVersion>,
    /// Levels of other features.
    pub features: BTreeMap<Str, i16>,
}

/// Why the controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The metadata log.
    #[error(transparent)]
    Log(#[from] MetadataLogError),
    /// A file beside it.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// What the log says makes no sense, or this node is not welcome.
    #[error("{0}")]
    Refused(String),
}

/// A controller that leads, with this node registered and unfenced.
pub struct Started {
    /// For handlers.
    pub handle: ControllerHandle,
    /// The first image to follow, with everything in it.
    pub image: PublishedImage,
    /// Epoch of this broker's registration.
    pub broker_epoch: i64,
    task: ControllerTask,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl Started {
    /// The task to run on the control thread.
    pub async fn run(self, publish: impl FnMut(&PublishedImage) -> Option<BrokerHeartbeatRequest>) {
        self.task.run(self.requests, publish).await;
    }
}

/// Reads the log and begins a term. Blocks.
///
/// # Errors
/// When the log can't be read or written, or refuses this node.
pub fn start(startup: ControllerStartup) -> Result<Started, StartupError> {
    let now = now_ms();
    format(&startup, now)?;
    let mut controller = Controller::new(startup.options.clone(), startup.schema.clone());
    let mut loader = MetadataLoader::new(|_, _| true);
    let mut log = MetadataLog::open(&startup.metadata_log_dir, startup.metadata_log, now, |loaded| {
        let replayed = match loaded {
            Loaded::Snapshot(records, provenance) => records
                .iter()
                .try_for_each(|record| controller.replay(record, provenance.last_contained_offset))
                .and_then(|()| loader.load_snapshot(&records, provenance)),
            Loaded::Record(record, provenance) => controller
                .replay(&record, provenance.last_contained_offset)
                .and_then(|()| loader.replay(&record, provenance)),
        };
        replayed.map_err(|why| why.to_string())
    })?;
    controller.set_kraft_version(log.quorum.kraft_version);
    begin_term(&startup, &mut log, now)?;
    let shared = Arc::new(Shared {
        leader_epoch: log.leader_epoch,
        kraft_version: log.quorum.kraft_version,
        directory_id: startup.directory_id,
        listeners: startup.controller_endpoints.clone(),
        log_end_offset: AtomicI64::new(log.log_end_offset()),
    });
    let mut task = ControllerTask {
        controller,
        loader,
        log,
        shared: shared.clone(),
        random: Random::default(),
        snapshot: None,
        fatal: startup.fatal.clone(),
    };
    activate(&startup, &mut task, now)?;
    let broker_epoch = register(&startup, &mut task, now)?;
    let image = task.commit()?.ok_or_else(|| StartupError::Refused("the metadata log is empty".into()))?;
    // Bounded all the same: each request in it holds one of the places that its connection has for unanswered ones.
    #[allow(clippy::disallowed_methods)]
    let (sender, requests) = mpsc::unbounded_channel();
    let handle = ControllerHandle { requests: sender, shared };
    handle.shared.log_end_offset.store(task.log.log_end_offset(), Ordering::Release);
    Ok(Started { handle, image, broker_epoch, task, requests })
}

/// What has to stand in the log of a new quorum before its first record.
fn format(startup: &ControllerStartup, now_ms: i64) -> Result<(), StartupError> {
    let io = |source| StartupError::Io { what: "the first snapshot of the metadata".into(), source };
    let (dir, node_id) = (&startup.metadata_log_dir, startup.options.node_id);
    if !startup.dynamic_quorum || !dynamic_quorum::is_new(dir).map_err(io)? {
        return Ok(());
    }
    dynamic_quorum::write(dir, node_id, startup.directory_id, &startup.controller_endpoints, now_ms)
        .map_err(io)
}

/// Elects this node, the only voter, in an epoch that was never used.
fn begin_term(startup: &ControllerStartup, log: &mut MetadataLog, now_ms: i64) -> Result<(), StartupError> {
    let node_id = startup.options.node_id;
    let io = |source| StartupError::Io { what: "the file quorum-state".into(), source };
    let last = QuorumState::read(log.dir()).map_err(io)?.map_or(0, |state| state.leader_epoch);
    let leader_epoch = last.max(log.last_epoch()).saturating_add(1);
    let state = QuorumState {
        leader_epoch,
        leader_id: node_id,
        voted_id: node_id,
        voted_directory_id: startup.directory_id,
    };
    state.write(log.dir(), log.quorum.kraft_version, &[node_id]).map_err(io)?;
    Ok(log.become_leader(leader_epoch, node_id, now_ms)?)
}

fn activate(startup: &ControllerStartup, task: &mut ControllerTask, now_ms: i64) -> Result<(), StartupError> {
    let io = |source| StartupError::Io { what: "the file bootstrap.checkpoint".into(), source };
    let refused = |why: &dyn std::fmt::Display| StartupError::Refused(why.to_string());
    let dir = &startup.metadata_log_dir;
    let bootstrap = match bootstrap_file::read(dir).map_err(io)? {
        Some(records) => {
            BootstrapMetadata::from_records(records, "bootstrap.checkpoint").map_err(|why| refused(&why))?
        }
        None => {
            let version = startup.new_cluster.metadata_version.unwrap_or(MetadataVersion::LATEST_PRODUCTION);
            let bootstrap = BootstrapMetadata::for_new_cluster(version, &startup.new_cluster.features)
                .map_err(|why| refused(&why))?;
            bootstrap_file::write(dir, bootstrap.records(), now_ms).map_err(io)?;
            bootstrap
        }
    };
    let next = task.log.log_end_offset();
    let result = task.controller.activate(&bootstrap, next, now_ms).map_err(|why| refused(&why))?;
    Ok(task.append(result)?)
}

/// Registers this node as a broker and unfences it: what a broker's lifecycle does by requests in a larger cluster.
fn register(
    startup: &ControllerStartup,
    task: &mut ControllerTask,
    now_ms: i64,
) -> Result<i64, StartupError> {
    let node_id = startup.options.node_id;
    let previous = task.controller.image().cluster.broker(node_id).map_or(-1, |broker| broker.epoch);
    let registration = BrokerRegistrationRequest {
        broker_id: node_id,
        cluster_id: Str::from(startup.options.cluster_id.as_str()),
        incarnation_id: Uuid::from_random(task.random.next_u128()),
        listeners: startup.endpoints.iter().map(listener).collect(),
        features: features(),
        rack: startup.rack.as_deref().map(Str::from),
        log_dirs: startup.log_dirs.clone(),
        previous_broker_epoch: previous,
        ..Default::default()
    };
    let response =
        in_context(task, 4, now_ms, |controller, ctx| controller.register_broker(&registration, ctx));
    let epoch = response.response.broker_epoch;
    check("register as a broker", response.response.error_code)?;
    task.append(response)?;
    let heartbeat = BrokerHeartbeatRequest {
        broker_id: node_id,
        broker_epoch: epoch,
        current_metadata_offset: task.log.log_end_offset(),
        cordoned_log_dirs: Some(startup.cordoned_log_dirs.clone()),
        ..Default::default()
    };
    let response =
        in_context(task, 2, now_ms, |controller, ctx| controller.broker_heartbeat(&heartbeat, ctx));
    check("be unfenced", response.response.error_code)?;
    task.append(response)?;
    Ok(epoch)
}

fn in_context<R>(
    task: &mut ControllerTask,
    api_version: i16,
    now_ms: i64,
    f: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> R,
) -> R {
    let random = &task.random;
    let mut new_id = || Uuid::from_random(random.next_u128());
    let seed = random.next_u64();
    let mut context = RequestContext {
        now_ms,
        api_version,
        origin: RequestOrigin::Forwarded,
        new_id: &mut new_id,
        seed,
        partition_changes: None,
    };
    f(&mut task.controller, &mut context)
}

fn check(what: &str, error_code: i16) -> Result<(), StartupError> {
    match ErrorCode::from_code(error_code) {
        ErrorCode::None => Ok(()),
        error => {
            Err(StartupError::Refused(format!("this node could not {what}: {error}: {}", error.message())))
        }
    }
}

fn listener(endpoint: &Endpoint) -> Listener {
    Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol.code(),
    }
}

fn features() -> Vec<Feature> {
    supported_features(true)
        .into_iter()
        .map(|(name, range)| Feature {
            name,
            min_supported_version: range.min,
            max_supported_version: range.max,
        })
        .collect()
}
