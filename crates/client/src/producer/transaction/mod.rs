//! Transactions of a producer, as a state machine without network and clock
//! (`org.apache.kafka.clients.producer.internals.TransactionManager`; KIP-98, KIP-360, KIP-447, KIP-890, KIP-1050).
//!
//! The application's calls change the state and queue requests; the sender takes one request at a time with
//! [`TransactionManager::next_request`] and brings its reply to [`TransactionManager::handle_reply`]. Two generations of
//! the protocol differ in three points. TV1: partitions and the group are announced to the coordinator before records or
//! offsets are sent, the epoch stays. TV2 (`transaction.version` 2): brokers announce them, and the answer to EndTxn
//! brings the next epoch.
//!
//! Errors: an *abortable* one leaves the application nothing but `abort_transaction`, after which it may go on; a *fatal*
//! one leaves it nothing but to close the producer.
//!
//! An idempotent producer without transactional id uses the same machine for its producer id.

mod members;
mod reply;
mod request;
mod state;
#[cfg(test)]
mod transaction_test;

use std::sync::Arc;

use ottla_protocol::{ErrorCode, Str};

pub(super) use self::members::Members;
pub(super) use self::request::{
    Ask, CommittedOffset, Effect, GroupIdentity, Offsets, Operation, TxnReply, TxnRequest,
};
pub(super) use self::state::State;
use super::batch::{PartitionKey, ProducerIdAndEpoch};
use crate::{Error, Result};

/// Ms to wait before AddPartitionsToTxn is tried again while the coordinator still ends the transaction before.
const ADD_PARTITIONS_BACKOFF_MS: u64 = 20;

/// What a manager is told once.
#[derive(Clone, Debug)]
pub(super) struct TransactionSettings {
    /// `transactional.id`; none: idempotence only.
    pub transactional_id: Option<Str>,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct TransactionManager {
    settings: TransactionSettings,
    state: State,
    last_error: Option<Error>,
    producer: ProducerIdAndEpoch,
    /// Which partitions are in the transaction.
    pub members: Members,
    /// By priority, then age.
    pending: Vec<TxnRequest>,
    in_flight: bool,
    transition: Option<Transition>,
    /// Whether the coordinator knows of anything in the transaction, so that its end must be told.
    transaction_started: bool,
    /// Whether the producer must ask for another epoch itself (TV1, and idempotence).
    epoch_bump_required: bool,
    coordinator_can_bump_epoch: bool,
    v2: bool,
    version_seen: i16,
    /// Whether the last attempt to get a producer id was not authorized.
    refused: bool,
}

/// An operation whose end the application has perhaps not seen, because its time was up.
#[derive(Debug)]
struct Transition {
    operation: Arc<Operation>,
    state: State,
    name: &'static str,
}

impl TransactionManager {
    /// A manager that has done nothing yet.
    pub fn new(settings: TransactionSettings) -> Self {
        Self {
            settings,
            state: State::Uninitialized,
            last_error: None,
            producer: ProducerIdAndEpoch::NONE,
            members: Members::default(),
            pending: Vec::new(),
            in_flight: false,
            transition: None,
            transaction_started: false,
            epoch_bump_required: false,
            coordinator_can_bump_epoch: false,
            v2: false,
            version_seen: 0,
            refused: false,
        }
    }

    // What the application calls.

    /// `initTransactions`.
    pub fn init_transactions(&mut self) -> Result<Arc<Operation>> {
        self.fail_with_error()?;
        self.cached(State::Initializing, "initTransactions", |this| {
            this.transition_to(State::Initializing)?;
            Ok(this.enqueue(Ask::InitProducerId { producer: ProducerIdAndEpoch::NONE, is_epoch_bump: false }))
        })
    }

    /// `beginTransaction`.
    pub fn begin_transaction(&mut self) -> Result<()> {
        self.check_transactional()?;
        self.check_no_transition("beginTransaction")?;
        self.fail_with_error()?;
        self.transition_to(State::InTransaction)
    }

    /// `commitTransaction`.
    pub fn begin_commit(&mut self) -> Result<Arc<Operation>> {
        self.cached(State::CommittingTransaction, "commitTransaction", |this| {
            this.fail_with_error()?;
            this.transition_to(State::CommittingTransaction)?;
            Ok(this.begin_completing(true))
        })
    }

    /// `abortTransaction`.
    pub fn begin_abort(&mut self) -> Result<Arc<Operation>> {
        self.cached(State::AbortingTransaction, "abortTransaction", |this| {
            if this.state != State::AbortableError {
                this.fail_with_error()?;
            }
            this.transition_to(State::AbortingTransaction)?;
            // Partitions that were never announced need not be aborted.
            this.members.forget_new();
            Ok(this.begin_completing(false))
        })
    }

