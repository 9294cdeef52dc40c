//! Answers of the transaction coordinator.

use ottla_protocol::ErrorCode;

use super::metadata::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TransactionalProducer};

/// An answer. Handlers make responses of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionReply {
    /// It is done. For InitProducerId and EndTxn: the id and epoch to go on with; otherwise, or where the client
    /// keeps its own, -1.
    Done(TransactionalProducer),
    /// It was refused.
    Refused(TransactionError),
    /// A fresh producer id is needed: the operation is to be run again with one.
    ProducerIdWanted,
}

/// Why an operation was refused, as clients are told.
pub type TransactionError = ErrorCode;

impl TransactionReply {
    /// Done, and nothing to tell.
    pub(super) const DONE: Self =
        Self::Done(TransactionalProducer { producer_id: NO_PRODUCER_ID, producer_epoch: NO_PRODUCER_EPOCH });

    /// The answer when its record could not be written or committed.
    pub(super) fn into_error(self, error: ErrorCode) -> Self {
        match self {
            Self::ProducerIdWanted => self,
            Self::Done(_) | Self::Refused(_) => Self::Refused(append_error(error)),
        }
    }
}

/// How an error of the log is told to clients (`TransactionStateManager.appendTransactionToLog`).
pub(super) fn append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        error => error,
    }
}
