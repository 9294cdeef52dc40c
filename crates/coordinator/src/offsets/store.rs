//! The offsets themselves, and those that wait for the end of a transaction.
//!
//! An offset committed in a transaction is kept under its producer until the transaction's marker arrives:
//! commit moves it to the committed offsets, abort drops it. `open` is the same set seen from the partition,
//! for the question whether an offset is stable. A tombstone removes an offset from all three.

use ottla_protocol::Str;
use ottla_protocol::messages::OffsetCommitValue;

use crate::offsets::{OffsetAndMetadata, OffsetKey};
use crate::timeline::TimelineMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct OffsetStore {
    committed: TimelineMap<OffsetKey, OffsetAndMetadata>,
    /// Offsets of ongoing transactions, by producer id.
    pending: TimelineMap<(i64, OffsetKey), OffsetAndMetadata>,
    /// The keys of `pending`, partition first.
    open: TimelineMap<(OffsetKey, i64), ()>,
}

impl OffsetStore {
    /// The offset of a partition, as of the last write.
    pub fn get(&self, key: &OffsetKey) -> Option<&OffsetAndMetadata> {
        self.committed.get(key)
    }

    /// The offset of a partition, as of the last write or the last commit of a write.
    pub fn get_at(&self, key: &OffsetKey, latest: bool) -> Option<&OffsetAndMetadata> {
        if latest { self.committed.get(key) } else { self.committed.get_committed(key) }
    }

    /// All offsets of a group, in order of topic and partition, as of the last write.
    pub fn of_group(&self, group_id: &Str) -> impl Iterator<Item = (&OffsetKey, &OffsetAndMetadata)> {
        let range = self.committed.range(OffsetKey::first_of(group_id)..);
        range.take_while(move |(key, _)| key.group_id == *group_id)
    }

    /// As [`Self::of_group`], as of the last commit of a write.
    pub fn of_group_committed(
        &self,
        group_id: &Str,
    ) -> impl Iterator<Item = (&OffsetKey, &OffsetAndMetadata)> {
        let range = self.committed.range_committed(OffsetKey::first_of(group_id)..);
        range.take_while(move |(key, _)| key.group_id == *group_id)
    }

    /// All offsets, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&OffsetKey, &OffsetAndMetadata)> {
        self.committed.iter()
    }

    /// The offsets of a range of keys, in order, as of the last write.
    pub fn range(
        &self,
        keys: impl std::ops::RangeBounds<OffsetKey>,
    ) -> impl Iterator<Item = (&OffsetKey, &OffsetAndMetadata)> {
        self.committed.range(keys)
    }

    /// All offsets of ongoing transactions.
    pub fn iter_pending(&self) -> impl Iterator<Item = (&(i64, OffsetKey), &OffsetAndMetadata)> {
        self.pending.iter()
    }

    /// Whether an ongoing transaction has an offset for the partition.
    pub fn is_pending(&self, key: &OffsetKey) -> bool {
        self.producers_of(key).next().is_some()
    }

    /// The partitions of a group for which an ongoing transaction has an offset, each once.
    pub fn pending_of_group(&self, group_id: &Str) -> impl Iterator<Item = &OffsetKey> {
        let range = self.open.range((OffsetKey::first_of(group_id), i64::MIN)..);
        let mut last: Option<&OffsetKey> = None;
        range.map(|((key, _), ())| key).take_while(move |key| key.group_id == *group_id).filter(move |key| {
            let first = last != Some(*key);
            last = Some(*key);
            first
        })
    }

    /// Applies a record at `record_offset`. `producer_id` is that of the batch, if it is transactional.
    pub fn replay(
        &mut self,
        record_offset: i64,
        producer_id: Option<i64>,
        key: OffsetKey,
        value: Option<OffsetCommitValue>,
    ) {
        match (value, producer_id) {
            (Some(value), None) => {
                let offset = OffsetAndMetadata::from_record(record_offset, &value);
                let key = self.interned(key);
                self.committed.insert(record_offset, key, offset);
            }
            (Some(value), Some(producer_id)) => {
                let offset = OffsetAndMetadata::from_record(record_offset, &value);
                self.open.insert(record_offset, (key.clone(), producer_id), ());
                self.pending.insert(record_offset, (producer_id, key), offset);
            }
            (None, _) => self.remove(record_offset, &key),
        }
    }

    /// Ends the transaction of a producer; `record_offset` is that of the marker.
    pub fn end_transaction(&mut self, record_offset: i64, producer_id: i64, commit: bool) {
        let first = (producer_id, OffsetKey::first_of(&Str::new()));
        let of_producer = self.pending.range(first..).take_while(|((id, _), _)| *id == producer_id);
        let ended: Vec<_> = of_producer.map(|((_, key), offset)| (key.clone(), offset.clone())).collect();
        for (key, offset) in ended {
            self.pending.remove(record_offset, &(producer_id, key.clone()));
            self.open.remove(record_offset, &(key.clone(), producer_id));
            // The later record wins, whatever the order in which transactions end: compaction would keep that
            // one.
            let newer = self.get(&key).is_none_or(|existing| offset.record_offset > existing.record_offset);
            if commit && newer {
                let key = self.interned(key);
                self.committed.insert(record_offset, key, offset);
            }
        }
    }

    /// Everything below `high_watermark` is committed.
    pub fn commit(&mut self, high_watermark: i64) {
        self.committed.commit(high_watermark);
        self.pending.commit(high_watermark);
        self.open.commit(high_watermark);
    }

    fn remove(&mut self, record_offset: i64, key: &OffsetKey) {
        self.committed.remove(record_offset, key);
        let producers: Vec<i64> = self.producers_of(key).collect();
        for producer_id in producers {
            self.pending.remove(record_offset, &(producer_id, key.clone()));
            self.open.remove(record_offset, &(key.clone(), producer_id));
        }
    }

    fn producers_of(&self, key: &OffsetKey) -> impl Iterator<Item = i64> {
        let range = (key.clone(), i64::MIN)..=(key.clone(), i64::MAX);
        self.open.range(range).map(|((_, producer_id), ())| *producer_id)
    }

    /// The key with its texts shared with the neighbouring key where they are equal: a group with a thousand
    /// partitions stores its name and the topic's once.
    fn interned(&self, key: OffsetKey) -> OffsetKey {
        match self.committed.range(..=key.clone()).next_back() {
            Some((before, _)) if before.group_id == key.group_id => OffsetKey {
                group_id: before.group_id.clone(),
                topic: if before.topic == key.topic { before.topic.clone() } else { key.topic },
                partition: key.partition,
            },
            _ => key,
        }
    }
}