    /// `sendOffsetsToTransaction`.
    pub fn send_offsets(&mut self, offsets: Offsets, group: GroupIdentity) -> Result<Arc<Operation>> {
        self.check_transactional()?;
        self.check_no_transition("sendOffsetsToTransaction")?;
        self.fail_with_error()?;
        if self.state != State::InTransaction {
            return Err(Error::Illegal(format!(
                "Cannot send offsets if a transaction is not in progress (currentState= {}); call \
                 begin_transaction first",
                self.state.name()
            )));
        }
        let producer = self.producer;
        if self.v2 {
            self.transaction_started = true;
            return Ok(self.enqueue(Ask::TxnOffsetCommit { producer, group, offsets, v2: true }));
        }
        Ok(self.enqueue(Ask::AddOffsets { producer, group, offsets }))
    }

    /// Whether a record may be sent now. Must be asked before each.
    pub fn check_can_send(&mut self) -> Result<()> {
        // What nearly all records find.
        let is_in_place = !self.is_transactional() || self.state == State::InTransaction;
        if is_in_place && self.transition.is_none() && !self.has_error() {
            return Ok(());
        }
        self.fail_with_error()?;
        self.check_no_transition("send")?;
        if !self.is_transactional() {
            return Ok(());
        }
        if !self.producer.is_valid() {
            return Err(Error::Illegal(
                "Cannot send to a transaction before completing a call to init_transactions".to_owned(),
            ));
        }
        if self.state != State::InTransaction {
            return Err(Error::Illegal(format!(
                "Cannot send outside of a transaction (state {}); call begin_transaction first",
                self.state.name()
            )));
        }
        Ok(())
    }

    /// A record was sent to a partition: it becomes part of the transaction. True when the sender has to announce it.
    pub fn add_partition(&mut self, key: PartitionKey) -> bool {
        if !self.is_transactional() {
            return false;
        }
        if self.v2 {
            self.members.add(key);
            self.transaction_started = true;
            return false;
        }
        self.members.add_new(key)
    }

    // What the sender asks.

    /// Takes the next request to send. `has_incomplete` tells of batches without outcome: the end of a transaction
    /// waits for them.
    pub fn next_request(&mut self, has_incomplete: bool) -> Option<TxnRequest> {
        if self.in_flight {
            return None;
        }
        self.announce_partitions();
        while let Some(first) = self.pending.first() {
            if first.ask.is_end() && has_incomplete {
                return None;
            }
            let request = self.pending.remove(0);
            if let (true, Some(error)) = (self.has_error(), &self.last_error) {
                request.operation.outcome.set(Err(error.clone()));
            } else if request.ask.is_end() && !self.transaction_started {
                self.reset_transaction();
                request.operation.outcome.set(Ok(()));
            } else {
                self.in_flight = true;
                return Some(request);
            }
        }
        None
    }

    /// All that wait are told of the error.
    pub fn fail_requests(&mut self) {
        let Some(error) = &self.last_error else { return };
        for request in self.pending.drain(..) {
            request.operation.outcome.set(Err(error.clone()));
        }
    }

    /// What the cluster agreed on last of `transaction.version`.
    pub fn see_transaction_version(&mut self, version: i16) {
        self.version_seen = version;
    }

    /// Goes over to what was seen; done between transactions only.
    pub fn update_v2(&mut self, on_initialization: bool) {
        let was_v2 = std::mem::replace(&mut self.v2, self.version_seen >= 2);
        // The broker must know that older requests of this epoch are over.
        if !on_initialization && !was_v2 && self.v2 {
            self.epoch_bump_required = true;
        }
    }

    /// An idempotent producer's epoch has to be raised, or its id asked for. True when sequences of the partitions that
    /// asked for it begin anew.
    pub fn bump_idempotent_epoch(&mut self, has_incomplete: bool) -> bool {
        if self.is_transactional() {
            return false;
        }
        let bump = std::mem::take(&mut self.epoch_bump_required);
        if bump {
            if self.producer.epoch == i16::MAX {
                self.producer = ProducerIdAndEpoch::NONE;
                self.state = State::Uninitialized;
            } else {
                self.producer.epoch = self.producer.epoch.wrapping_add(1);
            }
        }
        let can_ask = matches!(self.state, State::Uninitialized | State::Ready);
        // Who was refused asks again only when there is something to send.
        if can_ask && !self.producer.is_valid() && (has_incomplete || !self.refused) {
            self.state = State::Initializing;
            self.enqueue(Ask::InitProducerId { producer: ProducerIdAndEpoch::NONE, is_epoch_bump: false });
        }
        bump
    }

    /// See [`Self::bump_idempotent_epoch`].
    pub fn require_epoch_bump(&mut self) {
        self.epoch_bump_required = true;
    }

