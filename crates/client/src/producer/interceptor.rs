//! What may change records before they are sent and see what becomes of them.

use super::delivery::RecordMetadata;
use crate::Result;
use crate::record::ProducerRecord;

/// Stands between the application and the producer (`org.apache.kafka.clients.producer.ProducerInterceptor`). Several are
/// asked one after the other.
pub trait ProducerInterceptor: Send + Sync + 'static {
    /// A record is about to be sent; what is given back is sent instead. On the thread of who sends.
    fn on_send(&self, record: ProducerRecord) -> ProducerRecord {
        record
    }

    /// A record is written, or is not. On the producer's task: it should not take long.
    fn on_acknowledgement(&self, topic: &str, partition: Option<i32>, result: &Result<RecordMetadata>) {
        let _ = (topic, partition, result);
    }
}
