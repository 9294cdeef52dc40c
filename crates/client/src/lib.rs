//! Clients of a Kafka cluster: producer, consumer, share consumer and admin, in the shape of Kafka's own.
//!
//! Everything runs on the caller's tokio runtime. Dropping a client ends its tasks.
//!
//! | module | what |
//! | --- | --- |
//! | [`assignors`] | who in a group gets which partitions |
//! | [`admin`] | the administration of a cluster |
//! | [`cluster`] | connections to all nodes, metadata, coordinators: what the clients share |
//! | [`config`] | Kafka's own configuration keys, typed |
//! | [`consumer`] | reading records, alone or in a group |
//! | `kerberos` | tickets to log in with (SASL/GSSAPI), by the feature `gssapi` |
//! | [`membership`] | being in a group: classic, consumer (KIP-848) and share groups (KIP-932), as pure cores |
//! | [`metrics`] | what a client does, in figures, also pushed to the brokers |
//! | [`oauth`] | tokens to log in with (SASL/OAUTHBEARER) |
//! | [`producer`] | records into partitions, in order, once; transactions |
//! | [`security`] | TLS and SASL, by Kafka's keys |
//! | [`share`] | share groups: records one by one, acknowledged one by one |
//! | [`record`] | what is sent and what is received |

pub mod admin;
pub mod assignors;
mod backoff;
mod clock;
pub mod cluster;
pub mod config;
pub mod consumer;
mod error;
#[cfg(feature = "gssapi")]
mod kerberos;
pub mod membership;
pub mod metrics;
pub mod oauth;
pub mod producer;
mod random;
pub mod record;
pub mod security;
pub mod share;
#[cfg(test)]
#[allow(dead_code)]
pub(crate) mod testing;

pub use admin::Admin;
pub use cluster::{Cluster, Target};
pub use config::ClientConfig;
pub use error::{Error, Result};
