//! Records into batches, on the thread of who sends them (`RecordAccumulator.append`).

use std::sync::Arc;

use ottla_protocol::records::{BATCH_HEADER_SIZE, BatchBuilder, BatchOptions, HeaderRef};
use ottla_protocol::{ErrorCode, Str};

use super::Core;
use crate::cluster::{Metadata, TopicMetadata};
use crate::producer::batch::{BatchId, PartitionKey, ProducerBatch};
use crate::producer::delivery::{Callback, Completion, RecordFacts};
use crate::producer::murmur2::partition_for_key;
use crate::record::Header;
use crate::{Error, Result};

/// The most bytes a record takes besides key, value and headers: five varints and an attributes byte.
const RECORD_OVERHEAD_MAX: usize = 21;

/// The most bytes of a record's time: in another batch it may take more of them than where it is.
const VARLONG_MAX: usize = 10;

/// How much larger than `batch.size` a batch may be before it is compressed, when it compresses well.
const COMPRESSION_GAIN_MAX: usize = 16;

/// How often the cluster is told that a topic is in use; `metadata.max.idle.ms` is at least 5 s.
const TOUCH_MS: i64 = 1000;

/// Room that a new batch takes at once, whatever `batch.size` is.
const FIRST_ROOM_MAX: usize = 64 * 1024;

/// A record to be taken in.
#[derive(Clone, Copy, Debug)]
pub(in crate::producer) struct NewRecord<'a> {
    /// Topic.
    pub topic: &'a Str,
    /// Partition; none: the default rule chooses.
    pub partition: Option<i32>,
    /// Unix ms.
    pub timestamp_ms: i64,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: &'a [Header],
}

impl<'a> NewRecord<'a> {
    /// The most bytes it takes as the only one of a batch (`estimateSizeInBytesUpperBound`).
    pub fn size_max(&self) -> usize {
        let bytes = |part: Option<&[u8]>| 5 + part.map_or(0, <[u8]>::len);
        let headers: usize =
            self.headers.iter().map(|header| 5 + header.key.len() + bytes(header.value.as_deref())).sum();
        let parts = [bytes(self.key), bytes(self.value), headers];
        parts.iter().fold(BATCH_HEADER_SIZE + RECORD_OVERHEAD_MAX, |sum, part| sum.saturating_add(*part))
    }

    fn headers(&self) -> impl Iterator<Item = HeaderRef<'a>> + Clone + use<'a> {
        self.headers
            .iter()
            .map(|header| HeaderRef { key: header.key.as_bytes(), value: header.value.as_deref() })
    }

