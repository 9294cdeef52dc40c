//! Where the state of share partitions is kept (`Persister`): in the share coordinator of this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_coordinator::share::coordinator::{
    ReadState, SharePartitionKey, StateError, StateReply, StateWrite,
};
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;

use crate::drivers::share_coordinator::ShareCoordinator;
use crate::internal_topics::SHARE_GROUP_STATE;

/// An answer that comes later.
pub type Later<T> = Pin<Box<dyn Future<Output = Result<T, StateError>> + Send>>;

/// Keeps the state of share partitions.
pub trait Persister: Send + Sync + 'static {
    /// What is known; leaders before this epoch can't write any more.
    fn read(&self, key: &SharePartitionKey, leader_epoch: i32) -> Later<ReadState>;

    /// Keeps what has changed.
    fn write(&self, key: &SharePartitionKey, write: StateWrite) -> Later<()>;
}

/// The share coordinator of this broker.
pub struct LocalPersister {
    coordinator: ShareCoordinator,
    image: Arc<ArcSwap<MetadataImage>>,
}

impl LocalPersister {
    /// `image` tells how many partitions the topic with the state has.
    pub fn new(coordinator: ShareCoordinator, image: Arc<ArcSwap<MetadataImage>>) -> Self {
        Self { coordinator, image }
    }

    fn partitions(&self) -> i32 {
        let image = self.image.load();
        let topic = image.topics.topic(SHARE_GROUP_STATE);
        topic.map_or(0, |topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }
}

impl Persister for LocalPersister {
    fn read(&self, key: &SharePartitionKey, leader_epoch: i32) -> Later<ReadState> {
        let (coordinator, key, partitions) = (self.coordinator.clone(), key.clone(), self.partitions());
        Box::pin(async move {
            let reply = coordinator.run(key, partitions, move |shard, key, id, now_ms| {
                shard.read_state(key, leader_epoch, id, now_ms)
            });
            match reply.await? {
                StateReply::State(state) => Ok(state),
                _ => Err(ErrorCode::UnknownServerError.into()),
            }
        })
    }

    fn write(&self, key: &SharePartitionKey, write: StateWrite) -> Later<()> {
        let (coordinator, key, partitions) = (self.coordinator.clone(), key.clone(), self.partitions());
        Box::pin(async move {
            let reply = coordinator.run(key, partitions, move |shard, key, id, now_ms| {
                shard.write_state(key, &write, id, now_ms)
            });
            reply.await.map(|_| ())
        })
    }
}
