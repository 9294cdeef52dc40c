//! The configuration of a broker (Kafka's `KafkaConfig`), typed, for what the broker uses.
//!
//! One part per concern, each built from the parsed values; `validate` checks what concerns several keys.
//! Keys without a field are at [`BrokerConfig::values`].

use crate::error::{ConfigError, Warning};
use crate::layers::{RawMap, StaticProperties};
use crate::topic_config::TopicConfig;
use crate::values::{self, Values};

pub mod authorization;
pub mod cleaner;
pub mod delegation_tokens;
mod endpoint;
pub mod groups;
pub mod http;
pub mod kerberos;
pub mod listeners;
pub mod metadata_log;
pub mod newer_groups;
pub mod node;
pub mod oauth;
pub mod quorum;
pub mod quotas;
pub mod security;
pub mod share_coordinator;
pub mod sockets;
pub mod storage;
pub mod tls;
pub mod topics;
pub mod transactions;
mod validate;

use authorization::AuthorizationConfig;
use cleaner::LogCleanerConfig;
use groups::GroupCoordinatorConfig;
use http::HttpConfig;
use listeners::ListenersConfig;
use metadata_log::MetadataLogConfig;
use newer_groups::NewerGroupsConfig;
use node::ProcessRoles;
use quorum::QuorumConfig;
use quotas::QuotaConfig;
use security::SecurityConfig;
use share_coordinator::ShareCoordinatorConfig;
use sockets::SocketConfig;
use storage::StorageConfig;
use topics::TopicsConfig;
use transactions::TransactionsConfig;

/// The configuration of a broker.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: i32,
    /// `process.roles`.
    pub roles: ProcessRoles,
    /// Nothing says which roles this node plays: it is broker and controller, alone, and needs no
    /// controller listener.
    pub standalone: bool,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Where it listens and what it advertises.
    pub listeners: ListenersConfig,
    /// Limits on connections and requests.
    pub sockets: SocketConfig,
    /// Directories and the periodic work on logs.
    pub storage: StorageConfig,
    /// Compaction.
    pub log_cleaner: LogCleanerConfig,
    /// Creation, deletion and reading of topics.
    pub topics: TopicsConfig,
    /// Transactions.
    pub transactions: TransactionsConfig,
    /// Over which time quotas are measured.
    pub quotas: QuotaConfig,
    /// The share coordinator.
    pub share_coordinator: ShareCoordinatorConfig,
    /// Classic groups and offsets.
    pub groups: GroupCoordinatorConfig,
    /// Consumer, share and streams groups.
    pub newer_groups: NewerGroupsConfig,
    /// The controller quorum.
    pub quorum: QuorumConfig,
    /// The metadata log and its snapshots.
    pub metadata_log: MetadataLogConfig,
    /// `/metrics` and `/health`.
    pub http: HttpConfig,
    /// Who may do what.
    pub authorization: AuthorizationConfig,
    /// How listeners authenticate.
    pub security: SecurityConfig,
    /// `telemetry.max.bytes`.
    pub telemetry_max_bytes: i32,
    /// What topics get that set nothing themselves.
    pub topic_defaults: TopicConfig,
    values: Values,
    originals: RawMap,
}

impl BrokerConfig {
    /// Reads the keys and values of a broker.
    ///
    /// # Errors
    /// Everything that is wrong: values that are not of their type or fail their validator, refused keys,
    /// or, if there is none of these, keys that contradict each other.
    pub fn from_properties(properties: &RawMap) -> Result<(BrokerConfig, Vec<Warning>), Vec<ConfigError>> {
        let (config, mut warnings) = BrokerConfig::evaluate(properties)?;
        warnings.extend(values::warnings(config.originals(), config.values()));
        // Kafka checks this where it opens the logs, so not when the configuration changes at run time.
        match config.topic_defaults.validate_broker_defaults(config.remote_storage_enabled()) {
            Ok(()) => Ok((config, warnings)),
            Err(error) => Err(vec![error]),
        }
    }

    /// What `KafkaConfig` checks whenever it is built, at the start and at every change.
    pub(crate) fn evaluate(properties: &RawMap) -> Result<(BrokerConfig, Vec<Warning>), Vec<ConfigError>> {
        let originals = with_id_synonyms(properties);
        let values = Values::parse(&originals)?;
        let config = BrokerConfig::build(originals, values).map_err(|error| vec![error])?;
        let mut warnings = Vec::new();
        let errors = config.validate(&mut warnings);
        if errors.is_empty() { Ok((config, warnings)) } else { Err(errors) }
    }

    /// As [`BrokerConfig::from_properties`]; errors say where the value at fault came from.
    ///
    /// # Errors
    /// As [`BrokerConfig::from_properties`].
    pub fn from_static(
        properties: &StaticProperties,
    ) -> Result<(BrokerConfig, Vec<Warning>), Vec<ConfigError>> {
        BrokerConfig::from_properties(properties.values()).map_err(|errors| {
            let with_origin = |error: ConfigError| {
                let origin = error.context.key.as_deref().and_then(|key| properties.origin(key)).cloned();
                error.at_origin(origin)
            };
            errors.into_iter().map(with_origin).collect()
        })
    }

    /// The parsed values of all keys.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Keys and values as given. Of `broker.id` and `node.id` either stands for the other.
    pub fn originals(&self) -> &RawMap {
        &self.originals
    }

    /// Whether tiered storage is on.
    pub fn remote_storage_enabled(&self) -> bool {
        self.values.boolean("remote.log.storage.system.enable")
    }

    fn build(originals: RawMap, values: Values) -> Result<BrokerConfig, ConfigError> {
        let roles = ProcessRoles::from_values(&values);
        let quorum = QuorumConfig::from_values(&values)?;
        let listeners = ListenersConfig::from_values(&values, &originals, &quorum)?;
        Ok(BrokerConfig {
            node_id: values.int("node.id"),
            roles,
            standalone: values::is_standalone(&originals),
            rack: values.opt_string("broker.rack").map(str::to_owned),
            security: SecurityConfig::from_values(&values, &originals, &listeners)?,
            listeners,
            sockets: SocketConfig::from_values(&values)?,
            storage: StorageConfig::from_values(&values),
            log_cleaner: LogCleanerConfig::from_values(&values),
            topics: TopicsConfig::from_values(&values),
            transactions: TransactionsConfig::from_values(&values),
            quotas: QuotaConfig::from_values(&values),
            share_coordinator: ShareCoordinatorConfig::from_values(&values),
            groups: GroupCoordinatorConfig::from_values(&values)?,
            newer_groups: NewerGroupsConfig::from_values(&values),
            quorum,
            metadata_log: MetadataLogConfig::from_values(&values),
            http: HttpConfig::from_values(&values),
            authorization: AuthorizationConfig::from_values(&values, &originals)?,
            telemetry_max_bytes: values.int("telemetry.max.bytes"),
            topic_defaults: TopicConfig::from_broker(&values),
            values,
            originals,
        })
    }
}

/// `node.id` is the newer name of `broker.id`; whichever is given stands for both.
fn with_id_synonyms(properties: &RawMap) -> RawMap {
    let mut originals = properties.clone();
    for (given, missing) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let Some(id) = properties.get(given)
            && !properties.contains_key(missing)
        {
            originals.insert(missing.to_owned(), id.clone());
        }
    }
    originals
}

#[cfg(test)]
#[path = "broker_config/broker_config_test.rs"]
mod tests;
