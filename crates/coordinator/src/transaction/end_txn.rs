//! EndTxn: a transaction is committed or aborted (`TransactionCoordinator.handleEndTransaction`).
//!
//! Until transactions V2 the epoch stays, and a retry is told by the state. With V2 (KIP-890) each end brings a new
//! epoch, so that a retry is told by the epoch before it: "retry" below. An abort with nothing to abort is taken
//! for a wish for a new epoch.
//!
//! | state | abort: retry | abort: current | commit: retry | commit: current |
//! | --- | --- | --- | --- | --- |
//! | Empty | PRODUCER_FENCED | new epoch | PRODUCER_FENCED | INVALID_TXN_STATE |
//! | CompleteAbort | done | new epoch | INVALID_TXN_STATE | INVALID_TXN_STATE |
//! | CompleteCommit | INVALID_TXN_STATE | new epoch | done | INVALID_TXN_STATE |

use ottla_protocol::{ErrorCode, Str};

use super::TRANSACTION_VERSION_WITH_EPOCH_BUMP;
use super::metadata::{NO_PRODUCER_ID, TransactionMetadata, TransactionalProducer};
use super::reply::TransactionReply;
use super::shard::{TransactionCoordinatorShard, TransactionResult};
use super::state::TransactionState;
use crate::reply::ReplyId;

/// What a producer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransactionRequest {
    /// The transactional id.
    pub transactional_id: Str,
    /// Who asks.
    pub producer: TransactionalProducer,
    /// Whether to commit; otherwise to abort.
    pub committed: bool,
    /// `transaction.version` as the client uses it.
    pub client_transaction_version: i16,
}

/// What is to be done.
enum Decision {
    /// A state to write, and the answer.
    Write(Box<TransactionMetadata>, TransactionalProducer),
    Reply(TransactionReply),
}

impl TransactionCoordinatorShard {
    /// Decides a transaction; answers when the decision is committed. `fresh_producer_id` as in
    /// [`Self::init_producer_id`].
    pub fn end_transaction(
        &mut self,
        request: &EndTransactionRequest,
        fresh_producer_id: Option<i64>,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> TransactionResult {
        let mut out = TransactionResult::default();
        let decided = if request.transactional_id.is_empty() {
            Err(ErrorCode::InvalidRequest)
        } else if request.client_transaction_version >= TRANSACTION_VERSION_WITH_EPOCH_BUMP {
            self.decide(request, fresh_producer_id, now_ms)
        } else {
            self.decide_without_epoch_bump(request, now_ms)
        };
        match decided {
            Err(error) => out.reply(reply_id, TransactionReply::Refused(error)),
            Ok(Decision::Reply(reply)) => out.reply(reply_id, reply),
            Ok(Decision::Write(next, producer)) => {
                let reply = (reply_id, TransactionReply::Done(producer));
                self.write(&request.transactional_id, *next, Some(reply), &mut out);
            }
        }
        out
    }

    fn decide_without_epoch_bump(
        &self,
        request: &EndTransactionRequest,
        now_ms: i64,
    ) -> Result<Decision, ErrorCode> {
        let metadata = self.known(&request.transactional_id)?;
        if metadata.producer_id != request.producer.producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if metadata.producer_epoch != request.producer.producer_epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        self.settled(&request.transactional_id)?;
        match (metadata.state, request.committed) {
            (TransactionState::Ongoing, _) => {
                let state = prepared(request.committed);
                let next = metadata.abort_or_commit(state, 0, NO_PRODUCER_ID, false, now_ms);
                let TransactionReply::Done(none) = TransactionReply::DONE else {
                    return Err(ErrorCode::UnknownServerError);
                };
                Ok(Decision::Write(Box::new(next), none))
            }
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Ok(Decision::Reply(TransactionReply::DONE))
            }
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    fn decide(
        &self,
        request: &EndTransactionRequest,
        fresh_producer_id: Option<i64>,
        now_ms: i64,
    ) -> Result<Decision, ErrorCode> {
        let metadata = self.known(&request.transactional_id)?;
        self.settled(&request.transactional_id)?;
        let retry = Retry::of(metadata, request.producer);
        if metadata.producer_id != request.producer.producer_id && !retry.on_overflow {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if !retry.is_valid_epoch(metadata, request.producer.producer_epoch) {
            return Err(ErrorCode::ProducerFenced);
        }
        let is_retry = retry.on_epoch_bump || retry.on_overflow;
        let no_partition_added = match (metadata.state, request.committed) {
            (TransactionState::Ongoing, _) => false,
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false)
                if is_retry =>
            {
                let producer = TransactionalProducer {
                    producer_id: metadata.producer_id,
                    producer_epoch: metadata.producer_epoch,
                };
                return Ok(Decision::Reply(TransactionReply::Done(producer)));
            }
            (TransactionState::CompleteCommit | TransactionState::CompleteAbort, false) if !is_retry => true,
            (TransactionState::Empty, false) => true,
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                return Err(ErrorCode::ConcurrentTransactions);
            }
            _ => return Err(ErrorCode::InvalidTxnState),
        };
        let version = request.client_transaction_version;
        let Some(next_producer_id) = self.next_producer_id(metadata, version, fresh_producer_id) else {
            return Ok(Decision::Reply(TransactionReply::ProducerIdWanted));
        };
        let state = prepared(request.committed);
        let next = metadata.abort_or_commit(state, version, next_producer_id, no_partition_added, now_ms);
        let completed = next.complete(now_ms);
        let producer = TransactionalProducer {
            producer_id: completed.producer_id,
            producer_epoch: completed.producer_epoch,
        };
        Ok(Decision::Write(Box::new(next), producer))
    }

    fn known(&self, transactional_id: &str) -> Result<&TransactionMetadata, ErrorCode> {
        self.transactions.get(transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)
    }
}

/// How an epoch stands to the known one.
struct Retry {
    /// The epoch before the bump that this request has brought about already.
    on_epoch_bump: bool,
    /// The last epoch of the producer id before, which this request has brought to its end already.
    on_overflow: bool,
}

impl Retry {
    fn of(metadata: &TransactionMetadata, producer: TransactionalProducer) -> Self {
        Self {
            on_epoch_bump: i32::from(metadata.producer_epoch) == i32::from(producer.producer_epoch) + 1,
            on_overflow: metadata.prev_producer_id == producer.producer_id
                && producer.producer_epoch == i16::MAX - 1
                && metadata.producer_epoch == 0,
        }
    }

    fn is_valid_epoch(&self, metadata: &TransactionMetadata, producer_epoch: i16) -> bool {
        let is_current = producer_epoch == metadata.producer_epoch;
        match metadata.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => self.on_epoch_bump,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                self.on_epoch_bump || self.on_overflow || is_current
            }
            _ => is_current,
        }
    }
}

fn prepared(committed: bool) -> TransactionState {
    if committed { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort }
}

#[cfg(test)]
#[path = "end_txn_test.rs"]
mod tests;
