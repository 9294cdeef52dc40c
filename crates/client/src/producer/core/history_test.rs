//! Seeded histories of a producer with brokers that lose answers, refuse, move leaders and answer in any order. A broker
//! keeps Kafka's rules of sequences, so that what is in its log in the end tells whether the producer keeps its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::records::{Compression, CompressionLevel, RecordBatch, increment_sequence};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::{Answer, Appended, Core, CoreSettings, Drained, Ended, NewRecord, mix};
use crate::cluster::{Metadata, Node, PartitionMetadata, TopicMetadata};
use crate::producer::batch::{BatchId, PartitionKey, ProducerIdAndEpoch};
use crate::producer::delivery::{Callback, Outcome};
use crate::producer::transaction::{
    Ask, State, TransactionManager, TransactionSettings, TxnReply, TxnRequest,
};
use crate::{Error, Result};

pub(super) const TOPIC: &str = "t";

pub(super) fn settings() -> CoreSettings {
    CoreSettings {
        batch_size: 200,
        buffer_memory: 1 << 20,
        linger_ms: 5,
        request_size_max: 1000,
        delivery_timeout_ms: 120_000,
        retries: u32::MAX,
        retry_backoff_ms: 100,
        retry_backoff_max_ms: 1000,
        compression: Compression::None,
        level: CompressionLevel::DEFAULT,
        one_in_flight: false,
        ignore_keys: false,
        adaptive: true,
        availability_timeout_ms: 0,
        seed: 7,
    }
}

pub(super) fn metadata(partitions: i32, leader_of: impl Fn(i32) -> i32, epoch: i32) -> Metadata {
    let node = |id: i32| (id, Node { id, host: Str::from("h"), port: 9092, rack: None });
    let partitions = (0..partitions)
        .map(|index| PartitionMetadata {
            index,
            error: ErrorCode::None,
            leader: Some(leader_of(index)),
            leader_epoch: Some(epoch),
            replicas: vec![],
            isr: vec![],
            offline: vec![],
        })
        .collect();
    let name = Str::from(TOPIC);
    let topic = TopicMetadata {
        name: name.clone(),
        id: Uuid::default(),
        error: ErrorCode::None,
        is_internal: false,
        partitions,
    };
    Metadata {
        generation: epoch as u64,
        nodes: [0, 1].map(node).into_iter().collect(),
        topics: HashMap::from([(name, topic)]),
        ..Default::default()
    }
}

pub(super) fn manager(transactional_id: Option<&str>) -> TransactionManager {
    TransactionManager::new(TransactionSettings {
        transactional_id: transactional_id.map(Str::from),
        retry_backoff_ms: 100,
    })
}

/// Sends one record; its number is its value.
pub(super) fn send(
    core: &mut Core,
    metadata: &Metadata,
    partition: Option<i32>,
    number: u64,
    now_ms: i64,
) -> Result<i32> {
    let topic = Str::from(TOPIC);
    let value = number.to_be_bytes();
    let record = NewRecord {
        topic: &topic,
        partition,
        timestamp_ms: now_ms,
        key: None,
        value: Some(&value),
        headers: &[],
    };
    let mut no_callback: Option<Callback> = None;
    match core.append(record, metadata, None, &mut no_callback, now_ms)? {
        Appended::Done { completion, .. } => Ok(completion.partition),
        Appended::NeedsRoom(room) => {
            match core.append(record, metadata, Some(room), &mut no_callback, now_ms)? {
                Appended::Done { completion, .. } => Ok(completion.partition),
                Appended::NeedsRoom(more) => panic!("{more} bytes after {room}"),
            }
        }
    }
}

pub(super) fn numbers(batch: &Bytes) -> Vec<u64> {
    let (batch, rest) = RecordBatch::parse(batch).unwrap();
    assert!(rest.is_empty() && batch.verify_crc());
    let value = |value: Option<Bytes>| u64::from_be_bytes(value.unwrap()[..].try_into().unwrap());
    batch.records(1 << 20).unwrap().map(|record| value(record.unwrap().value)).collect()
}

/// A partition's log with Kafka's rules of sequences (`ProducerAppendInfo`): in order, and the last five batches are
/// known again.
#[derive(Default)]
struct Log {
    records: Vec<u64>,
    producer: Option<(i64, i16)>,
    last_sequence: i32,
    /// First and last sequence, first offset.
    recent: VecDeque<(i32, i32, i64)>,
}

