//! The broker: dispatch, one handler per API, partitions, drivers of the pure cores.
//!
//! - [`Server`]: a running node: started from a configuration, stopped in order.
//! - [`dispatch`]: from frames to handlers; [`apis`] says what is served.
//! - [`handlers`]: one file per API.
//! - [`partitions`], [`waiting`], [`fetch_session`]: what produce and fetch work on.
//! - [`drivers`]: the controller and the group coordinator, each a pure core in one task.
//! - [`share`]: share groups' records: sessions, acquiring, acknowledging.
//! - [`metrics`], `http`: what the broker tells of itself, and where.
//! - [`follow`]: how the broker follows the metadata.
//!
//! *Invariant:* on the way of a produce or fetch there is no hand-over to another thread, unless the disk makes
//! writers wait (`slow_logs`), and no record is decoded.

pub mod apis;
pub mod authentication;
pub mod authorization;
mod authorized_operations;
mod auto_topics;
mod background;
mod broker;
mod cleaner;
mod clock;
mod cold_looks;
mod config_schema;
pub mod context;
mod cordon;
pub mod directories;
pub mod dispatch;
pub mod drivers;
pub mod dynamic_config;
mod fatal;
mod fetch_session;
mod flusher;
pub mod follow;
pub mod handlers;
mod http;
pub mod internal_topics;
mod listening;
pub mod loggers;
pub mod metadata_view;
pub mod metrics;
mod partition_threads;
pub mod partitions;
mod producer_ids;
pub mod quotas;
mod random;
mod server;
pub mod share;
mod slow_logs;
mod streams_topics;
pub mod telemetry;
mod transactions;
mod verification;
pub mod waiting;
pub mod wire;

pub use broker::Broker;
pub use cleaner::LogCleaner;
pub use http::HttpError;
pub use server::{NodeOptions, Server, ServerError};
