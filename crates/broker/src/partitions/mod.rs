//! The partitions that this broker hosts.

mod end_transaction;
mod map;
mod partition;
mod traffic;

pub use end_transaction::{EndTransaction, transaction_version};
pub use map::{HostedTopic, Partitions};
pub use partition::{AppendRefused, ClientAppend, Partition, ReadBound, ReadRefused, ReadResult, Unread};
pub use traffic::Traffic;
