//! Sequences and producer epochs: what lets a broker drop what it has already, and keeps the order of records
//! (`TransactionManager`'s half of idempotence; KIP-98, KIP-360).

use ottla_protocol::ErrorCode;

use super::sequences::is_ahead;
use super::{Answer, Core};
use crate::Error;
use crate::producer::batch::{BatchId, PartitionKey, ProducerIdAndEpoch};
use crate::producer::transaction::{Effect, State, TxnReply, TxnRequest};

impl Core {
    /// What comes first in each turn. False when nothing may be sent now.
    pub(super) fn poll_transactions(&mut self) -> bool {
        self.resolve_sequences();
        let Some(txn) = &mut self.txn else { return true };
        if txn.state() == State::FatalError {
            let error = txn.last_error().cloned();
            txn.fail_requests();
            if let Some(error) = error {
                self.abort_all(&error);
            }
            return false;
        }
        if let Some(error) = txn.handle_authorization_error() {
            self.abort_all(&error);
            return false;
        }
        if txn.bump_idempotent_epoch(self.incomplete > 0) {
            let producer = txn.producer();
            for key in std::mem::take(&mut self.restarting) {
                self.restart_sequences(key, producer);
                self.unresolved.remove(&key);
            }
        }
        let Some(txn) = &self.txn else { return true };
        match txn.state() {
            State::AbortableError => {
                let error = txn.last_error().cloned();
                if let Some(error) = error {
                    self.abort_unsent(&error);
                }
            }
            State::AbortingTransaction => {
                self.abort_unsent(&Error::Illegal("Failing batch since transaction was aborted".to_owned()));
            }
            _ => {}
        }
        true
    }

    /// A coordinator's reply.
    pub fn handle_txn_reply(&mut self, request: TxnRequest, reply: TxnReply) -> Vec<Effect> {
        let Some(txn) = &mut self.txn else { return Vec::new() };
        let mut effects = txn.handle_reply(request, reply);
        if effects.contains(&Effect::ResetSequences) {
            self.reset_sequences();
            effects.retain(|effect| *effect != Effect::ResetSequences);
        }
        effects
    }

    /// A batch is in the log.
    pub(super) fn acknowledge(&mut self, id: BatchId, answer: &Answer) {
        if self.txn.is_none() {
            return;
        }
        let Some(batch) = self.batches.get(id) else { return };
        let (key, last_sequence) = (batch.key, batch.last_sequence());
        let last_offset = (answer.base_offset >= 0)
            .then(|| answer.base_offset.saturating_add(i64::from(batch.record_count)).saturating_sub(1));
        let producer = batch.producer;
        if let Some(partition) = self.partition_mut(key)
            && partition.sequences.producer == producer
        {
            partition.sequences.acknowledge(last_sequence, last_offset);
        }
        self.untrack(id);
    }

    pub(super) fn untrack(&mut self, id: BatchId) {
        let Some(key) = self.batches.get(id).map(|batch| batch.key) else { return };
        if let Some(partition) = self.partition_mut(key) {
            partition.sequences.untrack(id);
        }
    }

    /// A batch ended with an error: the state of transactions follows, and the sequences behind it.
    pub(super) fn see_failure(&mut self, id: BatchId, error: &Error, may_renumber: bool) {
        let Some(txn) = &mut self.txn else { return };
        txn.see_error(error);
        let (is_fatal, is_transactional) = (txn.state() == State::FatalError, txn.is_transactional());
        let Some(batch) = self.batches.get(id) else { return };
        let (key, record_count) = (batch.key, batch.record_count);
        let position = self.partition(key).and_then(|partition| partition.sequences.position(id));
        self.untrack(id);
        let (false, Some(position)) = (is_fatal, position) else { return };
        match error.code() {
            Some(ErrorCode::OutOfOrderSequenceNumber) if !is_transactional => {
                self.restart_with_next_epoch(key)
            }
            Some(ErrorCode::UnknownProducerId) => {
                self.unresolved.remove(&key);
                if let Some(partition) = self.partition_mut(key) {
                    partition.sequences = Default::default();
                }
            }
            _ if !may_renumber => {}
            _ if !is_transactional => self.restart_with_next_epoch(key),
            _ => self.with_sequences(key, |sequences, batches| {
                sequences.close_gap(position, record_count, batches);
            }),
        }
    }