    /// Whether a partition's records may leave.
    pub fn is_send_allowed(&self, key: PartitionKey) -> bool {
        self.state != State::FatalError && (!self.is_transactional() || self.members.contains(key))
    }

    /// Whether there is a transactional id.
    pub fn is_transactional(&self) -> bool {
        self.settings.transactional_id.is_some()
    }

    /// `transactional.id`.
    pub fn transactional_id(&self) -> Option<&Str> {
        self.settings.transactional_id.as_ref()
    }

    /// Whether the second generation of the protocol is in use.
    pub fn is_v2(&self) -> bool {
        self.v2
    }

    /// Id and epoch now.
    pub fn producer(&self) -> ProducerIdAndEpoch {
        self.producer
    }

    /// The error that the state holds.
    pub fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the state is one of errors.
    pub fn has_error(&self) -> bool {
        matches!(self.state, State::AbortableError | State::FatalError)
    }

    /// Whether commit or abort is under way.
    pub fn is_completing(&self) -> bool {
        matches!(self.state, State::CommittingTransaction | State::AbortingTransaction)
    }

    /// Whether there is a transaction that has not ended.
    pub fn has_ongoing_transaction(&self) -> bool {
        self.state == State::InTransaction || self.is_completing() || self.state == State::AbortableError
    }

    /// Whether requests wait or are on their way.
    pub fn has_requests(&self) -> bool {
        self.in_flight || !self.pending.is_empty() || self.members.has_new()
    }

    // Errors.

    /// A batch or a call failed: the state follows (`maybeTransitionToErrorState`).
    pub fn see_error(&mut self, error: &Error) {
        use ErrorCode::*;
        let fatal = matches!(
            error.code(),
            Some(
                ClusterAuthorizationFailed
                    | TransactionalIdAuthorizationFailed
                    | ProducerFenced
                    | UnsupportedVersion
                    | InvalidProducerIdMapping
            )
        ) || matches!(error, Error::UnsupportedVersion(_));
        if fatal {
            self.become_fatal(error.clone());
        } else if self.is_transactional() {
            let error = if error.is_retriable() || error.code() == Some(InvalidTxnState) {
                Error::Api {
                    code: TransactionAbortable,
                    message: format!(
                        "Transaction Request was aborted after exhausting retries; abort the transaction and \
                         try again. Cause: {error}"
                    ),
                }
            } else {
                error.clone()
            };
            if self.needs_client_epoch_bump() && !self.is_completing() {
                self.epoch_bump_required = true;
            }
            self.become_abortable(error);
        }
    }

    /// The transaction can only be aborted.
    pub fn become_abortable(&mut self, error: Error) {
        if matches!(self.state, State::AbortingTransaction | State::FatalError) {
            return;
        }
        if !self.state.may_become(State::AbortableError) {
            // Kafka's sender poisons itself likewise: a state that can't be is not gone on from.
            self.become_fatal(error);
            return;
        }
        self.state = State::AbortableError;
        self.last_error = Some(error);
    }

    /// Nothing can be done any more.
    pub fn become_fatal(&mut self, error: Error) {
        self.state = State::FatalError;
        if let Some(transition) = &self.transition {
            transition.operation.outcome.set(Err(error.clone()));
        }
        self.last_error = Some(error);
    }

    /// Abortable when epochs can be raised, else fatal.
    pub fn become_abortable_or_fatal(&mut self, abortable: Error, fatal: Error) {
        if self.can_handle_abortable() {
            if self.needs_client_epoch_bump() {
                self.epoch_bump_required = true;
            }
            self.become_abortable(abortable);
        } else {
            self.become_fatal(fatal);
        }
    }

    /// The producer was not allowed to use its transactional id, or to be idempotent: it may try again from the start.
    /// True when that was so; all batches end with the error.
    pub fn handle_authorization_error(&mut self) -> Option<Error> {
        use ErrorCode::{ClusterAuthorizationFailed, TransactionalIdAuthorizationFailed};
        let error = self.last_error.clone()?;
        let matches = self.state == State::AbortableError
            && matches!(error.code(), Some(TransactionalIdAuthorizationFailed | ClusterAuthorizationFailed));
        if !matches {
            return None;
        }
        for request in self.pending.drain(..) {
            request.operation.outcome.set(Err(error.clone()));
        }
        self.state = State::Uninitialized;
        self.refused = true;
        if let Some(transition) = self.transition.take() {
            transition.operation.outcome.set(Err(error.clone()));
        }
        self.last_error = None;
        Some(error)
    }

    /// The producer is closed without waiting.
    pub fn close(&mut self) {
        let error = Error::Closed("The producer closed forcefully".to_owned());
        for request in self.pending.drain(..) {
            request.operation.outcome.set(Err(error.clone()));
        }
        self.become_fatal(error);
    }

    // Private.

