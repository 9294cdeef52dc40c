//! One number for all that is known of a group's topics (KIP-1101, `Utils.computeGroupHash`,
//! `Utils.computeTopicHash`): when it changes, the group needs a new assignment. It is persisted, so that a
//! new coordinator finds out as well.
//!
//! XXH3 (64 bit, seed 0) over a byte stream that is Kafka's: numbers little-endian, a text as its UTF-16
//! units followed by their count.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_metadata::{MetadataImage, TopicImage};
use ottla_protocol::Str;
use twox_hash::XxHash3_64;

use super::topics::racks_of;

/// First byte of what is hashed for a topic: the version of this scheme.
const TOPIC_HASH_MAGIC_BYTE: u8 = 0;

/// The hashes of topics that were asked for. One that has changed since is computed anew.
#[derive(Debug, Default)]
pub(crate) struct TopicHashes(BTreeMap<Str, (Arc<TopicImage>, u64)>);

impl TopicHashes {
    /// The hash of a group that reads `names`, of which only those that exist count. 0: none does.
    pub fn group_hash<'n>(&mut self, names: impl IntoIterator<Item = &'n Str>, image: &MetadataImage) -> i64 {
        // Java compares texts by UTF-16 units; topic names are ASCII, where that makes no difference.
        let mut hashes: BTreeMap<&Str, u64> = BTreeMap::new();
        for name in names {
            if let Some(topic) = image.topics.topic(name) {
                hashes.insert(name, self.topic_hash(topic, image));
            }
        }
        if hashes.is_empty() {
            return 0;
        }
        let bytes: Vec<u8> = hashes.values().flat_map(|hash| hash.to_le_bytes()).collect();
        XxHash3_64::oneshot(&bytes) as i64
    }

    /// Forgets topics that are no more.
    pub fn retain_existing(&mut self, image: &MetadataImage) {
        self.0.retain(|name, (topic, _)| image.topics.topic_id(name) == Some(topic.id));
    }

    fn topic_hash(&mut self, topic: &Arc<TopicImage>, image: &MetadataImage) -> u64 {
        match self.0.get(&topic.name) {
            Some((known, hash)) if Arc::ptr_eq(known, topic) => *hash,
            _ => {
                let hash = topic_hash(topic, image);
                self.0.insert(topic.name.clone(), (topic.clone(), hash));
                hash
            }
        }
    }
}

fn topic_hash(topic: &TopicImage, image: &MetadataImage) -> u64 {
    let mut bytes = vec![TOPIC_HASH_MAGIC_BYTE];
    let (high, low) = topic.id.0.split_at(8);
    bytes.extend(high.iter().rev());
    bytes.extend(low.iter().rev());
    put_string(&mut bytes, &topic.name);
    put_int(&mut bytes, topic.partitions.len());
    for (index, partition) in topic.partitions.iter() {
        bytes.extend(index.to_le_bytes());
        for rack in racks_of(image, &partition.replicas) {
            put_int(&mut bytes, rack.encode_utf16().count());
            put_string(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

fn put_int(bytes: &mut Vec<u8>, value: usize) {
    bytes.extend((value as u32).to_le_bytes());
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    put_int(bytes, text.encode_utf16().count());
}

#[cfg(test)]
mod tests {
    use ottla_protocol::Uuid;
    use ottla_protocol::messages::metadata::MetadataRecord;
    use ottla_protocol::messages::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

    use super::*;

    #[test]
    fn hashes_are_those_of_kafka() {
        let topic_id = Uuid::from_parts(0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10);
        let mut image = MetadataImage::default();
        let mut apply = |record| image.replay(&record).unwrap();
        for (broker_id, rack) in [(1, Some("b")), (2, Some("a")), (3, None)] {
            let rack = rack.map(Str::from_static);
            let record = RegisterBrokerRecord { broker_id, rack, ..Default::default() };
            apply(MetadataRecord::RegisterBroker(record));
        }
        apply(MetadataRecord::Topic(TopicRecord { name: "foo".into(), topic_id }));
        for (partition_id, replicas) in [(0, vec![1, 2]), (1, vec![3])] {
            let isr = replicas.clone();
            let record = PartitionRecord { partition_id, topic_id, replicas, isr, ..Default::default() };
            apply(MetadataRecord::Partition(record));
        }
        // Read off hash4j 0.22.
        let topic = image.topics.topic("foo").unwrap();
        assert_eq!(topic_hash(topic, &image), 914_395_538_662_205_212);
        let mut hashes = TopicHashes::default();
        assert_eq!(hashes.group_hash([&Str::from_static("none")], &image), 0);
        let names = [Str::from_static("foo"), Str::from_static("none")];
        let expect = XxHash3_64::oneshot(&914_395_538_662_205_212u64.to_le_bytes()) as i64;
        assert_eq!(hashes.group_hash(&names, &image), expect);
        let two = [914_395_538_662_205_212u64.to_le_bytes(), 7u64.to_le_bytes()].concat();
        assert_eq!(XxHash3_64::oneshot(&two), 2_053_503_093_693_008_267);
        let long: Vec<u8> = (0..1000u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(XxHash3_64::oneshot(&long) as i64, -8_976_855_430_421_054_723);
    }
}
