//! Configuration keys of Kafka 4.3: one declaration each, and everything that follows from the declarations.
//!
//! - [`KeyDef`] declares a key; the tables are in [`keys`], one file per area of `server.properties`, plus
//!   topics, groups, quotas and client metrics.
//! - [`properties`] reads `server.properties`; [`StaticProperties`] lays the environment and the command
//!   line over it.
//! - [`BrokerConfig`] and [`TopicConfig`] are the typed configurations; reading them validates as Kafka
//!   does, with Kafka's texts, plus what is allowed and a hint.
//! - [`ClientValues`] are the values of a producer's, consumer's or admin client's keys.
//! - [`DynamicBrokerConfig`] holds what was changed at run time, validates changes, and evaluates the
//!   layers again.
//! - [`describe`] answers DescribeConfigs, [`compatibility`] writes the table of keys for the documentation.
//!
//! The crate is pure: it opens no file and asks no clock; the environment is an argument. It does not know
//! the wire protocol: who uses it turns [`ErrorKind`] into error codes.

pub mod broker_config;
pub mod client_config;
pub mod client_metrics;
pub mod compatibility;
pub mod describe;
pub mod dynamic;
pub mod error;
pub mod group_config;
pub mod incremental;
pub mod iso_duration;
mod java;
pub mod java_options;
pub mod key_def;
pub mod keys;
pub mod layers;
pub mod properties;
pub mod quorum_address;
pub mod suggest;
pub mod synonyms;
pub mod topic_config;
pub mod validator;
pub mod value;
pub mod values;

pub use broker_config::BrokerConfig;
pub use client_config::ClientValues;
pub use dynamic::DynamicBrokerConfig;
pub use error::{ConfigError, ErrorKind, Warning};
pub use java::double_to_string;
pub use key_def::{DefaultValue, Importance, KeyDef, Scope, Support, Type, UpdateMode};
pub use keys::{broker_keys, client_metrics_keys, group_keys, lookup, topic_keys};
pub use layers::{Origin, RawMap, StaticProperties};
pub use topic_config::{TimestampType, TopicCompression, TopicConfig};
pub use value::{Password, Value, parse};
