//! Idempotence and transactions in one log (Kafka: `ProducerStateManager`).
//!
//! For every producer id: the newest epoch and the last five batches, by which a retry is recognised, and the
//! ongoing transaction. For the log: which transactions are open, and which are ended but not yet replicated;
//! the first of both is the first unstable offset, and bounds what `read_committed` consumers see.
//!
//! | file | what |
//! | --- | --- |
//! | `entry` | one producer |
//! | `append_info` | what an append would do, and whether it may |
//! | `transactions` | which ones are open, or ended and not yet replicated |
//! | `verification` | guards of transactional appends (KIP-890) |
//! | `snapshot` | the file format |
//! | `snapshot_files` | which snapshots there are, taking and loading them |
//! | `whole_state` | everything, for the tail checkpoint |

pub mod append_info;
pub mod entry;
pub mod snapshot;
mod snapshot_files;
mod transactions;
pub mod verification;
mod whole_state;

pub use snapshot_files::snapshot_path;
pub use whole_state::WholeState;

use std::collections::HashMap;

use ottla_protocol::records::AppendOrigin;

use append_info::{CompletedTxn, ProducerAppendInfo};
use entry::ProducerEntry;
use transactions::{NO_TRANSACTIONS, Transactions, TxnMetadata};
use verification::{VerificationEntry, VerificationGuard};

/// How much longer than the maximum transaction timeout a transaction may take before it is called late.
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60 * 1000;

/// The producers of one log.
#[derive(Debug)]
pub struct ProducerStateManager {
    producer_id_expiration_ms: i64,
    producers: HashMap<i64, ProducerEntry>,
    /// None in most logs: nobody has written a transaction to them.
    transactions: Option<Box<Transactions>>,
    /// Offset up to which the state is complete.
    map_end_offset: i64,
    last_snapshot_offset: i64,
    /// Offsets of the snapshot files, ascending.
    snapshots: Vec<i64>,
    /// While a log is recovered: files that may be of another history of it. One that turns out to hold what would be
    /// written in its place stays, the others are removed at the end.
    doubtful: Option<Vec<i64>>,
}

impl ProducerStateManager {
    /// No producers, with these snapshots on disk.
    pub fn new(producer_id_expiration_ms: i64, mut snapshots: Vec<i64>) -> Self {
        snapshots.sort_unstable();
        Self {
            producer_id_expiration_ms,
            producers: HashMap::new(),
            transactions: None,
            map_end_offset: 0,
            last_snapshot_offset: 0,
            snapshots,
            doubtful: None,
        }
    }

    /// A manager without producers that reads the same snapshots and leaves them all as they are.
    pub fn beside(&self) -> Self {
        let mut beside = Self::new(self.producer_id_expiration_ms, self.snapshots.clone());
        beside.begin_recovery();
        beside
    }

    fn transactions(&self) -> &Transactions {
        self.transactions.as_deref().unwrap_or(&NO_TRANSACTIONS)
    }

    /// All producers.
    pub fn producers(&self) -> &HashMap<i64, ProducerEntry> {
        &self.producers
    }

    /// One producer.
    pub fn producer(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// Whether nothing at all is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.transactions().unreplicated.is_empty()
    }

    /// Offset up to which the state is complete.
    pub fn map_end_offset(&self) -> i64 {
        self.map_end_offset
    }

    /// The state is complete up to `offset`.
    pub fn update_map_end_offset(&mut self, offset: i64) {
        self.map_end_offset = offset;
    }

