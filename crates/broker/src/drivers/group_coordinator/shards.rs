//! The task that owns the shards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::{
    CoordinatorRuntime, GroupCoordinatorConfig, GroupCoordinatorShard, GroupEvent, Outcome, Reply, ReplyId,
};
use ottla_protocol::ErrorCode;
use tokio::sync::{mpsc, oneshot};

use super::load::load;
use super::offsets_log::OffsetsLog;
use super::{Event, Operation};
use crate::clock::now_ms;
use crate::partitions::Partition;

/// How long the task sleeps at most; timers ask for less.
const IDLE: Duration = Duration::from_secs(3600);

/// One partition of the offsets topic.
enum Shard {
    /// Its records are being read.
    Loading(Arc<Partition>),
    /// Its groups are served.
    Active { runtime: CoordinatorRuntime, log: OffsetsLog },
    /// It could not be read.
    Failed,
}

type Waiting = oneshot::Sender<Result<Reply, ErrorCode>>;

/// All shards of this broker.
pub(super) struct Shards {
    config: Arc<GroupCoordinatorConfig>,
    events: mpsc::UnboundedSender<Event>,
    shards: HashMap<i32, Shard>,
    /// Who waits for which answer.
    waiting: HashMap<ReplyId, Waiting>,
    next_reply_id: u64,
}

impl Shards {
    pub(super) fn new(config: Arc<GroupCoordinatorConfig>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { config, events, shards: HashMap::new(), waiting: HashMap::new(), next_reply_id: 0 }
    }

    /// Runs until nobody can send events any more.
    pub(super) async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        loop {
            let sleep = tokio::time::sleep(self.time_to_next_deadline(now_ms()));
            tokio::select! {
                event = events.recv() => match event {
                    None => return,
                    Some(event) => self.handle(event),
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

    fn handle(&mut self, event: Event) {
        match event {
            Event::Run { partition, operation, reply } => self.run_operation(partition, operation, reply),
            Event::Look { partition, look } => match self.shards.get(&partition) {
                Some(Shard::Active { runtime, .. }) => look(Ok(runtime.shard())),
                other => look(Err(unavailable(other))),
            },
            Event::Elected { partition, partitions } => self.elected(partition, partitions),
            Event::Loaded { partition, shard } => self.loaded(partition, shard),
            Event::Resigned { partition } => {
                if let Some(Shard::Active { runtime, .. }) = self.shards.remove(&partition) {
                    let outcome = runtime.unload(now_ms());
                    self.finish(partition, outcome);
                }
            }
            Event::TopicsDeleted(topics) => {
                let partitions: Vec<i32> = self.shards.keys().copied().collect();
                let now_ms = now_ms();
                for partition in partitions {
                    self.on_shard(partition, |runtime, log| {
                        runtime.run(log, now_ms, |shard| shard.on_topics_deleted(&topics))
                    });
                }
            }
        }
    }

    fn run_operation(&mut self, partition: i32, operation: Operation, reply: Waiting) {
        let Some(Shard::Active { .. }) = self.shards.get(&partition) else {
            let _ = reply.send(Err(unavailable(self.shards.get(&partition))));
            return;
        };
        self.next_reply_id += 1;
        let id = ReplyId(self.next_reply_id);
        self.waiting.insert(id, reply);
        let now_ms = now_ms();
        self.on_shard(partition, |runtime, log| {
            runtime.run(log, now_ms, |shard| operation(shard, id, now_ms))
        });
    }

    fn on_shard(
        &mut self,
        partition: i32,
        f: impl FnOnce(&mut CoordinatorRuntime, &mut OffsetsLog) -> Outcome,
    ) {
        if let Some(Shard::Active { runtime, log }) = self.shards.get_mut(&partition) {
            let outcome = f(runtime, log);
            self.finish(partition, outcome);
        }
    }

    fn finish(&mut self, partition: i32, outcome: Outcome) {
        for (id, reply) in outcome.replies {
            if let Some(waiting) = self.waiting.remove(&id) {
                // The client may be gone.
                let _ = waiting.send(Ok(reply));
            }
        }
        outcome.events.into_iter().for_each(log_event);
        if let Some(why) = outcome.broken {
            tracing::error!(partition, %why, "a shard of the group coordinator has lost track of its log");
            if let Some(Shard::Active { runtime, .. }) = self.shards.insert(partition, Shard::Failed) {
                let outcome = runtime.unload(now_ms());
                self.finish(partition, outcome);
            }
        }
    }

    /// Reads an empty partition at once, any other on a thread of its own: it may take long.
    fn elected(&mut self, partition: Arc<Partition>, _partitions: i32) {
        let index = partition.index;
        if matches!(self.shards.get(&index), Some(Shard::Active { .. } | Shard::Loading(_))) {
            return;
        }
        self.shards.insert(index, Shard::Loading(partition.clone()));
        let (config, events) = (self.config.clone(), self.events.clone());
        let read = move || {
            let shard = load(config, &partition);
            let _ = events.send(Event::Loaded { partition: index, shard });
        };
        if self.is_empty(index) {
            read();
            return;
        }
        if let Err(why) = std::thread::Builder::new().name(format!("ottla-offsets-{index}")).spawn(read) {
            tracing::error!(partition = index, %why, "no thread to read a partition of the offsets topic with");
            self.shards.insert(index, Shard::Failed);
        }
    }

    fn is_empty(&self, index: i32) -> bool {
        match self.shards.get(&index) {
            Some(Shard::Loading(partition)) => partition.log().is_ok_and(|log| log.is_empty()),
            _ => false,
        }
    }

    fn loaded(&mut self, index: i32, shard: Result<GroupCoordinatorShard, String>) {
        let Some(Shard::Loading(partition)) = self.shards.remove(&index) else { return };
        match shard {
            Err(why) => {
                tracing::error!(
                    partition = index,
                    %why,
                    "a partition of __consumer_offsets can't be read; its groups are not served"
                );
                self.shards.insert(index, Shard::Failed);
            }
            Ok(shard) => {
                let mut log = OffsetsLog::new(partition.clone());
                let high_watermark = partition.high_watermark();
                let (runtime, outcome) =
                    CoordinatorRuntime::new(&self.config, shard, high_watermark, &mut log, now_ms());
                self.shards.insert(index, Shard::Active { runtime, log });
                self.finish(index, outcome);
            }
        }
    }
}

fn unavailable(shard: Option<&Shard>) -> ErrorCode {
    match shard {
        Some(Shard::Loading(_)) => ErrorCode::CoordinatorLoadInProgress,
        Some(Shard::Failed) => ErrorCode::CoordinatorNotAvailable,
        _ => ErrorCode::NotCoordinator,
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
