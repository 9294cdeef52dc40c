//! A producer of keys and values with types.

use bytes::Bytes;
use ottla_protocol::Str;

use super::client::Producer;
use super::delivery::Delivery;
use super::serializer::Serializer;
use crate::Result;
use crate::record::{Header, ProducerRecord};

/// A producer with serializers for keys and values.
///
/// ```no_run
/// # async fn example() -> ottla_client::Result<()> {
/// use ottla_client::producer::{PrimitiveSerializer, Producer, StringSerializer, TypedProducer};
///
/// let producer = Producer::builder(["localhost:9092"]).build()?;
/// let counts: TypedProducer<String, i64> =
///     TypedProducer::new(producer, StringSerializer, PrimitiveSerializer);
/// counts.send("counts", Some(&"apples".to_owned()), Some(&3)).await?.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TypedProducer<K: ?Sized, V: ?Sized> {
    producer: Producer,
    key: std::sync::Arc<dyn Serializer<K>>,
    value: std::sync::Arc<dyn Serializer<V>>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> TypedProducer<K, V> {
    /// A producer with these serializers.
    pub fn new(producer: Producer, key: impl Serializer<K>, value: impl Serializer<V>) -> Self {
        Self { producer, key: std::sync::Arc::new(key), value: std::sync::Arc::new(value) }
    }

    /// The producer beneath: for flushing, transactions and closing.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Hands a record over, see [`Producer::send`].
    ///
    /// # Errors
    /// Also when key or value can't be serialized.
    pub async fn send(&self, topic: impl Into<Str>, key: Option<&K>, value: Option<&V>) -> Result<Delivery> {
        self.send_to(topic, None, key, value, Vec::new()).await
    }

    /// Likewise with a partition and headers.
    ///
    /// # Errors
    /// As [`TypedProducer::send`].
    pub async fn send_to(
        &self,
        topic: impl Into<Str>,
        partition: Option<i32>,
        key: Option<&K>,
        value: Option<&V>,
        headers: Vec<Header>,
    ) -> Result<Delivery> {
        let topic = topic.into();
        let key = bytes(&*self.key, &topic, key)?;
        let value = bytes(&*self.value, &topic, value)?;
        let record = ProducerRecord { topic, partition, timestamp_ms: None, key, value, headers };
        self.producer.send(record).await
    }
}

fn bytes<T: ?Sized + 'static>(
    serializer: &dyn Serializer<T>,
    topic: &str,
    data: Option<&T>,
) -> Result<Option<Bytes>> {
    data.map_or(Ok(None), |data| serializer.serialize(topic, data))
}
