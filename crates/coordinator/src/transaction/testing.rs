//! A world for tests: a runtime over a log in memory, a clock that is set by hand, and markers that are written when
//! the test says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_metadata::feature::TRANSACTION_VERSION;
use ottla_protocol::messages::FeatureLevelRecord;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::*;
use crate::testing::MemoryLog;
use crate::{CoordinatorRuntime, CoordinatorShard, Outcome, ReplyId};

pub const ID: &str = "id";

pub struct World {
    pub config: Arc<TransactionCoordinatorConfig>,
    pub runtime: CoordinatorRuntime<TransactionCoordinatorShard>,
    pub log: MemoryLog,
    pub now_ms: i64,
    pub transaction_version: i16,
    pub replies: BTreeMap<ReplyId, TransactionReply>,
    /// Markers that were asked for and are not written yet.
    pub markers: Vec<Markers>,
    pub events: Vec<TransactionEvent>,
    pub next_producer_id: i64,
    last_reply_id: u64,
}

/// An image with this `transaction.version`.
fn image(transaction_version: i16) -> Arc<MetadataImage> {
    let mut image = MetadataImage::default();
    let record =
        FeatureLevelRecord { name: TRANSACTION_VERSION.name.into(), feature_level: transaction_version };
    image.replay(&MetadataRecord::FeatureLevel(record)).unwrap();
    Arc::new(image)
}

impl World {
    pub fn new(transaction_version: i16) -> Self {
        let log = MemoryLog { batch_bytes_max: 1 << 20, ..Default::default() };
        Self::load(Arc::default(), log, transaction_version, 1_000_000, 100)
    }

    pub fn load(
        config: Arc<TransactionCoordinatorConfig>,
        mut log: MemoryLog,
        transaction_version: i16,
        now_ms: i64,
        next_producer_id: i64,
    ) -> Self {
        let shard = replayed(&config, &log);
        let high_watermark = log.high_watermark;
        let image = Some(image(transaction_version));
        let (runtime, outcome) = CoordinatorRuntime::new(shard, image, high_watermark, &mut log, now_ms);
        let mut world = Self {
            config,
            runtime,
            log,
            now_ms,
            transaction_version,
            replies: BTreeMap::new(),
            markers: Vec::new(),
            events: Vec::new(),
            next_producer_id,
            last_reply_id: 0,
        };
        world.take(outcome);
        world
    }

    /// The broker is killed and started again: markers that were not written are forgotten.
    pub fn restart(mut self) -> Self {
        self.log.high_watermark = self.log.records.len() as i64;
        Self::load(self.config, self.log, self.transaction_version, self.now_ms, self.next_producer_id)
    }

    fn run(
        &mut self,
        operation: impl FnOnce(&mut TransactionCoordinatorShard, ReplyId, i64) -> TransactionResult,
    ) -> ReplyId {
        self.last_reply_id += 1;
        let (id, now_ms) = (ReplyId(self.last_reply_id), self.now_ms);
        let outcome = self.runtime.run(&mut self.log, now_ms, |shard| operation(shard, id, now_ms));
        self.take(outcome);
        id
    }

