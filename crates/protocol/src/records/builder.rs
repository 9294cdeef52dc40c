//! Building a batch, record by record (`org.apache.kafka.common.record.internal.MemoryRecordsBuilder`).

use bytes::Bytes;

use super::record::{VARINT_MAX, body_size, headers_size, put_record};
use super::varint::size_of_varlong;
use super::{
    Attributes, BATCH_HEADER_SIZE, BatchHeader, Compression, CompressionLevel, HeaderRef,
    NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, RecordsError,
    TimestampType, codec,
};

/// What a batch to be built is like, beside its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// The codec.
    pub compression: Compression,
    /// How hard the codec tries.
    pub level: CompressionLevel,
    /// What the timestamps mean.
    pub timestamp_type: TimestampType,
    /// Unix ms; becomes the max timestamp when `timestamp_type` is [`TimestampType::LogAppendTime`],
    /// otherwise unused.
    pub log_append_time_ms: i64,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Id of the idempotent producer, or -1.
    pub producer_id: i64,
    /// Epoch of the idempotent producer, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Whether the batch is part of a transaction; needs a producer id.
    pub is_transactional: bool,
    /// Whether the records are control records.
    pub is_control: bool,
    /// Epoch of the leader that appends the batch, or -1.
    pub partition_leader_epoch: i32,
    /// From when on (Unix ms) compaction may remove tombstones and markers of the batch.
    pub delete_horizon_ms: Option<i64>,
    /// Bytes that [`BatchBuilder::has_room_for`] keeps the batch within, before compression; one record
    /// always fits.
    pub max_size: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            level: CompressionLevel::DEFAULT,
            timestamp_type: TimestampType::CreateTime,
            log_append_time_ms: NO_TIMESTAMP,
            base_offset: 0,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            is_transactional: false,
            is_control: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            delete_horizon_ms: None,
            max_size: i32::MAX as usize,
        }
    }
}

impl BatchOptions {
    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with_compression(self.compression)
            .with_timestamp_type(self.timestamp_type)
            .with_transactional(self.is_transactional)
            .with_control(self.is_control)
            .with_delete_horizon(self.delete_horizon_ms.is_some())
    }

    fn check_producer(&self) -> Result<(), RecordsError> {
        if self.producer_id == NO_PRODUCER_ID {
            return if self.is_transactional {
                Err(RecordsError::InvalidBuild(
                    "Cannot write transactional messages without a valid producer ID",
                ))
            } else {
                Ok(())
            };
        }
        if self.producer_epoch < 0 {
            return Err(RecordsError::InvalidBuild("Invalid negative producer epoch"));
        }
        if self.base_sequence < 0 && !self.is_control {
            return Err(RecordsError::InvalidBuild("Invalid negative sequence number used"));
        }
        Ok(())
    }
}

