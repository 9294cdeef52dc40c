//! What an application can put between consumer and itself (`org.apache.kafka.clients.consumer.ConsumerInterceptor`).

use super::{ConsumerRecords, Offsets};

/// Sees all records and commits.
pub trait ConsumerInterceptor: Send + Sync {
    /// Records on their way to the application; what is returned is what it gets.
    fn on_consume(&mut self, records: ConsumerRecords) -> ConsumerRecords {
        records
    }

    /// Offsets were committed.
    fn on_commit(&mut self, offsets: &Offsets) {
        let _ = offsets;
    }

    /// The consumer was closed.
    fn on_close(&mut self) {}
}
