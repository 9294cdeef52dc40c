//! What replies mean (the `TxnRequestHandler`s of `TransactionManager`).

use std::sync::Arc;

use ottla_protocol::{ErrorCode, TopicPartition};

use super::{
    ADD_PARTITIONS_BACKOFF_MS, Ask, Effect, Operation, ProducerIdAndEpoch, State, TransactionManager,
    TxnReply, TxnRequest,
};
use crate::Error;
use crate::producer::batch::PartitionKey;

impl TransactionManager {
    /// The reply to the request that [`Self::next_request`] gave last.
    pub fn handle_reply(&mut self, request: TxnRequest, reply: TxnReply) -> Vec<Effect> {
        self.in_flight = false;
        let mut effects = Vec::new();
        match reply {
            TxnReply::Disconnected => self.retry_elsewhere(request, &mut effects),
            TxnReply::Failed(error) => self.fail_fatally(&request.operation, error),
            TxnReply::NoCoordinator { code, message } => self.handle_no_coordinator(request, code, &message),
            TxnReply::InitProducerId { code, producer, can_bump_epoch } => {
                self.handle_init_producer_id(request, code, producer, can_bump_epoch, &mut effects);
            }
            TxnReply::AddPartitions(results) => self.handle_add_partitions(request, &results, &mut effects),
            TxnReply::AddOffsets(code) => self.handle_add_offsets(request, code, &mut effects),
            TxnReply::TxnOffsetCommit(results) => {
                self.handle_txn_offset_commit(request, results, &mut effects);
            }
            TxnReply::EndTxn { code, producer } => {
                self.handle_end_txn(request, code, producer, &mut effects);
            }
        }
        effects
    }

    fn handle_init_producer_id(
        &mut self,
        request: TxnRequest,
        code: ErrorCode,
        producer: ProducerIdAndEpoch,
        can_bump_epoch: bool,
        effects: &mut Vec<Effect>,
    ) {
        use ErrorCode::*;
        self.coordinator_can_bump_epoch = can_bump_epoch;
        let operation = request.operation.clone();
        match code {
            None => {
                self.producer = producer;
                self.refused = false;
                if !self.state.may_become(State::Ready) {
                    let text = format!("a producer id came in state {}", self.state.name());
                    self.fail_fatally(&operation, Error::Illegal(text));
                    return;
                }
                self.state = State::Ready;
                self.last_error = Option::None;
                if matches!(request.ask, Ask::InitProducerId { is_epoch_bump: true, .. }) {
                    effects.push(Effect::ResetSequences);
                }
                operation.outcome.set(Ok(()));
            }
            NotCoordinator | CoordinatorNotAvailable => self.retry_elsewhere(request, effects),
            _ if code.is_retriable() => self.retry(request),
            TransactionalIdAuthorizationFailed | ClusterAuthorizationFailed => {
                self.fail_abortably(&operation, Error::api(code, Option::None));
            }
            InvalidProducerEpoch | ProducerFenced => self.fail_fenced(&operation),
            TransactionAbortable => self.fail_abortably(&operation, Error::api(code, Option::None)),
            _ => self.fail_unexpectedly(&operation, code, "Unexpected error in InitProducerIdResponse"),
        }
    }

    fn handle_add_partitions(
        &mut self,
        mut request: TxnRequest,
        results: &[(PartitionKey, ErrorCode)],
        effects: &mut Vec<Effect>,
    ) {
        use ErrorCode::*;
        let operation = request.operation.clone();
        let mut unauthorized = false;
        let mut failed = Option::None;
        for (_, code) in results {
            match *code {
                None => {}
                CoordinatorNotAvailable | NotCoordinator => return self.retry_elsewhere(request, effects),
                ConcurrentTransactions => {
                    self.retry_after(&mut request);
                    if self.members.is_empty() {
                        request.backoff_ms = request.backoff_ms.min(ADD_PARTITIONS_BACKOFF_MS);
                    }
                    self.insert_again(request);
                    return;
                }
                code if code.is_retriable() => return self.retry(request),
                InvalidProducerEpoch | ProducerFenced => return self.fail_fenced(&operation),
                code @ (TransactionalIdAuthorizationFailed | InvalidTxnState | InvalidProducerIdMapping) => {
                    return self.fail_fatally(&operation, Error::api(code, Option::None));
                }
                TopicAuthorizationFailed => unauthorized = true,
                UnknownProducerId => return self.fail_abortably_if_possible(&operation, UnknownProducerId),
                TransactionAbortable => {
                    return self.fail_abortably(&operation, Error::api(TransactionAbortable, Option::None));
                }
                code => {
                    // "not attempted" only tells that another partition is to blame.
                    if failed.is_none() || failed == Some(OperationNotAttempted) {
                        failed = Some(code);
                    }
                }
            }
        }
        let keys: Vec<PartitionKey> = results.iter().map(|(key, _)| *key).collect();
        if unauthorized {
            self.members.settle(&keys, false);
            self.fail_abortably(&operation, Error::api(TopicAuthorizationFailed, Option::None));
        } else if let Some(code) = failed {
            self.members.settle(&keys, false);
            let message =
                format!("Could not add partitions to transaction due to errors: {}", code.message());
            self.fail_abortably(&operation, Error::Api { code, message });
        } else {
            self.members.settle(&keys, true);
            self.transaction_started = true;
            operation.outcome.set(Ok(()));
        }
    }

