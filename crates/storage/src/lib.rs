//! The storage of Ottla: one log per partition, in Kafka's own files.
//!
//! Blocking files and nothing else: no network, no tokio. Everything is `Send + Sync`, and time is an argument
//! (`now_ms`, Unix milliseconds).
//!
//! - [`PartitionLog`]: append, read, look up, retain, truncate one log.
//! - [`LogManager`]: all logs of a broker in its log directories: loading, creating, deleting, checkpoints.
//! - [`Piece`]: what a read returns: slices of memory, or ranges of files to be sent.
//!
//! *Invariant:* a directory written here can be opened by Apache Kafka 4.3, and the other way round, after a
//! clean stop and after a crash.
//!
//! *Invariant:* a log directory on which a write or fsync failed serves nothing until the next start
//! ([`LogDir`]).
//!
//! | module | what |
//! | --- | --- |
//! | `log` | one log |
//! | `segment` | one segment: batches, indexes |
//! | `producer_state` | idempotence and transactions |
//! | `leader_epochs` | which leader epoch starts where |
//! | `hot_tail` | newest batches in memory |
//! | `cleaner` | compaction |
//! | `manager` | all logs |
//! | `checkpoint`, `meta_properties` | the small files |
//! | `file_cache`, `trash`, `log_dir`, `context` | what logs share |
//! | `cold` | looking without waiting for the disk |
//! | `fs`, `boot_id` | the seam to the disk; which start of the machine this is |

// Files of `test_support` name this crate as others do who include them.
#[cfg(test)]
extern crate self as ottla_storage;

mod boot_id;
pub mod checkpoint;
mod cleaner;
mod cold;
mod config;
mod context;
mod error;
pub mod file_cache;
pub mod fs;
pub mod hot_tail;
pub mod leader_epochs;
mod log;
mod log_dir;
mod manager;
pub mod meta_properties;
pub mod names;
mod piece;
pub mod producer_state;
pub mod segment;
#[cfg(test)]
mod test_support;
mod trash;

pub use boot_id::BootId;
pub use cleaner::{
    CleanerHost, CleanerMetrics, CleanerOptions, CleanerShared, CleanerWorker, UncleanableLogs,
};
pub use cold::{Cold, Misses, OnCold};
pub use config::LogConfig;
pub use context::{ContextOptions, StorageContext};
pub use error::{StorageError, StorageResult};
pub use leader_epochs::EpochEntry;
pub use log::{
    ActiveProducer, AppendError, AppendInfo, AppendOptions, Appended, FoundOffset, OpenOptions, PartitionLog,
    ReadData, ReadError, ReadOptions, special_timestamp,
};
pub use log_dir::{LogDir, OnOffline};
pub use manager::{
    CreateError, CreateOptions, Housekeeping, HousekeepingOptions, LoadError, LoadOptions, LoadReport,
    LogManager, LogManagerOptions, MoveError, MoveProgress, OfflineDir, OpenError,
};
pub use piece::{FileRange, Piece};
pub use producer_state::append_info::{ProducerRefused, TransactionVersion};
pub use producer_state::verification::VerificationGuard;
pub use segment::txn_index::AbortedTxn;
