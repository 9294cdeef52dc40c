//! The 61 bytes before the records.

use super::{
    Attributes, BATCH_HEADER_SIZE, Compression, LOG_OVERHEAD, MAGIC_V2, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, RecordsError, TimestampType,
    increment_sequence,
};

/// Smallest length field of any format: the overhead of a record of magic 0.
const LENGTH_MIN: i32 = 14;

/// The header of a batch, decoded. Fields are as on the wire and unchecked but for magic and length; the
/// layout stands in the module documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub(super) base_offset: i64,
    pub(super) length: i32,
    pub(super) partition_leader_epoch: i32,
    pub(super) crc: u32,
    pub(super) attributes: Attributes,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) records_count: i32,
}

impl Default for BatchHeader {
    /// The header of an empty batch of nobody.
    fn default() -> Self {
        Self {
            base_offset: 0,
            length: (BATCH_HEADER_SIZE - LOG_OVERHEAD) as i32,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            records_count: 0,
        }
    }
}

impl BatchHeader {
    /// The size of the batch that starts `bytes`, if enough of it is there to tell, checked as Kafka checks
    /// it before anything else (`ByteBufferLogInputStream.nextBatchSize`). Needs 17 bytes; the batch need not
    /// be complete.
    ///
    /// # Errors
    /// [`RecordsError::Incomplete`] with fewer than 17 bytes; the errors of [`Self::parse`] for a wrong
    /// length or magic.
    pub fn peek_size(bytes: &[u8]) -> Result<usize, RecordsError> {
        let available = bytes.len();
        let incomplete = RecordsError::Incomplete { needed: super::HEADER_SIZE_UP_TO_MAGIC, available };
        let Some(&[.., l0, l1, l2, l3]) = bytes.first_chunk::<LOG_OVERHEAD>() else {
            return Err(incomplete);
        };
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        if length < LENGTH_MIN {
            return Err(RecordsError::InvalidLength(length));
        }
        let Some(&magic) = bytes.get(super::HEADER_SIZE_UP_TO_MAGIC - 1) else {
            return Err(incomplete);
        };
        // The length is not negative.
        let size = LOG_OVERHEAD + length as usize;
        match magic as i8 {
            MAGIC_V2 if size < BATCH_HEADER_SIZE => Err(RecordsError::TooSmall(size)),
            MAGIC_V2 => Ok(size),
            magic @ (0 | 1) => Err(RecordsError::UnsupportedMagic(magic)),
            magic => Err(RecordsError::InvalidMagic(magic)),
        }
    }

    /// Decodes the header at the start of `bytes`; the records behind it need not be there.
    ///
    /// # Errors
    /// [`RecordsError::Incomplete`] when `bytes` is shorter than the header, otherwise what is wrong with its
    /// length or magic.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordsError> {
        Self::peek_size(bytes)?;
        let Some(bytes) = bytes.first_chunk::<BATCH_HEADER_SIZE>() else {
            return Err(RecordsError::Incomplete { needed: BATCH_HEADER_SIZE, available: bytes.len() });
        };
        Ok(Self {
            base_offset: i64::from_be_bytes(field::<0, 8>(bytes)),
            length: i32::from_be_bytes(field::<8, 4>(bytes)),
            partition_leader_epoch: i32::from_be_bytes(field::<12, 4>(bytes)),
            crc: u32::from_be_bytes(field::<17, 4>(bytes)),
            attributes: Attributes(i16::from_be_bytes(field::<21, 2>(bytes))),
            last_offset_delta: i32::from_be_bytes(field::<23, 4>(bytes)),
            base_timestamp: i64::from_be_bytes(field::<27, 8>(bytes)),
            max_timestamp: i64::from_be_bytes(field::<35, 8>(bytes)),
            producer_id: i64::from_be_bytes(field::<43, 8>(bytes)),
            producer_epoch: i16::from_be_bytes(field::<51, 2>(bytes)),
            base_sequence: i32::from_be_bytes(field::<53, 4>(bytes)),
            records_count: i32::from_be_bytes(field::<57, 4>(bytes)),
        })
    }

    /// Encodes the header.
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_SIZE] {
        let mut bytes = [0; BATCH_HEADER_SIZE];
        set::<0, 8>(&mut bytes, self.base_offset.to_be_bytes());
        set::<8, 4>(&mut bytes, self.length.to_be_bytes());
        set::<12, 4>(&mut bytes, self.partition_leader_epoch.to_be_bytes());
        bytes[16] = MAGIC_V2 as u8;
        set::<17, 4>(&mut bytes, self.crc.to_be_bytes());
        set::<21, 2>(&mut bytes, self.attributes.0.to_be_bytes());
        set::<23, 4>(&mut bytes, self.last_offset_delta.to_be_bytes());
        set::<27, 8>(&mut bytes, self.base_timestamp.to_be_bytes());
        set::<35, 8>(&mut bytes, self.max_timestamp.to_be_bytes());
        set::<43, 8>(&mut bytes, self.producer_id.to_be_bytes());
        set::<51, 2>(&mut bytes, self.producer_epoch.to_be_bytes());
        set::<53, 4>(&mut bytes, self.base_sequence.to_be_bytes());
        set::<57, 4>(&mut bytes, self.records_count.to_be_bytes());
        bytes
    }

    /// Sets length and CRC to what they must be before `records`, and encodes the header.
    pub(super) fn seal(&mut self, records: &[u8]) -> Result<[u8; BATCH_HEADER_SIZE], RecordsError> {
        self.length = i32::try_from(BATCH_HEADER_SIZE - LOG_OVERHEAD + records.len())
            .map_err(|_| RecordsError::InvalidBuild("the batch is larger than 2 GiB"))?;
        let mut bytes = self.to_bytes();
        self.crc = super::crc::crc32c_of_two(&bytes[super::batch::CRC_END..], records);
        set::<17, 4>(&mut bytes, self.crc.to_be_bytes());
        Ok(bytes)
    }

    /// Offset of the first record, or of what was the first before compaction.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Offset of the last record, or of what was the last before compaction.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// The offset after the last one.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Bytes of the whole batch: at least [`BATCH_HEADER_SIZE`].
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + self.length.max(0) as usize
    }

    /// The epoch of the leader that appended the batch; -1 in a request.
    pub fn partition_leader_epoch(&self) -> i32 {
        self.partition_leader_epoch
    }

    /// The format: 2, there is no header of another.
    pub fn magic(&self) -> i8 {
        MAGIC_V2
    }

    /// The checksum as stored.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The attribute bits.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCompression`] for the ids 5 to 7.
    pub fn compression(&self) -> Result<Compression, RecordsError> {
        self.attributes.compression()
    }

    /// What the timestamps mean.
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// Whether the batch holds control records.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// From when on (Unix ms) compaction may remove the batch's tombstones and markers; `None` until
    /// compaction has decided.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// What the records' timestamp deltas are added to, Unix ms; -1: none.
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// The latest timestamp in the batch, Unix ms; -1: none.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Id of the idempotent producer, or -1.
    pub fn producer_id(&self) -> i64 {
        self.producer_id
    }

    /// Whether an idempotent producer wrote the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Epoch of the idempotent producer, or -1.
    pub fn producer_epoch(&self) -> i16 {
        self.producer_epoch
    }

    /// Sequence number of the first record, or -1.
    pub fn base_sequence(&self) -> i32 {
        self.base_sequence
    }

    /// Sequence number of the last record, or -1. Sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Records in the batch, as the header says; fewer than offsets after compaction.
    pub fn records_count(&self) -> i32 {
        self.records_count
    }

    /// Last offset minus base offset.
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta
    }
}

