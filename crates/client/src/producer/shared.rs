//! What a producer's handles and its sender share, and how a record gets from one to the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::config::ProducerConfig;
use super::core::{Appended, Core, CoreSettings, NewRecord, Taken};
use super::delivery::{Callback, Delivery};
use super::interceptor::ProducerInterceptor;
use super::metrics::Metrics;
use super::partitioner::{PartitionContext, Partitioner};
use super::transaction::{TransactionManager, TransactionSettings};
use crate::backoff::millis;
use crate::clock::unix_ms;
use crate::cluster::{Cluster, Metadata};
use crate::record::ProducerRecord;
use crate::{Error, Result};

/// How far a producer is with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// Not at all.
    Running,
    /// What was sent is waited for.
    Draining,
    /// Nothing is waited for.
    Forced,
    /// The sender has ended.
    Ended,
}

/// See the module.
pub(super) struct Shared {
    pub cluster: Cluster,
    pub config: ProducerConfig,
    /// Held shortly: to append a record, to decide what to send, to note an answer.
    pub core: Mutex<Core>,
    /// The sender's alarm.
    pub wake: Notify,
    /// Bytes of `buffer.memory` that are left; whoever waits is served in turn.
    pub memory: Semaphore,
    pub memory_total: usize,
    /// Callers that wait for memory.
    pub waiting: AtomicUsize,
    /// Produce requests without answer.
    pub in_flight: AtomicUsize,
    pub ending: watch::Sender<Ending>,
    pub metrics: Metrics,
    pub interceptors: Vec<Arc<dyn ProducerInterceptor>>,
    pub partitioner: Option<Arc<dyn Partitioner>>,
    began: Instant,
}

impl Shared {
    /// What a producer begins with.
    pub fn new(
        cluster: Cluster,
        config: ProducerConfig,
        interceptors: Vec<Arc<dyn ProducerInterceptor>>,
        partitioner: Option<Arc<dyn Partitioner>>,
    ) -> Self {
        let memory_total = config.buffer_memory.min(Semaphore::MAX_PERMITS);
        let settings = settings(&config, memory_total, partitioner.is_some());
        let txn = config.idempotence.then(|| {
            TransactionManager::new(TransactionSettings {
                transactional_id: config.transactional_id.clone(),
                retry_backoff_ms: millis(config.client.retry_backoff).unsigned_abs(),
            })
        });
        Self {
            core: Mutex::new(Core::new(settings, txn)),
            wake: Notify::new(),
            memory: Semaphore::new(memory_total),
            memory_total,
            waiting: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            ending: watch::Sender::new(Ending::Running),
            metrics: Metrics::default(),
            interceptors,
            partitioner,
            began: Instant::now(),
            cluster,
            config,
        }
    }

    /// Ms since the producer began: what times in the core mean.
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The instant of such a time.
    pub fn instant(&self, at_ms: i64) -> Instant {
        let after = Duration::from_millis(u64::try_from(at_ms).unwrap_or(0));
        self.began.checked_add(after).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }

    /// Takes a record in at once, where a batch with room is open; nothing where [`Shared::append`] has to find out.
    pub fn append_open(
        &self,
        record: &ProducerRecord,
        callback: &mut Option<Callback>,
    ) -> Result<Option<Delivery>> {
        if self.partitioner.is_some() && record.partition.is_none() {
            return Ok(None);
        }
        let new = new_record(record);
        self.check_size(new.size_max())?;
        let generation = self.cluster.metadata_generation();
        let taken = self.core.lock().append_open(&new, generation, callback)?;
        let Some(Taken { completion, facts, wake }) = taken else { return Ok(None) };
        if wake {
            self.wake.notify_one();
        }
        Ok(Some(Delivery::new(completion, facts)))
    }