/// Collects records and makes a batch of them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the records as they are before compression.
    buf: Vec<u8>,
    records_count: i32,
    last_offset_delta: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// A builder without records.
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            buf: vec![0; BATCH_HEADER_SIZE],
            records_count: 0,
            last_offset_delta: -1,
            base_timestamp: options.delete_horizon_ms,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Makes room for records of `size` bytes in all.
    pub fn reserve(&mut self, size: usize) {
        self.buf.reserve(size);
    }

    /// Sets what an idempotent producer knows only when the batch is full and about to be sent.
    pub fn set_producer_state(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        base_sequence: i32,
        is_transactional: bool,
    ) {
        self.options.producer_id = producer_id;
        self.options.producer_epoch = producer_epoch;
        self.options.base_sequence = base_sequence;
        self.options.is_transactional = is_transactional;
    }

    /// Adds a record at the next offset. `timestamp` is Unix ms, or -1 for none.
    ///
    /// # Errors
    /// [`RecordsError::InvalidBuild`] for a negative timestamp other than -1, or when the batch would have
    /// more than 2^31 - 1 offsets or bytes. The builder is as before then.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), RecordsError> {
        let headers = header_refs(headers);
        self.append_with_offset(self.next_offset(), timestamp, key, value, headers)
    }

    /// Adds a record at `offset`, which must lie behind the last one: compaction leaves gaps.
    ///
    /// # Errors
    /// As [`Self::append`], and for an offset that is not behind the last one.
    pub fn append_with_offset<'h>(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>> + Clone,
    ) -> Result<(), RecordsError> {
        let place = self.place(offset, timestamp, key, value, headers.clone())?;
        self.put(place, timestamp, key, value, headers);
        Ok(())
    }

    /// Where a record goes, if it can be in the batch.
    #[inline]
    fn place<'h>(
        &self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>>,
    ) -> Result<Place, RecordsError> {
        if timestamp < NO_TIMESTAMP {
            return Err(RecordsError::InvalidBuild("Invalid negative timestamp"));
        }
        let offset_delta = offset
            .checked_sub(self.options.base_offset)
            .and_then(|delta| i32::try_from(delta).ok())
            .ok_or(RecordsError::InvalidBuild("Maximum offset delta exceeded"))?;
        if offset_delta <= self.last_offset_delta {
            return Err(RecordsError::InvalidBuild("Illegal offset (Offsets must increase monotonically)"));
        }
        let base_timestamp = self.base_timestamp.unwrap_or(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let (headers_count, headers_size) = headers_size(headers);
        let body = body_size(offset_delta, timestamp_delta, key, value, headers_count, headers_size);
        let fits = self.buf.len().checked_add(body).is_some_and(|size| size <= i32::MAX as usize - 5);
        if !fits {
            return Err(RecordsError::InvalidBuild("the batch is larger than 2 GiB"));
        }
        Ok(Place { base_timestamp, timestamp_delta, offset_delta, body, headers_count })
    }

    #[inline]
    fn put<'h>(
        &mut self,
        place: Place,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>>,
    ) {
        let Place { base_timestamp, timestamp_delta, offset_delta, body, headers_count } = place;
        let buf = &mut self.buf;
        let needed = body + VARINT_MAX;
        if buf.capacity() - buf.len() < needed {
            // Doubled, but not beyond what the batch may hold: whoever counts memory counts that.
            let left = self.options.max_size.saturating_sub(buf.len());
            buf.reserve_exact(needed.max(buf.capacity().min(left)));
        }
        put_record(buf, body as i32, offset_delta, timestamp_delta, key, value, headers_count, headers);
        self.base_timestamp = Some(base_timestamp);
        self.records_count += 1;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    /// Whether a record would keep the batch within [`BatchOptions::max_size`], without counting on
    /// compression. The first record always has room.
    pub fn has_room_for(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> bool {
        if self.is_empty() {
            return true;
        }
        let delta = timestamp.wrapping_sub(self.base_timestamp.unwrap_or(timestamp));
        let (count, size) = headers_size(header_refs(headers));
        let body = body_size(self.last_offset_delta.saturating_add(1), delta, key, value, count, size);
        self.buf.len().saturating_add(body + size_of_varlong(body as i64)) <= self.options.max_size
    }

    /// Adds a record at the next offset if it keeps the batch within [`BatchOptions::max_size`], without counting on
    /// compression; the first record always has room. False when there is none: the builder is as before then.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_if_room<'h>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = HeaderRef<'h>> + Clone,
    ) -> Result<bool, RecordsError> {
        let place = self.place(self.next_offset(), timestamp, key, value, headers.clone())?;
        if !self.is_empty() {
            let size = self.buf.len().saturating_add(place.body + size_of_varlong(place.body as i64));
            if size > self.options.max_size {
                return Ok(false);
            }
        }
        self.put(place, timestamp, key, value, headers);
        Ok(true)
    }

    /// Bytes of the batch as it stands, before compression.
    pub fn uncompressed_size(&self) -> usize {
        self.buf.len()
    }

    /// Records so far.
    pub fn records_count(&self) -> i32 {
        self.records_count
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.records_count == 0
    }

    /// The offset that [`Self::append`] gives next.
    pub fn next_offset(&self) -> i64 {
        self.options.base_offset.saturating_add(i64::from(self.last_offset_delta)).saturating_add(1)
    }

    /// The latest timestamp so far, Unix ms; -1: none.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The batch; no bytes at all when there are no records.
    ///
    /// # Errors
    /// [`RecordsError::InvalidBuild`] for options that contradict each other: a transactional batch without
    /// producer id, a producer id without epoch or, but for control batches, sequence.
    /// [`RecordsError::Compress`] when the codec fails.
    pub fn build(self) -> Result<Bytes, RecordsError> {
        let last_offset_delta = self.last_offset_delta;
        self.build_up_to(last_offset_delta)
    }

    /// Like [`Self::build`] with a last offset of its own, for a batch whose last records were compacted
    /// away.
    ///
    /// # Errors
    /// As [`Self::build`], and [`RecordsError::InvalidBuild`] when `last_offset` lies before the last record.
    pub fn build_with_last_offset(self, last_offset: i64) -> Result<Bytes, RecordsError> {
        let delta = last_offset
            .checked_sub(self.options.base_offset)
            .and_then(|delta| i32::try_from(delta).ok())
            .filter(|delta| *delta >= self.last_offset_delta)
            .ok_or(RecordsError::InvalidBuild("the last offset lies before the last record"))?;
        self.build_up_to(delta)
    }

    fn build_up_to(mut self, last_offset_delta: i32) -> Result<Bytes, RecordsError> {
        self.options.check_producer()?;
        if self.is_empty() {
            return Ok(Bytes::new());
        }
        let options = &self.options;
        if options.compression != Compression::None {
            let level = options.level.for_codec(options.compression);
            let records = &self.buf[BATCH_HEADER_SIZE..];
            let mut compressed = Vec::with_capacity(BATCH_HEADER_SIZE + records.len() / 2);
            compressed.resize(BATCH_HEADER_SIZE, 0);
            codec::compress_into(options.compression, level, records, &mut compressed)?;
            self.buf = compressed;
        }
        let mut header = BatchHeader {
            base_offset: options.base_offset,
            partition_leader_epoch: options.partition_leader_epoch,
            attributes: options.attributes(),
            last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: match options.timestamp_type {
                TimestampType::CreateTime => self.max_timestamp,
                TimestampType::LogAppendTime => options.log_append_time_ms,
            },
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            records_count: self.records_count,
            ..Default::default()
        };
        // The buffer starts with the header's room from the beginning on.
        let (head, records) = self.buf.split_at_mut(BATCH_HEADER_SIZE);
        head.copy_from_slice(&header.seal(records)?);
        Ok(self.buf.into())
    }
}

