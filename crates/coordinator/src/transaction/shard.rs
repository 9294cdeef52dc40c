//! One partition of `__transaction_state`: its transactional ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::MetadataImage;
use ottla_metadata::feature::TRANSACTION_VERSION;
use ottla_protocol::{ErrorCode, Str};

use super::complete::Markers;
use super::config::TransactionCoordinatorConfig;
use super::metadata::TransactionMetadata;
use super::record::{TransactionRecord, decode_record, transaction_record};
use super::reply::TransactionReply;
use crate::coordinator_shard::{CoordinatorShard, ReplayError, Replayed};
use crate::reply::ReplyId;
use crate::result::{CoordinatorResult, Deferred};
use crate::timeline::TimelineMap;

/// What an operation of the transaction coordinator returns.
pub type TransactionResult = CoordinatorResult<TransactionCoordinatorShard>;

/// The coordinator of the transactional ids of one partition of `__transaction_state`.
///
/// *Invariant:* transactional ids change in `replay` only, but for [`TransactionMetadata::last_producer_epoch`]
/// and what the old record format leaves out, which are not persisted and follow at the commit.
#[derive(Debug)]
pub struct TransactionCoordinatorShard {
    pub(super) config: Arc<TransactionCoordinatorConfig>,
    /// The leader epoch of the partition: later markers prevail over those of an earlier leader.
    pub(super) coordinator_epoch: i32,
    /// `transaction.version` of the cluster.
    pub(super) transaction_version: i16,
    pub(crate) transactions: TimelineMap<Str, TransactionMetadata>,
    /// Ids whose last record is not committed yet, or whose markers are under way.
    pub(super) pending: BTreeSet<Str>,
    log_end_offset: i64,
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionTimer {
    /// The next look for transactions whose time is up.
    AbortTimedOut,
    /// The next look for ids to forget.
    RemoveExpired,
    /// Another attempt to end a transaction that is decided.
    Complete(Str),
}

/// What the driver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionEvent {
    /// Markers are to be written; then [`TransactionCoordinatorShard::on_markers_written`] is to be called.
    WriteMarkers(Markers),
    /// The time of a transaction is up, but the epochs of its producer are used up too:
    /// [`TransactionCoordinatorShard::abort_timed_out`] is to be called with a fresh producer id.
    ProducerIdWanted {
        /// Whose.
        transactional_id: Str,
    },
    /// A transaction was aborted because its time was up.
    TimedOut {
        /// Whose.
        transactional_id: Str,
    },
    /// Transactional ids were forgotten.
    Expired {
        /// How many.
        transactional_ids: usize,
    },
    /// A record was not written or not committed.
    WriteFailed {
        /// Whose.
        transactional_id: Str,
        /// Why.
        error: ErrorCode,
    },
}

/// A record of a transactional id is on its way.
#[derive(Clone, Debug)]
pub struct Transition {
    transactional_id: Str,
    /// What the record says, and what it leaves out.
    metadata: TransactionMetadata,
}

impl TransactionCoordinatorShard {
    /// A shard without transactional ids. `coordinator_epoch` is the leader epoch of its partition.
    pub fn new(config: Arc<TransactionCoordinatorConfig>, coordinator_epoch: i32) -> Self {
        Self {
            config,
            coordinator_epoch,
            transaction_version: 0,
            transactions: TimelineMap::default(),
            pending: BTreeSet::new(),
            log_end_offset: 0,
        }
    }

    /// All transactional ids, in order, as of the last write.
    pub fn transactions(&self) -> impl Iterator<Item = (&Str, &TransactionMetadata)> {
        self.transactions.iter()
    }