    pub fn fresh(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    /// As a handler does it: with a fresh producer id when one is wanted.
    fn run_with_id(
        &mut self,
        operation: impl Fn(&mut TransactionCoordinatorShard, Option<i64>, ReplyId, i64) -> TransactionResult,
    ) -> ReplyId {
        let id = self.run(|shard, id, now_ms| operation(shard, None, id, now_ms));
        if self.replies.get(&id) != Some(&TransactionReply::ProducerIdWanted) {
            return id;
        }
        let fresh = self.fresh();
        self.run(|shard, id, now_ms| operation(shard, Some(fresh), id, now_ms))
    }

    pub fn init_request(&mut self, request: &InitProducerId) -> Result<(i64, i16), ErrorCode> {
        let id =
            self.run_with_id(|shard, fresh, id, now_ms| shard.init_producer_id(request, fresh, id, now_ms));
        self.answer(id)
    }

    pub fn init(&mut self, expected: Option<(i64, i16)>) -> Result<(i64, i16), ErrorCode> {
        self.init_request(&init(ID, expected))
    }

    pub fn add(&mut self, who: (i64, i16), partitions: &[(&str, i32)]) -> Result<(), ErrorCode> {
        let (partitions, version) = (partitions_of(partitions), self.transaction_version);
        let version = if version >= 2 { 2 } else { 0 };
        let id = self.run(|shard, id, now_ms| {
            shard.add_partitions(&ID.into(), producer(who), &partitions, version, id, now_ms)
        });
        self.answer(id).map(|_| ())
    }

    pub fn verify(&self, who: (i64, i16), partitions: &[(&str, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        self.runtime.shard().verify_partitions(ID, producer(who), &partitions_of(partitions))
    }

    pub fn end(&mut self, who: (i64, i16), committed: bool) -> Result<(i64, i16), ErrorCode> {
        let version = if self.transaction_version >= 2 { 2 } else { 0 };
        let request = EndTransactionRequest {
            transactional_id: ID.into(),
            producer: producer(who),
            committed,
            client_transaction_version: version,
        };
        let id =
            self.run_with_id(|shard, fresh, id, now_ms| shard.end_transaction(&request, fresh, id, now_ms));
        self.answer(id)
    }

    /// The driver has written all markers that were asked for.
    pub fn write_markers(&mut self) -> Vec<Markers> {
        let written = std::mem::take(&mut self.markers);
        for markers in &written {
            let outcome = self.runtime.run(&mut self.log, self.now_ms, |shard| {
                shard.on_markers_written(&markers.transactional_id, markers.producer, self.now_ms)
            });
            self.take(outcome);
        }
        written
    }

    pub fn advance(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(deadline_ms) = self.runtime.next_deadline_ms().filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(deadline_ms);
            let outcome = self.runtime.on_deadline(&mut self.log, self.now_ms);
            self.take(outcome);
        }
        self.now_ms = until;
    }

    pub fn commit_log(&mut self) {
        self.log.high_watermark = self.log.records.len() as i64;
        let high_watermark = self.log.high_watermark;
        let outcome = self.runtime.on_high_watermark(&mut self.log, high_watermark, self.now_ms);
        self.take(outcome);
    }

    pub fn metadata(&self) -> TransactionMetadata {
        self.runtime.shard().transactions.get(ID).cloned().expect("the id is known")
    }

    pub fn state(&self) -> TransactionState {
        self.metadata().state
    }

    fn answer(&mut self, id: ReplyId) -> Result<(i64, i16), ErrorCode> {
        match self.replies.remove(&id) {
            Some(TransactionReply::Done(producer)) => Ok((producer.producer_id, producer.producer_epoch)),
            Some(TransactionReply::Refused(error)) => Err(error),
            // Not answered yet.
            None => Err(ErrorCode::RequestTimedOut),
            Some(TransactionReply::ProducerIdWanted) => panic!("a second producer id"),
        }
    }

    fn take(&mut self, outcome: Outcome<TransactionCoordinatorShard>) {
        assert!(outcome.broken.is_none());
        for (id, reply) in outcome.replies {
            assert!(self.replies.insert(id, reply).is_none(), "answered twice");
        }
        let mut wanted = Vec::new();
        for event in outcome.events {
            match event {
                TransactionEvent::WriteMarkers(markers) => self.markers.push(markers),
                TransactionEvent::ProducerIdWanted { transactional_id } => wanted.push(transactional_id),
                event => self.events.push(event),
            }
        }
        for transactional_id in wanted {
            let (fresh, now_ms) = (self.fresh(), self.now_ms);
            let outcome = self
                .runtime
                .run(&mut self.log, now_ms, |shard| shard.abort_timed_out(&transactional_id, fresh, now_ms));
            self.take(outcome);
        }
    }
}

/// What a coordinator finds that reads the log from its start.
pub fn replayed(config: &Arc<TransactionCoordinatorConfig>, log: &MemoryLog) -> TransactionCoordinatorShard {
    let mut shard = TransactionCoordinatorShard::new(config.clone(), 5);
    shard.on_high_watermark(log.high_watermark);
    for (offset, (record, _)) in log.records.iter().enumerate() {
        shard.replay(offset as i64, None, &record.key, record.value.as_ref()).unwrap();
    }
    shard
}

pub fn init(transactional_id: &str, expected: Option<(i64, i16)>) -> InitProducerId {
    InitProducerId {
        transactional_id: Str::from(transactional_id),
        transaction_timeout_ms: 60_000,
        enable_2pc: false,
        keep_prepared_txn: false,
        expected: expected.map(producer),
    }
}

pub fn producer((producer_id, producer_epoch): (i64, i16)) -> TransactionalProducer {
    TransactionalProducer { producer_id, producer_epoch }
}

fn partitions_of(partitions: &[(&str, i32)]) -> std::collections::BTreeSet<TopicPartition> {
    partitions.iter().map(|(topic, at)| TopicPartition::new(*topic, *at)).collect()
}
