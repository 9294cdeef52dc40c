//! Drives the group coordinator: one shard per partition of `__consumer_offsets` that this broker leads.
//!
//! All shards live in one task on the control thread. Requests reach it as closures over a shard; answers go back when the
//! shard gives them, which for a JoinGroup may be much later.

mod load;
mod offsets_log;
mod shards;

use std::sync::Arc;

use ottla_coordinator::{
    CoordinatorResult, GroupCoordinatorConfig, GroupCoordinatorShard, Reply, ReplyId, partition_for,
};
use ottla_protocol::{ErrorCode, Str, Uuid};
use tokio::sync::{mpsc, oneshot};

use crate::partitions::Partition;
use shards::Shards;

type Operation = Box<dyn FnOnce(&mut GroupCoordinatorShard, ReplyId, i64) -> CoordinatorResult + Send>;
type Look = Box<dyn FnOnce(Result<&GroupCoordinatorShard, ErrorCode>) + Send>;

/// What the task is told.
enum Event {
    /// Run an operation on a shard, and answer when it does.
    Run { partition: i32, operation: Operation, reply: oneshot::Sender<Result<Reply, ErrorCode>> },
    /// Show a shard.
    Look { partition: i32, look: Look },
    /// This broker leads a partition of the offsets topic from now on.
    Elected { partition: Arc<Partition>, partitions: i32 },
    /// The records of a partition have been read.
    Loaded { partition: i32, shard: Result<GroupCoordinatorShard, String> },
    /// This broker does not lead the partition any more.
    Resigned { partition: i32 },
    /// Topics are gone, and the offsets committed for them go too.
    TopicsDeleted(Vec<(Uuid, Str)>),
}

/// The group coordinator, for handlers.
#[derive(Clone)]
pub struct GroupCoordinator {
    events: mpsc::UnboundedSender<Event>,
    /// The settings in force.
    pub config: Arc<GroupCoordinatorConfig>,
}

impl GroupCoordinator {
    /// A coordinator without shards, and the task to run on the control thread.
    pub fn new(config: GroupCoordinatorConfig) -> (Self, impl Future<Output = ()>) {
        let config = Arc::new(config);
        // Bounded all the same: each request in it holds one of the places that its connection has for unanswered ones,
        // and there are no more of the other events than partitions.
        #[allow(clippy::disallowed_methods)]
        let (events, receiver) = mpsc::unbounded_channel();
        let task = Shards::new(config.clone(), events.clone()).run(receiver);
        (Self { events, config }, task)
    }

    /// Runs an operation on the shard of a group; the answer may take as long as a rebalance.
    ///
    /// # Errors
    /// NOT_COORDINATOR when this broker does not lead the group's partition, COORDINATOR_LOAD_IN_PROGRESS while its
    /// records are read.
    pub async fn run(
        &self,
        group_id: &str,
        partitions: i32,
        operation: impl FnOnce(&mut GroupCoordinatorShard, ReplyId, i64) -> CoordinatorResult + Send + 'static,
    ) -> Result<Reply, ErrorCode> {
        // Without an offsets topic nobody coordinates: the client looks for a coordinator, which creates the topic.
        if partitions <= 0 {
            return Err(ErrorCode::NotCoordinator);
        }
        let (reply, answer) = oneshot::channel();
        let partition = partition_for(group_id, partitions);
        let event = Event::Run { partition, operation: Box::new(operation), reply };
        self.events.send(event).map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Looks at one shard.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn look<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&GroupCoordinatorShard) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |shard| {
            // Whoever asked may be gone.
            let _ = reply.send(shard.map(look));
        });
        self.events.send(Event::Look { partition, look }).map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// This broker leads a partition of the offsets topic, which has `partitions`.
    pub fn elected(&self, partition: Arc<Partition>, partitions: i32) {
        let _ = self.events.send(Event::Elected { partition, partitions });
    }

    /// This broker does not lead the partition any more.
    pub fn resigned(&self, partition: i32) {
        let _ = self.events.send(Event::Resigned { partition });
    }

    /// Topics are gone.
    pub fn topics_deleted(&self, topics: Vec<(Uuid, Str)>) {
        if !topics.is_empty() {
            let _ = self.events.send(Event::TopicsDeleted(topics));
        }
    }
}