    /// Takes a record in; waits for metadata and memory if need be.
    pub async fn append(&self, record: &ProducerRecord, callback: &mut Option<Callback>) -> Result<Delivery> {
        let mut new = new_record(record);
        self.check_size(new.size_max())?;
        let deadline = Instant::now().checked_add(self.config.max_block);
        let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        let mut metadata = self.cluster.metadata();
        let mut room: Option<SemaphorePermit<'_>> = None;
        loop {
            if let (Some(partitioner), None) = (&self.partitioner, record.partition) {
                new.partition = self.own_partition(&**partitioner, &new, &metadata)?;
            }
            let granted = room.as_ref().map(SemaphorePermit::num_permits);
            let appended = if new.partition.is_none() && self.partitioner.is_some() {
                // The partitioner could not be asked without metadata.
                Err(Error::api(ErrorCode::LeaderNotAvailable, None))
            } else {
                self.core.lock().append(new, &metadata, granted, callback, self.now_ms())
            };
            match appended {
                Ok(Appended::Done { completion, facts, wake, took_room, touch }) => {
                    if let (true, Some(room)) = (took_room, room) {
                        room.forget();
                    }
                    if wake {
                        self.wake.notify_one();
                    }
                    if touch {
                        self.cluster.add_topic(&record.topic);
                    }
                    return Ok(Delivery::new(completion, facts));
                }
                Ok(Appended::NeedsRoom(bytes)) => {
                    drop(room.take());
                    room = Some(self.allocate(bytes, deadline).await?);
                }
                Err(error) if error.code() == Some(ErrorCode::LeaderNotAvailable) => {
                    metadata = self.wait_for_topic(&record.topic, record.partition, deadline).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Metadata in which a topic, and its partition, is.
    ///
    /// # Errors
    /// When it does not come in time, or the topic is refused.
    pub async fn wait_for_topic(
        &self,
        topic: &Str,
        partition: Option<i32>,
        deadline: Instant,
    ) -> Result<Arc<Metadata>> {
        let began = Instant::now();
        let refused_before = self.cluster.refusals();
        self.cluster.add_topic(topic);
        let result = loop {
            let changed = self.cluster.changed();
            let metadata = self.cluster.metadata();
            let known = metadata.topic(topic);
            let count = known.map_or(0, |known| known.partitions.len() as i32);
            if count > 0 && partition.is_none_or(|partition| partition < count) {
                break Ok(metadata);
            }
            if let Some(known) = known
                && matches!(
                    known.error,
                    ErrorCode::InvalidTopicException | ErrorCode::TopicAuthorizationFailed
                )
            {
                break Err(topic_error(known.error, topic));
            }
            if let Some(refusal) = self.cluster.refusal_since(refused_before) {
                break Err(refusal);
            }
            if *self.ending.borrow() != Ending::Running {
                break Err(Error::Closed("Producer closed while send in progress".to_owned()));
            }
            self.cluster.request_refresh();
            if timeout_at(deadline, changed).await.is_err() {
                break Err(Error::Timeout(absent(topic, partition, count, began.elapsed())));
            }
        };
        Metrics::add_time(&self.metrics.metadata_wait_us, began.elapsed());
        result
    }

    /// What has ended is told to who waits for it, and its memory is given back. Not to be called under the core's lock.
    pub fn settle(&self) {
        let ended = self.core.lock().take_ended();
        let mut released = 0usize;
        for ended in ended {
            released += ended.released;
            let Some(told) = ended.told else { continue };
            let count = u64::from(told.record_count);
            match &told.outcome {
                super::delivery::Outcome::Written { .. } => {
                    self.metrics.records_sent.fetch_add(count, Ordering::Relaxed);
                }
                super::delivery::Outcome::Failed(_) => {
                    self.metrics.record_errors.fetch_add(count, Ordering::Relaxed);
                }
                super::delivery::Outcome::Split(_) => {}
            }
            for (facts, callback) in told.callbacks {
                if let Some(result) = facts.result(&told.completion, &told.outcome) {
                    // A callback's panic must not take along everybody who waits for the producer.
                    if catch_unwind(AssertUnwindSafe(|| (callback.0)(result))).is_err() {
                        tracing::error!("a callback of a send panicked");
                    }
                }
            }
            told.completion.outcome.set(told.outcome);
        }
        if released > 0 {
            self.memory.add_permits(released);
        }
    }

    fn check_size(&self, size: usize) -> Result<()> {
        let too_large = |limit: usize, what: &str| {
            let message = format!(
                "The message is {size} bytes when serialized which is larger than {limit}, which is {what}"
            );
            Err(Error::Api { code: ErrorCode::MessageTooLarge, message })
        };
        if size > self.config.max_request_size {
            let what = "the value of the max.request.size configuration.";
            return too_large(self.config.max_request_size, what);
        }
        if size > self.memory_total {
            return too_large(
                self.memory_total,
                "the total memory buffer you have configured with the buffer.memory configuration.",
            );
        }
        Ok(())
    }

    /// What the application's own partitioner says; nothing while the topic is unknown.
    fn own_partition(
        &self,
        partitioner: &dyn Partitioner,
        record: &NewRecord<'_>,
        metadata: &Metadata,
    ) -> Result<Option<i32>> {
        let Some(topic) = metadata.topic(record.topic).filter(|topic| !topic.partitions.is_empty()) else {
            return Ok(None);
        };
        let with_leader = topic.partitions.iter().filter(|partition| partition.leader.is_some());
        let available: Vec<i32> = with_leader.map(|partition| partition.index).collect();
        let partitions = topic.partitions.len() as i32;
        let chosen = partitioner.partition(PartitionContext {
            topic: record.topic,
            key: record.key,
            value: record.value,
            partitions,
            available: &available,
        });
        if (0..partitions).contains(&chosen) {
            return Ok(Some(chosen));
        }
        Err(Error::Illegal(format!(
            "The partitioner generated an invalid partition number: {chosen}. Partition number should always be from 0 \
             to {}.",
            partitions - 1
        )))
    }

    async fn allocate(&self, bytes: usize, deadline: Instant) -> Result<SemaphorePermit<'_>> {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = self.memory.try_acquire_many(count) {
            return Ok(permit);
        }
        let began = Instant::now();
        let _waiting = Waiting::new(&self.waiting);
        // Nothing lingers while somebody waits.
        self.wake.notify_one();
        let permit = timeout_at(deadline, self.memory.acquire_many(count)).await;
        Metrics::add_time(&self.metrics.memory_wait_us, began.elapsed());
        match permit {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::Closed("Producer closed while allocating memory".to_owned())),
            Err(_) => {
                self.metrics.exhausted.fetch_add(1, Ordering::Relaxed);
                Err(Error::Timeout(format!(
                    "Failed to allocate {bytes} bytes within the configured max blocking time {} ms. Total memory: {} \
                     bytes. Available memory: {} bytes.",
                    self.config.max_block.as_millis(),
                    self.memory_total,
                    self.memory.available_permits()
                )))
            }
        }
    }
}

fn new_record(record: &ProducerRecord) -> NewRecord<'_> {
    NewRecord {
        topic: &record.topic,
        partition: record.partition,
        timestamp_ms: record.timestamp_ms.unwrap_or_else(unix_ms),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &record.headers,
    }
}

