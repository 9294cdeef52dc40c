//! The controller quorum (Kafka's `QuorumConfig`), as far as a node must know it.

use crate::error::ConfigError;
use crate::quorum_address::{HostPort, Voter, parse_bootstrap_servers, parse_voters};
use crate::values::Values;

/// The controller quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumConfig {
    /// `controller.quorum.voters`.
    pub voters: Vec<Voter>,
    /// `controller.quorum.bootstrap.servers`.
    pub bootstrap_servers: Vec<HostPort>,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i32,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i32,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i32,
    /// `controller.quorum.append.linger.ms`.
    pub append_linger_ms: i32,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: i32,
}

impl QuorumConfig {
    pub(super) fn from_values(values: &Values) -> Result<QuorumConfig, ConfigError> {
        Ok(QuorumConfig {
            voters: parse_voters(values.list("controller.quorum.voters"))?,
            bootstrap_servers: parse_bootstrap_servers(values.list("controller.quorum.bootstrap.servers"))?,
            auto_join: values.boolean("controller.quorum.auto.join.enable"),
            election_timeout_ms: values.int("controller.quorum.election.timeout.ms"),
            election_backoff_max_ms: values.int("controller.quorum.election.backoff.max.ms"),
            fetch_timeout_ms: values.int("controller.quorum.fetch.timeout.ms"),
            append_linger_ms: values.int("controller.quorum.append.linger.ms"),
            request_timeout_ms: values.int("controller.quorum.request.timeout.ms"),
        })
    }
}
