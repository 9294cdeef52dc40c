//! The end of a transaction in a partition: a control batch.

use ottla_coordinator::transaction::TRANSACTION_VERSION_WITH_EPOCH_BUMP;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{AppendOrigin, EndTransactionMarker, end_transaction_batch};
use ottla_storage::{AppendInfo, AppendOptions, TransactionVersion};

use super::Partition;
use super::partition::AppendRefused;

/// The end of a producer's transaction, as its coordinator wants it written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose transaction.
    pub producer_id: i64,
    /// The epoch that the marker gets.
    pub producer_epoch: i16,
    /// How it ended.
    pub marker: EndTransactionMarker,
    /// How markers are judged against the epoch of the transaction.
    pub version: TransactionVersion,
}

impl Partition {
    /// Ends the transaction of a producer in this partition.
    ///
    /// # Errors
    /// As Kafka answers them.
    pub fn end_transaction(&self, end: &EndTransaction, now_ms: i64) -> Result<AppendInfo, AppendRefused> {
        let batch = end_transaction_batch(end.producer_id, end.producer_epoch, now_ms, end.marker)
            .map_err(|_| AppendRefused::plain(ErrorCode::InvalidRequest))?;
        let options = self.append_options(AppendOrigin::Coordinator, now_ms);
        self.append(&batch, &AppendOptions { transaction_version: end.version, ..options })
    }
}

/// How markers are judged under a version of the transaction protocol.
pub fn transaction_version(level: i16) -> TransactionVersion {
    if level >= TRANSACTION_VERSION_WITH_EPOCH_BUMP {
        TransactionVersion::V2
    } else {
        TransactionVersion::Legacy
    }
}
