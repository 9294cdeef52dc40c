//! The producer without network, clock and tasks: what is queued, what may be sent now, what an answer means
//! (`RecordAccumulator`, and the decisions of `Sender`).
//!
//! One owner, behind one lock: callers of `send` append ([`Core::append`]), the sender asks what to do
//! ([`Core::poll`]) and brings answers ([`Core::handle_answer`]). Compression, checksums and everything the application
//! has a hand in (callbacks, wake-ups) happen outside of the lock: batches leave it unbuilt, and what has ended is
//! collected for [`Core::take_ended`].
//!
//! | file | what |
//! | --- | --- |
//! | `append` | records into batches |
//! | `ready` | which nodes have something to be sent, and when to look again |
//! | `drain` | which batches leave, with which sequences |
//! | `answer` | what a node's answer means |
//! | `split` | a batch that is too large goes on as several |
//! | `sequences`, `idempotence` | numbers that let a broker drop what it has already |
//! | `ending` | batches that end without an answer |

mod answer;
mod append;
mod drain;
mod ending;
mod idempotence;
mod ready;
mod sequences;
mod split;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ahash::AHashMap;
use ottla_protocol::Str;
use ottla_protocol::records::{Compression, CompressionLevel};

pub(super) use self::answer::Answer;
pub(super) use self::append::{Appended, NewRecord, Taken};
pub(super) use self::drain::Drained;
pub(super) use self::ending::Ended;
pub(super) use self::sequences::Sequences;
use super::batch::{BatchId, Batches, PartitionKey};
use super::delivery::Completion;
use super::sticky::StickyPartitioner;
use super::transaction::{TransactionManager, TxnRequest};
use crate::cluster::Metadata;

/// What the core is told once. Times are ms.
#[derive(Clone, Debug)]
pub(super) struct CoreSettings {
    /// `batch.size`, at least 1.
    pub batch_size: usize,
    /// `buffer.memory`: bounds what one batch may hold before compression.
    pub buffer_memory: usize,
    /// `linger.ms`.
    pub linger_ms: i64,
    /// `max.request.size`.
    pub request_size_max: usize,
    /// `delivery.timeout.ms`.
    pub delivery_timeout_ms: i64,
    /// `retries`.
    pub retries: u32,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max_ms: i64,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.*.level`.
    pub level: CompressionLevel,
    /// Whether a partition has at most one request in flight (`max.in.flight.requests.per.connection` = 1).
    pub one_in_flight: bool,
    /// `partitioner.ignore.keys`.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`, without a partitioner of one's own.
    pub adaptive: bool,
    /// `partitioner.availability.timeout.ms`; 0: never.
    pub availability_timeout_ms: i64,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// What the sender is to do.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Batches to be sent, one request for each node.
    pub drained: Vec<(i32, Vec<Drained>)>,
    /// A request to a coordinator.
    pub txn_request: Option<TxnRequest>,
    /// When to ask again at the latest, ms.
    pub wake_at_ms: Option<i64>,
    /// Whether leaders are unknown: metadata should be asked for.
    pub needs_metadata: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    settings: CoreSettings,
    /// Transactions and idempotence; none when idempotence is off.
    pub txn: Option<TransactionManager>,
    topics: Vec<Topic>,
    by_name: AHashMap<Str, u32>,
    /// Place of the topic that was last appended to: most often that of the next record, too.
    last_topic: u32,
    batches: Batches,
    /// Batches without outcome.
    incomplete: usize,
    /// Batches in a queue.
    queued: usize,
    nodes: BTreeMap<i32, NodeState>,
    /// Partitions where a batch that was sent expired without answer, with the sequence after it.
    unresolved: BTreeMap<PartitionKey, i32>,
    /// Partitions whose sequences begin anew with the next epoch.
    restarting: BTreeSet<PartitionKey>,
    flushes: usize,
    closed: bool,
    random: u64,
    ended: Vec<Ended>,
    /// Batches that were split.
    pub splits: u64,
    /// Records that are sent another time.
    pub retried_records: u64,
}

#[derive(Debug)]
struct Topic {
    name: Str,
    sticky: StickyPartitioner,
    partitions: Vec<PartitionQueue>,
    /// Compressed size by uncompressed size, as seen lately.
    compression_ratio: f32,
    /// When the cluster was last told that the topic is in use, ms.
    touched_ms: i64,
    /// Generation of the metadata last looked at, and how many partitions the topic had there.
    seen: Option<(u64, i32)>,
}

/// What is queued for a partition.
#[derive(Debug, Default)]
struct PartitionQueue {
    queue: VecDeque<BatchId>,
    in_flight: Vec<BatchId>,
    sequences: Sequences,
}