    /// The id's state as of the last write.
    ///
    /// # Errors
    /// CONCURRENT_TRANSACTIONS while something is under way.
    pub(super) fn settled(&self, transactional_id: &str) -> Result<Option<&TransactionMetadata>, ErrorCode> {
        if self.pending.contains(transactional_id) {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(self.transactions.get(transactional_id))
    }

    /// Writes the next state of an id; answers when it is committed.
    pub(super) fn write(
        &mut self,
        transactional_id: &Str,
        metadata: TransactionMetadata,
        reply: Option<(ReplyId, TransactionReply)>,
        out: &mut TransactionResult,
    ) {
        let transactional_id = crate::records::owned(transactional_id);
        match transaction_record(&transactional_id, &metadata, self.transaction_version) {
            Ok(record) => out.records.push(record),
            Err(_) => {
                // Names that are too long for the format: nothing was begun.
                if let Some((id, _)) = reply {
                    out.reply(id, TransactionReply::Refused(ErrorCode::UnknownServerError));
                }
                return;
            }
        }
        self.pending.insert(transactional_id.clone());
        out.deferred.replies.extend(reply);
        out.deferred.action.get_or_insert_default().push(Transition { transactional_id, metadata });
    }

    fn fail(&mut self, deferred: Deferred<Self>, error: ErrorCode, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult::default();
        out.replies.extend(deferred.replies.into_iter().map(|(id, reply)| (id, reply.into_error(error))));
        for Transition { transactional_id, .. } in deferred.action.unwrap_or_default() {
            out.events
                .push(TransactionEvent::WriteFailed { transactional_id: transactional_id.clone(), error });
            self.pending.remove(&transactional_id);
            self.retry_completion(transactional_id, now_ms, &mut out);
        }
        out
    }
}

impl CoordinatorShard for TransactionCoordinatorShard {
    type Reply = TransactionReply;
    type TimerKey = TransactionTimer;
    type Action = Vec<Transition>;
    type Event = TransactionEvent;

    fn commit_timeout_ms(&self) -> i64 {
        i64::from(self.config.request_timeout_ms)
    }

    fn replay(
        &mut self,
        offset: i64,
        _producer_id: Option<i64>,
        key: &Bytes,
        value: Option<&Bytes>,
    ) -> Result<Replayed, ReplayError> {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
        match decode_record(key, value).map_err(|error| ReplayError { offset, error })? {
            TransactionRecord::Transaction(transactional_id, Some(metadata)) => {
                self.transactions.insert(offset, transactional_id, *metadata);
            }
            TransactionRecord::Transaction(transactional_id, None) => {
                self.transactions.remove(offset, &transactional_id);
            }
            TransactionRecord::Other(version) => return Ok(Replayed::Ignored(version)),
        }
        Ok(Replayed::Applied)
    }

    fn replay_end_txn_marker(&mut self, offset: i64, _producer_id: i64, _commit: bool) {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
    }

    fn on_high_watermark(&mut self, high_watermark: i64) {
        self.transactions.commit(high_watermark);
    }

    fn on_metadata(&mut self, image: Arc<MetadataImage>, _now_ms: i64) -> TransactionResult {
        self.transaction_version = image.features.level(TRANSACTION_VERSION.name);
        TransactionResult::default()
    }

    fn on_loaded(&mut self, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult::default();
        self.schedule_abort(now_ms, &mut out);
        self.schedule_expiration(now_ms, &mut out);
        self.complete_prepared(now_ms, &mut out);
        out
    }

    fn on_unloaded(&mut self, _now_ms: i64) -> TransactionResult {
        self.pending.clear();
        TransactionResult::default()
    }

    fn on_records_committed(&mut self, deferred: Deferred<Self>, now_ms: i64) -> TransactionResult {
        let mut out = TransactionResult { replies: deferred.replies, ..Default::default() };
        for Transition { transactional_id, metadata } in deferred.action.unwrap_or_default() {
            let is_prepared = metadata.state.is_prepared();
            if let Some(known) = self.transactions.get_mut(&transactional_id) {
                *known = metadata;
            }
            self.pending.remove(&transactional_id);
            if is_prepared {
                self.begin_completion(&transactional_id, now_ms, &mut out);
            }
        }
        out
    }

    fn on_records_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        now_ms: i64,
    ) -> TransactionResult {
        self.fail(deferred, error, now_ms)
    }

    fn on_commit_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        now_ms: i64,
    ) -> TransactionResult {
        self.fail(deferred, error, now_ms)
    }

    fn on_timer(&mut self, key: &TransactionTimer, now_ms: i64) -> TransactionResult {
        match key {
            TransactionTimer::AbortTimedOut => self.abort_all_timed_out(now_ms),
            TransactionTimer::RemoveExpired => self.remove_expired(now_ms),
            TransactionTimer::Complete(transactional_id) => {
                self.on_completion_timer(transactional_id, now_ms)
            }
        }
    }

    fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }
}

#[cfg(test)]
#[path = "shard_test.rs"]
mod tests;