    fn begin_completing(&mut self, commit: bool) -> Arc<Operation> {
        self.announce_partitions();
        let ask = Ask::EndTxn { producer: self.producer, commit, v2: self.v2 };
        self.update_v2(false);
        let operation = self.enqueue(ask);
        if self.epoch_bump_required {
            return self.enqueue(Ask::InitProducerId { producer: self.producer, is_epoch_bump: true });
        }
        operation
    }

    fn announce_partitions(&mut self) {
        if self.members.has_new() {
            let partitions = self.members.take_new();
            self.enqueue(Ask::AddPartitions { producer: self.producer, partitions });
        }
    }

    fn enqueue(&mut self, ask: Ask) -> Arc<Operation> {
        let operation = Arc::new(Operation::default());
        self.insert(TxnRequest { ask, operation: operation.clone(), backoff_ms: 0 });
        operation
    }

    fn insert(&mut self, request: TxnRequest) {
        let priority = request.ask.priority();
        let at = self.pending.partition_point(|other| other.ask.priority() <= priority);
        self.pending.insert(at, request);
    }

    /// Likewise for a request that was sent before: it stays before what waits for its end.
    fn insert_again(&mut self, request: TxnRequest) {
        let priority = request.ask.priority();
        let at = self.pending.partition_point(|other| other.ask.priority() < priority);
        self.pending.insert(at, request);
    }

    fn transition_to(&mut self, target: State) -> Result<()> {
        if !self.state.may_become(target) {
            let id = self.transactional_id().map_or_else(String::new, |id| format!("TransactionalId {id}: "));
            return Err(Error::Illegal(format!(
                "{id}Invalid transition attempted from state {} to state {}",
                self.state.name(),
                target.name()
            )));
        }
        self.state = target;
        self.last_error = None;
        Ok(())
    }

    fn reset_transaction(&mut self) {
        self.state = if self.epoch_bump_required { State::Initializing } else { State::Ready };
        self.last_error = None;
        self.epoch_bump_required = false;
        self.transaction_started = false;
        self.members.clear();
    }

    fn check_transactional(&self) -> Result<()> {
        if self.is_transactional() {
            return Ok(());
        }
        Err(Error::Illegal(
            "Transactional method invoked on a non-transactional producer; set transactional.id".to_owned(),
        ))
    }

    fn fail_with_error(&self) -> Result<()> {
        let (true, Some(error)) = (self.has_error(), &self.last_error) else { return Ok(()) };
        let who = || {
            format!(
                "Producer with transactionalId '{}' and {}",
                self.transactional_id().map_or("", |id| id),
                self.producer
            )
        };
        Err(match error {
            Error::Api { code: code @ ErrorCode::ProducerFenced, .. } => Error::Api {
                code: *code,
                message: format!(
                    "{} has been fenced by another producer with the same transactionalId",
                    who()
                ),
            },
            Error::Api { code: code @ ErrorCode::InvalidProducerEpoch, .. } => Error::Api {
                code: *code,
                message: format!("{} attempted to produce with an old epoch", who()),
            },
            other => {
                let cure = match self.state {
                    State::AbortableError => "abort the transaction",
                    _ => "close the producer",
                };
                let message = format!(
                    "Cannot execute transactional method because we are in an error state; {cure}. Cause: {other}"
                );
                match (other, other.code()) {
                    (_, Some(code)) => Error::Api { code, message },
                    (Error::CommitFailed(_), None) => Error::CommitFailed(message),
                    (_, None) => Error::Illegal(message),
                }
            }
        })
    }

    fn check_no_transition(&mut self, name: &str) -> Result<()> {
        let Some(transition) = &self.transition else { return Ok(()) };
        if transition.operation.is_acked() {
            self.transition = None;
            return Ok(());
        }
        Err(timed_out(name, transition.name))
    }

    fn cached(
        &mut self,
        state: State,
        name: &'static str,
        begin: impl FnOnce(&mut Self) -> Result<Arc<Operation>>,
    ) -> Result<Arc<Operation>> {
        self.check_transactional()?;
        if let Some(transition) = &self.transition {
            if transition.operation.is_acked() {
                self.transition = None;
            } else if transition.state != state {
                return Err(timed_out(name, transition.name));
            } else {
                return Ok(transition.operation.clone());
            }
        }
        let operation = begin(self)?;
        self.transition = Some(Transition { operation: operation.clone(), state, name });
        Ok(operation)
    }

    fn needs_client_epoch_bump(&self) -> bool {
        self.coordinator_can_bump_epoch && !self.v2
    }

    fn can_handle_abortable(&self) -> bool {
        self.coordinator_can_bump_epoch || self.v2
    }
}

fn timed_out(name: &str, before: &str) -> Error {
    Error::Illegal(format!(
        "Cannot attempt operation `{name}` because the previous call to `{before}` timed out and must be retried"
    ))
}
