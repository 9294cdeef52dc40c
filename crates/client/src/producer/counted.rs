//! The way of a record from `send` into a batch, and of the batch to its end, without network, clock and tasks: for
//! `cargo xtask instructions` to count. Not part of the interface.

use std::collections::HashMap;

use ottla_protocol::records::{Compression, CompressionLevel};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::core::{Answer, Appended, Core, CoreSettings, NewRecord};
use crate::cluster::{Metadata, Node, PartitionMetadata, TopicMetadata};
use crate::{Error, Result};

const TOPIC: Str = Str::from_static("topic");

/// A producer's core whose node takes everything at once.
#[derive(Debug)]
pub struct CountedProducer {
    core: Core,
    metadata: Metadata,
    value: Vec<u8>,
    now_ms: i64,
}

impl CountedProducer {
    /// A core that is sent records of `record_size` bytes, and has batches of `batch_size` bytes.
    pub fn new(record_size: usize, batch_size: usize) -> Self {
        let settings = CoreSettings {
            batch_size,
            buffer_memory: 32 << 20,
            linger_ms: 5,
            request_size_max: 1 << 20,
            delivery_timeout_ms: 120_000,
            retries: 0,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1000,
            compression: Compression::None,
            level: CompressionLevel::DEFAULT,
            one_in_flight: false,
            ignore_keys: false,
            adaptive: true,
            availability_timeout_ms: 0,
            seed: 1,
        };
        Self { core: Core::new(settings, None), metadata: metadata(), value: vec![7; record_size], now_ms: 0 }
    }

    /// Appends so many records, sends what there is, and has it answered: bytes of the batches.
    ///
    /// # Errors
    /// None that can be thought of.
    pub fn round(&mut self, records: usize) -> Result<usize> {
        self.now_ms += 1;
        for _ in 0..records {
            self.append()?;
        }
        let mut bytes = 0;
        let step = self.core.poll(&self.metadata, true, self.now_ms, &mut |_| true);
        for batch in step.drained.into_iter().flat_map(|(_, batches)| batches) {
            let id = batch.id;
            let built = batch.build().map_err(|error| Error::Illegal(error.to_string()))?;
            bytes += built.len();
            let written = Answer { base_offset: 0, ..Answer::of(ErrorCode::None, None) };
            self.core.handle_answer(id, built, &written, self.now_ms);
        }
        drop(self.core.take_ended());
        Ok(bytes)
    }

    fn append(&mut self) -> Result<()> {
        let record = NewRecord {
            topic: &TOPIC,
            partition: None,
            timestamp_ms: 1_700_000_000_000 + self.now_ms,
            key: None,
            value: Some(&self.value),
            headers: &[],
        };
        if self.core.append_open(&record, self.metadata.generation, &mut None)?.is_some() {
            return Ok(());
        }
        let mut room = None;
        while let Appended::NeedsRoom(needed) =
            self.core.append(record, &self.metadata, room, &mut None, self.now_ms)?
        {
            room = Some(needed);
        }
        Ok(())
    }
}

fn metadata() -> Metadata {
    let node = Node { id: 1, host: Str::from_static("host"), port: 9092, rack: None };
    let partition = PartitionMetadata {
        index: 0,
        error: ErrorCode::None,
        leader: Some(1),
        leader_epoch: Some(0),
        replicas: vec![1],
        isr: vec![1],
        offline: vec![],
    };
    let topic = TopicMetadata {
        name: TOPIC,
        id: Uuid::default(),
        error: ErrorCode::None,
        is_internal: false,
        partitions: vec![partition],
    };
    Metadata {
        nodes: [(1, node)].into_iter().collect(),
        topics: HashMap::from([(TOPIC, topic)]),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_one_batch_and_leaves_nothing() {
        let mut producer = CountedProducer::new(100, 16_384);
        for _ in 0..3 {
            let bytes = producer.round(140).unwrap();
            assert!((14_000..16_384).contains(&bytes), "{bytes}");
            assert!(!producer.core.has_incomplete());
        }
    }
}
