//! The share coordinator as the group coordinator needs it (`DefaultStatePersister`, `PersisterStateManager`): in
//! process, partition by partition, with patience while its topic is being created or read.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_coordinator::share::coordinator::{
    ShareCoordinatorShard, SharePartitionKey, StateError, StateReply, StateSummary,
};
use ottla_coordinator::{
    CoordinatorResult, DeleteShareState, InitializeShareState, Reply, ReplyId, SharePartitions,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::group_request::run;
use super::share_state_request::state_partitions;
use crate::broker::Broker;
use crate::internal_topics::SHARE_GROUP_STATE;

/// How often a request is repeated, for all its partitions together.
const RETRIES_MAX: u32 = 7;
/// Pause before the first of these; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why the share coordinator refused partitions.
pub type Refused = BTreeMap<(Uuid, i32), StateError>;

/// Sets up the state of share partitions.
pub async fn initialize(broker: &Broker, asked: &InitializeShareState) -> Refused {
    let mut persister = Persister::new(broker);
    let mut refused = Refused::new();
    for (topic_id, offsets) in &asked.start_offsets {
        for (partition, start_offset) in offsets {
            let (state_epoch, start_offset) = (asked.state_epoch, *start_offset);
            let operation = move |shard: &ShareCoordinatorShard, key: &_, id, now_ms| {
                shard.initialize_state(key, state_epoch, start_offset, id, now_ms)
            };
            let reply = persister.ask(key(&asked.group_id, *topic_id, *partition), operation).await;
            refused.extend(reply.err().map(|why| ((*topic_id, *partition), why)));
        }
    }
    refused
}

/// As [`initialize`], and tells the group what came of it.
pub async fn initialize_and_tell(broker: &Broker, asked: InitializeShareState) {
    let refused = initialize(broker, &asked).await;
    if let Some((_, why)) = refused.first_key_value() {
        tracing::warn!(group = %asked.group_id, error = %why.code, "the state of a share group was not set up");
    }
    tell(broker, &asked, refused.is_empty()).await;
}

/// Tells a group that its state was set up, or was not.
pub async fn tell(broker: &Broker, asked: &InitializeShareState, is_initialized: bool) {
    let (group_id, partitions) = (asked.group_id.clone(), asked.partitions());
    let reply = run(broker, &asked.group_id, move |shard, id, now_ms| match is_initialized {
        true => shard.on_share_state_initialized(&group_id, &partitions, id, now_ms),
        false => shard.on_share_state_uninitialized(&group_id, &partitions, id, now_ms),
    });
    let error = match reply.await {
        Ok(Reply::ShareState(error)) => error,
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => error,
    };
    // The next heartbeat after the retry interval asks again.
    if error.is_err() {
        tracing::warn!(group = %asked.group_id, %error, "what became of a share group's state was not written");
    }
}

/// Deletes the state of share partitions.
pub async fn delete(broker: &Broker, asked: &DeleteShareState) -> Refused {
    let mut persister = Persister::new(broker);
    let mut refused = Refused::new();
    for (topic_id, partitions) in &asked.partitions {
        for partition in partitions {
            let operation = |shard: &ShareCoordinatorShard, key: &_, id, _: i64| shard.delete_state(key, id);
            let reply = persister.ask(key(&asked.group_id, *topic_id, *partition), operation).await;
            refused.extend(reply.err().map(|why| ((*topic_id, *partition), why)));
        }
    }
    refused
}

/// Where share partitions stand; without those that the share coordinator refused.
pub async fn summaries(
    broker: &Broker,
    group_id: &Str,
    partitions: &SharePartitions,
) -> BTreeMap<(Uuid, i32), StateSummary> {
    let mut persister = Persister::new(broker);
    let mut summaries = BTreeMap::new();
    for (topic_id, partitions) in partitions {
        for partition in partitions {
            let operation =
                |shard: &ShareCoordinatorShard, key: &_, id, _: i64| shard.read_state_summary(key, id);
            let reply = persister.ask(key(group_id, *topic_id, *partition), operation).await;
            if let Ok(StateReply::Summary(summary)) = reply {
                summaries.insert((*topic_id, *partition), summary);
            }
        }
    }
    summaries
}

fn key(group_id: &Str, topic_id: Uuid, partition: i32) -> SharePartitionKey {
    SharePartitionKey { group_id: group_id.clone(), topic_id, partition }
}

/// One request, of many partitions, to the share coordinator.
struct Persister<'a> {
    broker: &'a Broker,
    retries_left: u32,
    pause: Duration,
}

impl<'a> Persister<'a> {
    fn new(broker: &'a Broker) -> Self {
        Self { broker, retries_left: RETRIES_MAX, pause: FIRST_PAUSE }
    }

    async fn ask(
        &mut self,
        key: SharePartitionKey,
        operation: impl Fn(
            &ShareCoordinatorShard,
            &SharePartitionKey,
            ReplyId,
            i64,
        ) -> CoordinatorResult<ShareCoordinatorShard>
        + Clone
        + Send
        + 'static,
    ) -> Result<StateReply, StateError> {
        loop {
            if state_partitions(self.broker) == 0 {
                self.broker.create_internal_topic(SHARE_GROUP_STATE).await;
            }
            let partitions = state_partitions(self.broker);
            let reply = self.broker.share_states.run(key.clone(), partitions, operation.clone()).await;
            match reply {
                Err(why) if is_passing(why.code) && self.retries_left > 0 => {
                    self.retries_left -= 1;
                    tokio::time::sleep(self.pause).await;
                    self.pause = self.pause.saturating_mul(2);
                }
                reply => return reply,
            }
        }
    }
}

/// Whether an error is gone soon.
fn is_passing(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::NotCoordinator
            | ErrorCode::UnknownTopicOrPartition
    )
}
