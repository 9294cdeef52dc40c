//! The transaction coordinator: shards of `__transaction_state`, and the markers that they ask for.
//!
//! A marker goes straight to a partition of this broker, or, where it ends offsets of a group, through the group
//! coordinator, which has to see it in order with its own records.

use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::ReplyId;
use ottla_coordinator::transaction::{
    Markers, TransactionCoordinatorConfig, TransactionCoordinatorShard, TransactionEvent, TransactionReply,
    TransactionResult,
};
use ottla_metadata::MetadataImage;
use ottla_protocol::records::EndTransactionMarker;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::coordinator::{Coordinator, CoordinatorNumbers, Settings};
use super::group_coordinator::GroupCoordinator;
use crate::clock::now_ms;
use crate::internal_topics::{CONSUMER_OFFSETS, TRANSACTION_STATE};
use crate::partitions::{EndTransaction, Partition, Partitions, transaction_version};
use crate::producer_ids::ProducerIds;

/// Pause before markers that were not written are tried again.
const RETRY: Duration = Duration::from_millis(100);

type Shards = Coordinator<TransactionCoordinatorShard>;

/// The transaction coordinator, for handlers.
#[derive(Clone)]
pub struct TransactionCoordinator {
    coordinator: Shards,
    /// The settings in force.
    pub config: Arc<TransactionCoordinatorConfig>,
}

impl TransactionCoordinator {
    /// A coordinator without shards, and the task to run on the control thread.
    pub fn new(
        config: TransactionCoordinatorConfig,
        partitions: Arc<Partitions>,
        groups: GroupCoordinator,
        producer_ids: Arc<ProducerIds>,
    ) -> (Self, impl Future<Output = ()>) {
        let config = Arc::new(config);
        let for_shards = config.clone();
        let (coordinator, task) = Coordinator::new(Settings {
            name: "transaction coordinator",
            topic: TRANSACTION_STATE,
            new_shard: Box::new(move |partition| {
                TransactionCoordinatorShard::new(for_shards.clone(), partition.leader_epoch())
            }),
            on_event: Box::new(move |coordinator, partition, event| {
                let sent = Sent { coordinator: coordinator.clone(), partition };
                match event {
                    TransactionEvent::WriteMarkers(markers) => {
                        tokio::spawn(write_markers(sent, partitions.clone(), groups.clone(), markers));
                    }
                    TransactionEvent::ProducerIdWanted { transactional_id } => {
                        tokio::spawn(abort_with_new_id(sent, producer_ids.clone(), transactional_id));
                    }
                    event => log_event(&event),
                }
            }),
        });
        (Self { coordinator, config }, task)
    }

    /// Runs an operation on the shard of a transactional id.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn run(
        &self,
        transactional_id: &str,
        partitions: i32,
        operation: impl FnOnce(&mut TransactionCoordinatorShard, ReplyId, i64) -> TransactionResult
        + Send
        + 'static,
    ) -> Result<TransactionReply, ErrorCode> {
        self.coordinator.run(transactional_id, partitions, operation).await
    }

    /// Looks at one shard.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn look<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&TransactionCoordinatorShard) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        self.coordinator.look(partition, look).await
    }

    /// The metadata has changed.
    pub fn metadata(&self, image: Arc<MetadataImage>) {
        self.coordinator.metadata(image);
    }

    /// This broker leads a partition of the topic.
    pub fn elected(&self, partition: Arc<Partition>) {
        self.coordinator.elected(partition);
    }

    /// This broker does not lead the partition any more.
    pub fn resigned(&self, partition: i32) {
        self.coordinator.resigned(partition);
    }

    /// What the coordinator has been busy with.
    pub fn numbers(&self) -> CoordinatorNumbers {
        self.coordinator.numbers()
    }
}

/// Where the answer to an event goes.
struct Sent {
    coordinator: Shards,
    partition: i32,
}

