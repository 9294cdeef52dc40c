//! What becomes of a record that was sent: one shared object per batch, and a small handle per record.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ottla_protocol::{ErrorCode, Str};

use super::promise::Promise;
use crate::{Error, Result};

/// Where a record is now (`org.apache.kafka.clients.producer.RecordMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Topic.
    pub topic: Str,
    /// Partition.
    pub partition: i32,
    /// Offset; `None` with `acks=0`, and when a broker only tells that it has the record already.
    pub offset: Option<i64>,
    /// Unix ms: the record's own time, or the broker's when the topic keeps the time of the append.
    pub timestamp_ms: i64,
    /// Bytes of the key; `None` without a key.
    pub key_size: Option<usize>,
    /// Bytes of the value; `None` without a value.
    pub value_size: Option<usize>,
}

/// What is called once with what became of a record.
pub(super) struct Callback(pub Box<dyn FnOnce(Result<RecordMetadata>) + Send>);

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callback")
    }
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It is in the log.
    Written {
        /// Of the first record; -1: unknown.
        base_offset: i64,
        /// Unix ms; -1: the records keep their own.
        log_append_time_ms: i64,
    },
    /// It is not.
    Failed(Failure),
    /// It was too large for the broker and goes on as several.
    Split(Arc<Vec<Part>>),
}

/// Why a batch is not in the log.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What is wrong with the batch.
    pub error: Error,
    /// The records that are to blame, by their index, with what is wrong with them; empty when none is named.
    pub records: Arc<Vec<(u32, Error)>>,
}

impl Failure {
    /// Of all records alike.
    pub fn new(error: Error) -> Self {
        Self { error, records: Arc::default() }
    }

    fn of_record(&self, index: u32) -> Error {
        if self.records.is_empty() {
            return self.error.clone();
        }
        match self.records.iter().find(|(at, _)| *at == index) {
            Some((_, error)) => error.clone(),
            None => Error::Api {
                code: ErrorCode::InvalidRecord,
                message: "Failed to append record because it was part of a batch which had one more more \
                          invalid records"
                    .to_owned(),
            },
        }
    }
}

/// One of the batches that a batch was split into.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Index of its first record in the batch that was split.
    pub first: u32,
    /// Its own fate.
    pub completion: Arc<Completion>,
}

/// What the records of a batch share.
#[derive(Debug)]
pub(super) struct Completion {
    /// Topic.
    pub topic: Str,
    /// Partition.
    pub partition: i32,
    /// What became of it.
    pub outcome: Promise<Outcome>,
}

impl Completion {
    /// Of a batch for this partition.
    pub fn new(topic: Str, partition: i32) -> Arc<Self> {
        Arc::new(Self { topic, partition, outcome: Promise::default() })
    }
}

/// Of a record in its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordFacts {
    /// Index in its batch.
    pub index: u32,
    /// Unix ms.
    pub timestamp_ms: i64,
    /// -1: none.
    pub key_size: i32,
    /// -1: none.
    pub value_size: i32,
}

impl RecordFacts {
    /// What the caller is told when the batch has ended so; nothing for a batch that was split.
    pub fn result(&self, completion: &Completion, outcome: &Outcome) -> Option<Result<RecordMetadata>> {
        match outcome {
            Outcome::Split(_) => None,
            Outcome::Failed(failure) => Some(Err(failure.of_record(self.index))),
            Outcome::Written { base_offset, log_append_time_ms } => Some(Ok(RecordMetadata {
                topic: completion.topic.clone(),
                partition: completion.partition,
                offset: (*base_offset >= 0).then(|| base_offset.saturating_add(i64::from(self.index))),
                timestamp_ms: if *log_append_time_ms >= 0 { *log_append_time_ms } else { self.timestamp_ms },
                key_size: usize::try_from(self.key_size).ok(),
                value_size: usize::try_from(self.value_size).ok(),
            })),
        }
    }
}

/// What becomes of one record: a future of its place in the log. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Delivery {
    completion: Arc<Completion>,
    facts: RecordFacts,
    place: Option<usize>,
}

impl Delivery {
    pub(super) fn new(completion: Arc<Completion>, facts: RecordFacts) -> Self {
        Self { completion, facts, place: None }
    }

    /// The record's partition.
    pub fn partition(&self) -> i32 {
        self.completion.partition
    }

