//! The administration of a cluster: every operation of Java's `Admin` in Kafka 4.3.
//!
//! An operation is a method of [`Admin`]. Where Java gives a future for each key, the method gives a
//! [`PerKey`]: a result for each key that was asked for. Operations are tried again while their time
//! (`default.api.timeout.ms`, or the `timeout` of the operation's options) lasts and the error is one that may
//! pass; keys are sent together to the broker that answers for them, as `KafkaAdminClient` does.
//!
//! | files | operations |
//! | --- | --- |
//! | `topics`, `describe_topics`, `create_partitions`, `records`, `reassignments`, `elections`, `log_dirs` | topics and their partitions |
//! | `configs`, `quotas`, `scram`, `acls`, `delegation_tokens` | configuration and security |
//! | `groups`, `group_lists`, `group_members`, `offsets`, `group_offsets`, `share_groups`, `streams_groups` | groups and offsets |
//! | `producers`, `transactions` | transactions |
//! | `cluster`, `features`, `quorum` | the cluster itself |
//! | `call`, `keyed`, `lookup`, `quota_retry` | how requests find their broker and are repeated |

mod acls;
mod call;
mod cluster;
mod configs;
mod create_partitions;
mod delegation_tokens;
mod describe_topics;
mod elections;
mod features;
mod group_lists;
mod group_members;
mod group_offsets;
mod groups;
mod keyed;
mod log_dirs;
mod lookup;
mod offsets;
mod producers;
mod quorum;
mod quota_retry;
mod quotas;
mod reassignments;
mod records;
mod scram;
mod share_groups;
mod streams_groups;
mod topics;
mod transactions;
mod types;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

pub use self::acls::*;
pub use self::cluster::*;
pub use self::configs::*;
pub use self::create_partitions::*;
pub use self::delegation_tokens::*;
pub use self::describe_topics::*;
pub use self::elections::*;
pub use self::features::*;
pub use self::group_lists::*;
pub use self::group_members::*;
pub use self::group_offsets::*;
pub use self::groups::*;
pub use self::log_dirs::*;
pub use self::offsets::*;
pub use self::producers::*;
pub use self::quorum::*;
pub use self::quotas::*;
pub use self::reassignments::*;
pub use self::records::*;
pub use self::scram::*;
pub use self::share_groups::*;
pub use self::streams_groups::*;
pub use self::topics::*;
pub use self::transactions::*;
pub use self::types::*;
use crate::config::Properties;
pub use crate::consumer::{IsolationLevel, OffsetAndMetadata};
use crate::{ClientConfig, Cluster, Error, Result};

/// A result for each key that was asked for.
pub type PerKey<K, V> = BTreeMap<K, Result<V>>;

/// Options of operations that take nothing but a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeoutOptions {
    /// How long the operation may take with all its attempts; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
}

/// Administers a cluster (`org.apache.kafka.clients.admin.Admin`). Clones share the connections.
#[derive(Clone)]
pub struct Admin {
    cluster: Cluster,
    /// Whether the cluster was reached through `bootstrap.controllers`: what only brokers answer is refused.
    controllers: bool,
    /// `retries`.
    retries: u32,
}

impl Admin {
    /// An administrator of a cluster whose connections it shares.
    pub fn new(cluster: Cluster) -> Self {
        let controllers = !cluster.config().bootstrap_controllers.is_empty();
        Self { cluster, controllers, retries: i32::MAX.unsigned_abs() }
    }

    /// An administrator by Kafka's own keys (`AdminClientConfig`), with either `bootstrap.servers` or
    /// `bootstrap.controllers`.
    ///
    /// # Errors
    /// When a value is wrong, or both or none of the two are given.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        uses_controllers(properties)?;
        let retries = match properties.get("retries") {
            None => i32::MAX,
            Some(text) => text.trim().parse().ok().filter(|retries| *retries >= 0).ok_or_else(|| {
                Error::Illegal(format!("Invalid value {text} for configuration retries: a number from 0 on"))
            })?,
        };
        let config = ClientConfig::from_properties(properties)?;
        Ok(Self { retries: retries.unsigned_abs(), ..Self::new(Cluster::new(config)?) })
    }

    /// The connections and the metadata below.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Whether it talks to the controllers (`bootstrap.controllers`) instead of brokers.
    pub fn uses_controllers(&self) -> bool {
        self.controllers
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.cluster.close().await;
    }

    /// When an operation that begins now must have ended.
    fn deadline(&self, timeout: Option<Duration>) -> Instant {
        Instant::now() + timeout.unwrap_or(self.cluster.config().default_api_timeout)
    }
}

/// Kafka's rules for the two lists of addresses (`AdminBootstrapAddresses`).
fn uses_controllers(properties: &Properties) -> Result<bool> {
    let given = |key: &str| properties.get(key).is_some_and(|value| !value.trim().is_empty());
    match (given("bootstrap.servers"), given("bootstrap.controllers")) {
        (true, false) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => {
            Err(Error::Illegal("You must set either bootstrap.servers or bootstrap.controllers".into()))
        }
        (true, true) => {
            Err(Error::Illegal("You cannot set both bootstrap.servers and bootstrap.controllers".into()))
        }
    }
}

#[cfg(test)]
#[path = "mock_test.rs"]
mod mock_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_brokers_or_controllers() {
        let check = |pairs: &[(&str, &str)]| {
            let properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            uses_controllers(&properties).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[("bootstrap.servers", "a:1")]), Ok(false));
        assert_eq!(check(&[("bootstrap.controllers", "a:1")]), Ok(true));
        assert!(check(&[]).unwrap_err().starts_with("You must set either"));
        assert!(
            check(&[("bootstrap.servers", "a:1"), ("bootstrap.controllers", "b:1")])
                .unwrap_err()
                .starts_with("You cannot set both")
        );
    }
}
