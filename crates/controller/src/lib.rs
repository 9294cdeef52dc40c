//! The controller's decisions: requests in, records and responses out.
//!
//! Pure: no clock, no socket, no file, no randomness; time, ids and seeds are arguments. The crate does not know
//! how the metadata log is written or replicated.
//!
//! - [`Controller`]: the state, [`Controller::replay`], and one method per operation (`operations/`, one file each).
//! - [`ControllerResult`]: the records to append and the response to give once they are committed.
//! - [`ConfigSchema`]: what the controller must be told about configuration keys.
//! - [`BootstrapMetadata`]: the first records of a cluster.
//!
//! *Invariant:* the replicated state changes in [`Controller::replay`] and nowhere else; operations that take
//! `&mut self` change only what the active controller knows about heartbeats.
//!
//! # How to drive it
//!
//! 1. Replay the newest snapshot and the log behind it.
//! 2. When this node leads the quorum: [`Controller::activate`], and treat its records as those of a request.
//! 3. For each request: call the operation; append its records to `__cluster_metadata-0` (in one batch when
//!    [`ControllerResult::is_atomic`]); [`Controller::replay`] each with its offset, before the next operation; give the response when the
//!    last of them is committed. An answer without records waits for what was appended before it.
//! 4. From time to time: [`Controller::maybe_fence_one_stale_broker`], [`Controller::maybe_balance_partition_leaders`],
//!    [`Controller::maybe_elect_unclean_leaders`], [`Controller::sweep_expired_delegation_tokens`],
//!    [`Controller::write_no_op_record`].
//! 5. When another node leads: [`Controller::restore`] the checkpoint of the last committed offset and
//!    [`Controller::deactivate`].

mod activation;
mod api_error;
mod bootstrap;
mod broker_sessions;
mod config_schema;
mod controller;
mod controller_result;
#[cfg(test)]
mod kafka_log_test;
mod leader_updates;
mod operations;
mod options;
mod partition_change_builder;
pub mod placement;
mod reassignment;
mod request_context;
mod state;
#[cfg(test)]
mod testing;
pub mod topic_name;

pub use activation::ActivationError;
pub use api_error::ApiError;
pub use bootstrap::{BootstrapMetadata, NoMetadataVersion};
pub use config_schema::{
    ConfigKeyKind, ConfigSchema, ConfigSource, EffectiveConfig, InvalidConfigs, TopicConfigLayers,
};
pub use controller::{Checkpoint, Controller};
pub use controller_result::{ControllerResult, MAX_RECORDS_PER_BATCH};
pub use operations::{PRODUCER_ID_BLOCK_SIZE, Preprocessed, ScramKeys, check_altered_keys};
pub use options::{ControllerOptions, TokenLifetimes};
pub use request_context::{PartitionChangeQuota, RequestContext, RequestOrigin};