/// `LEN` bytes of the header at `AT`; a place outside it does not compile.
fn field<const AT: usize, const LEN: usize>(bytes: &[u8; BATCH_HEADER_SIZE]) -> [u8; LEN] {
    const { assert!(AT + LEN <= BATCH_HEADER_SIZE) };
    let mut out = [0; LEN];
    out.copy_from_slice(&bytes[AT..AT + LEN]);
    out
}

fn set<const AT: usize, const LEN: usize>(bytes: &mut [u8; BATCH_HEADER_SIZE], value: [u8; LEN]) {
    const { assert!(AT + LEN <= BATCH_HEADER_SIZE) };
    bytes[AT..AT + LEN].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_what_to_bytes_wrote() {
        let header = BatchHeader {
            base_offset: i64::MAX - 3,
            length: 77,
            partition_leader_epoch: -2,
            crc: 0xdead_beef,
            attributes: Attributes(0x7c),
            last_offset_delta: 41,
            base_timestamp: i64::MIN,
            max_timestamp: 12,
            producer_id: 1 << 40,
            producer_epoch: i16::MAX,
            base_sequence: i32::MAX - 1,
            records_count: 42,
        };
        let bytes = header.to_bytes();
        assert_eq!(BatchHeader::parse(&bytes), Ok(header));
        assert_eq!(header.last_sequence(), 39);
        assert_eq!(header.size(), 89);
        assert_eq!(header.delete_horizon_ms(), Some(i64::MIN));
        assert!(header.last_offset() < 0, "wraps instead of a panic");
    }

    #[test]
    fn sizes_are_checked_before_anything_is_read() {
        let check = |length: i32, magic: u8, take: usize| {
            let mut bytes = BatchHeader { length, ..Default::default() }.to_bytes();
            bytes[16] = magic;
            BatchHeader::peek_size(&bytes[..take])
        };
        assert_eq!(check(49, 2, 17), Ok(61));
        assert_eq!(check(i32::MAX, 2, 61), Ok(i32::MAX as usize + 12));
        assert_eq!(check(13, 2, 61), Err(RecordsError::InvalidLength(13)));
        assert_eq!(check(-1, 2, 12), Err(RecordsError::InvalidLength(-1)));
        assert_eq!(check(48, 2, 61), Err(RecordsError::TooSmall(60)));
        assert_eq!(check(49, 1, 61), Err(RecordsError::UnsupportedMagic(1)));
        assert_eq!(check(49, 3, 61), Err(RecordsError::InvalidMagic(3)));
        assert_eq!(check(49, 0xff, 61), Err(RecordsError::InvalidMagic(-1)));
        assert_eq!(check(49, 2, 16), Err(RecordsError::Incomplete { needed: 17, available: 16 }));
        assert_eq!(check(49, 2, 0), Err(RecordsError::Incomplete { needed: 17, available: 0 }));
    }
}
