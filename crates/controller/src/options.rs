//! What a controller is told when it is made.

use std::collections::BTreeMap;

use ottla_metadata::VersionRange;
use ottla_metadata::feature::supported_features;
use ottla_protocol::Str;

/// Settings of a controller; none of them changes while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerOptions {
    /// This node's id.
    pub node_id: i32,
    /// The cluster's id; brokers of another cluster are refused.
    pub cluster_id: String,
    /// Whether a broker of the same id runs in this very process (`process.roles=broker,controller`). Whoever was
    /// registered under that id before this process is then known to be gone, so that a restart after a crash does
    /// not wait until its session is over, as it does in Kafka.
    pub is_combined: bool,
    /// Ids of all voters of the quorum.
    pub quorum_node_ids: Vec<i32>,
    /// Finalized level of `kraft.version`, which the quorum keeps.
    pub kraft_version: i16,
    /// The features that this node supports.
    pub supported_features: BTreeMap<Str, VersionRange>,
    /// Replicas of a topic that does not say how many (`default.replication.factor`).
    pub default_replication_factor: i16,
    /// Partitions of a topic that does not say how many (`num.partitions`).
    pub default_num_partitions: i32,
    /// Whether topics can be deleted (`delete.topic.enable`).
    pub delete_topic_enable: bool,
    /// Milliseconds without a heartbeat after which a broker is fenced (`broker.session.timeout.ms`).
    pub session_timeout_ms: i64,
    /// Lives of delegation tokens; none where there are no tokens (`delegation.token.secret.key`).
    pub delegation_tokens: Option<TokenLifetimes>,
    /// Most leaders that one periodic check moves.
    pub max_elections_per_imbalance: usize,
}

/// How long delegation tokens live, in milliseconds, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    /// `delegation.token.max.lifetime.ms`: renewals included.
    pub max_ms: i64,
    /// `delegation.token.expiry.time.ms`: until the next renewal.
    pub expiry_ms: i64,
}

impl ControllerOptions {
    /// A quorum of one, combined with its broker, with Kafka's defaults.
    pub fn new(node_id: i32, cluster_id: impl Into<String>) -> Self {
        Self {
            node_id,
            cluster_id: cluster_id.into(),
            is_combined: true,
            quorum_node_ids: vec![node_id],
            kraft_version: 0,
            supported_features: supported_features(false),
            default_replication_factor: 1,
            default_num_partitions: 1,
            delete_topic_enable: true,
            session_timeout_ms: 9_000,
            delegation_tokens: None,
            max_elections_per_imbalance: 1_000,
        }
    }
}
