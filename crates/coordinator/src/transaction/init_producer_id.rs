//! InitProducerId for a transactional id: a new session, which fences the one before it
//! (`TransactionCoordinator.handleInitProducerId`).

use ottla_protocol::{ErrorCode, Str};

use super::config::TransactionCoordinatorConfig;
use super::metadata::{NO_PRODUCER_EPOCH, TransactionMetadata, TransactionalProducer, is_epoch_exhausted};
use super::reply::TransactionReply;
use super::shard::{TransactionCoordinatorShard, TransactionResult};
use super::state::TransactionState;
use crate::reply::ReplyId;

/// What a producer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducerId {
    /// The transactional id.
    pub transactional_id: Str,
    /// How long its transactions may last, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// Whether the transactions are led from outside (KIP-939).
    pub enable_2pc: bool,
    /// Whether a prepared transaction is to be kept (KIP-939).
    pub keep_prepared_txn: bool,
    /// The id and epoch that the producer has, if it goes on after an error (KIP-360).
    pub expected: Option<TransactionalProducer>,
}

/// What can be said without the shard.
///
/// # Errors
/// In Kafka's order.
pub fn validate_init_producer_id(
    config: &TransactionCoordinatorConfig,
    request: &InitProducerId,
) -> Result<(), ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    if request.enable_2pc && !config.transaction_two_phase_commit_enable {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    // Kafka has the field, and nothing behind it yet.
    if request.keep_prepared_txn {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let timeout_ms = request.transaction_timeout_ms;
    if !request.enable_2pc && !(1..=config.transaction_max_timeout_ms).contains(&timeout_ms) {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    Ok(())
}

/// Why there is no transition.
enum Obstacle {
    Refused(ErrorCode),
    ProducerIdWanted,
}

impl TransactionCoordinatorShard {
    /// Begins a session. `fresh_producer_id`: an id that no producer has had; without one the answer may be
    /// [`TransactionReply::ProducerIdWanted`].
    pub fn init_producer_id(
        &mut self,
        request: &InitProducerId,
        fresh_producer_id: Option<i64>,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> TransactionResult {
        let mut out = TransactionResult::default();
        match self.next_session(request, fresh_producer_id, now_ms) {
            Err(Obstacle::Refused(error)) => out.reply(reply_id, TransactionReply::Refused(error)),
            Err(Obstacle::ProducerIdWanted) => out.reply(reply_id, TransactionReply::ProducerIdWanted),
            Ok(next) => {
                let reply = match next.state {
                    // The open transaction goes first; the client comes again.
                    TransactionState::PrepareAbort => {
                        TransactionReply::Refused(ErrorCode::ConcurrentTransactions)
                    }
                    _ => TransactionReply::Done(TransactionalProducer {
                        producer_id: next.producer_id,
                        producer_epoch: next.producer_epoch,
                    }),
                };
                self.write(&request.transactional_id, next, Some((reply_id, reply)), &mut out);
            }
        }
        out
    }

    fn next_session(
        &self,
        request: &InitProducerId,
        fresh_producer_id: Option<i64>,
        now_ms: i64,
    ) -> Result<TransactionMetadata, Obstacle> {
        let timeout_ms = if request.enable_2pc { i32::MAX } else { request.transaction_timeout_ms };
        let new;
        let metadata = match self.settled(&request.transactional_id).map_err(Obstacle::Refused)? {
            Some(metadata) => metadata,
            None => {
                let producer_id = fresh_producer_id.ok_or(Obstacle::ProducerIdWanted)?;
                new = TransactionMetadata::new(producer_id, timeout_ms, now_ms);
                &new
            }
        };
        if !request.expected.is_none_or(|expected| is_known(metadata, expected)) {
            return Err(Obstacle::Refused(ErrorCode::ProducerFenced));
        }
        let expected_epoch = request.expected.map(|expected| expected.producer_epoch);
        match metadata.state {
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                if metadata.is_producer_epoch_exhausted()
                    && expected_epoch.is_none_or(|epoch| epoch == metadata.producer_epoch)
                {
                    let producer_id = fresh_producer_id.ok_or(Obstacle::ProducerIdWanted)?;
                    let records_last = expected_epoch.is_some();
                    return Ok(metadata.rotate_producer_id(producer_id, timeout_ms, records_last, now_ms));
                }
                if metadata.is_producer_epoch_exhausted() {
                    // Kafka fails in the middle here: there is no epoch left to give.
                    return Err(Obstacle::Refused(ErrorCode::UnknownServerError));
                }
                metadata
                    .increment_producer_epoch(timeout_ms, expected_epoch, now_ms)
                    .map_err(Obstacle::Refused)
            }
            TransactionState::Ongoing => {
                let version = self.transaction_version;
                let next_producer_id = self
                    .next_producer_id(metadata, version, fresh_producer_id)
                    .ok_or(Obstacle::ProducerIdWanted)?;
                Ok(metadata.abort_and_fence(version, next_producer_id, now_ms))
            }
            TransactionState::PrepareCommit
            | TransactionState::PrepareAbort
            | TransactionState::Dead
            | TransactionState::PrepareEpochFence => {
                Err(Obstacle::Refused(ErrorCode::ConcurrentTransactions))
            }
        }
    }
}

/// Whether a producer that goes on is the one that we know: a new one; the current one (its epoch is looked at
/// later); or the one before, whose epochs were used up, when it did not hear of its new id.
fn is_known(metadata: &TransactionMetadata, expected: TransactionalProducer) -> bool {
    metadata.producer_epoch == NO_PRODUCER_EPOCH
        || expected.producer_id == metadata.producer_id
        || (expected.producer_id == metadata.prev_producer_id && is_epoch_exhausted(expected.producer_epoch))
}

#[cfg(test)]
#[path = "init_producer_id_test.rs"]
mod tests;
