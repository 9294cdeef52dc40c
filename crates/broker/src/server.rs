//! A running node: how its parts are started, in which order, and how they stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use ottla_config::BrokerConfig;
use ottla_config::broker_config::listeners::{Endpoint as ConfigEndpoint, SecurityProtocol};
use ottla_controller::{ControllerOptions, TokenLifetimes};
use ottla_coordinator::share::coordinator::ShareCoordinatorConfig;
use ottla_coordinator::transaction::TransactionCoordinatorConfig;
use ottla_metadata::feature::supported_features;
use ottla_metadata::{Endpoint, MetadataImage, SecurityProtocol as MetadataProtocol};
use ottla_net::{BoundServer, NetError, ServerHandle};
use ottla_protocol::{Str, TopicPartition, Uuid};
use ottla_storage::fs::{Disk, RealDisk};
use ottla_storage::{LoadError, LoadOptions, LogManager, LogManagerOptions, OpenError};

use crate::authentication::{Authentication, AuthenticationError, TlsListenerError, TlsListeners};
use crate::authorization::Authorization;
use crate::background::Background;
use crate::broker::Broker;
use crate::cleaner::LogCleaner;
use crate::clock::now_ms;
use crate::config_schema::BrokerConfigSchema;
use crate::cordon;
use crate::directories::{self, Directories, DirectoryNews, PendingNews};
use crate::dispatch::Dispatcher;
use crate::drivers::controller::{
    self, ControllerStartup, MetadataLogOptions, NewCluster, Started, StartupError,
};
use crate::drivers::delegation_tokens;
use crate::drivers::group_config::group_config;
use crate::drivers::group_coordinator::GroupCoordinator;
use crate::drivers::share_coordinator::ShareCoordinator;
use crate::drivers::transaction_coordinator::TransactionCoordinator;
use crate::dynamic_config::SharedConfig;
use crate::fatal::{Fatal, FatalReason};
use crate::fetch_session::FetchSessions;
use crate::flusher::Flusher;
use crate::follow::Follower;
use crate::http::{Health, HttpError, HttpListener};
use crate::listening;
use crate::loggers::Loggers;
use crate::metrics::{MeasuredDisk, RequestCounts, Sources};
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::quotas::{Quotas, Windows};
use crate::random::Random;
use crate::share::{LocalPersister, ShareManager, ShareSettings};
use crate::slow_logs::SlowLogs;
use crate::streams_topics::StreamsTopics;
use crate::telemetry::Telemetry;

