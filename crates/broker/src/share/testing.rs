//! A partition with a log in a temporary directory, and a persister in memory.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ottla_coordinator::share::coordinator::{ReadState, SharePartitionKey, StateError, StateWrite};
use ottla_coordinator::share::partition::{AcknowledgementBatch, AcquireMode, SharePartitionConfig};
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_protocol::{Str, TopicPartition, Uuid};
use ottla_storage::{LogDir, OpenOptions, PartitionLog, StorageContext, VerificationGuard};
use parking_lot::Mutex;

use super::persister::{Later, Persister};
use super::settings::{AutoOffsetReset, ShareSettings};
use super::shared_partition::{Next, SharedPartition};
use super::{Fetched, ShareFetch, ShareManager};
use crate::partitions::{ClientAppend, HostedTopic, Partition, Partitions, ReadBound};

pub const NOW_MS: i64 = 1_700_000_000_000;
pub const LOCK_MS: i64 = 30_000;
pub const TOPIC: Uuid = Uuid::from_parts(7, 7);

pub const SETTINGS: ShareSettings = ShareSettings {
    partition: SharePartitionConfig {
        max_delivery_count: 5,
        max_in_flight_records: 2_000,
        record_lock_duration_ms: LOCK_MS as i32,
        renew_acknowledge_enabled: true,
    },
    bound: ReadBound::HighWatermark,
    auto_offset_reset: AutoOffsetReset::Earliest,
};

/// Keeps what is written, or refuses to.
#[derive(Clone, Default)]
pub struct MemoryPersister(pub Arc<Mutex<Kept>>);

#[derive(Default)]
pub struct Kept {
    pub states: HashMap<SharePartitionKey, ReadState>,
    pub writes: Vec<StateWrite>,
    pub error: Option<StateError>,
}

impl Persister for MemoryPersister {
    fn read(&self, key: &SharePartitionKey, _: i32) -> Later<ReadState> {
        let kept = self.0.lock();
        let unknown = ReadState { state_epoch: 0, start_offset: -1, state_batches: Vec::new() };
        let outcome = match &kept.error {
            Some(error) => Err(error.clone()),
            None => Ok(kept.states.get(key).cloned().unwrap_or(unknown)),
        };
        Box::pin(ready(outcome))
    }

    fn write(&self, _: &SharePartitionKey, write: StateWrite) -> Later<()> {
        let mut kept = self.0.lock();
        let outcome = kept.error.clone().map_or(Ok(()), Err);
        kept.writes.push(write);
        Box::pin(ready(outcome))
    }
}

/// A broker with one topic of one partition.
pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub partition: Arc<Partition>,
    pub manager: Arc<ShareManager>,
    pub persister: MemoryPersister,
    pub settings: Arc<Mutex<ShareSettings>>,
    pub now_ms: Cell<i64>,
}

pub fn open_log(dir: &std::path::Path) -> Arc<PartitionLog> {
    PartitionLog::open_at(&dir.join("t-0"), &open_options()).expect("a log")
}

pub fn open_log_in(context: &Arc<StorageContext>, log_dir: &Arc<LogDir>) -> Arc<PartitionLog> {
    PartitionLog::open(context, log_dir, &log_dir.path().join("t-0"), &open_options()).expect("a log")
}

fn open_options() -> OpenOptions {
    OpenOptions { now_ms: NOW_MS, ..OpenOptions::new(TopicPartition::new("t", 0)) }
}

impl Fixture {
    /// A broker, and the task that keeps its share partitions; without it the test does what a keeper would do.
    pub fn new() -> (Self, impl Future<Output = ()>) {
        let dir = tempfile::tempdir().expect("a directory");
        let partition = Arc::new(Partition::new("t".into(), TOPIC, 0, 0, Some(open_log(dir.path()))));
        let partitions = Arc::new(Partitions::default());
        let hosted = vec![Some(partition.clone())];
        partitions.put(HostedTopic { name: "t".into(), id: TOPIC, partitions: hosted });
        let (persister, settings) = (MemoryPersister::default(), Arc::new(Mutex::new(SETTINGS)));
        let for_manager = settings.clone();
        let (manager, task) = ShareManager::new(
            2,
            partitions,
            Box::new(move |_| *for_manager.lock()),
            Box::new(persister.clone()),
        );
        (Self { dir, partition, manager, persister, settings, now_ms: Cell::new(NOW_MS) }, task)
    }

    /// Appends a batch of records.
    pub fn append(&self, records: usize) {
        append(&self.partition, records);
    }

    /// The share partition of group `g`, loaded as its keeper would.
    pub fn loaded(&self) -> Arc<SharedPartition> {
        let shared = self.manager.get_or_create(&"g".into(), TOPIC, 0).expect("hosted here");
        let read = ReadState { state_epoch: 0, start_offset: 0, state_batches: Vec::new() };
        shared.loaded(&self.settings.lock(), &read, 0).expect("loads");
        shared
    }

    /// Does what the keeper does now. Returns what it was asked to write.
    pub fn keep(&self, outcome: &Result<(), StateError>) -> Vec<StateWrite> {
        let shared = self.manager.get("g", TOPIC, 0).expect("there");
        let mut written = Vec::new();
        while let Next::Write(write, queued) = shared.next(self.now_ms.get()) {
            shared.written(queued, outcome);
            written.push(write);
        }
        written
    }

    pub fn request(&self, member_id: &str, max_records: i32) -> ShareFetch {
        ShareFetch {
            group_id: "g".into(),
            member_id: member_id.into(),
            settings: *self.settings.lock(),
            mode: AcquireMode::BatchOptimized,
            batch_size: 100,
            max_records,
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_wait: Duration::ZERO,
            partitions: vec![(TOPIC, 0)],
        }
    }

    pub async fn run(&self, fetch: &ShareFetch) -> Vec<Fetched> {
        fetch.run(&self.manager, &|| self.now_ms.get()).await
    }

    /// First and last offset and delivery count of what a member gets without waiting.
    pub async fn take(&self, member_id: &str, max_records: i32) -> Vec<(i64, i64, i16)> {
        acquired(&self.run(&self.request(member_id, max_records)).await)
    }

    /// Acknowledges all of a range in the same way.
    pub fn acknowledge(
        &self,
        member_id: &str,
        (first_offset, last_offset): (i64, i64),
        acknowledge_type: i8,
    ) -> super::manager::Acknowledging {
        let batch =
            AcknowledgementBatch { first_offset, last_offset, acknowledge_types: vec![acknowledge_type] };
        let acknowledged = vec![(TOPIC, 0, vec![batch])];
        self.manager.acknowledge("g", &Str::from(member_id), acknowledged, self.now_ms.get())
    }
}

pub fn acquired(fetched: &[Fetched]) -> Vec<(i64, i64, i16)> {
    let taken = fetched.iter().flat_map(|fetched| &fetched.result.as_ref().expect("no error").acquired);
    taken.map(|records| (records.first_offset, records.last_offset, records.delivery_count)).collect()
}

/// The outcome of a future if it is there already.
pub async fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        })
    })
    .await
}

/// Appends a batch of records.
pub fn append(partition: &Partition, records: usize) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..records {
        builder.append(NOW_MS, None, Some(b"0123456789"), &[]).expect("fits");
    }
    let batch = builder.build().expect("builds");
    let verification_guard = VerificationGuard::SENTINEL;
    let append = ClientAppend { frame_bytes: batch.len(), verification_guard, now_ms: NOW_MS };
    partition.append_as_leader(&batch, append).expect("appended");
}