    fn handle_add_offsets(&mut self, request: TxnRequest, code: ErrorCode, effects: &mut Vec<Effect>) {
        use ErrorCode::*;
        let operation = request.operation.clone();
        match code {
            None => {
                self.transaction_started = true;
                if let Ask::AddOffsets { producer, group, offsets } = request.ask {
                    // The operation ends with the commit of the offsets.
                    let ask = Ask::TxnOffsetCommit { producer, group, offsets, v2: false };
                    self.insert(TxnRequest { ask, operation, backoff_ms: 0 });
                }
            }
            CoordinatorNotAvailable | NotCoordinator => self.retry_elsewhere(request, effects),
            _ if code.is_retriable() => self.retry(request),
            UnknownProducerId => self.fail_abortably_if_possible(&operation, code),
            InvalidProducerEpoch | ProducerFenced => self.fail_fenced(&operation),
            TransactionalIdAuthorizationFailed | InvalidTxnState | InvalidProducerIdMapping => {
                self.fail_fatally(&operation, Error::api(code, Option::None));
            }
            GroupAuthorizationFailed | TransactionAbortable => {
                self.fail_abortably(&operation, Error::api(code, Option::None));
            }
            _ => self.fail_unexpectedly(&operation, code, "Unexpected error in AddOffsetsToTxnResponse"),
        }
    }

    fn handle_txn_offset_commit(
        &mut self,
        mut request: TxnRequest,
        results: Vec<(TopicPartition, ErrorCode)>,
        effects: &mut Vec<Effect>,
    ) {
        use ErrorCode::*;
        let operation = request.operation.clone();
        // Each request keeps its own: what is left of one must not go with another, perhaps of another group.
        let Ask::TxnOffsetCommit { offsets: left, .. } = &mut request.ask else { return };
        let mut elsewhere = false;
        for (partition, code) in results {
            match code {
                None => drop(left.remove(&partition)),
                CoordinatorNotAvailable | NotCoordinator | RequestTimedOut => elsewhere = true,
                _ if code.is_retriable() => {}
                _ => return self.fail_offset_commit(&operation, code),
            }
        }
        if left.is_empty() {
            operation.outcome.set(Ok(()));
            return;
        }
        if elsewhere {
            self.retry_elsewhere(request, effects);
        } else {
            self.retry(request);
        }
    }

    fn fail_offset_commit(&mut self, operation: &Arc<Operation>, code: ErrorCode) {
        use ErrorCode::*;
        match code {
            GroupAuthorizationFailed | FencedInstanceId | TransactionAbortable => {
                self.fail_abortably(operation, Error::api(code, Option::None));
            }
            UnknownMemberId | IllegalGeneration => {
                let message = format!(
                    "Transaction offset Commit failed due to consumer group metadata mismatch: {}",
                    code.message()
                );
                self.fail_abortably(operation, Error::CommitFailed(message));
            }
            InvalidProducerEpoch | ProducerFenced => self.fail_fenced(operation),
            TransactionalIdAuthorizationFailed | UnsupportedForMessageFormat => {
                self.fail_fatally(operation, Error::api(code, Option::None));
            }
            _ => self.fail_unexpectedly(operation, code, "Unexpected error in TxnOffsetCommitResponse"),
        }
    }

