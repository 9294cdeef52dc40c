//! The task that owns the shards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_coordinator::{CoordinatorRuntime, Outcome, ReplyId};
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;
use ottla_storage::VerificationGuard;
use tokio::sync::mpsc;

use super::load::load;
use super::log::CoordinatorLog;
use super::{Coordinator, DrivenShard, EachOperation, Event, Operation, Settings, Waiting};
use crate::clock::now_ms;
use crate::partitions::{EndTransaction, Partition};

/// How long the task sleeps at most; timers ask for less.
const IDLE: Duration = Duration::from_secs(3600);

/// One partition of the topic.
enum Shard<S: DrivenShard> {
    /// Its records are being read. The number tells the load from those before, whose end may come late.
    Loading { partition: Arc<Partition>, since: Instant, load: u64 },
    /// It is served.
    Active { runtime: Box<CoordinatorRuntime<S>>, log: CoordinatorLog },
    /// It could not be read.
    Failed,
}

/// All shards of this broker.
pub(super) struct Shards<S: DrivenShard> {
    settings: Settings<S>,
    /// For what this task tells itself.
    coordinator: Coordinator<S>,
    shards: HashMap<i32, Shard<S>>,
    /// The metadata, for shards that are loaded later.
    image: Option<Arc<MetadataImage>>,
    /// Who waits for which answer.
    waiting: HashMap<ReplyId, Waiting<S>>,
    next_reply_id: u64,
    last_load: u64,
}

impl<S: DrivenShard> Shards<S> {
    pub(super) fn new(settings: Settings<S>, coordinator: Coordinator<S>) -> Self {
        Self {
            settings,
            coordinator,
            shards: HashMap::new(),
            image: None,
            waiting: HashMap::new(),
            next_reply_id: 0,
            last_load: 0,
        }
    }

    /// Runs as long as it is polled.
    pub(super) async fn run(mut self, mut events: mpsc::UnboundedReceiver<(Instant, Event<S>)>) {
        loop {
            let sleep = tokio::time::sleep(self.time_to_next_deadline(now_ms()));
            tokio::select! {
                event = events.recv() => match event {
                    None => return,
                    Some((sent, event)) => {
                        let begun = Instant::now();
                        self.handle(event);
                        self.coordinator.metrics.handled(sent, begun);
                    }
                },
                () = sleep => self.on_deadlines(now_ms()),
            }
        }
    }