    /// Follows the record into the batch that a split put it into.
    fn follow(&mut self, parts: &[Part]) {
        let at = parts.partition_point(|part| part.first <= self.facts.index);
        if let Some(part) = at.checked_sub(1).and_then(|at| parts.get(at)) {
            self.facts.index -= part.first;
            self.completion = part.completion.clone();
            self.place = None;
        }
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let (completion, facts) = (&*this.completion, &this.facts);
            let look = |outcome: &Outcome| match outcome {
                Outcome::Split(parts) if !parts.is_empty() => Err(parts.clone()),
                outcome => Ok(facts
                    .result(completion, outcome)
                    .unwrap_or_else(|| Err(Error::Illegal("a batch was split into nothing".to_owned())))),
            };
            match completion.outcome.poll_with(cx, &mut this.place, look) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(result)) => return Poll::Ready(result),
                Poll::Ready(Err(parts)) => this.follow(&parts),
            }
        }
    }
}

/// Deliveries of records that stand one behind the other in one batch, with one place kept for all: for who sends many
/// and asks for none in particular. A future of their number when all are written; of each for itself otherwise, because
/// their ways may have parted.
#[derive(Debug)]
pub struct Deliveries {
    first: Delivery,
    count: u32,
}

impl Deliveries {
    /// Of one record.
    pub fn new(first: Delivery) -> Self {
        Self { first, count: 1 }
    }

    /// How many there are, at least one.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes in the delivery of the next record. Given back when it is not the next one in the same batch.
    pub fn join(&mut self, next: Delivery) -> Option<Delivery> {
        let first = &self.first;
        let is_next = first.facts.index.checked_add(self.count) == Some(next.facts.index)
            && Arc::ptr_eq(&first.completion, &next.completion);
        if !is_next {
            return Some(next);
        }
        self.count += 1;
        None
    }

    /// Each for itself. Facts of single records are not kept: sizes and times are the first one's.
    fn apart(&self) -> Vec<Delivery> {
        let RecordFacts { index, .. } = self.first.facts;
        let all = (0..self.count).map(|at| {
            let facts = RecordFacts { index: index.saturating_add(at), ..self.first.facts };
            Delivery::new(self.first.completion.clone(), facts)
        });
        all.collect()
    }
}

impl Future for Deliveries {
    type Output = Result<u32, Vec<Delivery>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_written = |outcome: &Outcome| matches!(outcome, Outcome::Written { .. });
        let Delivery { completion, place, .. } = &mut this.first;
        completion.outcome.poll_with(cx, place, is_written).map(|is_written| match is_written {
            true => Ok(this.count),
            false => Err(this.apart()),
        })
    }
}

/// Waits until a batch and all it was split into have ended, whatever became of them.
pub(super) async fn ended(completion: Arc<Completion>) {
    let mut open = vec![completion];
    while let Some(completion) = open.pop() {
        let mut place = None;
        let outcome =
            std::future::poll_fn(|cx| completion.outcome.poll_with(cx, &mut place, Outcome::clone)).await;
        if let Outcome::Split(parts) = outcome {
            open.extend(parts.iter().map(|part| part.completion.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn delivery(completion: &Arc<Completion>, index: u32) -> Delivery {
        let facts = RecordFacts { index, timestamp_ms: 5, key_size: -1, value_size: 3 };
        Delivery::new(completion.clone(), facts)
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn three(completion: &Arc<Completion>) -> Deliveries {
        let mut all = Deliveries::new(delivery(completion, 4));
        assert!(all.join(delivery(completion, 5)).is_none() && all.join(delivery(completion, 6)).is_none());
        all
    }

    #[test]
    fn only_the_next_record_of_the_batch_joins() {
        let (one, other) = (Completion::new("t".into(), 0), Completion::new("t".into(), 0));
        let mut all = three(&one);
        assert!(all.join(delivery(&one, 8)).is_some() && all.join(delivery(&one, 6)).is_some());
        assert!(all.join(delivery(&other, 7)).is_some());
        assert_eq!(all.count(), 3);
    }

    #[test]
    fn a_batch_that_is_written_ends_all() {
        let completion = Completion::new("t".into(), 0);
        let mut all = three(&completion);
        assert!(poll(&mut all).is_pending());
        completion.outcome.set(Outcome::Written { base_offset: 10, log_append_time_ms: -1 });
        assert!(matches!(poll(&mut all), Poll::Ready(Ok(3))));
    }

    #[test]
    fn records_whose_ways_part_are_told_of_one_by_one() {
        let completion = Completion::new("t".into(), 0);
        let mut all = three(&completion);
        let wrong = Arc::new(vec![(5, Error::Illegal("wrong".to_owned()))]);
        let error = Error::Illegal("batch".to_owned());
        completion.outcome.set(Outcome::Failed(Failure { error, records: wrong }));
        let Poll::Ready(Err(apart)) = poll(&mut all) else { panic!("not all are written") };
        let told: Vec<String> = apart
            .into_iter()
            .map(|mut one| match poll(&mut one) {
                Poll::Ready(Err(error)) => error.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told[1], "wrong");
        assert!(told[0].starts_with("Failed to append record") && told[2] == told[0]);
    }
}
