//! Answers that wait to be used, and how a poll takes records out of them
//! (`FetchBuffer` and `FetchCollector` in `org.apache.kafka.clients.consumer.internals`).
//!
//! At most one answer of a partition waits while another one is in use, so that network and application work at the same
//! time with a bounded amount of memory: two answers of each node.

use std::collections::VecDeque;

use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::OffsetAndMetadata;
use super::super::records::ConsumerRecords;
use super::super::state::{AutoOffsetReset, FetchPosition, SubscriptionState};
use super::completed::{CompletedFetch, ReadOptions};
use crate::{Error, Result};

/// Answers in the order in which they came.
#[derive(Debug, Default)]
pub struct FetchBuffer {
    waiting: VecDeque<CompletedFetch>,
    current: Option<CompletedFetch>,
}

/// How a poll collects.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions {
    /// How records are read.
    pub read: ReadOptions,
    /// `max.poll.records`.
    pub max_records: usize,
    /// Until when a follower that is named now is read from, Unix ms.
    pub read_replica_expires_ms: i64,
    /// When a partition is fetched again after an error that may pass, Unix ms.
    pub retry_at_ms: i64,
}

/// What a poll collected.
#[derive(Debug, Default)]
pub struct Collected {
    /// The records.
    pub records: ConsumerRecords,
    /// Bytes of the answers that were used up.
    pub bytes: usize,
    /// Whether a partition's leader is not who it was.
    pub refresh_metadata: bool,
    /// Whether another answer is in use than before: more can be fetched.
    pub has_moved_on: bool,
}

impl FetchBuffer {
    /// Puts an answer behind the others.
    pub fn add(&mut self, fetch: CompletedFetch) {
        self.waiting.push_back(fetch);
    }

    /// The answers that wait untouched, or of partitions that are paused.
    pub fn waiting(&self) -> impl Iterator<Item = &CompletedFetch> {
        self.waiting.iter()
    }

    /// Whether there is anything to collect.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.current.as_ref().is_none_or(CompletedFetch::is_consumed)
    }

    /// The offset to fetch next for a partition at `position`: behind what is in use of it. Nothing when it is not known
    /// before that is used up.
    pub fn next_fetch_offset(&self, partition: &TopicPartition, position: i64) -> Option<i64> {
        match self.current.as_ref().filter(|fetch| fetch.partition == *partition && !fetch.is_consumed()) {
            Some(current) if current.next_offset() == position => current.end_offset(),
            _ => Some(position),
        }
    }

    /// Drops answers of partitions that are not assigned any more.
    pub fn retain_assigned(&mut self, state: &SubscriptionState) {
        self.waiting.retain(|fetch| state.get(&fetch.partition).is_some());
        self.current.take_if(|fetch| state.get(&fetch.partition).is_none());
    }

    /// Puts an answer into use unless one is, without taking records out of it: more can be fetched before the
    /// application has them.
    ///
    /// # Errors
    /// As [`FetchBuffer::collect`].
    pub fn open(&mut self, state: &mut SubscriptionState, options: CollectOptions) -> Result<Collected> {
        let mut out = Collected::default();
        while self.current.as_ref().is_none_or(CompletedFetch::is_consumed) {
            self.current = None;
            if !self.open_next(&mut out, state, options)? {
                break;
            }
        }
        Ok(out)
    }

    /// Takes records for the application and moves the positions behind them.
    ///
    /// # Errors
    /// What is wrong with a partition, if no records were collected before it was met. The others can be read on.
    pub fn collect(&mut self, state: &mut SubscriptionState, options: CollectOptions) -> Result<Collected> {
        let mut out = Collected::default();
        let mut paused = VecDeque::new();
        let result = self.collect_into(&mut out, &mut paused, state, options);
        while let Some(fetch) = paused.pop_back() {
            self.waiting.push_front(fetch);
        }
        match result {
            Err(error) if out.records.is_empty() && out.records.next_offsets.is_empty() => Err(error),
            _ => Ok(out),
        }
    }

    fn collect_into(
        &mut self,
        out: &mut Collected,
        paused: &mut VecDeque<CompletedFetch>,
        state: &mut SubscriptionState,
        options: CollectOptions,
    ) -> Result<()> {
        while out.records.len() < options.max_records {
            let Some(mut current) = self.current.take_if(|fetch| !fetch.is_consumed()) else {
                if !self.open_next(out, state, options)? {
                    return Ok(());
                }
                continue;
            };
            if state.get(&current.partition).is_some_and(|state| state.paused) {
                paused.push_back(current);
                continue;
            }
            let result = take_records(&mut current, out, state, options);
            self.current = Some(current);
            result?;
        }
        Ok(())
    }

    /// Puts the next answer into use; whether there was one.
    fn open_next(
        &mut self,
        out: &mut Collected,
        state: &mut SubscriptionState,
        options: CollectOptions,
    ) -> Result<bool> {
        let Some(mut fetch) = self.waiting.pop_front() else { return Ok(false) };
        if fetch.is_initialized {
            self.current = Some(fetch);
            return Ok(true);
        }
        out.has_moved_on = true;
        match initialize(&mut fetch, out, state, options) {
            Ok(usable) => {
                self.current = usable.then_some(fetch);
                Ok(true)
            }
            Err(error) => {
                // Told when there is nothing else to hand out.
                if !out.records.is_empty() || fetch.size() > 0 {
                    self.waiting.push_front(fetch);
                }
                Err(error)
            }
        }
    }
}

