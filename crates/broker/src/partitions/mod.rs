//! The partitions that this broker hosts.

mod map;
mod partition;

pub use map::{HostedTopic, Partitions};
pub use partition::{AppendRefused, Partition, ReadBound, ReadRefused, ReadResult};