    fn time_to_next_deadline(&self, now_ms: i64) -> Duration {
        let deadlines = self.shards.values().filter_map(|shard| match shard {
            Shard::Active { runtime, .. } => runtime.next_deadline_ms(),
            _ => None,
        });
        deadlines
            .min()
            .map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now_ms).max(0) as u64).min(IDLE))
    }

    fn on_deadlines(&mut self, now_ms: i64) {
        let due: Vec<i32> = self
            .shards
            .iter()
            .filter(|(_, shard)| match shard {
                Shard::Active { runtime, .. } => runtime.next_deadline_ms().is_some_and(|at| at <= now_ms),
                _ => false,
            })
            .map(|(partition, _)| *partition)
            .collect();
        for partition in due {
            self.on_shard(partition, |runtime, log| runtime.on_deadline(log, now_ms));
        }
    }

    fn handle(&mut self, event: Event<S>) {
        match event {
            Event::Run { partition, operation, guard, reply } => {
                self.run_operation(partition, operation, guard, reply);
            }
            Event::Look { partition, look } => match self.shards.get(&partition) {
                Some(Shard::Active { runtime, .. }) => look(Ok(runtime)),
                other => look(Err(unavailable(other))),
            },
            Event::Tell { partition, operation } => self.tell(partition, operation),
            Event::Each(operation) => self.each(operation),
            Event::Metadata(image) => {
                self.image = Some(image.clone());
                self.each(Box::new(move |shard, now_ms| shard.on_metadata(image.clone(), now_ms)));
            }
            Event::EndTransaction { partition, end, reply } => {
                // The client may be gone.
                let _ = reply.send(self.end_transaction(partition, &end));
            }
            Event::Elected(partition) => self.elected(partition),
            Event::Loaded { partition, load, shard } => self.loaded(partition, load, shard),
            Event::Resigned { partition } => {
                if let Some(Shard::Active { runtime, .. }) = self.shards.remove(&partition) {
                    let outcome = runtime.unload(now_ms());
                    self.finish(partition, outcome);
                }
            }
        }
    }

    fn tell(&mut self, partition: i32, mut operation: EachOperation<S>) {
        let now_ms = now_ms();
        self.on_shard(partition, |runtime, log| runtime.run(log, now_ms, |shard| operation(shard, now_ms)));
    }

    fn each(&mut self, mut operation: EachOperation<S>) {
        let partitions: Vec<i32> = self.shards.keys().copied().collect();
        let now_ms = now_ms();
        for partition in partitions {
            self.on_shard(partition, |runtime, log| {
                runtime.run(log, now_ms, |shard| operation(shard, now_ms))
            });
        }
    }

    fn end_transaction(&mut self, partition: i32, end: &EndTransaction) -> Result<(), ErrorCode> {
        let Some(Shard::Active { runtime, log }) = self.shards.get_mut(&partition) else {
            return Err(unavailable(self.shards.get(&partition)));
        };
        let now_ms = now_ms();
        let marked = log.end_transaction(end, now_ms)?;
        let outcome = runtime.on_end_txn_marker(
            log,
            marked.offset,
            end.producer_id,
            end.marker.committed,
            marked.high_watermark,
            now_ms,
        );
        self.finish(partition, outcome);
        Ok(())
    }

    fn run_operation(
        &mut self,
        partition: i32,
        operation: Operation<S>,
        guard: VerificationGuard,
        reply: Waiting<S>,
    ) {
        let Some(Shard::Active { .. }) = self.shards.get(&partition) else {
            let _ = reply.send(Err(unavailable(self.shards.get(&partition))));
            return;
        };
        self.next_reply_id += 1;
        let id = ReplyId(self.next_reply_id);
        self.waiting.insert(id, reply);
        let now_ms = now_ms();
        self.on_shard(partition, |runtime, log| {
            log.guard = guard;
            let outcome = runtime.run(log, now_ms, |shard| operation(shard, id, now_ms));
            log.guard = VerificationGuard::SENTINEL;
            outcome
        });
    }

    fn on_shard(
        &mut self,
        partition: i32,
        f: impl FnOnce(&mut CoordinatorRuntime<S>, &mut CoordinatorLog) -> Outcome<S>,
    ) {
        if let Some(Shard::Active { runtime, log }) = self.shards.get_mut(&partition) {
            let outcome = f(runtime, log);
            self.finish(partition, outcome);
        }
    }

    fn finish(&mut self, partition: i32, outcome: Outcome<S>) {
        for (id, reply) in outcome.replies {
            if let Some(waiting) = self.waiting.remove(&id) {
                // The client may be gone.
                let _ = waiting.send(Ok(reply));
            }
        }
        outcome
            .events
            .into_iter()
            .for_each(|event| (self.settings.on_event)(&self.coordinator, partition, event));
        if let Some(why) = outcome.broken {
            let name = self.settings.name;
            tracing::error!(partition, %why, "a shard of the {name} has lost track of its log");
            if let Some(Shard::Active { runtime, .. }) = self.shards.insert(partition, Shard::Failed) {
                let outcome = runtime.unload(now_ms());
                self.finish(partition, outcome);
            }
        }
    }

    /// Reads an empty partition at once, any other on a thread of its own: it may take long.
    fn elected(&mut self, partition: Arc<Partition>) {
        let index = partition.index;
        if matches!(self.shards.get(&index), Some(Shard::Active { .. } | Shard::Loading { .. })) {
            return;
        }
        let is_empty = partition.log().is_ok_and(|log| log.is_empty());
        self.last_load += 1;
        let number = self.last_load;
        let loading = Shard::Loading { partition: partition.clone(), since: Instant::now(), load: number };
        self.shards.insert(index, loading);
        let (shard, coordinator) = ((self.settings.new_shard)(&partition), self.coordinator.clone());
        if is_empty {
            self.loaded(index, number, load(shard, &partition));
            return;
        }
        let read = move || {
            let shard = load(shard, &partition);
            let _ = coordinator.send(Event::Loaded { partition: index, load: number, shard });
        };
        let name = format!("ottla-load-{index}");
        if let Err(why) = std::thread::Builder::new().name(name).spawn(read) {
            let topic = self.settings.topic;
            tracing::error!(topic, partition = index, %why, "no thread to read a partition with");
            self.shards.insert(index, Shard::Failed);
        }
    }

    /// What was read of a topic that is gone is nothing to the one that came after it.
    fn loaded(&mut self, index: i32, number: u64, shard: Result<S, String>) {
        let Some(Shard::Loading { partition, since, load }) = self.shards.get(&index) else { return };
        if *load != number {
            return;
        }
        let (partition, since) = (partition.clone(), *since);
        self.coordinator.metrics.loaded(since.elapsed(), shard.is_ok());
        match shard {
            Err(why) => {
                let topic = self.settings.topic;
                tracing::error!(topic, partition = index, %why, "a partition can't be read, and is not served");
                self.shards.insert(index, Shard::Failed);
            }
            Ok(shard) => {
                let mut log = CoordinatorLog::new(partition.clone());
                let high_watermark = partition.high_watermark();
                let now_ms = now_ms();
                let image = self.image.clone();
                let (runtime, outcome) =
                    CoordinatorRuntime::new(shard, image, high_watermark, &mut log, now_ms);
                self.shards.insert(index, Shard::Active { runtime: Box::new(runtime), log });
                self.finish(index, outcome);
            }
        }
    }
}