impl Log {
    fn append(&mut self, bytes: &Bytes) -> Answer {
        let (batch, _) = RecordBatch::parse(bytes).unwrap();
        let written = |offset: i64| Answer { base_offset: offset, ..Answer::of(ErrorCode::None, None) };
        let offset = self.records.len() as i64;
        if batch.producer_id() >= 0 {
            let producer = (batch.producer_id(), batch.producer_epoch());
            let (first, last) = (batch.base_sequence(), batch.last_sequence());
            match self.producer {
                Some((id, epoch)) if id == producer.0 && producer.1 < epoch => {
                    return Answer::of(ErrorCode::InvalidProducerEpoch, None);
                }
                Some(known) if known == producer => {
                    let again = self.recent.iter().find(|(a, b, _)| (*a, *b) == (first, last));
                    if let Some((_, _, offset)) = again {
                        return written(*offset);
                    }
                    if first != increment_sequence(self.last_sequence, 1) {
                        return Answer::of(ErrorCode::OutOfOrderSequenceNumber, None);
                    }
                }
                _ => {
                    if first != 0 {
                        return Answer::of(ErrorCode::OutOfOrderSequenceNumber, None);
                    }
                    self.recent.clear();
                }
            }
            self.producer = Some(producer);
            self.last_sequence = last;
            self.recent.push_back((first, last, offset));
            if self.recent.len() > 5 {
                self.recent.pop_front();
            }
        }
        self.records.extend(numbers(bytes));
        written(offset)
    }
}

/// A request that a broker has, or an answer on its way.
struct Travelling {
    node: i32,
    batches: Vec<(BatchId, PartitionKey, Bytes)>,
    answers: Option<Vec<Answer>>,
    due_ms: i64,
}

struct World {
    core: Core,
    metadata: Metadata,
    logs: Vec<Log>,
    travelling: Vec<Travelling>,
    txn: Option<TxnRequest>,
    now_ms: i64,
    random: u64,
    next_producer: i64,
    /// By the first number: what became of records.
    acked: BTreeMap<u64, i64>,
    failed: Vec<(u64, Error)>,
    /// Numbers by partition, in the order sent.
    sent: Vec<Vec<u64>>,
    /// Of batches that have not ended: the completion's address, with the numbers.
    in_batches: HashMap<usize, Vec<u64>>,
    trouble: u64,
}

impl World {
    fn new(seed: u64, partitions: i32, settings: CoreSettings, trouble: u64) -> Self {
        Self {
            core: Core::new(CoreSettings { seed, ..settings }, Some(manager(None))),
            metadata: metadata(partitions, |index| index % 2, 0),
            logs: (0..partitions).map(|_| Log::default()).collect(),
            travelling: Vec::new(),
            txn: None,
            now_ms: 1_000_000,
            random: seed,
            next_producer: 100,
            acked: BTreeMap::new(),
            failed: Vec::new(),
            sent: vec![Vec::new(); partitions as usize],
            in_batches: HashMap::new(),
            trouble,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random) % below
    }

    fn in_trouble(&mut self) -> bool {
        self.trouble > 0 && self.draw(100) < self.trouble
    }

    fn send(&mut self, number: u64) {
        let fixed = (self.draw(2) == 0).then(|| self.draw(self.logs.len() as u64) as i32);
        let topic = Str::from(TOPIC);
        let value = number.to_be_bytes();
        let record = NewRecord {
            topic: &topic,
            partition: fixed,
            timestamp_ms: self.now_ms,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let open = self.core.append_open(&record, self.metadata.generation, &mut None).unwrap();
        let mut taken = open.map(|taken| (taken.completion, taken.facts));
        let mut room = None;
        while taken.is_none() {
            match self.core.append(record, &self.metadata, room, &mut None, self.now_ms).unwrap() {
                Appended::NeedsRoom(needed) => room = Some(needed),
                Appended::Done { completion, facts, .. } => taken = Some((completion, facts)),
            }
        }
        let Some((completion, facts)) = taken else { return };
        self.sent[completion.partition as usize].push(number);
        let numbers = self.in_batches.entry(Arc::as_ptr(&completion) as usize).or_default();
        assert_eq!(numbers.len() as u32, facts.index);
        numbers.push(number);
    }

    fn turn(&mut self) {
        let mut ready = Vec::new();
        let travelling = &self.travelling;
        let mut is_ready = |node: i32| {
            ready.push(node);
            travelling.iter().filter(|other| other.node == node).count() < 5
        };
        let step = self.core.poll(&self.metadata, false, self.now_ms, &mut is_ready);
        if let Some(request) = step.txn_request {
            assert!(self.txn.is_none(), "one request at a time");
            self.txn = Some(request);
        }
        for (node, drained) in step.drained {
            self.leave(node, drained);
        }
        self.settle();
    }

    fn leave(&mut self, node: i32, drained: Vec<Drained>) {
        let mut keys: Vec<PartitionKey> = drained.iter().map(|batch| batch.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), drained.len(), "one batch of each partition");
        let batches =
            drained.into_iter().map(|batch| (batch.id, batch.key, batch.build().unwrap())).collect();
        let due_ms = self.now_ms + self.draw(30) as i64;
        self.travelling.push(Travelling { node, batches, answers: None, due_ms });
    }

