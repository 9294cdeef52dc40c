//! The attribute bits of a batch.

use super::{Compression, RecordsError};

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
const DELETE_HORIZON_MASK: i16 = 0x40;

/// What the timestamps of a batch mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Each record has the time its producer gave it.
    #[default]
    CreateTime,
    /// All records have the time the leader appended them, which is the batch's max timestamp.
    LogAppendTime,
}

impl TimestampType {
    /// The value of `message.timestamp.type` that means this.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }

    /// The type that a value of `message.timestamp.type` means.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "CreateTime" => Some(Self::CreateTime),
            "LogAppendTime" => Some(Self::LogAppendTime),
            _ => None,
        }
    }
}

/// Compression (bits 0-2), timestamp type (3), transactional (4), control (5), delete horizon (6); the rest
/// is unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec of the records, or an error for one of the three ids that Kafka has not given away.
    pub fn compression(self) -> Result<Compression, RecordsError> {
        let id = (self.0 & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(RecordsError::UnknownCompression(id))
    }

    /// What the timestamps mean.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & TIMESTAMP_TYPE_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL_MASK != 0
    }

    /// Whether the batch holds control records, which consumers never see.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL_MASK != 0
    }

    /// Whether the base timestamp is the time from which tombstones and markers may be removed.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON_MASK != 0
    }

    /// The same with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !COMPRESSION_MASK) | i16::from(compression.id()))
    }

    /// The same with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(TIMESTAMP_TYPE_MASK, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same, transactional or not.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL_MASK, on)
    }

    /// The same, a control batch or not.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with(CONTROL_MASK, on)
    }

    /// The same, with a delete horizon or not.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with(DELETE_HORIZON_MASK, on)
    }

    /// Without the bits that have no meaning: Kafka drops them whenever it writes a header anew.
    #[must_use]
    pub(super) fn without_unused_bits(self) -> Self {
        Self(self.0 & 0x7f)
    }

    fn with(self, mask: i16, on: bool) -> Self {
        if on { Self(self.0 | mask) } else { Self(self.0 & !mask) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_independent() {
        let all = Attributes::default()
            .with_compression(Compression::Zstd)
            .with_timestamp_type(TimestampType::LogAppendTime)
            .with_transactional(true)
            .with_control(true)
            .with_delete_horizon(true);
        assert_eq!(all.0, 0x7c);
        assert_eq!(all.compression(), Ok(Compression::Zstd));
        assert_eq!(all.with_compression(Compression::None).0, 0x78);
        assert_eq!(all.with_timestamp_type(TimestampType::CreateTime).0, 0x74);
        assert_eq!(all.with_transactional(false).0, 0x6c);
        assert_eq!(all.with_control(false).0, 0x5c);
        assert_eq!(all.with_delete_horizon(false).0, 0x3c);
    }

    #[test]
    fn unassigned_codecs_are_errors() {
        for id in 5..8 {
            assert_eq!(Attributes(id).compression(), Err(RecordsError::UnknownCompression(id as u8)));
        }
    }
}
