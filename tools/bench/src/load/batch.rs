//! Batches of records, and produce requests with them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use bytes::Bytes;
use ottla_protocol::Records;
use ottla_protocol::messages::ProduceRequest;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::records::{BatchBuilder, BatchOptions, Compression};

use crate::stats::Random;
use crate::topic::check;
use crate::wire::{Connection, frame};

/// The newest version that names topics, not their ids.
pub const PRODUCE_VERSION: i16 = 12;

/// What the records of a batch are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchKind {
    /// Bytes of a record's value.
    pub record_size: usize,
    /// Bytes of a batch before compression, at most; 0 for one record.
    pub batch_size: usize,
    /// Compressed records are JSON, others are random bytes.
    pub compression: Compression,
}

/// A batch, ready to be sent.
pub struct Batch {
    /// As it stands in a request.
    pub bytes: Bytes,
    /// Its records.
    pub records: u64,
    /// Bytes of their values, before compression.
    pub value_bytes: u64,
}

impl BatchKind {
    /// Random records without compression.
    pub const fn plain(record_size: usize, batch_size: usize) -> Self {
        Self { record_size, batch_size, compression: Compression::None }
    }

    /// One batch.
    pub fn batch(self) -> Result<Batch> {
        self.batch_of(BatchOptions::default())
    }

    /// One batch of a producer that has an id; size and compression are those of this kind all the same.
    pub fn batch_of(self, options: BatchOptions) -> Result<Batch> {
        let now_ms = now_ms();
        let mut random = Random::new(now_ms as u64);
        let (max_size, compression) = (self.batch_size, self.compression);
        let mut batch = BatchBuilder::new(BatchOptions { max_size, compression, ..options });
        let mut value = self.value(&mut random);
        while batch.has_room_for(now_ms, None, Some(&value), &[]) {
            batch.append(now_ms, None, Some(&value), &[])?;
            if compression != Compression::None {
                value = self.value(&mut random);
            }
        }
        let records = batch.records_count() as u64;
        Ok(Batch { bytes: batch.build()?, records, value_bytes: records * self.record_size as u64 })
    }

    fn value(self, random: &mut Random) -> Vec<u8> {
        if self.compression == Compression::None {
            return (0..self.record_size).map(|_| random.bits() as u8).collect();
        }
        let mut text = String::with_capacity(self.record_size + 128);
        while text.len() < self.record_size {
            text += &format!(
                "{{\"order\":{},\"customer\":\"c-{:06}\",\"state\":\"{}\",\"amount\":{}.{:02},\"currency\":\"EUR\"}},",
                random.bits(),
                random.below(50_000),
                ["created", "paid", "shipped", "delivered"][random.below(4)],
                random.below(1_000),
                random.below(100),
            );
        }
        text.truncate(self.record_size);
        text.into_bytes()
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// A produce request with a batch for each of some partitions, as a frame.
pub fn produce_frame(
    topic: &str,
    acks: i16,
    batches: impl IntoIterator<Item = (i32, Bytes)>,
) -> Result<Vec<u8>> {
    let partition_data = batches
        .into_iter()
        .map(|(index, bytes)| PartitionProduceData { index, records: Some(Records::Bytes(bytes)) })
        .collect();
    let request = ProduceRequest {
        transactional_id: None,
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }],
    };
    frame(&request, PRODUCE_VERSION, 0)
}

/// Receives the answer to a produce request; base offset of its last partition.
pub fn acknowledged(connection: &mut Connection) -> Result<i64> {
    let response = connection.receive::<ProduceRequest>(PRODUCE_VERSION)?;
    let mut base_offset = -1;
    for partition in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
        check("Produce", partition.error_code)?;
        base_offset = partition.base_offset;
    }
    ensure!(base_offset >= 0, "Produce: an answer without an offset");
    Ok(base_offset)
}

#[cfg(test)]
mod tests {
    use ottla_protocol::records::BatchIter;

    use super::*;

    #[test]
    fn batches_hold_what_they_say() {
        let json = BatchKind { record_size: 1024, batch_size: 64 << 10, compression: Compression::Zstd };
        for (kind, records) in
            [(BatchKind::plain(1024, 16 << 10), 15), (BatchKind::plain(1024, 0), 1), (json, 63)]
        {
            let batch = kind.batch().expect("a batch");
            assert_eq!((batch.records, batch.value_bytes), (records, records * 1024));
            let found: Vec<_> = BatchIter::new(&batch.bytes).map(|b| b.expect("sound")).collect();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].header().records_count() as u64, records);
            assert!(
                batch.bytes.len() < batch.value_bytes as usize / if kind == json { 2 } else { 1 } + 2_000
            );
        }
    }
}
