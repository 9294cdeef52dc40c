//! What an append would do to a producer's state, and whether it may (Kafka: `ProducerAppendInfo`).

use ottla_protocol::ErrorCode;
use ottla_protocol::records::{
    AppendOrigin, BatchHeader, EndTransactionMarker, NO_PRODUCER_EPOCH, NO_SEQUENCE, RecordBatch,
};

use super::entry::{BatchMetadata, ProducerEntry};
use super::verification::VerificationEntry;

/// A batch that does not fit its producer's state. Nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProducerRefused {
    /// The code to answer.
    pub error: ErrorCode,
    /// For people.
    pub message: String,
}

impl ProducerRefused {
    pub(super) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its marker.
    pub last_offset: i64,
    /// Whether it was aborted.
    pub is_aborted: bool,
}

/// Which rules a transaction marker is checked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionVersion {
    /// Not known (replication) or before transactions V2: a marker's epoch may equal the producer's.
    #[default]
    Legacy,
    /// Transactions V2 (KIP-890): every marker carries a new epoch.
    V2,
}

/// A producer's batches of one append. The state itself changes only by
/// [`super::ProducerStateManager::update`], after the write.
#[derive(Debug)]
pub struct ProducerAppendInfo {
    pub(super) updated: ProducerEntry,
    /// First offsets of the transactions that these batches begin.
    pub(super) started: Vec<i64>,
    current_epoch: i16,
    current_last_sequence: i32,
    current_is_empty: bool,
    origin: AppendOrigin,
    verification: Option<VerificationEntry>,
}

impl ProducerAppendInfo {
    pub(super) fn new(
        current: Option<&ProducerEntry>,
        producer_id: i64,
        origin: AppendOrigin,
        verification: Option<VerificationEntry>,
    ) -> Self {
        Self {
            updated: current
                .map_or_else(|| ProducerEntry::empty(producer_id), ProducerEntry::without_batches),
            started: Vec::new(),
            current_epoch: current.map_or(NO_PRODUCER_EPOCH, |c| c.producer_epoch),
            current_last_sequence: current.map_or(NO_SEQUENCE, ProducerEntry::last_sequence),
            current_is_empty: current.is_none_or(ProducerEntry::is_empty),
            origin,
            verification,
        }
    }

    /// The producer's id.
    pub fn producer_id(&self) -> i64 {
        self.updated.producer_id
    }

    /// Adds a batch that is to get these offsets. `control` are the whole bytes of a control batch.
    pub fn append(
        &mut self,
        batch: &BatchHeader,
        control: Option<&[u8]>,
        version: TransactionVersion,
    ) -> Result<Option<CompletedTxn>, ProducerRefused> {
        if batch.is_control() {
            let Some((marker, timestamp)) = control.and_then(read_marker) else {
                // Cleaned to nothing, or a control record of another kind.
                return Ok(None);
            };
            self.append_marker(marker, batch.producer_epoch(), batch.base_offset(), timestamp, version)
        } else {
            self.append_data(batch).map(|()| None)
        }
    }