    fn facts(&self, index: u32) -> RecordFacts {
        let size = |part: Option<&[u8]>| part.map_or(-1, |part| part.len() as i32);
        RecordFacts {
            index,
            timestamp_ms: self.timestamp_ms,
            key_size: size(self.key),
            value_size: size(self.value),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(in crate::producer) enum Appended {
    /// It is in a batch.
    Done {
        /// Of the batch.
        completion: Arc<Completion>,
        /// Of the record.
        facts: RecordFacts,
        /// Whether the sender has something new to do.
        wake: bool,
        /// Whether the room was needed: it will be given back when the batch ends.
        took_room: bool,
        /// Whether the cluster has to be told that the topic is in use still.
        touch: bool,
    },
    /// A new batch is needed, and this many bytes of memory for it.
    NeedsRoom(usize),
}

/// A record that went into a batch that was open.
#[derive(Debug)]
pub(in crate::producer) struct Taken {
    /// Of the batch.
    pub completion: Arc<Completion>,
    /// Of the record.
    pub facts: RecordFacts,
    /// Whether the sender has something new to do.
    pub wake: bool,
}

impl Core {
    /// Takes a record in. `room` is the memory that was got for a new batch after [`Appended::NeedsRoom`]; when it was not
    /// needed, the caller gives it back. The callback is taken when the record is.
    ///
    /// # Errors
    /// When the producer is closed or its transaction in no state for it, when the topic's metadata is not there
    /// (`LEADER_NOT_AVAILABLE`: wait and try again) or does not know the partition.
    pub fn append(
        &mut self,
        record: NewRecord<'_>,
        metadata: &Metadata,
        room: Option<usize>,
        callback: &mut Option<Callback>,
        now_ms: i64,
    ) -> Result<Appended> {
        self.check_can_append()?;
        let topic = metadata
            .topic(record.topic)
            .filter(|topic| !topic.partitions.is_empty())
            .ok_or_else(|| Error::api(ErrorCode::LeaderNotAvailable, None))?;
        let place = self.topic_place(record.topic);
        if let Some(entry) = self.topics.get_mut(place as usize) {
            entry.seen = Some((metadata.generation, topic.partitions.len() as i32));
        }
        let fixed = self.fixed_partition(&record, topic)?;
        loop {
            let partition = match fixed {
                Some(partition) => partition,
                None => self.sticky_partition(place, topic),
            };
            let key = PartitionKey { topic: place, partition: partition as u32 };
            if fixed.is_none() && self.last_is_full(key) && self.leave_partition(key, 0, true) {
                continue;
            }
            if let Some((id, bytes)) = self.append_to_last(key, &record)? {
                let put = Put { id, bytes, is_sticky: fixed.is_none(), is_new: false };
                return Ok(self.appended(key, &record, put, now_ms, callback));
            }
            if fixed.is_none() && self.leave_partition(key, 0, true) {
                continue;
            }
            let limit = self.batch_limit(place);
            let needed = limit.max(record.size_max());
            let Some(room) = room.filter(|room| *room >= record.size_max()) else {
                return Ok(Appended::NeedsRoom(needed));
            };
            let id = self.new_batch(key, &record, limit.min(room), room, now_ms)?;
            let bytes = self.batches.get(id).map_or(0, ProducerBatch::size);
            let put = Put { id, bytes, is_sticky: fixed.is_none(), is_new: true };
            return Ok(self.appended(key, &record, put, now_ms, callback));
        }
    }

    /// Takes a record in where a batch with room is open, which is where most records go: they need no look at the
    /// metadata, no memory and not the time. `generation` is that of the newest metadata. Nothing: [`Core::append`]
    /// has to find out.
    ///
    /// # Errors
    /// When the producer is closed or its transaction in no state for it.
    pub fn append_open(
        &mut self,
        record: &NewRecord<'_>,
        generation: u64,
        callback: &mut Option<Callback>,
    ) -> Result<Option<Taken>> {
        self.check_can_append()?;
        let Some(place) = self.known_topic(record.topic) else { return Ok(None) };
        let Some(topic) = self.topics.get_mut(place as usize) else { return Ok(None) };
        // Partitions may have come since, or the topic may have been made anew.
        let Some((_, count)) = topic.seen.filter(|(seen, _)| *seen == generation) else { return Ok(None) };
        let (partition, is_sticky) = match (record.partition, record.key) {
            (Some(partition), _) => (partition, false),
            (None, Some(key)) if !self.settings.ignore_keys => (partition_for_key(key, count), false),
            _ => match topic.sticky.current() {
                Some(partition) if partition < count => (partition, true),
                _ => return Ok(None),
            },
        };
        let Ok(partition) = u32::try_from(partition) else { return Ok(None) };
        let key = PartitionKey { topic: place, partition };
        let queue = topic.partitions.get(partition as usize).map(|partition| &partition.queue);
        let Some(id) = queue.and_then(|queue| queue.back().copied()) else { return Ok(None) };
        let Some(batch) = self.batches.get_mut(id).filter(|batch| batch.open) else { return Ok(None) };
        let before = batch.size();
        if is_sticky && before >= batch.limit {
            return Ok(None);
        }
        let Some(bytes) = put(batch, record)? else {
            batch.open = false;
            return Ok(None);
        };
        let is_full = before + bytes >= batch.limit;
        let facts = record.facts(batch.record_count.saturating_sub(1));
        if let Some(callback) = callback.take() {
            batch.callbacks.push((facts, callback));
        }
        let completion = batch.completion.clone();
        if is_sticky && topic.sticky.add(bytes, is_full) {
            topic.sticky.forget();
        }
        let announce = self.txn.as_mut().is_some_and(|txn| txn.add_partition(key));
        Ok(Some(Taken { completion, facts, wake: is_full || announce }))
    }

    /// The place of a topic that records were sent to before.
    fn known_topic(&mut self, name: &Str) -> Option<u32> {
        let last = self.topics.get(self.last_topic as usize);
        if last.is_some_and(|topic| topic.name == *name) {
            return Some(self.last_topic);
        }
        self.last_topic = self.by_name.get(name).copied()?;
        Some(self.last_topic)
    }

    fn check_can_append(&mut self) -> Result<()> {
        if self.closed {
            return Err(Error::Closed("Cannot perform operation after producer has been closed".to_owned()));
        }
        self.txn.as_mut().map_or(Ok(()), |txn| txn.check_can_send())
    }

    /// Whether the cluster has to be told that a topic is in use.
    fn touch(&mut self, place: u32, now_ms: i64) -> bool {
        let Some(topic) = self.topics.get_mut(place as usize) else { return false };
        let is_due = now_ms.saturating_sub(topic.touched_ms) >= TOUCH_MS;
        if is_due {
            topic.touched_ms = now_ms;
        }
        is_due
    }

    fn fixed_partition(&self, record: &NewRecord<'_>, topic: &TopicMetadata) -> Result<Option<i32>> {
        let count = topic.partitions.len() as i32;
        match (record.partition, record.key) {
            (Some(partition), _) if (0..count).contains(&partition) => Ok(Some(partition)),
            (Some(partition), _) if partition < 0 => Err(Error::Illegal(format!(
                "Invalid partition: {partition}. Partition number should always be non-negative or null."
            ))),
            // It may have been added lately: newer metadata may know it.
            (Some(_), _) => Err(Error::api(ErrorCode::LeaderNotAvailable, None)),
            (None, Some(key)) if !self.settings.ignore_keys => Ok(Some(partition_for_key(key, count))),
            _ => Ok(None),
        }
    }

    fn sticky_partition(&mut self, place: u32, topic: &TopicMetadata) -> i32 {
        let random = self.draw();
        let count = topic.partitions.len() as i32;
        let Some(entry) = self.topics.get_mut(place as usize) else { return 0 };
        let partition = entry.sticky.partition(|| random, || available(topic), count);
        if partition < count {
            return partition;
        }
        // The topic was made anew with fewer partitions.
        entry.sticky.forget();
        entry.sticky.forget_load();
        entry.sticky.partition(|| random, || available(topic), count)
    }

    /// Counts bytes for the current partition, and lets go of it when it had its share: the next record draws another.
    fn leave_partition(&mut self, key: PartitionKey, bytes: usize, may_switch: bool) -> bool {
        let Some(entry) = self.topics.get_mut(key.topic as usize) else { return false };
        let leaves = entry.sticky.add(bytes, may_switch);
        if leaves {
            entry.sticky.forget();
        }
        leaves
    }

    fn last_is_full(&self, key: PartitionKey) -> bool {
        self.last(key).and_then(|id| self.batches.get(id)).is_none_or(ProducerBatch::is_full)
    }

    fn last(&self, key: PartitionKey) -> Option<BatchId> {
        self.partition(key)?.queue.back().copied()
    }

    /// The batch and the bytes added; nothing when there is none with room.
    fn append_to_last(
        &mut self,
        key: PartitionKey,
        record: &NewRecord<'_>,
    ) -> Result<Option<(BatchId, usize)>> {
        let Some(id) = self.last(key) else { return Ok(None) };
        let Some(batch) = self.batches.get_mut(id).filter(|batch| batch.open) else { return Ok(None) };
        let bytes = put(batch, record)?;
        batch.open = bytes.is_some();
        Ok(bytes.map(|bytes| (id, bytes)))
    }

    /// Bytes before compression at which a batch of this topic is full.
    fn batch_limit(&self, place: u32) -> usize {
        let size = self.settings.batch_size.min(self.settings.buffer_memory);
        let ratio = self.topics.get(place as usize).map_or(1.0, |topic| topic.compression_ratio);
        if self.settings.compression == ottla_protocol::records::Compression::None {
            return size;
        }
        // Five percent for estimates that are too good.
        let larger = (size as f64 / (f64::from(ratio.max(0.01)) * 1.05)) as usize;
        let most = size.saturating_mul(COMPRESSION_GAIN_MAX).min(self.settings.buffer_memory / 8);
        larger.min(most).max(size)
    }

    fn new_batch(
        &mut self,
        key: PartitionKey,
        record: &NewRecord<'_>,
        limit: usize,
        room: usize,
        now_ms: i64,
    ) -> Result<BatchId> {
        let settings = &self.settings;
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: settings.compression,
            level: settings.level,
            max_size: limit,
            ..Default::default()
        });
        builder.reserve(room.min(FIRST_ROOM_MAX.max(record.size_max())));
        let completion = Completion::new(record.topic.clone(), key.partition as i32);
        let mut batch = ProducerBatch::new(key, builder, completion, room, limit, now_ms);
        put(&mut batch, record)?;
        let id = self.batches.insert(batch);
        self.incomplete += 1;
        self.queued += 1;
        if let Some(topic) = self.topics.get_mut(key.topic as usize) {
            let at = key.partition as usize;
            if topic.partitions.len() <= at {
                topic.partitions.resize_with(at + 1, Default::default);
            }
            if let Some(partition) = topic.partitions.get_mut(at) {
                partition.queue.push_back(id);
            }
        }
        Ok(id)
    }

    /// What follows when a record is in.
    fn appended(
        &mut self,
        key: PartitionKey,
        record: &NewRecord<'_>,
        put: Put,
        now_ms: i64,
        callback: &mut Option<Callback>,
    ) -> Appended {
        let announce = self.txn.as_mut().is_some_and(|txn| txn.add_partition(key));
        let noted = self.batches.get_mut(put.id).map(|batch| note(batch, record, callback));
        let (completion, facts, is_full) =
            noted.unwrap_or_else(|| (Completion::new(record.topic.clone(), 0), record.facts(0), false));
        if put.is_sticky {
            self.leave_partition(key, put.bytes, is_full);
        }
        let wake = put.is_new || is_full || announce;
        // Not before the record is in: who comes back with room would find the topic touched.
        let touch = self.touch(key.topic, now_ms);
        Appended::Done { completion, facts, wake, took_room: put.is_new, touch }
    }
}

/// A record that was put into a batch.
#[derive(Clone, Copy)]
struct Put {
    id: BatchId,
    /// By how much the batch grew.
    bytes: usize,
    /// Whether the partition was the default rule's choice.
    is_sticky: bool,
    /// Whether it is the first of the batch.
    is_new: bool,
}

/// Adds a record to a batch: the bytes that it takes there, or nothing when it has no room.
fn put(batch: &mut ProducerBatch, record: &NewRecord<'_>) -> Result<Option<usize>> {
    let crate::producer::batch::Body::Builder(builder) = &mut batch.body else { return Ok(None) };
    let before = builder.uncompressed_size();
    let added = builder
        .append_if_room(record.timestamp_ms, record.key, record.value, record.headers())
        .map_err(|error| Error::Illegal(error.to_string()))?;
    if !added {
        return Ok(None);
    }
    let bytes = builder.uncompressed_size() - before;
    batch.record_count += 1;
    batch.record_size_max = batch.record_size_max.max(BATCH_HEADER_SIZE + VARLONG_MAX + bytes);
    Ok(Some(bytes))
}

/// What is known of the record that was just put into a batch, with whether the batch is full now.
fn note(
    batch: &mut ProducerBatch,
    record: &NewRecord<'_>,
    callback: &mut Option<Callback>,
) -> (Arc<Completion>, RecordFacts, bool) {
    let facts = record.facts(batch.record_count.saturating_sub(1));
    if let Some(callback) = callback.take() {
        batch.callbacks.push((facts, callback));
    }
    (batch.completion.clone(), facts, batch.is_full())
}

/// Partitions with a leader.
fn available(topic: &TopicMetadata) -> Vec<i32> {
    topic
        .partitions
        .iter()
        .filter(|partition| partition.leader.is_some())
        .map(|partition| partition.index)
        .collect()
}
