//! The producer as applications see it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_protocol::{ErrorCode, Str, TopicPartition};
use tokio::time::{Instant, timeout, timeout_at};

use super::builder::ProducerBuilder;
use super::coordinator::see_features;
use super::delivery::{Callback, Delivery, RecordMetadata, ended};
use super::metrics::{Metrics, Now};
use super::shared::{Ending, Shared};
use super::transaction::{CommittedOffset, GroupIdentity, Offsets, Operation, TransactionManager};
use crate::cluster::{Cluster, PartitionMetadata};
use crate::config::Properties;
use crate::consumer::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::record::ProducerRecord;
use crate::{Error, Result};

/// Sends records to topics (`org.apache.kafka.clients.producer.KafkaProducer`). Clones share one producer.
///
/// Records of a partition are written in the order in which they were sent, each once, unless idempotence is switched
/// off. When the last clone is dropped, what was not sent by then is lost: [`Producer::close`] waits for it.
///
/// ```no_run
/// # async fn example() -> ottla_client::Result<()> {
/// use ottla_client::producer::Producer;
/// use ottla_client::record::ProducerRecord;
///
/// let producer = Producer::builder(["localhost:9092"]).build()?;
/// let record = ProducerRecord {
///     topic: "greetings".into(),
///     key: Some("en".into()),
///     value: Some("hello".into()),
///     ..Default::default()
/// };
/// // The first await hands the record over, the second waits until it is written.
/// let written = producer.send(record).await?.await?;
/// println!("{}-{} at {:?}", written.topic, written.partition, written.offset);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Whether the cluster was made for this producer.
    owns_cluster: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        end_at_least(&self.shared, Ending::Forced);
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("cluster", &self.inner.shared.cluster).finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer with settings by Kafka's keys. To be called on a tokio runtime.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        ProducerBuilder::from_properties(properties)?.build()
    }

    /// Settings with types, for a producer of the cluster with these bootstrap servers.
    pub fn builder(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> ProducerBuilder {
        ProducerBuilder::new(bootstrap_servers)
    }

    pub(super) fn start(shared: Shared, owns_cluster: bool) -> Self {
        let shared = Arc::new(shared);
        tokio::spawn(super::sender::run(shared.clone()));
        Self { inner: Arc::new(Inner { shared, owns_cluster }) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// The cluster that it sends to.
    pub fn cluster(&self) -> &Cluster {
        &self.shared().cluster
    }

    /// Hands a record over, and gives the future of its place in the log. Waits up to `max.block.ms` while the topic is
    /// unknown or `buffer.memory` is taken. Records are sent whether the future is awaited or not.
    ///
    /// # Errors
    /// When the record is not handed over: too large, no such partition, no room or metadata in time, the producer
    /// closed, or its transaction in no state for it.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery> {
        // Who sends without ever waiting would keep the sender from its turn on a runtime of one thread.
        tokio::task::consume_budget().await;
        if !self.shared().interceptors.is_empty() {
            return self.send_observed(record, None).await;
        }
        let sent = match self.shared().append_open(&record, &mut None) {
            Ok(Some(delivery)) => return Ok(delivery),
            Ok(None) => self.shared().append(&record, &mut None).await,
            Err(error) => Err(error),
        };
        sent.inspect_err(|error| self.see_error(error))
    }

    /// Likewise, and calls `callback` once with what becomes of the record, also when this call fails. Callbacks of a
    /// partition are called in the order of its records, on the producer's task: they must not take long.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send_with_callback(
        &self,
        record: ProducerRecord,
        callback: impl FnOnce(Result<RecordMetadata>) + Send + 'static,
    ) -> Result<Delivery> {
        self.send_observed(record, Some(Callback(Box::new(callback)))).await
    }

    async fn send_observed(&self, record: ProducerRecord, callback: Option<Callback>) -> Result<Delivery> {
        let shared = self.shared();
        let record = shared.interceptors.iter().fold(record, |record, other| other.on_send(record));
        let mut callback = observed(shared, &record, callback);
        let sent = match shared.append_open(&record, &mut callback) {
            Ok(None) => shared.append(&record, &mut callback).await,
            Ok(Some(delivery)) => Ok(delivery),
            Err(error) => Err(error),
        };
        if let Err(error) = &sent {
            self.see_error(error);
            if let Some(callback) = callback {
                (callback.0)(Err(error.clone()));
            }
        }
        sent
    }

    /// A record of a transaction that could not be sent: the transaction can't be committed.
    fn see_error(&self, error: &Error) {
        if !matches!(error, Error::Api { .. } | Error::Timeout(_)) {
            return;
        }
        if let Some(txn) = &mut self.shared().core.lock().txn
            && txn.has_ongoing_transaction()
            && !txn.has_error()
        {
            txn.see_error(error);
        }
    }

    /// Waits until all that was sent before is written or has failed. Nothing lingers meanwhile.
    ///
    /// # Errors
    /// None that records have: those are told by their futures. When the producer was closed.
    pub async fn flush(&self) -> Result<()> {
        let began = Instant::now();
        let shared = self.shared();
        let open = shared.core.lock().begin_flush();
        let _flush = Flush(shared);
        shared.wake.notify_one();
        for completion in open {
            ended(completion).await;
        }
        Metrics::add_time(&shared.metrics.flush_us, began.elapsed());
        Ok(())
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// When the topic is refused, or not known within `max.block.ms`.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionMetadata>> {
        let shared = self.shared();
        let topic = Str::from(topic);
        let deadline = Instant::now() + shared.config.max_block;
        let metadata = shared.wait_for_topic(&topic, None, deadline).await?;
        Ok(metadata.topic(&topic).map(|topic| topic.partitions.clone()).unwrap_or_default())
    }

    /// Prepares for transactions: ends what an earlier producer with the same `transactional.id` left open, and locks it
    /// out. Once, before the first transaction.
    ///
    /// # Errors
    /// What the coordinator says, or when there is no answer within `max.block.ms`; then it may be called again.
    pub async fn init_transactions(&self) -> Result<()> {
        const TIMED_OUT: &str = "InitTransactions timed out - did not complete coordinator discovery or receive the \
                                 InitProducerId response within max.block.ms.";
        let operation = self.with_txn(TransactionManager::init_transactions)?;
        self.wait(operation, TIMED_OUT).await?;
        see_features(self.shared());
        self.with_txn(|txn| {
            txn.update_v2(true);
            Ok(())
        })
    }

    /// Begins a transaction. Nothing is sent: brokers learn of it with its first record.
    ///
    /// # Errors
    /// When another one has not ended, or the producer is in a state of errors.
    pub fn begin_transaction(&self) -> Result<()> {
        self.with_txn(TransactionManager::begin_transaction)
    }

    /// Makes the commit of a group's offsets part of the transaction.
    ///
    /// # Errors
    /// What the coordinators say, or when there is no answer within `max.block.ms`; without a transaction.
    pub async fn send_offsets_to_transaction(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
        group: &ConsumerGroupMetadata,
    ) -> Result<()> {
        const TIMED_OUT: &str = "SendOffsetsToTransaction timed out - did not reach the coordinator or receive the \
                                 TxnOffsetCommit/AddOffsetsToTxn response within max.block.ms";
        if group.generation_id > 0 && group.member_id.is_empty() {
            return Err(Error::Illegal(format!(
                "Passed in group metadata of {} has a generation but no member id; take it from the consumer",
                group.group_id
            )));
        }
        let offsets: Offsets = offsets
            .into_iter()
            .map(|(partition, offset)| {
                let leader_epoch = offset.leader_epoch.unwrap_or(-1);
                (
                    partition,
                    CommittedOffset { offset: offset.offset, leader_epoch, metadata: offset.metadata },
                )
            })
            .collect();
        if offsets.is_empty() {
            return Ok(());
        }
        let group = GroupIdentity {
            group_id: group.group_id.clone(),
            generation_id: group.generation_id,
            member_id: group.member_id.clone(),
            group_instance_id: group.group_instance_id.clone(),
        };
        let operation = self.with_txn(|txn| txn.send_offsets(offsets, group))?;
        self.wait(operation, TIMED_OUT).await
    }

    /// Ends the transaction: all its records and offsets become visible together. Waits for records without answer.
    ///
    /// # Errors
    /// When a record failed or a coordinator says so: abort the transaction then, unless the error is fatal
    /// ([`Producer::is_fatal`]). When there is no answer within `max.block.ms`; then call it again.
    pub async fn commit_transaction(&self) -> Result<()> {
        const TIMED_OUT: &str = "CommitTransaction timed out - did not complete EndTxn with the transaction coordinator within max.block.ms";
        see_features(self.shared());
        let operation = self.with_txn(TransactionManager::begin_commit)?;
        self.wait(operation, TIMED_OUT).await
    }

    /// Ends the transaction: none of it becomes visible to who reads committed records only.
    ///
    /// # Errors
    /// As [`Producer::commit_transaction`].
    pub async fn abort_transaction(&self) -> Result<()> {
        const TIMED_OUT: &str = "AbortTransaction timed out - did not complete EndTxn(abort) with the transaction \
                                 coordinator within max.block.ms";
        see_features(self.shared());
        let operation = self.with_txn(TransactionManager::begin_abort)?;
        self.wait(operation, TIMED_OUT).await
    }

    /// Whether nothing is left but to close the producer: another one has taken its `transactional.id`, it is not
    /// authorized, or the broker does not know what is asked. After any other error of a transaction, abort it (KIP-1050).
    pub fn is_fatal(&self) -> bool {
        use super::transaction::State;
        self.shared().core.lock().txn.as_ref().is_some_and(|txn| txn.state() == State::FatalError)
    }

    /// What was done so far, under the names of Kafka's `producer-metrics`: totals, and averages and maxima since the
    /// start. `NaN` where there is nothing yet.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let shared = self.shared();
        let (splits, retried) = {
            let core = shared.core.lock();
            (core.splits, core.retried_records)
        };
        shared.metrics.read(Now {
            splits,
            retried,
            memory: shared.memory_total,
            memory_left: shared.memory.available_permits(),
            in_flight: shared.in_flight.load(Ordering::Relaxed),
            waiting: shared.waiting.load(Ordering::Relaxed),
        })
    }

    /// Sends what was handed over and ends the producer, for all clones. An open transaction is aborted. What is not
    /// written within `within` is given up; its futures end with [`Error::Closed`].
    pub async fn close(&self, within: Duration) {
        let shared = self.shared();
        shared.core.lock().close();
        end_at_least(shared, Ending::Draining);
        shared.wake.notify_one();
        let mut ending = shared.ending.subscribe();
        if timeout(within, ending.wait_for(|state| *state == Ending::Ended)).await.is_err() {
            end_at_least(shared, Ending::Forced);
            drop(ending.wait_for(|state| *state == Ending::Ended).await);
        }
        if self.inner.owns_cluster {
            shared.cluster.close().await;
        }
    }

    fn with_txn<T>(&self, act: impl FnOnce(&mut TransactionManager) -> Result<T>) -> Result<T> {
        let shared = self.shared();
        let done = {
            let mut core = shared.core.lock();
            if *shared.ending.borrow() != Ending::Running {
                return Err(Error::Closed(
                    "Cannot perform operation after producer has been closed".to_owned(),
                ));
            }
            let txn = core.txn.as_mut().ok_or_else(|| {
                Error::Illegal(
                    "Cannot use transactional methods without enabling transactions by setting the transactional.id \
                     configuration property"
                        .to_owned(),
                )
            })?;
            act(txn)
        };
        shared.wake.notify_one();
        done
    }

    async fn wait(&self, operation: Arc<Operation>, timed_out: &str) -> Result<()> {
        let deadline = Instant::now() + self.shared().config.max_block;
        match timeout_at(deadline, operation.outcome.wait()).await {
            Ok(outcome) => {
                operation.ack();
                outcome
            }
            Err(_) => Err(Error::Timeout(timed_out.to_owned())),
        }
    }
}