    /// Requests of one connection arrive in order; answers of different nodes in any.
    fn network(&mut self) {
        let mut seen = [false; 2];
        for at in 0..self.travelling.len() {
            let node = self.travelling[at].node as usize;
            let is_first = !std::mem::replace(&mut seen[node], true);
            if !is_first || self.travelling[at].due_ms > self.now_ms {
                continue;
            }
            if self.travelling[at].answers.is_none() {
                self.arrive(at);
                self.travelling[at].due_ms = self.now_ms + self.draw(30) as i64;
                return;
            }
            let travelled = self.travelling.remove(at);
            self.answer(travelled);
            return;
        }
    }

    fn arrive(&mut self, at: usize) {
        let refused =
            [ErrorCode::NotLeaderOrFollower, ErrorCode::NotEnoughReplicas, ErrorCode::NetworkException];
        let batches = self.travelling[at].batches.clone();
        let lost_before = self.in_trouble();
        let lost_after = self.in_trouble();
        let mut answers = Vec::new();
        for (_, key, bytes) in &batches {
            let leader = self.metadata.partition(TOPIC, key.partition as i32).unwrap().leader;
            let answer = if lost_before {
                Answer::of(ErrorCode::NetworkException, None)
            } else if leader != Some(self.travelling[at].node) {
                Answer::of(ErrorCode::NotLeaderOrFollower, None)
            } else if self.in_trouble() {
                Answer::of(refused[self.draw(3) as usize], None)
            } else {
                self.logs[key.partition as usize].append(bytes)
            };
            answers.push(if lost_after { Answer::of(ErrorCode::NetworkException, None) } else { answer });
        }
        self.travelling[at].answers = Some(answers);
        if lost_before || lost_after {
            // The connection is gone: what was sent behind on it is not answered, and may or may not have arrived.
            let node = self.travelling[at].node;
            for other in at + 1..self.travelling.len() {
                if self.travelling[other].node == node && self.travelling[other].answers.is_none() {
                    let arrives = !lost_before && self.draw(2) == 0;
                    let batches = self.travelling[other].batches.clone();
                    let mut answers = Vec::new();
                    for (_, key, bytes) in &batches {
                        if arrives
                            && self.metadata.partition(TOPIC, key.partition as i32).unwrap().leader
                                == Some(node)
                        {
                            self.logs[key.partition as usize].append(bytes);
                        }
                        answers.push(Answer::of(ErrorCode::NetworkException, None));
                    }
                    self.travelling[other].answers = Some(answers);
                }
            }
        }
    }

    fn answer(&mut self, travelled: Travelling) {
        let answers = travelled.answers.unwrap();
        for ((id, _, bytes), answer) in travelled.batches.into_iter().zip(answers) {
            self.core.handle_answer(id, bytes, &answer, self.now_ms);
        }
        self.settle();
    }

    fn coordinator(&mut self) {
        let Some(request) = self.txn.take() else { return };
        assert!(matches!(request.ask, Ask::InitProducerId { .. }));
        let reply = if self.in_trouble() {
            TxnReply::Disconnected
        } else {
            self.next_producer += 1;
            let producer = ProducerIdAndEpoch { id: self.next_producer, epoch: 0 };
            TxnReply::InitProducerId { code: ErrorCode::None, producer, can_bump_epoch: true }
        };
        self.core.handle_txn_reply(request, reply);
    }

    fn settle(&mut self) {
        for Ended { told, .. } in self.core.take_ended() {
            let Some(told) = told else { continue };
            let place = Arc::as_ptr(&told.completion) as usize;
            let numbers = self.in_batches.remove(&place).expect("each batch ends once");
            assert_eq!(numbers.len() as u32, told.record_count);
            match told.outcome {
                Outcome::Written { base_offset, .. } => {
                    for (at, number) in numbers.into_iter().enumerate() {
                        let before = self.acked.insert(number, base_offset + at as i64);
                        assert_eq!(before, None, "acknowledged twice");
                    }
                }
                Outcome::Failed(failure) => {
                    self.failed.extend(numbers.into_iter().map(|number| (number, failure.error.clone())));
                }
                Outcome::Split(parts) => {
                    let mut rest = numbers;
                    for part in parts.iter().rev() {
                        let tail = rest.split_off(part.first as usize);
                        self.in_batches.insert(Arc::as_ptr(&part.completion) as usize, tail);
                    }
                }
            }
        }
    }