/// What a node is started with beside its configuration.
#[derive(Default)]
pub struct NodeOptions {
    /// Id for a cluster that is formatted now; a random one when none is given.
    pub cluster_id: Option<String>,
    /// Features of a cluster that is formatted now.
    pub new_cluster: NewCluster,
    /// Log levels, as far as they can be changed.
    pub loggers: Option<Loggers>,
    /// What the logs are written with, where it is not the operating system's disk.
    pub disk: Option<Arc<dyn Disk>>,
    /// Data threads; 0: one for each core.
    pub data_threads: usize,
    /// Options of a Java virtual machine, as `KAFKA_OPTS` holds them: they may name a JAAS file and a `krb5.conf`.
    pub java_options: String,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The log directories.
    #[error(transparent)]
    LogDirs(#[from] OpenError),
    /// The logs.
    #[error(transparent)]
    Logs(#[from] LoadError),
    /// The metadata.
    #[error(transparent)]
    Controller(#[from] StartupError),
    /// The sockets.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The HTTP listener.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The stores of listeners.
    #[error(transparent)]
    Tls(#[from] TlsListenerError),
    /// What listeners know of their users.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// A thread or a runtime.
    #[error("no thread or runtime for the node: {0}")]
    System(#[from] std::io::Error),
}

/// A running node.
pub struct Server {
    broker: Arc<Broker>,
    net: ServerHandle,
    background: Background,
    cleaner: LogCleaner,
    control: JoinHandle<()>,
    stop_control: tokio::sync::oneshot::Sender<()>,
    http: Option<HttpListener>,
    broker_epoch: i64,
    fatal: Option<FatalReason>,
}

impl Server {
    /// Starts a node; it serves when this returns. Blocks while logs are loaded.
    ///
    /// # Errors
    /// When a directory, the metadata log or a socket can't be used.
    pub fn start(config: BrokerConfig, mut options: NodeOptions) -> Result<Self, ServerError> {
        let (directories, pending) = directories::news();
        let (fatal, fatal_reason) = Fatal::new();
        let http = HttpListener::start(&config.http, Health::starting(fatal.clone()))?;
        let fsyncs = Arc::default();
        if http.is_some() {
            let disk = options.disk.take().unwrap_or_else(|| Arc::new(RealDisk));
            options.disk = Some(Arc::new(MeasuredDisk::new(disk, Arc::clone(&fsyncs))));
        }
        let authentication = Arc::new(Authentication::new(&config.security, &options.java_options)?);
        let logs = Arc::new(open_dirs(&config, &options, directories.clone())?);
        let tls = TlsListeners::new(&config)?;
        let bound = ottla_net::Server::bind(listening::net_options(&config, options.data_threads, &tls))?;
        let shared_config = Arc::new(SharedConfig::new(config.clone()));
        let schema =
            Arc::new(BrokerConfigSchema::new(shared_config.clone(), authentication.clone(), tls.clone()));
        let started = start_controller(&config, &options, &logs, &bound, schema, &fatal)?;
        shared_config.update(&started.image.image);
        load_logs(&config, &logs, &shared_config, &started.image.image)?;
        let broker_epoch = started.broker_epoch;
        let loggers = options.loggers.take().unwrap_or_else(|| Loggers::new("INFO", Box::new(|_| {})));
        let cleaner_config = shared_config.clone();
        let tls_listeners = tls.clone();
        let (broker, control, stop_control, net) = wire_up(
            config,
            logs,
            shared_config,
            started,
            (bound, tls, authentication),
            loggers,
            (directories.clone(), pending, fatal.clone()),
        )?;
        let background = Background::start(
            broker.logs.clone(),
            broker.partitions.clone(),
            directories,
            broker.shared_config.clone(),
        )?;
        let cleaner = LogCleaner::start(broker.logs.clone(), cleaner_config)?;
        if let Some(http) = &http {
            let sources = Sources::new(broker.clone(), &net, tls_listeners, cleaner.gauges(), fsyncs, fatal);
            http.health().serving(sources);
        }
        let fatal = Some(fatal_reason);
        Ok(Self { broker, net, background, cleaner, control, stop_control, http, broker_epoch, fatal })
    }

    /// Where `/metrics` and `/health` are served, if `ottla.http.listener` is set.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpListener::address)
    }

    /// Listeners by name, and where they listen.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.net.addresses()
    }

    /// Comes with a reason when the node can't go on and must be shut down: its directories have failed. To be waited for
    /// once; afterwards it never comes.
    pub fn fatal(&mut self) -> impl Future<Output = String> + use<> {
        let reason = self.fatal.take();
        async move {
            match reason {
                Some(reason) => match reason.await {
                    Ok(why) => why,
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        }
    }

    /// The log cleaner, which says how it does.
    pub fn cleaner(&self) -> &LogCleaner {
        &self.cleaner
    }

    /// The broker's parts.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Stops in order: no new requests, then the metadata log, then the logs, which are marked as left in order.
    pub fn shutdown(self) {
        if let Some(http) = &self.http {
            http.health().stopping();
        }
        // Waiting fetches would hold their connections until the grace ends.
        for topic in self.broker.partitions.all() {
            topic.partitions.iter().flatten().for_each(|partition| partition.fetch_waiters.wake_all());
        }
        self.net.shutdown(ottla_net::SHUTDOWN_GRACE);
        self.broker.slow_logs.stop();
        self.broker.flusher.stop();
        self.background.stop();
        self.cleaner.stop();
        let _ = self.stop_control.send(());
        let _ = self.control.join();
        drop(self.http);
        self.broker.logs.shutdown(self.broker_epoch, now_ms());
    }
}

fn open_dirs(
    config: &BrokerConfig,
    options: &NodeOptions,
    directories: DirectoryNews,
) -> Result<LogManager, OpenError> {
    let dirs = config.storage.log_dirs.iter().map(PathBuf::from).collect();
    let mut manager = LogManagerOptions::new(dirs, config.node_id);
    manager.cluster_id = options.cluster_id.clone();
    manager.disk = options.disk.clone().unwrap_or(manager.disk);
    manager.on_offline = Some(Arc::new(move |dir| directories.failed(dir.id())));
    manager.context.producer_id_expiration_ms = i64::from(config.storage.producer_id_expiration_ms);
    manager.context.verify_transactions = config.transactions.partition_verification_enable;
    manager.context.max_transaction_timeout_ms = config.topics.transaction_max_timeout_ms;
    LogManager::open(manager)
}

fn start_controller(
    config: &BrokerConfig,
    options: &NodeOptions,
    logs: &LogManager,
    bound: &BoundServer,
    schema: Arc<BrokerConfigSchema>,
    fatal: &Fatal,
) -> Result<Started, ServerError> {
    let metadata_log_dir = PathBuf::from(&config.storage.metadata_log_dir);
    let directory_id = logs.log_dir(&metadata_log_dir).map_or(Uuid::ZERO, |dir| dir.id());
    let unstable = config
        .values()
        .get("unstable.feature.versions.enable")
        .and_then(|value| value.as_bool())
        .unwrap_or(false);
    let startup = ControllerStartup {
        metadata_log_dir,
        directory_id,
        metadata_log: metadata_log_options(config),
        options: ControllerOptions {
            supported_features: supported_features(unstable),
            default_replication_factor: config.topics.default_replication_factor as i16,
            default_num_partitions: config.topics.num_partitions,
            delete_topic_enable: config.topics.delete_topic_enable,
            delegation_tokens: config.security.delegation_tokens.as_ref().map(|tokens| TokenLifetimes {
                max_ms: tokens.max_lifetime_ms,
                expiry_ms: tokens.expiry_time_ms,
            }),
            ..ControllerOptions::new(config.node_id, logs.cluster_id())
        },
        schema,
        endpoints: endpoints(&config.listeners.advertised, bound),
        controller_endpoints: endpoints(&config.listeners.controller_advertised, bound),
        rack: config.rack.clone(),
        log_dirs: logs.live_dirs().map(|dir| dir.id()).collect(),
        cordoned_log_dirs: cordon::directories(config, logs),
        dynamic_quorum: config.quorum.voters.is_empty() && !config.quorum.bootstrap_servers.is_empty(),
        new_cluster: options.new_cluster.clone(),
        fatal: fatal.clone(),
    };
    Ok(controller::start(startup)?)
}

fn metadata_log_options(config: &BrokerConfig) -> MetadataLogOptions {
    let log = &config.metadata_log;
    MetadataLogOptions {
        segment_bytes: log.segment_bytes.max(0) as u32,
        segment_ms: log.segment_ms,
        bytes_between_snapshots: log.max_record_bytes_between_snapshots.max(1) as u64,
        snapshot_interval_ms: log.max_snapshot_interval_ms,
        retention_bytes: log.max_retention_bytes,
        retention_ms: log.max_retention_ms,
        delete_delay_ms: log.delete_delay_ms,
    }
}

/// Advertised endpoints with the ports that the system has chosen where the configuration says 0.
fn endpoints(advertised: &[ConfigEndpoint], bound: &BoundServer) -> Vec<Endpoint> {
    let port = |endpoint: &ConfigEndpoint| match endpoint.port {
        0 => bound
            .addresses()
            .iter()
            .find(|(name, _)| *name == endpoint.listener)
            .map_or(0, |(_, address)| address.port()),
        port => port,
    };
    advertised
        .iter()
        .map(|endpoint| Endpoint {
            name: Str::from(endpoint.listener.as_str()),
            host: Str::from(endpoint.host.clone().unwrap_or_else(host_name)),
            port: port(endpoint),
            security_protocol: match endpoint.security_protocol {
                SecurityProtocol::Plaintext => MetadataProtocol::Plaintext,
                SecurityProtocol::Ssl => MetadataProtocol::Ssl,
                SecurityProtocol::SaslPlaintext => MetadataProtocol::SaslPlaintext,
                SecurityProtocol::SaslSsl => MetadataProtocol::SaslSsl,
            },
        })
        .collect()
}

/// What clients are told where neither `advertised.listeners` nor `listeners` names a host: this machine's name if it
/// leads back here, else the loopback address, so that a laptop works without configuration.
fn host_name() -> String {
    use std::net::ToSocketAddrs;
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let resolves = (&*name, 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
    if resolves { name.into_owned() } else { "localhost".into() }
}

fn load_logs(
    config: &BrokerConfig,
    logs: &LogManager,
    shared_config: &SharedConfig,
    image: &MetadataImage,
) -> Result<(), LoadError> {
    let is_stray = |partition: &TopicPartition, topic_id: Option<Uuid>| {
        let registration = image.topics.partition(&partition.topic, partition.partition);
        let same_topic = topic_id.is_none_or(|id| image.topics.topic_id(&partition.topic) == Some(id));
        !(same_topic && registration.is_some_and(|r| r.replicas.contains(&config.node_id)))
    };
    let report = logs.load_logs(&LoadOptions {
        config: &|topic| Arc::new(shared_config.log_config(image, topic)),
        is_stray: &is_stray,
        threads_per_dir: config.storage.num_recovery_threads_per_data_dir.max(1) as usize,
        now_ms: now_ms(),
    })?;
    for (partition, why) in &report.failed {
        tracing::error!(%partition, %why, "a log can't be loaded");
    }
    if report.loaded > 0 {
        tracing::info!(logs = report.loaded, recovered_dirs = report.unclean_dirs.len(), "logs loaded");
    }
    Ok(())
}

type Wired = (Arc<Broker>, JoinHandle<()>, tokio::sync::oneshot::Sender<()>, ServerHandle);

fn wire_up(
    config: BrokerConfig,
    logs: Arc<LogManager>,
    shared_config: Arc<SharedConfig>,
    started: Started,
    (bound, tls, authentication): (BoundServer, TlsListeners, Arc<Authentication>),
    loggers: Loggers,
    (directories, pending, fatal): (DirectoryNews, PendingNews, Fatal),
) -> Result<Wired, ServerError> {
    let random = Random::default();
    let image = Arc::new(ArcSwap::from_pointee(MetadataImage::default()));
    let partitions = Arc::new(Partitions::default());
    let producer_ids = Arc::new(ProducerIds::new(config.node_id, started.handle.clone(), image.clone()));
    let (coordinators, coordinators_task) = coordinators(&config, partitions.clone(), producer_ids.clone());
    let Coordinators { groups, transactions, share_states } = coordinators;
    let config = Arc::new(config);
    let (shares, shares_task) = shares(&config, &partitions, &share_states, &image);
    let broker = Arc::new(Broker {
        node_id: config.node_id,
        cluster_id: Str::from(logs.cluster_id()),
        shared_config,
        partitions,
        logs,
        flusher: Flusher::default(),
        slow_logs: SlowLogs::default(),
        controller: started.handle.clone(),
        groups,
        fetch_sessions: fetch_sessions(&config, &random),
        producer_ids,
        transactions,
        share_states,
        shares,
        telemetry: Telemetry::new(config.http.listener.is_some()),
        streams_topics: StreamsTopics::default(),
        loggers,
        requests: RequestCounts::default(),
        quotas: Arc::new(client_quotas(&config)),
        authorization: Arc::new(Authorization::new(&config.authorization)),
        authentication,
        random,
        image,
        config,
    });
    let for_service = broker.clone();
    let mut follower = follower_of(&broker, directories);
    // The controller has been told at the registration what it would be told now.
    let _ = follower.follow(&started.image);
    let net = bound.serve(move |_| Dispatcher::new(for_service.clone()))?;
    follower.on_ip_quotas = listening::on_ip_quotas(&net, &started.image.image);
    follower.on_broker_config = listening::on_broker_config(&broker, &net, tls);
    let directories = directories_of(&broker, fatal);
    let tokens = expiring_tokens(&broker);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let control = std::thread::Builder::new().name("ottla-control".into()).spawn(move || {
        ottla_net::time_slice::ask_for_a_short_one();
        runtime.block_on(async move {
            tokio::select! {
                () = started.run(|image| follower.follow(image)) => {}
                () = coordinators_task => {}
                () = shares_task => {}
                () = tokens => {}
                // It ends only with the last of those who may have news.
                () = directories.run(pending) => {}
                _ = stopped => {}
            }
        });
    })?;
    Ok((broker, control, stop, net))
}

fn fetch_sessions(config: &BrokerConfig, random: &Random) -> FetchSessions {
    let slots = config.topics.max_incremental_fetch_session_cache_slots.max(0) as usize;
    FetchSessions::new(slots, random.next_u64())
}

/// Forgets delegation tokens that have expired, for the control thread.
fn expiring_tokens(broker: &Broker) -> impl Future<Output = ()> + use<> {
    let tokens = broker.config.security.delegation_tokens.as_ref();
    let check_interval_ms = tokens.map(|tokens| tokens.expiry_check_interval_ms);
    delegation_tokens::expire(broker.controller.clone(), check_interval_ms)
}

/// No limits yet, measured over the windows of the configuration.
fn client_quotas(config: &BrokerConfig) -> Quotas {
    let quotas = &config.quotas;
    Quotas::new(
        Windows::new(quotas.window_num, quotas.window_size_seconds),
        Windows::new(quotas.controller_window_num, quotas.controller_window_size_seconds),
    )
}

fn directories_of(broker: &Broker, fatal: Fatal) -> Directories {
    Directories {
        node_id: broker.node_id,
        logs: broker.logs.clone(),
        controller: broker.controller.clone(),
        image: broker.image.clone(),
        fatal,
    }
}

/// What keeps the internal topics.
struct Coordinators {
    groups: GroupCoordinator,
    transactions: TransactionCoordinator,
    share_states: ShareCoordinator,
}

/// The coordinators, and what they do, for the control thread.
fn coordinators(
    config: &BrokerConfig,
    partitions: Arc<Partitions>,
    producer_ids: Arc<ProducerIds>,
) -> (Coordinators, impl Future<Output = ()> + use<>) {
    let (groups, groups_task) = GroupCoordinator::new(group_config(config));
    let (transactions, transactions_task) = TransactionCoordinator::new(
        transaction_config(config),
        partitions.clone(),
        groups.clone(),
        producer_ids,
    );
    let (share_states, share_states_task) =
        ShareCoordinator::new(share_coordinator_config(config), partitions);
    let task = async move {
        tokio::select! {
            () = groups_task => {}
            () = transactions_task => {}
            () = share_states_task => {}
        }
    };
    (Coordinators { groups, transactions, share_states }, task)
}

/// Share groups' records, and the task that keeps them, for the control thread.
fn shares(
    config: &Arc<BrokerConfig>,
    partitions: &Arc<Partitions>,
    share_states: &ShareCoordinator,
    image: &Arc<ArcSwap<MetadataImage>>,
) -> (Arc<ShareManager>, impl Future<Output = ()> + use<>) {
    let max_sessions = usize::try_from(config.newer_groups.share.max_share_sessions).unwrap_or(0);
    let persister = LocalPersister::new(share_states.clone(), image.clone());
    let (config, image) = (config.clone(), image.clone());
    let settings =
        move |group_id: &str| ShareSettings::new(&config.newer_groups.share, &image.load(), group_id);
    ShareManager::new(max_sessions, partitions.clone(), Box::new(settings), Box::new(persister))
}

fn follower_of(broker: &Broker, directories: DirectoryNews) -> Follower {
    Follower {
        node_id: broker.node_id,
        partitions: broker.partitions.clone(),
        logs: broker.logs.clone(),
        groups: broker.groups.clone(),
        transactions: broker.transactions.clone(),
        share_states: broker.share_states.clone(),
        shares: broker.shares.clone(),
        config: broker.shared_config.clone(),
        authentication: broker.authentication.clone(),
        authorization: broker.authorization.clone(),
        quotas: broker.quotas.clone(),
        on_ip_quotas: Box::new(|_| {}),
        image: broker.image.clone(),
        directories,
        on_broker_config: Box::new(|_| {}),
        is_first: true,
    }
}

fn share_coordinator_config(config: &BrokerConfig) -> ShareCoordinatorConfig {
    let share = &config.share_coordinator;
    ShareCoordinatorConfig {
        snapshot_update_records_per_snapshot: share.snapshot_update_records_per_snapshot,
        write_timeout_ms: share.write_timeout_ms,
        state_topic_prune_interval_ms: share.state_topic_prune_interval_ms,
        cold_partition_snapshot_interval_ms: share.cold_partition_snapshot_interval_ms,
    }
}

fn transaction_config(config: &BrokerConfig) -> TransactionCoordinatorConfig {
    let transactions = &config.transactions;
    TransactionCoordinatorConfig {
        transaction_max_timeout_ms: transactions.max_timeout_ms,
        transaction_two_phase_commit_enable: transactions.two_phase_commit_enable,
        abort_timed_out_interval_ms: transactions.abort_timed_out_interval_ms,
        remove_expired_interval_ms: transactions.remove_expired_interval_ms,
        transactional_id_expiration_ms: transactions.transactional_id_expiration_ms,
        request_timeout_ms: config.topics.request_timeout_ms,
    }
}
