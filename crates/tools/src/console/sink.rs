//! What the tools need of clients, so that tests can stand in for a cluster.

use std::time::Duration;

use ottla_client::Result;
use ottla_client::record::{ConsumerRecord, ProducerRecord};
pub use ottla_client::share::AcknowledgeType as Acknowledge;

/// Where a producing tool's records go.
pub trait Sink {
    /// Ends when the record is acknowledged: partition and offset, -1 where it has none.
    type Delivery: Future<Output = Result<(i32, i64)>> + Unpin;

    /// Hands a record over; waits for room.
    async fn send(&mut self, record: ProducerRecord) -> Result<Self::Delivery>;

    /// Sends what waits, and waits for its acknowledgement.
    async fn flush(&mut self) -> Result<()>;

    /// Sends what waits, and ends.
    async fn close(&mut self) -> Result<()>;
}

/// A sink that many records are sent to, of which most end together: one place is kept for those.
pub trait Runs: Sink {
    /// Ends with how many were acknowledged, or with each for itself when not all were, or not together.
    type Run: Future<Output = Result<u32, Vec<Self::Delivery>>> + Unpin;

    /// A run of one record.
    fn run(first: Self::Delivery) -> Self::Run;

    /// Takes the next record into a run, or gives it back when it may end otherwise.
    fn join(run: &mut Self::Run, next: Self::Delivery) -> Option<Self::Delivery>;
}

/// A sink whose records may be sent in transactions.
pub trait Transactions {
    /// Begins a transaction.
    async fn begin(&mut self) -> Result<()>;

    /// Commits it.
    async fn commit(&mut self) -> Result<()>;
}

/// Where a consuming tool's records come from.
pub trait Source {
    /// Some records, or none after `timeout`.
    async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>>;
}

/// Where a share consumer's records come from.
pub trait ShareSource: Source {
    /// Says what becomes of a record of the last poll; it is sent with the next.
    fn acknowledge(&mut self, record: &ConsumerRecord, kind: Acknowledge) -> Result<()>;
}

/// A source that is a member of a group.
pub trait Member {
    /// Whether it has partitions now.
    fn has_partitions(&self) -> bool;
}
