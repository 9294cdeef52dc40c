//! Consuming records: assigned partitions or a group's share of topics, positions, commits.
//!
//! [`Consumer`] is the driver. What it decides by is pure: `state` (what is read and how far), `session` (what a
//! fetch must name), `fetch` (what answers mean), `offsets` (requests about offsets), and
//! [`crate::membership`].
//!
//! | file | what |
//! | --- | --- |
//! | `client`, `poll` | the consumer, and the loop inside of `poll` |
//! | `positions`, `lookups` | where to begin; seek, pause, offsets by time |
//! | `fetcher`, `requests` | what is asked of whom; the tasks that ask |
//! | `commits` | at once, in the background, by the clock |
//! | `group`, `rebalance` | the membership's driver: its background task, and its part inside of `poll` |
//! | `stream`, `deserializer`, `interceptor` | records one by one, as what they mean, and past others |
//!
//! Requests run as tasks that end with the consumer; the membership's heartbeats too, so that an application that works
//! for long on its records stays in its group until `max.poll.interval.ms` has passed.

mod client;
mod commits;
mod config;
#[doc(hidden)]
pub mod counted;
mod deserializer;
mod fetch;
mod fetcher;
mod group;
mod interceptor;
mod lookups;
mod metrics;
mod offsets;
mod poll;
mod positions;
mod rebalance;
mod records;
mod requests;
mod session;
mod shared;
mod state;
mod stream;
mod types;

#[cfg(test)]
mod consumer_test;
#[cfg(test)]
mod group_test;

pub use client::Consumer;
pub use config::{ConsumerConfig, GroupProtocol};
pub use deserializer::{
    BytesDeserializer, Deserializer, DoubleDeserializer, FloatDeserializer, IntegerDeserializer,
    JsonDeserializer, LongDeserializer, ShortDeserializer, StringDeserializer, TypedConsumer, TypedRecord,
    UuidDeserializer,
};
pub use interceptor::ConsumerInterceptor;
pub use lookups::{PartitionInfo, WakeupHandle};
pub use metrics::{ConsumerMetrics, Lag, MetricsSnapshot};
pub use rebalance::{ListenerFuture, RebalanceListener};
pub use records::ConsumerRecords;
pub use requests::{CommitCallback, Offsets};
pub use state::AutoOffsetReset;
pub use stream::RecordStream;
pub use types::{ConsumerGroupMetadata, IsolationLevel, OffsetAndMetadata, OffsetAndTimestamp};

pub use crate::membership::CloseOperation;

/// What share consumers work with too.
pub(crate) mod internals {
    pub(crate) use super::fetch::{DECOMPRESSED_BYTES_MAX, consumer_record, known_epoch};
    pub(crate) use super::group::Group;
    pub(crate) use super::shared::{Clock, Shared, Wakeup, after, millis};
}
