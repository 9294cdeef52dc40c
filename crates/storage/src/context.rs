//! What all logs of a process share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::boot_id::BootId;
use crate::checkpoint::partition_metadata::PartitionMetadataWriter;
use crate::file_cache::FileCache;
use crate::hot_tail::{GLOBAL_BYTES_MAX, TailBudget};
use crate::log::PartitionLog;
use crate::log::tail_checkpoint::TailCheckpointOptions;
use crate::trash::Trash;

/// A checkpoint costs some microseconds, reading so much again about a millisecond. Bytes.
const RECOVERY_BYTES_MAX: u32 = 4 << 20;

/// Shared resources, and the work that logs leave to the background thread.
#[derive(Debug)]
pub struct StorageContext {
    /// Open files.
    pub(crate) files: Arc<FileCache>,
    /// Memory for hot tails.
    pub(crate) tail_budget: Arc<TailBudget>,
    /// Writes the topic ids of new logs.
    pub(crate) partition_metadata: PartitionMetadataWriter,
    /// Files to unlink later.
    pub(crate) trash: Trash,
    /// Logs that closed a segment which is not yet durable.
    pub(crate) to_flush: Mutex<Vec<Weak<PartitionLog>>>,
    /// Whether a truncation has moved what is clean of a log.
    pub(crate) cleaner_checkpoints_changed: AtomicBool,
    /// `producer.id.expiration.ms`.
    pub(crate) producer_id_expiration_ms: i64,
    /// `transaction.max.timeout.ms`: a transaction is late when older than this and five minutes.
    pub(crate) max_transaction_timeout_ms: i32,
    /// `transaction.partition.verification.enable`.
    pub(crate) verify_transactions: bool,
    /// So that recovery need read only the tail.
    pub(crate) tail_checkpoints: Arc<TailCheckpointOptions>,
}

/// Settings of a [`StorageContext`].
#[derive(Clone, Debug)]
pub struct ContextOptions {
    /// Most segment files that are kept open.
    pub open_files_max: usize,
    /// Most bytes of hot tails in all.
    pub hot_tail_bytes_max: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `transaction.max.timeout.ms`.
    pub max_transaction_timeout_ms: i32,
    /// `transaction.partition.verification.enable`: a transactional append needs an ongoing transaction
    /// or a verified guard.
    pub verify_transactions: bool,
    /// Which start of the machine this is; none: every recovery reads from the recovery point on.
    pub boot_id: Option<BootId>,
    /// How much of an active segment recovery may have to read after the process was killed. Bytes.
    pub recovery_bytes_max: u32,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            open_files_max: FileCache::default_open_max(),
            hot_tail_bytes_max: GLOBAL_BYTES_MAX,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            max_transaction_timeout_ms: 15 * 60 * 1000,
            verify_transactions: true,
            boot_id: BootId::current(),
            recovery_bytes_max: RECOVERY_BYTES_MAX,
        }
    }
}

impl StorageContext {
    /// Resources by `options`.
    pub fn new(options: &ContextOptions) -> Arc<Self> {
        Arc::new(Self {
            files: FileCache::new(options.open_files_max),
            tail_budget: TailBudget::new(options.hot_tail_bytes_max),
            partition_metadata: PartitionMetadataWriter::default(),
            trash: Trash::default(),
            to_flush: Mutex::default(),
            cleaner_checkpoints_changed: AtomicBool::new(false),
            producer_id_expiration_ms: options.producer_id_expiration_ms,
            max_transaction_timeout_ms: options.max_transaction_timeout_ms,
            verify_transactions: options.verify_transactions,
            tail_checkpoints: Arc::new(TailCheckpointOptions {
                boot_id: options.boot_id,
                interval_bytes: options.recovery_bytes_max,
            }),
        })
    }

    /// Segment files open now.
    pub fn open_files(&self) -> usize {
        self.files.open_count()
    }

    /// Bytes of hot tails now.
    pub fn hot_tail_bytes(&self) -> usize {
        self.tail_budget.used()
    }

    /// Does what logs left for later: makes closed segments durable and unlinks removed files.
    pub fn background_tick(&self, now_ms: i64) {
        let logs = std::mem::take(&mut *self.to_flush.lock());
        for log in logs.iter().filter_map(Weak::upgrade) {
            // A failure has taken the log directory offline and was logged there.
            let _ = log.flush_closed_segments(now_ms);
        }
        self.trash.empty(now_ms);
    }
}
