//! The broker: handles to its parts, and no logic of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_config::BrokerConfig;
use ottla_metadata::MetadataImage;
use ottla_protocol::Str;
use ottla_storage::LogManager;

use crate::apis::ListenerKind;
use crate::authentication::Authentication;
use crate::authorization::Authorization;
use crate::drivers::controller::ControllerHandle;
use crate::drivers::group_coordinator::GroupCoordinator;
use crate::drivers::share_coordinator::ShareCoordinator;
use crate::drivers::transaction_coordinator::TransactionCoordinator;
use crate::dynamic_config::SharedConfig;
use crate::fetch_session::FetchSessions;
use crate::flusher::Flusher;
use crate::loggers::Loggers;
use crate::metrics::RequestCounts;
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::quotas::Quotas;
use crate::random::Random;
use crate::share::ShareManager;
use crate::slow_logs::SlowLogs;
use crate::streams_topics::StreamsTopics;
use crate::telemetry::Telemetry;

/// Everything that handlers reach.
pub struct Broker {
    /// `node.id`.
    pub node_id: i32,
    /// Id of the cluster.
    pub cluster_id: Str,
    /// The configuration that this broker was started with, for what can't change.
    pub config: Arc<BrokerConfig>,
    /// The configuration with what was changed at run time.
    pub shared_config: Arc<SharedConfig>,
    /// The partitions that are here.
    pub partitions: Arc<Partitions>,
    /// Their logs.
    pub logs: Arc<LogManager>,
    /// Makes durable what must be before it is acknowledged.
    pub flusher: Flusher,
    /// Appends to logs that make their writers wait.
    pub slow_logs: SlowLogs,
    /// The controller.
    pub controller: ControllerHandle,
    /// The group coordinator.
    pub groups: GroupCoordinator,
    /// The transaction coordinator.
    pub transactions: TransactionCoordinator,
    /// Fetch sessions.
    pub fetch_sessions: FetchSessions,
    /// Producer ids.
    pub producer_ids: Arc<ProducerIds>,
    /// The share coordinator, which keeps the state of share groups.
    pub share_states: ShareCoordinator,
    /// Share groups' records on their way to members and back.
    pub shares: Arc<ShareManager>,
    /// Client metrics.
    pub telemetry: Telemetry,
    /// Internal topics of streams applications that are being created.
    pub(crate) streams_topics: StreamsTopics,
    /// Log levels.
    pub loggers: Loggers,
    /// What data threads count of their requests.
    pub(crate) requests: RequestCounts,
    /// Who the listeners with SASL know.
    pub(crate) authentication: Arc<Authentication>,
    /// How fast clients may go.
    pub(crate) quotas: Arc<Quotas>,
    /// Who may do what.
    pub(crate) authorization: Arc<Authorization>,
    /// Randomness.
    pub random: Random,
    /// The cluster's metadata as this broker follows it.
    pub(crate) image: Arc<ArcSwap<MetadataImage>>,
}

impl Broker {
    /// The cluster's metadata as this broker follows it.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Number of partitions of a topic; 0 while it does not exist.
    pub fn partitions_of(&self, topic: &str) -> i32 {
        self.image().topics.topic(topic).map_or(0, |topic| topic.partitions.len() as i32)
    }

    /// Whether a listener serves clients or controllers.
    pub fn listener_kind(&self, listener: &str) -> ListenerKind {
        let is_controller =
            self.config.listeners.controller_listener_names.iter().any(|name| name == listener);
        if is_controller { ListenerKind::Controller } else { ListenerKind::Broker }
    }

    /// `unstable.feature.versions.enable`.
    pub fn unstable_features_enabled(&self) -> bool {
        self.config
            .values()
            .get("unstable.feature.versions.enable")
            .and_then(|value| value.as_bool())
            .unwrap_or(false)
    }
}