fn take_records(
    fetch: &mut CompletedFetch,
    out: &mut Collected,
    state: &mut SubscriptionState,
    options: CollectOptions,
) -> Result<()> {
    let position =
        state.get(&fetch.partition).filter(|state| state.is_fetchable()).and_then(|state| state.position());
    let Some(position) = position.filter(|position| position.offset == fetch.next_offset()) else {
        tracing::debug!(partition = %fetch.partition, "dropping records that are not wanted any more");
        fetch.drain();
        return Ok(());
    };
    let start = out.records.len();
    let size = fetch.size();
    fetch.take(options.max_records - start, options.read, &mut out.records.records)?;
    let end = out.records.len();
    if fetch.is_consumed() {
        out.bytes += size;
        out.has_moved_on = true;
        state.move_to_end(&fetch.partition);
    }
    if fetch.next_offset() > position.offset {
        let next = FetchPosition {
            offset: fetch.next_offset(),
            offset_epoch: fetch.last_epoch(),
            current_leader: position.current_leader,
        };
        if let Some(state) = state.get_mut(&fetch.partition) {
            state.advance(next);
        }
        let commit =
            OffsetAndMetadata { offset: next.offset, leader_epoch: next.offset_epoch, ..Default::default() };
        out.records.next_offsets.insert(fetch.partition.clone(), commit);
    }
    if end > start {
        match out.records.ranges.last_mut() {
            Some((last, range)) if *last == fetch.partition => range.end = end,
            _ => out.records.ranges.push((fetch.partition.clone(), start..end)),
        }
    }
    Ok(())
}

/// Takes over what an answer says of its partition; whether there are records to be used.
fn initialize(
    fetch: &mut CompletedFetch,
    out: &mut Collected,
    state: &mut SubscriptionState,
    options: CollectOptions,
) -> Result<bool> {
    let Some(partition) = state.get_mut(&fetch.partition) else { return Ok(false) };
    let Some(position) = partition.valid_position() else { return Ok(false) };
    if fetch.error.is_err() {
        partition.fetch_retry_ms = options.retry_at_ms;
        let result = handle_error(fetch, out, state, position);
        state.move_to_end(&fetch.partition);
        return result.map(|()| false);
    }
    if position.offset != fetch.fetch_offset {
        return Ok(false);
    }
    if fetch.is_cut_off() {
        return Err(Error::Protocol(format!(
            "Failed to make progress reading messages at {}={}. Received a non-empty fetch response from the server, but \
             no complete records were found.",
            fetch.partition, fetch.fetch_offset
        )));
    }
    partition.high_watermark = fetch.high_watermark.or(partition.high_watermark);
    partition.log_start_offset = fetch.log_start_offset.or(partition.log_start_offset);
    partition.last_stable_offset = fetch.last_stable_offset.or(partition.last_stable_offset);
    partition.end_offset_requested = false;
    if let Some(node) = fetch.preferred_read_replica {
        partition.update_preferred_read_replica(node, options.read_replica_expires_ms);
    }
    fetch.is_initialized = true;
    Ok(true)
}

fn handle_error(
    fetch: &CompletedFetch,
    out: &mut Collected,
    state: &mut SubscriptionState,
    position: FetchPosition,
) -> Result<()> {
    let partition = &fetch.partition;
    tracing::debug!(%partition, error = fetch.error.name(), offset = fetch.fetch_offset, "fetch failed");
    match fetch.error {
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::ReplicaNotAvailable
        | ErrorCode::KafkaStorageError
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::OffsetNotAvailable
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::InconsistentTopicId => {
            out.refresh_metadata = true;
            if let Some(state) = state.get_mut(partition) {
                state.clear_preferred_read_replica();
            }
            Ok(())
        }
        ErrorCode::OffsetOutOfRange => handle_out_of_range(fetch, state, position),
        ErrorCode::TopicAuthorizationFailed => Err(Error::api(
            fetch.error,
            Some(&format!("Not authorized to access topics: [{}]", partition.topic)),
        )),
        ErrorCode::UnknownLeaderEpoch => Ok(()),
        ErrorCode::UnknownServerError => {
            tracing::warn!(%partition, offset = fetch.fetch_offset, "unknown server error while fetching");
            Ok(())
        }
        ErrorCode::CorruptMessage => Err(Error::api(
            fetch.error,
            Some(&format!(
                "Encountered corrupt message when fetching offset {} for topic-partition {partition}",
                fetch.fetch_offset
            )),
        )),
        error if error.is_retriable() => Ok(()),
        error => Err(Error::api(
            error,
            Some(&format!(
                "Unexpected error code {} while fetching at offset {} from topic-partition {partition}: {}",
                error as i16,
                fetch.fetch_offset,
                error.message()
            )),
        )),
    }
}

fn handle_out_of_range(
    fetch: &CompletedFetch,
    state: &mut SubscriptionState,
    position: FetchPosition,
) -> Result<()> {
    let default_reset = state.default_reset();
    let Some(partition) = state.get_mut(&fetch.partition) else { return Ok(()) };
    // A follower may not be as far as the leader.
    if partition.clear_preferred_read_replica().is_some() || position.offset != fetch.fetch_offset {
        return Ok(());
    }
    if default_reset == AutoOffsetReset::None {
        return Err(Error::InvalidOffset(format!(
            "Fetch position {} is out of range for partition {}, and auto.offset.reset is none: seek to an offset that \
             the log has",
            position.offset, fetch.partition
        )));
    }
    tracing::info!(partition = %fetch.partition, offset = position.offset, "fetch position out of range: resetting");
    partition.request_reset(default_reset);
    Ok(())
}