/// What became of a marker.
enum Marked {
    /// It is written, or there is nothing any more to write it to.
    Done,
    /// It is to be tried again.
    Retry(ErrorCode),
    /// A newer coordinator or session has ended the transaction.
    Fenced(ErrorCode),
}

/// Writes markers until all are written, then tells the shard.
async fn write_markers(
    sent: Sent,
    partitions: Arc<Partitions>,
    groups: GroupCoordinator,
    mut markers: Markers,
) {
    let end = EndTransaction {
        producer_id: markers.producer.producer_id,
        producer_epoch: markers.producer.producer_epoch,
        marker: EndTransactionMarker {
            committed: markers.committed,
            coordinator_epoch: markers.coordinator_epoch,
        },
        version: transaction_version(markers.transaction_version),
    };
    loop {
        let mut left = Vec::new();
        for partition in markers.partitions {
            match marked(write_marker(&partitions, &groups, &partition, end).await) {
                Marked::Done => {}
                Marked::Retry(error) => {
                    tracing::warn!(
                        %partition, %error, transactional_id = &*markers.transactional_id,
                        "a transaction marker was not written; it is tried again"
                    );
                    left.push(partition);
                }
                Marked::Fenced(error) => {
                    tracing::info!(
                        %partition, %error, transactional_id = &*markers.transactional_id,
                        "a transaction was ended by a newer coordinator"
                    );
                    return;
                }
            }
        }
        if left.is_empty() {
            break;
        }
        markers.partitions = left;
        tokio::time::sleep(RETRY).await;
    }
    let (transactional_id, producer) = (markers.transactional_id, markers.producer);
    sent.coordinator.tell(sent.partition, move |shard, now_ms| {
        shard.on_markers_written(&transactional_id, producer, now_ms)
    });
}

/// Ends a transaction in one partition of this broker; `Ok` also when the partition does not exist.
async fn write_marker(
    partitions: &Partitions,
    groups: &GroupCoordinator,
    partition: &TopicPartition,
    end: EndTransaction,
) -> Result<(), ErrorCode> {
    let Some(local) = partitions.get(&partition.topic, partition.partition) else { return Ok(()) };
    if &*partition.topic == CONSUMER_OFFSETS {
        return groups.end_transaction(partition.partition, end).await;
    }
    local.end_transaction(&end, now_ms()).map(|_| ()).map_err(|refused| refused.error)
}

fn marked(outcome: Result<(), ErrorCode>) -> Marked {
    match outcome {
        Ok(()) => Marked::Done,
        Err(error @ (ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced)) => {
            Marked::Fenced(error)
        }
        Err(error) => Marked::Retry(error),
    }
}

/// A transaction has timed out, and the abort needs a new producer id. Without one the next look tries again.
async fn abort_with_new_id(sent: Sent, producer_ids: Arc<ProducerIds>, transactional_id: Str) {
    match producer_ids.next().await {
        Ok(producer_id) => sent.coordinator.tell(sent.partition, move |shard, now_ms| {
            shard.abort_timed_out(&transactional_id, producer_id, now_ms)
        }),
        Err(error) => tracing::warn!(%error, "no producer id for a transaction that has timed out"),
    }
}

fn log_event(event: &TransactionEvent) {
    match event {
        TransactionEvent::WriteMarkers(_) | TransactionEvent::ProducerIdWanted { .. } => {}
        TransactionEvent::TimedOut { transactional_id } => {
            tracing::info!(
                transactional_id = &**transactional_id,
                "a transaction has timed out and is aborted"
            );
        }
        TransactionEvent::Expired { transactional_ids } => {
            tracing::info!(transactional_ids, "expired transactional ids removed");
        }
        TransactionEvent::WriteFailed { transactional_id, error } => {
            tracing::warn!(
                transactional_id = &**transactional_id, %error,
                "the state of a transactional id was not written"
            );
        }
    }
}