/// Counts a caller as waiting while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn settings(config: &ProducerConfig, memory: usize, has_partitioner: bool) -> CoreSettings {
    CoreSettings {
        batch_size: config.batch_size.max(1),
        buffer_memory: memory,
        linger_ms: millis(config.linger),
        request_size_max: config.max_request_size,
        delivery_timeout_ms: millis(config.delivery_timeout),
        retries: config.retries,
        retry_backoff_ms: millis(config.client.retry_backoff),
        retry_backoff_max_ms: millis(config.client.retry_backoff_max),
        compression: config.compression,
        level: config.compression_level,
        one_in_flight: config.max_in_flight == 1,
        ignore_keys: config.partitioner_ignore_keys,
        adaptive: config.partitioner_adaptive && !has_partitioner,
        availability_timeout_ms: millis(config.partitioner_availability_timeout),
        seed: crate::random::next_u64(),
    }
}

fn topic_error(code: ErrorCode, topic: &str) -> Error {
    let message = match code {
        ErrorCode::TopicAuthorizationFailed => format!("Not authorized to access topics: [{topic}]"),
        _ => format!("{} Topic: {topic}", code.message()),
    };
    Error::Api { code, message }
}

fn absent(topic: &str, partition: Option<i32>, count: i32, waited: Duration) -> String {
    let waited = waited.as_millis();
    match partition {
        Some(partition) if count > 0 => format!(
            "Partition {partition} of topic {topic} with partition count {count} is not present in metadata after \
             {waited} ms."
        ),
        _ => format!("Topic {topic} not present in metadata after {waited} ms."),
    }
}
