//! What a node's answer means for a batch (`Sender.completeBatch` and `canRetry`).

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::increment_sequence;

use super::Core;
use crate::Error;
use crate::cluster::is_stale;
use crate::producer::batch::{BatchId, Body};
use crate::producer::delivery::{Failure, Outcome};

/// A node's answer for one batch, or what stands for it.
#[derive(Clone, Debug)]
pub(in crate::producer) struct Answer {
    /// The code; `NetworkException` when the connection was lost, `RequestTimedOut` when no answer came in time.
    pub code: ErrorCode,
    /// The broker's words.
    pub message: Option<String>,
    /// Offset of the first record; -1: unknown.
    pub base_offset: i64,
    /// Unix ms; -1: the records keep their own times.
    pub log_append_time_ms: i64,
    /// First offset of the log; -1: unknown.
    pub log_start_offset: i64,
    /// Records that are to blame.
    pub record_errors: Vec<(i32, Option<String>)>,
}

impl Answer {
    /// With a code only.
    pub fn of(code: ErrorCode, message: impl Into<Option<String>>) -> Self {
        Self {
            code,
            message: message.into(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
        }
    }
}

impl Core {
    /// A batch was answered. `bytes` is what was sent. True when leaders may have changed: metadata should be asked for.
    pub fn handle_answer(&mut self, id: BatchId, bytes: Bytes, answer: &Answer, now_ms: i64) -> bool {
        let Some(batch) = self.batches.get_mut(id) else { return false };
        let key = batch.key;
        batch.in_flight = false;
        batch.body = Body::Built(bytes);
        let (is_done, record_count) = (batch.done, batch.record_count);
        if let Some(partition) = self.partition_mut(key) {
            partition.in_flight.retain(|other| *other != id);
        }
        if is_done {
            // It expired or was given up while it was away.
            self.answer_late(id, answer);
            return is_stale(answer.code);
        }
        match answer.code {
            ErrorCode::None => self.complete(id, answer),
            ErrorCode::MessageTooLarge if record_count > 1 => self.split(id, now_ms),
            _ if self.can_retry(id, answer, now_ms) => self.requeue(id, now_ms),
            // The broker has it already, but knows no longer where.
            ErrorCode::DuplicateSequenceNumber => self.complete(id, answer),
            code => {
                let topic = self.topic_name(key);
                let is_refused = !code.is_retriable();
                let next_sequence =
                    self.batches.get(id).map(|batch| increment_sequence(batch.last_sequence(), 1));
                self.fail(id, failure(answer, &topic), is_refused);
                // Its time or its attempts are over, and an earlier attempt may have been written: its sequences must
                // not be given to other records before that is known. (Kafka's client does when the time is over.)
                if let (false, Some(next), true) = (is_refused, next_sequence, self.txn.is_some()) {
                    self.mark_unresolved(key, next);
                }
            }
        }
        is_stale(answer.code)
    }

    /// What the codec made of a batch: batches of the topic are filled by it from now on.
    pub fn see_compression(&mut self, topic: u32, before: usize, after: usize) {
        let Some(topic) = self.topics.get_mut(topic as usize) else { return };
        let seen = after as f32 / before.max(1) as f32;
        // Quickly up, slowly down (`CompressionRatioEstimator`): too full a batch is worse than one that is not full.
        let old = topic.compression_ratio;
        topic.compression_ratio =
            if seen > old { (old + 0.05).max(seen) } else { (old - 0.005).max(seen) }.clamp(0.01, 2.0);
    }

    fn complete(&mut self, id: BatchId, answer: &Answer) {
        self.acknowledge(id, answer);
        let outcome = Outcome::Written {
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
        };
        self.end(id, outcome);
        self.release(id);
    }

    fn answer_late(&mut self, id: BatchId, answer: &Answer) {
        if answer.code == ErrorCode::None || answer.code == ErrorCode::DuplicateSequenceNumber {
            self.acknowledge(id, answer);
        }
        self.untrack(id);
        self.release(id);
    }

    /// Ends a batch with an error.
    pub(super) fn fail(&mut self, id: BatchId, failure: Failure, may_renumber: bool) {
        let error = failure.error.clone();
        if !self.end(id, Outcome::Failed(failure)) {
            return;
        }
        self.see_failure(id, &error, may_renumber);
        self.release(id);
    }

    fn can_retry(&mut self, id: BatchId, answer: &Answer, now_ms: i64) -> bool {
        let Some(batch) = self.batches.get(id) else { return false };
        if batch.has_expired(self.settings.delivery_timeout_ms, now_ms)
            || batch.attempts >= self.settings.retries
        {
            return false;
        }
        if self.txn.is_none() {
            return answer.code.is_retriable();
        }
        self.can_retry_sequence(id, answer)
    }

    /// Queues a batch for another attempt.
    fn requeue(&mut self, id: BatchId, now_ms: i64) {
        let Some(batch) = self.batches.get_mut(id) else { return };
        batch.attempts += 1;
        batch.last_attempt_ms = batch.last_attempt_ms.max(now_ms);
        batch.in_retry = true;
        let records = u64::from(batch.record_count);
        self.retried_records += records;
        self.insert_in_order(id);
    }

    /// Puts a batch to the front of its queue; among batches with sequences, to its place.
    pub(super) fn insert_in_order(&mut self, id: BatchId) {
        let Some(key) = self.batches.get(id).map(|batch| batch.key) else { return };
        let Some(partition) = self.partition_mut(key) else { return };
        let sequences = &partition.sequences;
        let position = sequences.position(id);
        let is_before = |other: &BatchId| match (sequences.position(*other), position) {
            (Some(other), Some(position)) => other < position,
            _ => false,
        };
        let at = partition.queue.iter().take_while(|other| is_before(other)).count();
        partition.queue.insert(at, id);
        self.queued += 1;
    }
}

/// What the records' callers are told.
fn failure(answer: &Answer, topic: &str) -> Failure {
    let words = answer.message.as_deref();
    let error = match answer.code {
        ErrorCode::ClusterAuthorizationFailed => {
            Error::api(answer.code, Some("The producer is not authorized to do idempotent sends"))
        }
        ErrorCode::TopicAuthorizationFailed => {
            Error::api(answer.code, Some(&format!("Not authorized to access topics: [{topic}]")))
        }
        code => Error::api(code, words),
    };
    let alone = answer.record_errors.len() == 1;
    let records = answer.record_errors.iter().filter_map(|(index, text)| {
        let code = if alone { answer.code } else { ErrorCode::InvalidRecord };
        let text = text.as_deref().or(words).unwrap_or_else(|| answer.code.message());
        Some((u32::try_from(*index).ok()?, Error::api(code, Some(text))))
    });
    Failure { error, records: Arc::new(records.collect()) }
}
