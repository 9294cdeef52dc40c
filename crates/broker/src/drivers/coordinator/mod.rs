//! Drives a coordinator: one shard per partition of an internal topic that this broker leads (`CoordinatorRuntime`).
//!
//! All shards live in one task on the control thread. Requests reach it as closures over a shard; answers go back when the
//! shard gives them, which for a JoinGroup may be much later. A coordinator of some kind is this with its [`Settings`].

mod load;
mod log;
mod metrics;
mod shards;

use std::sync::Arc;
use std::time::Instant;

use ottla_coordinator::{CoordinatorResult, CoordinatorRuntime, CoordinatorShard, ReplyId, partition_for};
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;
use ottla_storage::VerificationGuard;
use tokio::sync::{mpsc, oneshot};

pub use self::metrics::{CoordinatorMetrics, CoordinatorNumbers};
use self::shards::Shards;
use crate::partitions::{EndTransaction, Partition};

/// A shard that can be driven: it and all it says may move between threads.
pub trait DrivenShard:
    CoordinatorShard<Reply: Send, TimerKey: Send, Action: Send, Event: Send> + Send + 'static
{
}

impl<S> DrivenShard for S where
    S: CoordinatorShard<Reply: Send, TimerKey: Send, Action: Send, Event: Send> + Send + 'static
{
}

/// What is particular to one kind of coordinator.
pub struct Settings<S: DrivenShard> {
    /// For logs: `group coordinator`.
    pub name: &'static str,
    /// The internal topic.
    pub topic: &'static str,
    /// An empty shard for a partition of the topic.
    pub new_shard: Box<dyn Fn(&Partition) -> S + Send>,
    /// Told whatever the shard of a partition has to tell, on the control thread.
    pub on_event: OnEvent<S>,
}

/// Told what a shard of a partition has to tell.
pub type OnEvent<S> = Box<dyn FnMut(&Coordinator<S>, i32, <S as CoordinatorShard>::Event) + Send>;

type Operation<S> = Box<dyn FnOnce(&mut S, ReplyId, i64) -> CoordinatorResult<S> + Send>;
type EachOperation<S> = Box<dyn FnMut(&mut S, i64) -> CoordinatorResult<S> + Send>;
type Look<S> = Box<dyn FnOnce(Result<&CoordinatorRuntime<S>, ErrorCode>) + Send>;
type Waiting<S> = oneshot::Sender<Result<<S as CoordinatorShard>::Reply, ErrorCode>>;

/// What the task is told.
enum Event<S: DrivenShard> {
    /// Run an operation on a shard, and answer when it does. The guard is for what it writes as part of a transaction.
    Run { partition: i32, operation: Operation<S>, guard: VerificationGuard, reply: Waiting<S> },
    /// Run an operation that nobody waits for on a shard.
    Tell { partition: i32, operation: EachOperation<S> },
    /// Run an operation on each shard that is here.
    Each(EachOperation<S>),
    /// The metadata has changed.
    Metadata(Arc<MetadataImage>),
    /// Show a shard.
    Look { partition: i32, look: Look<S> },
    /// Write the end of a transaction to a partition.
    EndTransaction { partition: i32, end: EndTransaction, reply: oneshot::Sender<Result<(), ErrorCode>> },
    /// This broker leads a partition of the topic from now on.
    Elected(Arc<Partition>),
    /// The records of a partition have been read, by the load with this number.
    Loaded { partition: i32, load: u64, shard: Result<S, String> },
    /// This broker does not lead the partition any more.
    Resigned { partition: i32 },
}

/// A coordinator, for handlers.
pub struct Coordinator<S: DrivenShard> {
    events: mpsc::UnboundedSender<(Instant, Event<S>)>,
    metrics: Arc<CoordinatorMetrics>,
}

impl<S: DrivenShard> Clone for Coordinator<S> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), metrics: self.metrics.clone() }
    }
}

