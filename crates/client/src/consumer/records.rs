//! What one poll hands out.

use std::collections::BTreeMap;
use std::ops::Range;

use ottla_protocol::TopicPartition;

use super::OffsetAndMetadata;
use crate::record::ConsumerRecord;

/// Records of one poll: of each partition in the order of offsets, one partition after another
/// (`org.apache.kafka.clients.consumer.ConsumerRecords`).
///
/// Keys, values and headers are slices of the buffer that came from the broker. Whoever keeps one record keeps that
/// buffer, up to `fetch.max.bytes`; copy what is to be kept for long.
#[derive(Clone, Debug, Default)]
pub struct ConsumerRecords {
    pub(super) records: Vec<ConsumerRecord>,
    pub(super) ranges: Vec<(TopicPartition, Range<usize>)>,
    pub(super) next_offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
}

impl ConsumerRecords {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All records.
    pub fn iter(&self) -> std::slice::Iter<'_, ConsumerRecord> {
        self.records.iter()
    }

    /// All records, to keep.
    pub fn into_vec(self) -> Vec<ConsumerRecord> {
        self.records
    }

    /// The partitions of which there are records.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.ranges.iter().map(|(partition, _)| partition)
    }

    /// The records of one partition.
    pub fn records<'a>(&'a self, partition: &TopicPartition) -> impl Iterator<Item = &'a ConsumerRecord> {
        let range = self.ranges.iter().find(|(known, _)| known == partition).map(|(_, range)| range.clone());
        self.records.get(range.unwrap_or(0..0)).unwrap_or_default().iter()
    }

    /// The records of a topic, whatever the partition.
    pub fn records_of_topic<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a ConsumerRecord> {
        self.records.iter().filter(move |record| &*record.topic == topic)
    }

    /// The offsets to commit once these records are processed. Also of partitions that went on without records: past
    /// markers of transactions, or what was compacted away.
    pub fn next_offsets(&self) -> &BTreeMap<TopicPartition, OffsetAndMetadata> {
        &self.next_offsets
    }
}

impl IntoIterator for ConsumerRecords {
    type Item = ConsumerRecord;
    type IntoIter = std::vec::IntoIter<ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConsumerRecords {
    type Item = &'a ConsumerRecord;
    type IntoIter = std::slice::Iter<'a, ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.iter()
    }
}