#[derive(Debug, Default)]
struct NodeState {
    /// The partition drained last: the next request begins behind it.
    drained_last: Option<PartitionKey>,
    /// When it was last ready to be sent to, and when it last had something for it, ms.
    drain_ms: i64,
    ready_ms: i64,
}

impl Core {
    /// A core with nothing in it.
    pub fn new(settings: CoreSettings, txn: Option<TransactionManager>) -> Self {
        Self {
            random: settings.seed | 1,
            settings,
            txn,
            topics: Vec::new(),
            by_name: AHashMap::default(),
            last_topic: 0,
            batches: Batches::default(),
            incomplete: 0,
            queued: 0,
            nodes: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            restarting: BTreeSet::new(),
            flushes: 0,
            closed: false,
            ended: Vec::new(),
            splits: 0,
            retried_records: 0,
        }
    }

    /// What is to be done now. `is_ready` tells whether a node can be sent a request to, and begins to connect where not;
    /// `exhausted` whether callers wait for memory.
    pub fn poll(
        &mut self,
        metadata: &Metadata,
        exhausted: bool,
        now_ms: i64,
        is_ready: &mut dyn FnMut(i32) -> bool,
    ) -> Step {
        let mut step = Step::default();
        if self.txn.is_some() {
            if !self.poll_transactions() {
                return step;
            }
            let has_incomplete = self.incomplete > 0;
            if let Some(txn) = &mut self.txn {
                step.txn_request = txn.next_request(has_incomplete);
            }
        }
        let ready = self.ready(metadata, exhausted, now_ms);
        step.needs_metadata = ready.unknown_leader;
        let mut nodes = Vec::with_capacity(ready.nodes.len());
        for (node, partitions) in ready.nodes {
            let connected = is_ready(node);
            self.see_node(node, connected, now_ms);
            if connected {
                nodes.push((node, partitions));
            }
        }
        step.drained = self.drain(metadata, nodes, now_ms);
        let next_expiry_ms = self.expire(now_ms);
        let wake_at_ms = ready.next_check_ms.map_or(next_expiry_ms, |at| at.min(next_expiry_ms));
        step.wake_at_ms = (wake_at_ms < i64::MAX).then_some(wake_at_ms);
        step
    }

    /// Name of a partition's topic.
    pub fn topic_name(&self, key: PartitionKey) -> Str {
        self.topics.get(key.topic as usize).map(|topic| topic.name.clone()).unwrap_or_default()
    }

    /// All that has not ended, for a flush; until [`Self::end_flush`] nothing lingers.
    pub fn begin_flush(&mut self) -> Vec<Arc<Completion>> {
        self.flushes += 1;
        self.batches
            .iter()
            .filter(|(_, batch)| !batch.done)
            .map(|(_, batch)| batch.completion.clone())
            .collect()
    }

    /// See [`Self::begin_flush`].
    pub fn end_flush(&mut self) {
        self.flushes = self.flushes.saturating_sub(1);
    }

    /// Nothing more is taken in, and nothing lingers.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether anything is queued or without answer.
    pub fn has_incomplete(&self) -> bool {
        self.incomplete > 0
    }

    /// What has ended since the last call: outcomes to give, memory to give back.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    fn topic_place(&mut self, name: &Str) -> u32 {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let at = self.topics.len() as u32;
        self.topics.push(Topic {
            name: name.clone(),
            sticky: StickyPartitioner::new(self.settings.batch_size),
            partitions: Vec::new(),
            compression_ratio: 1.0,
            touched_ms: i64::MIN,
            seen: None,
        });
        self.by_name.insert(name.clone(), at);
        at
    }

    fn partition(&self, key: PartitionKey) -> Option<&PartitionQueue> {
        self.topics.get(key.topic as usize)?.partitions.get(key.partition as usize)
    }

    fn partition_mut(&mut self, key: PartitionKey) -> Option<&mut PartitionQueue> {
        self.topics.get_mut(key.topic as usize)?.partitions.get_mut(key.partition as usize)
    }

    /// Ms before the attempt after `failures` failed ones: doubled each time, with 20 % of jitter (KIP-580).
    fn backoff_ms(&self, failures: u32, salt: u64) -> i64 {
        let doubled = self.settings.retry_backoff_ms.saturating_mul(1i64 << failures.min(20));
        let most = self.settings.retry_backoff_max_ms.max(self.settings.retry_backoff_ms);
        let base = doubled.min(most);
        // 80 to 120 percent, drawn by the batch.
        let percent = 80 + (mix(salt ^ u64::from(failures)) % 41) as i64;
        base.saturating_mul(percent) / 100
    }

    fn draw(&mut self) -> i32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.random) >> 32) as i32
    }
}

/// SplitMix64's output function.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod history_test;