impl<S: DrivenShard> Coordinator<S> {
    /// A coordinator without shards, and the task to run on the control thread.
    pub fn new(settings: Settings<S>) -> (Self, impl Future<Output = ()>) {
        // Bounded all the same: each request in it holds one of the places that its connection has for unanswered ones,
        // and there are no more of the other events than partitions.
        #[allow(clippy::disallowed_methods)]
        let (events, receiver) = mpsc::unbounded_channel();
        let coordinator = Self { events, metrics: Arc::default() };
        let task = Shards::new(settings, coordinator.clone()).run(receiver);
        (coordinator, task)
    }

    /// Runs an operation on the shard of a key (a group id, a transactional id) among `partitions`; the answer may take as
    /// long as a rebalance.
    ///
    /// # Errors
    /// NOT_COORDINATOR when this broker does not lead the key's partition, COORDINATOR_LOAD_IN_PROGRESS while its
    /// records are read.
    pub async fn run(
        &self,
        key: &str,
        partitions: i32,
        operation: impl FnOnce(&mut S, ReplyId, i64) -> CoordinatorResult<S> + Send + 'static,
    ) -> Result<S::Reply, ErrorCode> {
        self.run_in_transaction(key, partitions, VerificationGuard::SENTINEL, operation).await
    }

    /// As [`Self::run`], for an operation that writes as part of a transaction, which `guard` proves to be verified.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_in_transaction(
        &self,
        key: &str,
        partitions: i32,
        guard: VerificationGuard,
        operation: impl FnOnce(&mut S, ReplyId, i64) -> CoordinatorResult<S> + Send + 'static,
    ) -> Result<S::Reply, ErrorCode> {
        // Without the topic nobody coordinates: the client looks for a coordinator, which creates the topic.
        if partitions <= 0 {
            return Err(ErrorCode::NotCoordinator);
        }
        let (reply, answer) = oneshot::channel();
        let partition = partition_for(key, partitions);
        self.send(Event::Run { partition, operation: Box::new(operation), guard, reply })?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Tells the shard of one partition, if it is here, something that nobody waits for.
    pub fn tell(
        &self,
        partition: i32,
        operation: impl FnMut(&mut S, i64) -> CoordinatorResult<S> + Send + 'static,
    ) {
        let _ = self.send(Event::Tell { partition, operation: Box::new(operation) });
    }

    /// Tells each shard that is here. A shard that is loaded later has to know by other means.
    pub fn each(&self, operation: impl FnMut(&mut S, i64) -> CoordinatorResult<S> + Send + 'static) {
        let _ = self.send(Event::Each(Box::new(operation)));
    }

    /// Tells each shard, also those that are loaded later, what the metadata is now.
    pub fn metadata(&self, image: Arc<MetadataImage>) {
        let _ = self.send(Event::Metadata(image));
    }

    /// Looks at one shard.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn look<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        self.look_with_timers(partition, |runtime| look(runtime.shard())).await
    }

    /// Looks at one shard and its timers.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn look_with_timers<R: Send + 'static>(
        &self,
        partition: i32,
        look: impl FnOnce(&CoordinatorRuntime<S>) -> R + Send + 'static,
    ) -> Result<R, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let look: Look<S> = Box::new(move |runtime| {
            // Whoever asked may be gone.
            let _ = reply.send(runtime.map(look));
        });
        self.send(Event::Look { partition, look })?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Writes the end of a transaction to a partition and tells its shard, in order with what the shard writes itself
    /// (`CoordinatorRuntime.scheduleTransactionCompletion`).
    ///
    /// # Errors
    /// As [`Self::run`], or why the marker was not written.
    pub async fn end_transaction(&self, partition: i32, end: EndTransaction) -> Result<(), ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.send(Event::EndTransaction { partition, end, reply })?;
        answer.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// This broker leads a partition of the topic.
    pub fn elected(&self, partition: Arc<Partition>) {
        let _ = self.send(Event::Elected(partition));
    }

    /// This broker does not lead the partition any more.
    pub fn resigned(&self, partition: i32) {
        let _ = self.send(Event::Resigned { partition });
    }

    /// What this coordinator has been busy with.
    pub fn numbers(&self) -> CoordinatorNumbers {
        self.metrics.numbers()
    }

    fn send(&self, event: Event<S>) -> Result<(), ErrorCode> {
        self.events.send((Instant::now(), event)).map_err(|_| ErrorCode::CoordinatorNotAvailable)
    }
}
