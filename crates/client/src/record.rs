//! What is sent and what is received.

use bytes::Bytes;
use ottla_protocol::Str;

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name; may occur more than once.
    pub key: Str,
    /// Value.
    pub value: Option<Bytes>,
}

/// A record to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerRecord {
    /// Topic.
    pub topic: Str,
    /// Partition; the partitioner chooses when there is none.
    pub partition: Option<i32>,
    /// Unix ms; the time of `send` when there is none.
    pub timestamp_ms: Option<i64>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<Header>,
}

/// A record as consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Topic.
    pub topic: Str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Unix ms; -1 when the record has none.
    pub timestamp_ms: i64,
    /// What the time means.
    pub timestamp_type: ottla_protocol::records::TimestampType,
    /// Epoch of the leader that appended it.
    pub leader_epoch: Option<i32>,
    /// How often it was delivered to a share group, this time included.
    pub delivery_count: Option<i16>,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<Header>,
}
