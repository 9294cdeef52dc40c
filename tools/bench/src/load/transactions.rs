//! Producers whose records count only when their transaction is committed.
//!
//! The broker adds the partition to the transaction when the first batch comes (KIP-890), and each end of a
//! transaction gives the producer a new epoch.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{EndTxnRequest, InitProducerIdRequest, ProduceRequest};
use ottla_protocol::records::BatchOptions;
use ottla_protocol::{Records, Str};

use super::batch::{BatchKind, PRODUCE_VERSION};
use super::coordinator::{self, TRANSACTION, patiently};
use crate::histogram::Histogram;
use crate::threads::joined;
use crate::topic::TIMEOUT;
use crate::wire::Connection;

/// The newest versions without prepared transactions.
const INIT_PRODUCER_ID_VERSION: i16 = 5;
const END_TXN_VERSION: i16 = 5;

/// A load of transactions.
#[derive(Clone, Copy)]
pub struct Transactions {
    /// What each transaction writes.
    pub batch: BatchKind,
    /// From the beginning of a transaction to its commit.
    pub every: Duration,
    /// Producers, each with a transactional id and a partition of its own.
    pub producers: usize,
}

impl Transactions {
    /// Initializes all producers, then commits transactions for `time`; how long each commit took, all of it in
    /// seconds, and what `begun` said in between.
    pub fn run<T>(
        self,
        port: u16,
        topic: &str,
        time: Duration,
        begun: impl FnOnce() -> Result<T>,
    ) -> Result<(Histogram, f64, T)> {
        let producers: Vec<Producer> =
            (0..self.producers).map(|i| Producer::open(port, topic, i)).collect::<Result<_>>()?;
        let begun = begun()?;
        let began = Instant::now();
        let commits = thread::scope(|scope| {
            let one = |mut producer: Producer| {
                let mut commits = Histogram::default();
                while began.elapsed() < time {
                    commits.add(producer.transaction(self.batch, self.every)?);
                }
                Ok::<_, anyhow::Error>(commits)
            };
            let threads: Vec<_> =
                producers.into_iter().map(|producer| scope.spawn(move || one(producer))).collect();
            let mut all = Histogram::default();
            for thread in threads {
                all.merge(&joined(thread)??);
            }
            Ok::<_, anyhow::Error>(all)
        })?;
        Ok((commits, began.elapsed().as_secs_f64(), begun))
    }
}

struct Producer {
    connection: Connection,
    topic: Str,
    partition: i32,
    transactional_id: Str,
    producer_id: i64,
    producer_epoch: i16,
}

impl Producer {
    fn open(port: u16, topic: &str, number: usize) -> Result<Self> {
        let mut connection = Connection::open(port, TIMEOUT)?;
        let transactional_id = format!("{topic}-{number}");
        coordinator::find(&mut connection, TRANSACTION, &transactional_id)?;
        let mut producer = Self {
            connection,
            topic: topic.into(),
            partition: i32::try_from(number)?,
            transactional_id: transactional_id.into(),
            producer_id: -1,
            producer_epoch: -1,
        };
        producer.init().context("a transactional producer")?;
        Ok(producer)
    }

    fn init(&mut self) -> Result<()> {
        let request = InitProducerIdRequest {
            transactional_id: Some(self.transactional_id.clone()),
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        patiently("InitProducerId", || {
            let found = self.connection.call(&request, INIT_PRODUCER_ID_VERSION)?;
            (self.producer_id, self.producer_epoch) = (found.producer_id, found.producer_epoch);
            Ok(found.error_code)
        })
    }

    /// One transaction; how long its commit took, with all that had to be asked again.
    fn transaction(&mut self, batch: BatchKind, every: Duration) -> Result<Duration> {
        let due = Instant::now() + every;
        self.produce(batch)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        self.commit()?;
        Ok(asked.elapsed())
    }

    fn produce(&mut self, batch: BatchKind) -> Result<()> {
        // Each transaction has an epoch of its own, in which sequences begin at 0.
        let batch = batch.batch_of(BatchOptions {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: 0,
            is_transactional: true,
            ..Default::default()
        })?;
        let partition =
            PartitionProduceData { index: self.partition, records: Some(Records::Bytes(batch.bytes)) };
        let request = ProduceRequest {
            transactional_id: Some(self.transactional_id.clone()),
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: self.topic.clone(),
                partition_data: vec![partition],
                ..Default::default()
            }],
        };
        patiently("Produce", || {
            let found = self.connection.call(&request, PRODUCE_VERSION)?;
            let mut partitions = found.responses.iter().flat_map(|topic| &topic.partition_responses);
            Ok(partitions.next().context("Produce: an answer without partitions")?.error_code)
        })
    }

    fn commit(&mut self) -> Result<()> {
        let request = EndTxnRequest {
            transactional_id: self.transactional_id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            committed: true,
        };
        patiently("EndTxn", || {
            let found = self.connection.call(&request, END_TXN_VERSION)?;
            if found.error_code == 0 {
                (self.producer_id, self.producer_epoch) = (found.producer_id, found.producer_epoch);
            }
            Ok(found.error_code)
        })
    }
}