    fn append_data(&mut self, batch: &BatchHeader) -> Result<(), ProducerRefused> {
        let (epoch, first_offset) = (batch.producer_epoch(), batch.base_offset());
        self.check_epoch(epoch, first_offset, TransactionVersion::Legacy)?;
        if self.origin == AppendOrigin::Client {
            self.check_sequence(epoch, batch.base_sequence(), first_offset)?;
        }
        let metadata = BatchMetadata {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta(),
            timestamp: batch.max_timestamp(),
        };
        self.updated.add_batch(epoch, metadata);
        match (self.updated.current_txn_first_offset, batch.is_transactional()) {
            (Some(_), false) => Err(ProducerRefused::new(
                ErrorCode::InvalidTxnState,
                format!(
                    "Expected transactional write from producer {} at offset {first_offset}",
                    self.producer_id()
                ),
            )),
            (None, true) => {
                self.updated.current_txn_first_offset = Some(first_offset);
                self.started.push(first_offset);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn append_marker(
        &mut self,
        marker: EndTransactionMarker,
        epoch: i16,
        offset: i64,
        timestamp: i64,
        version: TransactionVersion,
    ) -> Result<Option<CompletedTxn>, ProducerRefused> {
        self.check_epoch(epoch, offset, version)?;
        self.check_coordinator_epoch(marker.coordinator_epoch, offset)?;
        // A marker without data has no effect on the last stable offset or the transaction index.
        let completed = self.updated.current_txn_first_offset.map(|first_offset| CompletedTxn {
            producer_id: self.producer_id(),
            first_offset,
            last_offset: offset,
            is_aborted: !marker.committed,
        });
        self.updated.end_transaction(epoch, marker.coordinator_epoch, timestamp);
        Ok(completed)
    }

    fn check_epoch(
        &self,
        epoch: i16,
        offset: i64,
        version: TransactionVersion,
    ) -> Result<(), ProducerRefused> {
        let current = self.updated.producer_epoch;
        let is_v2 = version == TransactionVersion::V2;
        if epoch > current || (epoch == current && !is_v2) {
            return Ok(());
        }
        // The coordinator repeats a marker that was written already (KAFKA-19999): the transaction is over,
        // and a second marker does no harm.
        if is_v2 && epoch == current && (self.updated.current_txn_first_offset.is_none() || epoch == i16::MAX)
        {
            return Ok(());
        }
        let relation = if is_v2 { "not larger than" } else { "smaller than" };
        self.refuse_unless_replicated(
            ErrorCode::InvalidProducerEpoch,
            format!(
                "Epoch of producer {} at offset {offset} is {epoch}, which is {relation} the last seen epoch {current}",
                self.producer_id()
            ),
        )
    }

    fn check_coordinator_epoch(&self, epoch: i32, offset: i64) -> Result<(), ProducerRefused> {
        let current = self.updated.coordinator_epoch;
        if current <= epoch {
            return Ok(());
        }
        self.refuse_unless_replicated(
            ErrorCode::TransactionCoordinatorFenced,
            format!(
                "Invalid coordinator epoch for producerId {} at offset {offset}: {epoch} (zombie), {current} (current)",
                self.producer_id()
            ),
        )
    }

    /// What the leader has accepted, a follower and recovery accept, too.
    fn refuse_unless_replicated(&self, error: ErrorCode, message: String) -> Result<(), ProducerRefused> {
        if self.origin == AppendOrigin::Replication {
            tracing::warn!("{message}");
            return Ok(());
        }
        Err(ProducerRefused::new(error, message))
    }

    fn check_sequence(&self, epoch: i16, first: i32, offset: i64) -> Result<(), ProducerRefused> {
        let refuse = |why: String| {
            let message = format!(
                "Out of order sequence number for producer {} at offset {offset}: {first} (incoming seq. number), {why}",
                self.producer_id()
            );
            Err(ProducerRefused::new(ErrorCode::OutOfOrderSequenceNumber, message))
        };
        if let Some(verification) = &self.verification {
            if verification.supports_epoch_bump && first != 0 && self.current_is_empty {
                return refuse("0 (expected of a transactions v2 producer without state)".to_owned());
            }
            if first > verification.lowest_sequence {
                return refuse(format!("{} (earliest seen sequence)", verification.lowest_sequence));
            }
        }
        let known_epoch = self.updated.producer_epoch;
        if epoch != known_epoch {
            if first != 0 && known_epoch != NO_PRODUCER_EPOCH {
                return refuse(format!("0 (expected with the new epoch {epoch} after epoch {known_epoch})"));
            }
            return Ok(());
        }
        let last = if !self.updated.is_empty() {
            self.updated.last_sequence()
        } else if epoch == self.current_epoch {
            self.current_last_sequence
        } else {
            NO_SEQUENCE
        };
        // Of a producer whose records were all deleted, any sequence is taken.
        if self.current_epoch == NO_PRODUCER_EPOCH || follows(last, first) {
            return Ok(());
        }
        refuse(format!("{last} (current end sequence number)"))
    }
}

/// Whether `next` comes after `last`; sequences wrap from `i32::MAX` to 0.
fn follows(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}

/// The marker in a control batch and its timestamp.
fn read_marker(batch: &[u8]) -> Option<(EndTransactionMarker, i64)> {
    let (batch, _) = RecordBatch::parse(batch).ok()?;
    let record = batch.records(batch.size()).ok()?.next()?.ok()?;
    let marker = EndTransactionMarker::parse(record.key.as_deref()?, record.value.as_deref()?).ok()??;
    Some((marker, record.timestamp))
}