    fn handle_end_txn(
        &mut self,
        request: TxnRequest,
        code: ErrorCode,
        producer: Option<ProducerIdAndEpoch>,
        effects: &mut Vec<Effect>,
    ) {
        use ErrorCode::*;
        let operation = request.operation.clone();
        let is_abort = matches!(request.ask, Ask::EndTxn { commit: false, .. });
        match code {
            None => {
                if let Some(producer) = producer {
                    self.producer = producer;
                    effects.push(Effect::ResetSequences);
                }
                // A batch that expired while the transaction was aborted asks for an epoch that nobody has asked for yet.
                let is_init = |request: &TxnRequest| matches!(request.ask, Ask::InitProducerId { .. });
                let late = self.epoch_bump_required && !self.pending.iter().any(is_init);
                if self.state != State::FatalError {
                    self.reset_transaction();
                }
                if late && self.state == State::Initializing {
                    let ask = Ask::InitProducerId { producer: self.producer, is_epoch_bump: true };
                    return self.insert(TxnRequest { ask, operation, backoff_ms: 0 });
                }
                operation.outcome.set(Ok(()));
            }
            CoordinatorNotAvailable | NotCoordinator => self.retry_elsewhere(request, effects),
            _ if code.is_retriable() => self.retry(request),
            InvalidProducerEpoch | ProducerFenced => self.fail_fenced(&operation),
            TransactionalIdAuthorizationFailed | InvalidTxnState | InvalidProducerIdMapping => {
                self.fail_fatally(&operation, Error::api(code, Option::None));
            }
            UnknownProducerId => self.fail_abortably_if_possible(&operation, code),
            // To abort what could not be aborted would go in circles.
            TransactionAbortable if is_abort => {
                let message = format!("Failed to abort transaction: {}", code.message());
                self.fail_fatally(&operation, Error::Api { code, message });
            }
            TransactionAbortable => self.fail_abortably(&operation, Error::api(code, Option::None)),
            _ => self.fail_unexpectedly(&operation, code, "Unhandled error in EndTxnResponse"),
        }
    }

    fn handle_no_coordinator(&mut self, request: TxnRequest, code: ErrorCode, message: &str) {
        use ErrorCode::*;
        let operation = request.operation.clone();
        let error = Error::api(code, Some(message));
        match code {
            _ if code.is_retriable() => self.retry(request),
            GroupAuthorizationFailed | TransactionAbortable => self.fail_abortably(&operation, error),
            _ => self.fail_fatally(&operation, error),
        }
    }

    fn retry_elsewhere(&mut self, request: TxnRequest, effects: &mut Vec<Effect>) {
        match &request.ask {
            Ask::TxnOffsetCommit { group, .. } => {
                effects.push(Effect::ForgetGroupCoordinator(group.group_id.clone()));
            }
            _ if self.is_transactional() => effects.push(Effect::ForgetTransactionCoordinator),
            _ => {}
        }
        self.retry(request);
    }

    fn retry(&mut self, mut request: TxnRequest) {
        self.retry_after(&mut request);
        self.insert_again(request);
    }

    fn retry_after(&self, request: &mut TxnRequest) {
        request.backoff_ms = self.settings.retry_backoff_ms;
    }

    fn fail_fatally(&mut self, operation: &Arc<Operation>, error: Error) {
        operation.outcome.set(Err(error.clone()));
        self.become_fatal(error);
    }

    /// An older coordinator says INVALID_PRODUCER_EPOCH for what is PRODUCER_FENCED.
    fn fail_fenced(&mut self, operation: &Arc<Operation>) {
        self.fail_fatally(operation, Error::api(ErrorCode::ProducerFenced, None));
    }

    fn fail_unexpectedly(&mut self, operation: &Arc<Operation>, code: ErrorCode, what: &str) {
        let message = format!("{what}; {}", code.message());
        self.fail_fatally(operation, Error::Api { code, message });
    }

    fn fail_abortably(&mut self, operation: &Arc<Operation>, error: Error) {
        operation.outcome.set(Err(error.clone()));
        self.become_abortable(error);
    }

    fn fail_abortably_if_possible(&mut self, operation: &Arc<Operation>, code: ErrorCode) {
        let error = Error::api(code, None);
        operation.outcome.set(Err(error.clone()));
        self.become_abortable_or_fatal(error.clone(), error);
    }
}
