//! The group coordinator: shards of `__consumer_offsets`.

use std::sync::Arc;

use ottla_coordinator::{
    CoordinatorResult, CoordinatorRuntime, GroupCoordinatorConfig, GroupCoordinatorShard, GroupEvent,
    GroupExplanation, MemberSession, Reply, ReplyId,
};
use ottla_metadata::MetadataImage;
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_storage::VerificationGuard;

use super::coordinator::{Coordinator, CoordinatorNumbers, Settings};
use crate::internal_topics::CONSUMER_OFFSETS;
use crate::partitions::{EndTransaction, Partition};

/// The group coordinator, for handlers.
#[derive(Clone)]
pub struct GroupCoordinator {
    coordinator: Coordinator<GroupCoordinatorShard>,
    /// The settings in force.
    pub config: Arc<GroupCoordinatorConfig>,
}

impl GroupCoordinator {
    /// A coordinator without shards, and the task to run on the control thread.
    pub fn new(config: GroupCoordinatorConfig) -> (Self, impl Future<Output = ()>) {
        let config = Arc::new(config);
        let for_shards = config.clone();
        let (coordinator, task) = Coordinator::new(Settings {
            name: "group coordinator",
            topic: CONSUMER_OFFSETS,
            new_shard: Box::new(move |_| GroupCoordinatorShard::new(for_shards.clone())),
            on_event: Box::new(|_, _, event| log_event(event)),
        });
        (Self { coordinator, config }, task)
    }

    /// Runs an operation on the shard of a group; the answer may take as long as a rebalance.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn run(
        &self,
        group_id: &str,
        partitions: i32,
        operation: impl FnOnce(&mut GroupCoordinatorShard, ReplyId, i64) -> CoordinatorResult + Send + 'static,
    ) -> Result<Reply, ErrorCode> {
        self.coordinator.run(group_id, partitions, operation).await
    }

    /// As [`Self::run`], for what is written as part of a transaction, which `guard` proves to be verified.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn run_in_transaction(
        &self,
        group_id: &str,
        partitions: i32,
        guard: VerificationGuard,
        operation: impl FnOnce(&mut GroupCoordinatorShard, ReplyId, i64) -> CoordinatorResult + Send + 'static,
    ) -> Result<Reply, ErrorCode> {
        self.coordinator.run_in_transaction(group_id, partitions, guard, operation).await
    }

    /// Looks at one shard.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn look<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&GroupCoordinatorShard) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        self.coordinator.look(partition, look).await
    }

    /// A group in the terms in which an operator asks about it; `None` when it does not exist.
    ///
    /// # Errors
    /// As [`Coordinator::run`].
    pub async fn explain(
        &self,
        partition: i32,
        group_id: Str,
        now_ms: i64,
    ) -> Result<Option<(GroupExplanation, Vec<MemberSession>)>, ErrorCode> {
        let explain = move |runtime: &CoordinatorRuntime| {
            let explanation = runtime.shard().explain_group(&group_id)?;
            Some((explanation, runtime.shard().member_sessions(&group_id, runtime.timers(), now_ms)))
        };
        self.coordinator.look_with_timers(partition, explain).await
    }

    /// The end of a transaction that has committed offsets.
    ///
    /// # Errors
    /// As [`Coordinator::end_transaction`].
    pub async fn end_transaction(&self, partition: i32, end: EndTransaction) -> Result<(), ErrorCode> {
        self.coordinator.end_transaction(partition, end).await
    }

    /// This broker leads a partition of the offsets topic.
    pub fn elected(&self, partition: Arc<Partition>) {
        self.coordinator.elected(partition);
    }

    /// This broker does not lead the partition any more.
    pub fn resigned(&self, partition: i32) {
        self.coordinator.resigned(partition);
    }

    /// Topics are gone, and the offsets committed for them go too.
    pub fn topics_deleted(&self, topics: Vec<(Uuid, Str)>) {
        if !topics.is_empty() {
            self.coordinator.each(move |shard, _| shard.on_topics_deleted(&topics));
        }
    }

    /// The metadata has changed.
    pub fn metadata(&self, image: Arc<MetadataImage>) {
        self.coordinator.metadata(image);
    }

    /// What the coordinator has been busy with.
    pub fn numbers(&self) -> CoordinatorNumbers {
        self.coordinator.numbers()
    }
}

fn log_event(event: GroupEvent) {
    match event {
        GroupEvent::PreparingRebalance { group_id, generation_id, reason } => {
            tracing::info!(group = %group_id, generation = generation_id, reason, "rebalance begins");
        }
        GroupEvent::Stabilized { group_id, generation_id, members } => {
            tracing::info!(group = %group_id, generation = generation_id, members, "group has stabilized");
        }
        GroupEvent::Emptied { group_id, generation_id } => {
            tracing::info!(group = %group_id, generation = generation_id, "group is empty");
        }
        GroupEvent::MemberRemoved { group_id, member_id, reason } => {
            tracing::info!(group = %group_id, member = %member_id, reason, "member removed");
        }
        GroupEvent::WriteFailed { group_id, error } => {
            tracing::warn!(group = %group_id, %error, "a record of the group was not written");
        }
        GroupEvent::Expired { tombstones } => {
            tracing::info!(tombstones, "expired offsets and groups removed");
        }
    }
}