    /// The first offset of a transaction that is not ended, or whose end is not yet replicated.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.transactions().first_unstable_offset()
    }

    /// The first offset of a transaction that is not ended.
    pub fn first_undecided_offset(&self) -> Option<i64> {
        self.transactions().ongoing.first_key_value().map(|(offset, _)| *offset)
    }

    /// Transactions whose markers lie before the high watermark are over for good.
    pub fn on_high_watermark_updated(&mut self, high_watermark: i64) {
        if let Some(transactions) = &mut self.transactions {
            let is_ahead = |last: i64| last >= high_watermark;
            transactions.unreplicated.retain(|_, txn| txn.last_offset.is_none_or(is_ahead));
        }
    }

    /// The log starts at a later offset from now on.
    pub fn on_log_start_offset_incremented(&mut self, log_start_offset: i64) {
        self.on_high_watermark_updated(log_start_offset);
        self.map_end_offset = self.map_end_offset.max(log_start_offset);
        self.last_snapshot_offset = self.latest_snapshot_offset().unwrap_or(log_start_offset);
    }

    /// Starts the account of a producer's batches of one append.
    pub fn prepare_update(&self, producer_id: i64, origin: AppendOrigin) -> ProducerAppendInfo {
        let verification = self.transactions().verifications.get(&producer_id).copied();
        ProducerAppendInfo::new(self.producers.get(&producer_id), producer_id, origin, verification)
    }

    /// The batches of `info` are in the log.
    pub fn update(&mut self, info: &ProducerAppendInfo) {
        let id = info.producer_id();
        match self.producers.get_mut(&id) {
            Some(entry) => entry.update(&info.updated),
            None => {
                self.producers.insert(id, info.updated.clone());
            }
        }
        for first_offset in &info.started {
            self.begin_txn(*first_offset, id);
        }
    }

    fn begin_txn(&mut self, first_offset: i64, producer_id: i64) {
        let transactions = self.transactions.get_or_insert_default();
        transactions.ongoing.insert(first_offset, TxnMetadata { producer_id, last_offset: None });
    }

    /// A marker is in the log.
    pub fn complete_txn(&mut self, completed: &CompletedTxn) {
        let transactions = self.transactions.get_or_insert_default();
        let Some(mut txn) = transactions.ongoing.remove(&completed.first_offset) else {
            tracing::warn!("A transaction ended that had not begun: {completed:?}");
            return;
        };
        txn.last_offset = Some(completed.last_offset);
        transactions.unreplicated.insert(completed.first_offset, txn);
    }

    /// The last stable offset as of the marker of `completed`: where the first transaction of another producer
    /// goes on, or behind the marker.
    pub fn last_stable_offset(&self, completed: &CompletedTxn) -> i64 {
        self.transactions()
            .ongoing
            .iter()
            .find(|(_, txn)| txn.producer_id != completed.producer_id)
            .map_or(completed.last_offset + 1, |(first_offset, _)| *first_offset)
    }

    /// Forgets producers, and verifications, that have been silent for `producer.id.expiration.ms`. A producer
    /// with an ongoing transaction is not forgotten.
    pub fn remove_expired(&mut self, now_ms: i64) {
        let expiration_ms = self.producer_id_expiration_ms;
        self.producers.retain(|_, entry| !is_expired(entry, now_ms, expiration_ms));
        if let Some(transactions) = &mut self.transactions {
            transactions.verifications.retain(|_, v| now_ms.saturating_sub(v.timestamp) < expiration_ms);
        }
        self.transactions.take_if(|transactions| transactions.is_empty());
    }

    /// Whether a transaction seems to hang: older than the longest that a producer may ask for, and more.
    pub fn has_late_transaction(&self, now_ms: i64, max_transaction_timeout_ms: i32) -> bool {
        let first = self.transactions().ongoing.first_key_value();
        let oldest = first.and_then(|(_, txn)| self.producers.get(&txn.producer_id));
        oldest.is_some_and(|entry| {
            entry.last_timestamp > 0
                && now_ms.saturating_sub(entry.last_timestamp)
                    > i64::from(max_transaction_timeout_ms) + LATE_TRANSACTION_BUFFER_MS
        })
    }

    /// Whether this producer has a transaction open under this epoch.
    pub fn has_ongoing_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.producer(producer_id)
            .is_some_and(|e| e.current_txn_first_offset.is_some() && e.producer_epoch == producer_epoch)
    }

    /// The guard that a transactional append of this producer must bring.
    pub fn verification_guard(&self, producer_id: i64) -> VerificationGuard {
        self.transactions().verifications.get(&producer_id).map_or(VerificationGuard::SENTINEL, |v| v.guard)
    }

    /// The verification of this producer, begun now if there is none.
    pub fn start_verification(
        &mut self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: i64,
    ) -> VerificationGuard {
        let entry = self
            .transactions
            .get_or_insert_default()
            .verifications
            .entry(producer_id)
            .or_insert_with(|| VerificationEntry::new(now_ms, sequence, epoch, supports_epoch_bump));
        entry.saw(sequence, epoch);
        entry.guard
    }

    /// A transactional batch was accepted: its verification has done its work. With transactions V2 a marker
    /// of the very epoch that is being verified belongs to the transaction before, so the guard stays.
    pub fn end_verification(&mut self, producer_id: i64, epoch: i16, is_control: bool) {
        let Some(transactions) = &mut self.transactions else { return };
        let is_next = transactions
            .verifications
            .get(&producer_id)
            .is_some_and(|v| v.supports_epoch_bump && is_control && v.epoch == epoch);
        if !is_next {
            transactions.verifications.remove(&producer_id);
        }
    }

    fn load_entry(&mut self, entry: ProducerEntry) {
        if let Some(first_offset) = entry.current_txn_first_offset {
            self.begin_txn(first_offset, entry.producer_id);
        }
        self.producers.insert(entry.producer_id, entry);
    }

    fn forget_all(&mut self) {
        self.producers.clear();
        if let Some(transactions) = &mut self.transactions {
            transactions.ongoing.clear();
            // The new end lies at or before the high watermark, or the log is empty.
            transactions.unreplicated.clear();
        }
    }
}

fn is_expired(entry: &ProducerEntry, now_ms: i64, expiration_ms: i64) -> bool {
    entry.current_txn_first_offset.is_none() && now_ms.saturating_sub(entry.last_timestamp) >= expiration_ms
}
