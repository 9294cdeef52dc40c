//! The operations, one per file: `(request, context)` to records and response.
//!
//! Where Kafka fails a whole request with an exception, the response here carries the error in the way that
//! Kafka's request classes put it (`getErrorResponse`).

mod allocate_producer_ids;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition;
mod alter_partition_reassignments;
mod alter_user_scram_credentials;
mod assign_replicas_to_dirs;
mod broker_heartbeat;
mod config_changes;
mod config_preprocess;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delegation_tokens;
mod delete_acls;
mod delete_topics;
mod elect_leaders;
mod incremental_alter_configs;
mod list_partition_reassignments;
mod manual_assignment;
mod periodic;
mod register_broker;
mod register_controller;
mod unregister_broker;
mod update_features;

pub use allocate_producer_ids::PRODUCER_ID_BLOCK_SIZE;
pub use alter_user_scram_credentials::ScramKeys;
pub use config_preprocess::{Preprocessed, check_altered_keys};