    /// A batch that was sent ended without an answer: whether its sequence is taken is unknown.
    pub(super) fn mark_unresolved(&mut self, key: PartitionKey, next_sequence: i32) {
        let entry = self.unresolved.entry(key).or_insert(next_sequence);
        if is_ahead(next_sequence, *entry) {
            *entry = next_sequence;
        }
    }

    /// Whether a batch that a broker refused may be sent again (`TransactionManager.canRetry`).
    pub(super) fn can_retry_sequence(&mut self, id: BatchId, answer: &Answer) -> bool {
        let (Some(batch), Some(txn)) = (self.batches.get(id), &self.txn) else { return false };
        let (key, is_reset, base_sequence) = (batch.key, batch.sequence_has_been_reset, batch.base_sequence);
        let (is_transactional, producer) = (txn.is_transactional(), txn.producer());
        let (is_next, last_acked_offset) = match self.partition(key) {
            Some(partition) => {
                (partition.sequences.is_next(base_sequence), partition.sequences.last_acked_offset)
            }
            None => (false, -1),
        };
        match answer.code {
            ErrorCode::UnknownProducerId if answer.log_start_offset == -1 || is_reset => true,
            ErrorCode::UnknownProducerId if last_acked_offset < answer.log_start_offset => {
                // Retention took the records that the broker knew the producer by.
                if is_transactional {
                    self.restart_sequences(key, producer);
                } else {
                    self.restart_with_next_epoch(key);
                }
                true
            }
            ErrorCode::UnknownProducerId if !is_transactional => {
                self.restart_with_next_epoch(key);
                true
            }
            ErrorCode::OutOfOrderSequenceNumber => {
                let unresolved = self.unresolved.get(&key).copied();
                if unresolved.is_none() && (is_reset || !is_next) {
                    // It came before one that is still on its way.
                    true
                } else if !is_transactional {
                    if unresolved.is_none_or(|next| next == base_sequence) {
                        self.restart_with_next_epoch(key);
                    }
                    true
                } else {
                    false
                }
            }
            code => code.is_retriable(),
        }
    }

    /// Partitions where it was unknown whether the broker has a batch, and where nothing is under way any more.
    fn resolve_sequences(&mut self) {
        if self.unresolved.is_empty() {
            return;
        }
        let keys: Vec<PartitionKey> = self.unresolved.keys().copied().collect();
        for key in keys {
            let Some(partition) = self.partition(key) else { continue };
            if partition.sequences.has_tracked() {
                continue;
            }
            let is_next = partition.sequences.is_next(partition.sequences.next);
            self.unresolved.remove(&key);
            if is_next {
                // A later batch was acknowledged: so the one before is in the log.
                continue;
            }
            let Some(txn) = &mut self.txn else { continue };
            if txn.is_transactional() {
                let text = "The client hasn't received acknowledgment for some previously sent messages and can no \
                            longer retry them.";
                let error = |cure: &str| Error::Api {
                    code: ErrorCode::TransactionAbortable,
                    message: format!("{text} {cure}"),
                };
                txn.become_abortable_or_fatal(
                    error("It is safe to abort the transaction and continue."),
                    error("It isn't safe to continue."),
                );
            } else {
                self.restart_with_next_epoch(key);
            }
        }
    }

    fn restart_with_next_epoch(&mut self, key: PartitionKey) {
        if let Some(txn) = &mut self.txn {
            txn.require_epoch_bump();
        }
        self.restarting.insert(key);
    }

    fn restart_sequences(&mut self, key: PartitionKey, producer: ProducerIdAndEpoch) {
        self.with_sequences(key, |sequences, batches| sequences.restart(producer, batches));
    }

    fn reset_sequences(&mut self) {
        self.unresolved.clear();
        self.restarting.clear();
        for topic in &mut self.topics {
            for partition in &mut topic.partitions {
                partition.sequences = Default::default();
            }
        }
    }

    fn with_sequences(
        &mut self,
        key: PartitionKey,
        change: impl FnOnce(&mut super::Sequences, &mut crate::producer::batch::Batches),
    ) {
        let Some(topic) = self.topics.get_mut(key.topic as usize) else { return };
        if let Some(partition) = topic.partitions.get_mut(key.partition as usize) {
            change(&mut partition.sequences, &mut self.batches);
        }
    }
}