/// What is worked out once of a record before it is written.
struct Place {
    base_timestamp: i64,
    timestamp_delta: i64,
    offset_delta: i32,
    /// Bytes without the length field.
    body: usize,
    headers_count: usize,
}

/// A batch without records that keeps the offsets and the producer state of one whose records compaction
/// removed (`DefaultRecordBatch.writeEmptyHeader`). `timestamp` (Unix ms) is the max timestamp of that batch.
///
/// # Errors
/// [`RecordsError::InvalidBuild`] when `last_offset` is not within 2^31 - 1 of the base offset.
pub fn empty_batch(options: &BatchOptions, last_offset: i64, timestamp: i64) -> Result<Bytes, RecordsError> {
    let last_offset_delta = last_offset
        .checked_sub(options.base_offset)
        .and_then(|delta| i32::try_from(delta).ok())
        .ok_or(RecordsError::InvalidBuild("Maximum offset delta exceeded"))?;
    let mut header = BatchHeader {
        base_offset: options.base_offset,
        partition_leader_epoch: options.partition_leader_epoch,
        attributes: options.attributes().with_compression(Compression::None).with_delete_horizon(false),
        last_offset_delta,
        max_timestamp: timestamp,
        producer_id: options.producer_id,
        producer_epoch: options.producer_epoch,
        base_sequence: options.base_sequence,
        ..Default::default()
    };
    Ok(Bytes::copy_from_slice(&header.seal(&[])?))
}

fn header_refs<'h>(headers: &'h [(&str, Option<&[u8]>)]) -> impl Iterator<Item = HeaderRef<'h>> + Clone {
    headers.iter().map(|(key, value)| HeaderRef { key: key.as_bytes(), value: *value })
}