fn unavailable<S: DrivenShard>(shard: Option<&Shard<S>>) -> ErrorCode {
    match shard {
        Some(Shard::Loading { .. }) => ErrorCode::CoordinatorLoadInProgress,
        Some(Shard::Failed) => ErrorCode::CoordinatorNotAvailable,
        _ => ErrorCode::NotCoordinator,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ottla_coordinator::share::coordinator::{ShareCoordinatorConfig, ShareCoordinatorShard};
    use ottla_protocol::records::{BatchBuilder, BatchOptions};
    use ottla_protocol::{TopicPartition, Uuid};
    use ottla_storage::{OpenOptions, PartitionLog};

    use super::*;
    use crate::internal_topics::SHARE_GROUP_STATE;

    /// The key of a record that no shard knows.
    const UNKNOWN: &[u8] = &[0x7f, 0xff];
    /// A key that is cut off.
    const BROKEN: &[u8] = &[0];

    type World = Shards<ShareCoordinatorShard>;
    type Events = mpsc::UnboundedReceiver<(Instant, Event<ShareCoordinatorShard>)>;

    /// Shards, and what they are told from other threads.
    fn world() -> (World, Events) {
        #[allow(clippy::disallowed_methods)]
        let (sender, events) = mpsc::unbounded_channel();
        let coordinator = Coordinator { events: sender, metrics: Arc::default() };
        let config = Arc::new(ShareCoordinatorConfig::default());
        let settings = Settings {
            name: "share coordinator",
            topic: SHARE_GROUP_STATE,
            new_shard: Box::new(move |_| ShareCoordinatorShard::new(config.clone(), Arc::default())),
            on_event: Box::new(|_, _, _| {}),
        };
        (Shards::new(settings, coordinator), events)
    }

    /// Partition 0 of a topic in one of its lives, with at most one record.
    fn partition(dir: &Path, life: u64, key: Option<&[u8]>) -> Arc<Partition> {
        let options =
            OpenOptions { now_ms: 1, ..OpenOptions::new(TopicPartition::new(SHARE_GROUP_STATE, 0)) };
        let log = PartitionLog::open_at(&dir.join(life.to_string()), &options).unwrap();
        let id = Uuid::from_parts(8, life);
        let partition = Arc::new(Partition::new(SHARE_GROUP_STATE.into(), id, 0, 0, Some(log)));
        if let Some(key) = key {
            let mut batch = BatchBuilder::new(BatchOptions::default());
            batch.append(1, Some(key), None, &[]).unwrap();
            let batch = batch.build().unwrap();
            partition.append_as_coordinator(&batch, VerificationGuard::SENTINEL, 1).unwrap();
        }
        partition
    }

    fn next(events: &mut Events) -> Event<ShareCoordinatorShard> {
        events.blocking_recv().expect("the sender is here").1
    }

    fn is_active(world: &World) -> bool {
        matches!(world.shards.get(&0), Some(Shard::Active { .. }))
    }

    #[test]
    fn a_partition_is_served_when_it_has_been_read_and_not_when_it_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        for (life, key, refusal) in
            [(0, UNKNOWN, ErrorCode::NotCoordinator), (1, BROKEN, ErrorCode::CoordinatorNotAvailable)]
        {
            let (mut world, mut events) = world();
            world.handle(Event::Elected(partition(dir.path(), life, Some(key))));
            assert_eq!(unavailable(world.shards.get(&0)), ErrorCode::CoordinatorLoadInProgress);
            world.handle(next(&mut events));
            // The refusal means nothing for a shard that is served.
            assert_eq!(is_active(&world), key == UNKNOWN);
            assert_eq!(unavailable(world.shards.get(&0)), refusal);
        }
    }

    /// The topic was deleted and created anew, now with at most one record, while the old one with its record was read. Also
    /// gives the end of that load, which nobody has heard of yet.
    fn created_anew(
        dir: &Path,
        old: &[u8],
        new: Option<&[u8]>,
    ) -> (World, Events, Event<ShareCoordinatorShard>) {
        let (mut world, mut events) = world();
        world.handle(Event::Elected(partition(dir, 0, Some(old))));
        let late = next(&mut events);
        world.handle(Event::Resigned { partition: 0 });
        world.handle(Event::Elected(partition(dir, 1, new)));
        (world, events, late)
    }

    #[test]
    fn a_load_that_ends_late_does_not_touch_the_shard_of_the_topic_that_came_after() {
        for old in [BROKEN, UNKNOWN] {
            let dir = tempfile::tempdir().unwrap();
            let (mut world, _events, late) = created_anew(dir.path(), old, None);
            assert!(is_active(&world), "nothing to read");
            world.handle(late);
            assert!(is_active(&world));
        }
    }

    #[test]
    fn a_load_that_ends_late_is_not_taken_for_the_one_that_came_after() {
        for old in [BROKEN, UNKNOWN] {
            let dir = tempfile::tempdir().unwrap();
            let (mut world, mut events, late) = created_anew(dir.path(), old, Some(UNKNOWN));
            world.handle(late);
            assert_eq!(unavailable(world.shards.get(&0)), ErrorCode::CoordinatorLoadInProgress);
            world.handle(next(&mut events));
            assert!(is_active(&world));
        }
    }
}