/// Ends a flush when it is over or given up.
struct Flush<'a>(&'a Shared);

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.0.core.lock().end_flush();
    }
}

fn end_at_least(shared: &Shared, state: Ending) {
    shared.ending.send_if_modified(|now| {
        let is_later = *now < state;
        if is_later {
            *now = state;
        }
        is_later
    });
}

/// A callback that tells interceptors first.
fn observed(shared: &Arc<Shared>, record: &ProducerRecord, callback: Option<Callback>) -> Option<Callback> {
    if shared.interceptors.is_empty() {
        return callback;
    }
    let interceptors = shared.interceptors.clone();
    let (topic, partition) = (record.topic.clone(), record.partition);
    Some(Callback(Box::new(move |result: Result<RecordMetadata>| {
        let partition = result.as_ref().map_or(partition, |written| Some(written.partition));
        for interceptor in &interceptors {
            interceptor.on_acknowledgement(&topic, partition, &result);
        }
        if let Some(callback) = callback {
            (callback.0)(result);
        }
    })))
}

/// What an application does about an error of a transaction (KIP-1050).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The same call may succeed a little later.
    Retry,
    /// Abort the transaction and begin another.
    Abort,
    /// Close this producer and make another.
    Recreate,
    /// Change the settings or the program; another attempt ends the same.
    Fix,
}

impl Advice {
    /// For an error of a producer with transactions.
    pub fn of(error: &Error) -> Self {
        use ErrorCode::*;
        match error {
            Error::Timeout(_) | Error::Disconnected(_) | Error::Unreachable(_) => Advice::Retry,
            error if error.is_authentication() => Advice::Fix,
            Error::Api { code, .. } => match code {
                TransactionAbortable => Advice::Abort,
                ProducerFenced
                | InvalidProducerEpoch
                | InvalidProducerIdMapping
                | UnknownMemberId
                | IllegalGeneration
                | FencedInstanceId => Advice::Recreate,
                ClusterAuthorizationFailed
                | TransactionalIdAuthorizationFailed
                | UnsupportedVersion
                | InvalidTxnState
                | InvalidTransactionTimeout => Advice::Fix,
                code if code.is_retriable() => Advice::Retry,
                _ => Advice::Abort,
            },
            Error::Closed(_) => Advice::Recreate,
            Error::Illegal(_) | Error::Config(_) | Error::UnsupportedVersion(_) => Advice::Fix,
            _ => Advice::Abort,
        }
    }
}
