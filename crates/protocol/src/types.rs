//! Vocabulary shared by every crate.

use bytes::Bytes;

use crate::Str;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: Str,
    /// Number of the partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Str>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The content of a `records` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// A slice of the frame, or bytes from memory.
    Bytes(Bytes),
    /// A placeholder: only the length is encoded, and the network layer sends the bytes or the
    /// file range that the sender has under this number.
    External(ExternalRecords),
}

/// Records that stand outside the encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalRecords {
    /// Number of the piece; its meaning is the sender's.
    pub id: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Records {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Records::Bytes(bytes) => bytes.len(),
            Records::External(external) => external.len as usize,
        }
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes; none for a placeholder.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Bytes(bytes) => Some(bytes),
            Records::External(_) => None,
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Records::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records::Bytes(bytes)
    }
}