    fn move_leaders(&mut self) {
        let epoch = self.metadata.generation as i32 + 1;
        let shift = self.draw(2) as i32;
        let partitions = self.logs.len() as i32;
        self.metadata = metadata(partitions, |index| (index + shift) % 2, epoch);
    }

    fn run(&mut self, records: u64) {
        let mut next = 0;
        for _ in 0..400_000 {
            if next < records && self.draw(3) == 0 {
                self.send(next);
                next += 1;
            }
            match self.draw(6) {
                0 => self.turn(),
                1..=3 => self.network(),
                4 => self.coordinator(),
                _ if self.trouble > 0 && self.draw(200) == 0 => self.move_leaders(),
                _ => self.now_ms += self.draw(4) as i64,
            }
            if next == records && !self.core.has_incomplete() && self.travelling.is_empty() {
                return;
            }
        }
        panic!("no end: {} of {records} acknowledged, {} failed", self.acked.len(), self.failed.len());
    }

    /// Nothing lost, nothing twice, order kept.
    fn check_exactly_once_in_order(&self) {
        for (partition, log) in self.logs.iter().enumerate() {
            assert_eq!(log.records, self.sent[partition], "partition {partition}");
            for (offset, number) in log.records.iter().enumerate() {
                assert_eq!(self.acked.get(number), Some(&(offset as i64)));
            }
        }
        assert!(self.in_batches.is_empty());
    }
}

#[test]
fn without_trouble_all_arrives_once_and_in_order() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3, settings(), 0);
        world.run(300);
        world.check_exactly_once_in_order();
    }
}

#[test]
fn with_lost_answers_refusals_and_moving_leaders_all_arrives_once_and_in_order() {
    for seed in 0..120 {
        let mut world = World::new(seed, 1 + (seed % 4) as i32, settings(), 5 + seed % 20);
        world.run(300);
        assert!(world.failed.is_empty(), "seed {seed}: {:?}", world.failed.first());
        world.check_exactly_once_in_order();
    }
}

#[test]
fn one_request_in_flight_keeps_order_too() {
    for seed in 0..30 {
        let settings = CoreSettings { one_in_flight: true, ..settings() };
        let mut world = World::new(seed, 2, settings, 15);
        world.run(200);
        world.check_exactly_once_in_order();
    }
}

/// Records whose time is up may or may not be in the log; the others are, once and in order.
#[test]
fn with_delivery_timeouts_nothing_is_written_twice_and_order_holds() {
    let mut expired = 0;
    for seed in 0..120 {
        let settings = CoreSettings { delivery_timeout_ms: 400, ..settings() };
        let mut world = World::new(seed, 2, settings, 25);
        world.run(300);
        expired += world.failed.len();
        for (partition, log) in world.logs.iter().enumerate() {
            let sent = &world.sent[partition];
            let places: Vec<usize> = log
                .records
                .iter()
                .map(|number| sent.iter().position(|other| other == number).unwrap())
                .collect();
            assert!(places.is_sorted_by(|a, b| a < b), "seed {seed} partition {partition}: {places:?}");
            for number in sent {
                let is_acked = world.acked.contains_key(number);
                let has_failed = world.failed.iter().any(|(other, _)| other == number);
                assert!(is_acked != has_failed, "each record ends once");
                assert!(!is_acked || log.records.contains(number), "an acknowledged record is there");
            }
        }
    }
    assert!(expired > 100, "only {expired} records expired: the test shows nothing");
}

#[test]
fn a_seed_repeats_exactly() {
    let run = || {
        let mut world = World::new(11, 3, settings(), 15);
        world.run(200);
        (world.acked, world.now_ms, world.next_producer)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_fatal_error_ends_everything() {
    let mut world = World::new(1, 2, settings(), 0);
    (0..20).for_each(|number| world.send(number));
    world.turn();
    world.coordinator();
    world.now_ms += 10;
    world.turn();
    assert!(!world.travelling.is_empty());
    let txn = world.core.txn.as_mut().unwrap();
    txn.become_fatal(Error::api(ErrorCode::ClusterAuthorizationFailed, None));
    assert_eq!(txn.state(), State::FatalError);
    world.turn();
    assert_eq!(world.failed.len(), 20);
    for travelled in std::mem::take(&mut world.travelling) {
        let answers = travelled.batches.iter().map(|_| Answer::of(ErrorCode::None, None)).collect();
        world.answer(Travelling { answers: Some(answers), ..travelled });
    }
    assert_eq!(world.failed.len(), 20);
    assert!(world.acked.is_empty());
    assert_eq!(
        send(&mut world.core, &world.metadata, Some(0), 1, 0).unwrap_err().code(),
        Some(ErrorCode::ClusterAuthorizationFailed)
    );
}
