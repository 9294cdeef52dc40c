//! The transaction coordinator: who is in the middle of which transaction, and how each ends (KIP-98, KIP-360,
//! KIP-890; Kafka: `TransactionCoordinator`, `TransactionStateManager`).
//!
//! A transactional id lives in one partition of `__transaction_state`. Its record says all there is to know; an
//! operation writes the next one. A transaction ends in two steps: the decision is written (`PrepareCommit`,
//! `PrepareAbort`), from then on nothing can change it; then markers go to all its partitions, which is asked
//! of the driver by [`TransactionEvent::WriteMarkers`]; when they are there, the second record
//! (`CompleteCommit`, `CompleteAbort`) closes it. A shard that finds the first record without the second when it
//! is loaded asks for the markers anew.
//!
//! While a record of an id is not committed, or its markers are under way, the id is *pending*: whoever else wants
//! to change it hears CONCURRENT_TRANSACTIONS.
//!
//! | file | holds |
//! | --- | --- |
//! | `shard` | [`TransactionCoordinatorShard`]: one partition of `__transaction_state` |
//! | `metadata`, `state` | a transactional id, and the transitions between its states |
//! | `record` | the records of `__transaction_state` |
//! | `init_producer_id`, `add_partitions`, `end_txn`, `describe`, `list` | one request each |
//! | `complete` | from the decision to the end |
//! | `time_out`, `expire` | what time brings |

mod add_partitions;
mod complete;
mod config;
mod describe;
mod end_txn;
mod expire;
mod init_producer_id;
mod list;
mod metadata;
mod record;
mod reply;
mod shard;
mod state;
mod time_out;

#[cfg(test)]
mod history_test;
#[cfg(test)]
pub(crate) mod testing;

pub use self::complete::Markers;
pub use self::config::TransactionCoordinatorConfig;
pub use self::describe::describe_transaction_error;
pub use self::end_txn::EndTransactionRequest;
pub use self::init_producer_id::{InitProducerId, validate_init_producer_id};
pub use self::list::{ListFilter, Listed};
pub use self::metadata::{TransactionMetadata, TransactionalProducer};
pub use self::reply::{TransactionError, TransactionReply};
pub use self::shard::{TransactionCoordinatorShard, TransactionEvent, TransactionResult, TransactionTimer};
pub use self::state::TransactionState;
pub use crate::census::TransactionSummary;

/// The first `transaction.version` under which a transaction ends with a new epoch of its producer (KIP-890).
pub const TRANSACTION_VERSION_WITH_EPOCH_BUMP: i16 = 2;
