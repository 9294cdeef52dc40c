//! The share coordinator: shards of `__share_group_state`, and the deletion of what they need no more.

use std::sync::Arc;

use ottla_coordinator::share::coordinator::{
    ShareCoordinatorConfig, ShareCoordinatorEvent, ShareCoordinatorShard, SharePartitionKey, StateError,
    StateReply,
};
use ottla_coordinator::{CoordinatorResult, ReplyId};
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;

use super::coordinator::{Coordinator, CoordinatorNumbers, Settings};
use crate::internal_topics::SHARE_GROUP_STATE;
use crate::partitions::{Partition, Partitions};

/// The share coordinator, for handlers.
#[derive(Clone)]
pub struct ShareCoordinator {
    coordinator: Coordinator<ShareCoordinatorShard>,
}

impl ShareCoordinator {
    /// A coordinator without shards, and the task to run on the control thread.
    pub fn new(
        config: ShareCoordinatorConfig,
        partitions: Arc<Partitions>,
    ) -> (Self, impl Future<Output = ()>) {
        let config = Arc::new(config);
        let (coordinator, task) = Coordinator::new(Settings {
            name: "share coordinator",
            topic: SHARE_GROUP_STATE,
            // The metadata is told before anything is asked of the shard.
            new_shard: Box::new(move |_| ShareCoordinatorShard::new(config.clone(), Arc::default())),
            on_event: Box::new(move |_, partition, event| match event {
                ShareCoordinatorEvent::Prune { before_offset } => {
                    prune(&partitions, partition, before_offset);
                }
            }),
        });
        (Self { coordinator }, task)
    }

    /// Runs an operation on the shard of a share partition. `partitions` is their number.
    ///
    /// # Errors
    /// As the operation says; the code of [`Coordinator::run`] when there is no shard to ask.
    pub async fn run(
        &self,
        key: SharePartitionKey,
        partitions: i32,
        operation: impl FnOnce(
            &ShareCoordinatorShard,
            &SharePartitionKey,
            ReplyId,
            i64,
        ) -> CoordinatorResult<ShareCoordinatorShard>
        + Send
        + 'static,
    ) -> Result<StateReply, StateError> {
        let coordinator_key = key.coordinator_key();
        self.coordinator
            .run(&coordinator_key, partitions, move |shard, id, now_ms| operation(shard, &key, id, now_ms))
            .await
            .map_err(StateError::from)?
    }

    /// Looks at one shard.
    ///
    /// # Errors
    /// As [`Coordinator::look`].
    pub async fn look<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&ShareCoordinatorShard) -> R + Send + 'static,
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

fn prune(partitions: &Partitions, partition: i32, before_offset: i64) {
    let Some(hosted) = partitions.get(SHARE_GROUP_STATE, partition) else { return };
    let pruned = hosted
        .log()
        .and_then(|log| log.delete_records_before(before_offset).map_err(|why| -> ErrorCode { why.code() }));
    if let Err(error) = pruned {
        tracing::warn!(partition, before_offset, %error, "a partition of {SHARE_GROUP_STATE} was not pruned");
    }
}
