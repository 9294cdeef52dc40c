//! From bytes to what they mean (`org.apache.kafka.common.serialization.Deserializer`).

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::{TopicPartition, Uuid};

use super::client::Consumer;
use crate::record::{ConsumerRecord, Header};
use crate::{Error, Result};

/// Makes values of bytes.
pub trait Deserializer: Send {
    /// What they become.
    type Output;

    /// Reads a key or value of a topic's record.
    ///
    /// # Errors
    /// [`Error::Serialization`] when the bytes are none of its.
    fn deserialize(&mut self, topic: &str, headers: &[Header], data: &Bytes) -> Result<Self::Output>;
}

/// Leaves bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesDeserializer;

impl Deserializer for BytesDeserializer {
    type Output = Bytes;

    fn deserialize(&mut self, _topic: &str, _headers: &[Header], data: &Bytes) -> Result<Bytes> {
        Ok(data.clone())
    }
}

/// Reads UTF-8; what is not becomes U+FFFD, as in Java.
#[derive(Clone, Copy, Debug, Default)]
pub struct StringDeserializer;

impl Deserializer for StringDeserializer {
    type Output = String;

    fn deserialize(&mut self, _topic: &str, _headers: &[Header], data: &Bytes) -> Result<String> {
        Ok(String::from_utf8_lossy(data).into_owned())
    }
}

/// Reads the text form of a UUID.
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidDeserializer;

impl Deserializer for UuidDeserializer {
    type Output = Uuid;

    fn deserialize(&mut self, topic: &str, _headers: &[Header], data: &Bytes) -> Result<Uuid> {
        let digits: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'-').collect();
        let text = std::str::from_utf8(&digits).ok().filter(|text| text.len() == 32 && data.len() == 36);
        let number = text.and_then(|text| u128::from_str_radix(text, 16).ok());
        let number = number.ok_or_else(|| {
            Error::Serialization(format!(
                "Error parsing data of topic {topic} into UUID: {} bytes",
                data.len()
            ))
        })?;
        Ok(Uuid::from_parts((number >> 64) as u64, number as u64))
    }
}

/// Reads JSON, by serde.
#[derive(Debug)]
pub struct JsonDeserializer<T>(PhantomData<fn() -> T>);

impl<T> Default for JsonDeserializer<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: serde::de::DeserializeOwned> Deserializer for JsonDeserializer<T> {
    type Output = T;

    fn deserialize(&mut self, topic: &str, _headers: &[Header], data: &Bytes) -> Result<T> {
        serde_json::from_slice(data)
            .map_err(|error| Error::Serialization(format!("Error parsing JSON of topic {topic}: {error}")))
    }
}

macro_rules! number_deserializer {
    ($($name:ident, $number:ty, $what:literal;)*) => {$(
        #[doc = concat!("Reads ", $what, ", most significant byte first.")]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Deserializer for $name {
            type Output = $number;

            fn deserialize(&mut self, topic: &str, _headers: &[Header], data: &Bytes) -> Result<$number> {
                let bytes = data.as_ref().try_into().map_err(|_| {
                    Error::Serialization(format!(
                        "Size of data received by {} is not {} but {} (topic {topic})",
                        stringify!($name),
                        size_of::<$number>(),
                        data.len()
                    ))
                })?;
                Ok(<$number>::from_be_bytes(bytes))
            }
        }
    )*};
}

number_deserializer! {
    ShortDeserializer, i16, "16 bits, signed";
    IntegerDeserializer, i32, "32 bits, signed";
    LongDeserializer, i64, "64 bits, signed";
    FloatDeserializer, f32, "32 bits, floating";
    DoubleDeserializer, f64, "64 bits, floating";
}

/// A record with its key and value as what they mean.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedRecord<K, V> {
    /// The key.
    pub key: Option<K>,
    /// The value.
    pub value: Option<V>,
    /// All the rest, and the bytes.
    pub record: ConsumerRecord,
}

/// Key and value of a record.
type Pair<K, V> = (Option<<K as Deserializer>::Output>, Option<<V as Deserializer>::Output>);

/// A consumer of records that mean something.
#[derive(Debug)]
pub struct TypedConsumer<K, V> {
    consumer: Consumer,
    key: K,
    value: V,
}

impl<K: Deserializer, V: Deserializer> TypedConsumer<K, V> {
    /// Reads keys and values of what `consumer` reads.
    pub fn new(consumer: Consumer, key: K, value: V) -> Self {
        Self { consumer, key, value }
    }

    /// The consumer, for all but polling.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// The consumer alone.
    pub fn into_inner(self) -> Consumer {
        self.consumer
    }

    /// As [`Consumer::poll`]. At a record that can't be read the records before it are returned; the next poll begins
    /// there, and fails until somebody seeks behind it.
    ///
    /// # Errors
    /// As [`Consumer::poll`], and [`Error::Serialization`].
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<TypedRecord<K::Output, V::Output>>> {
        let records = self.consumer.poll(timeout).await?;
        let mut read = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        while let Some(record) = records.next() {
            match self.read(&record) {
                Ok((key, value)) => read.push(TypedRecord { key, value, record }),
                Err(error) => {
                    self.go_back_to(std::iter::once(record).chain(records))?;
                    return if read.is_empty() { Err(error) } else { Ok(read) };
                }
            }
        }
        Ok(read)
    }

    fn read(&mut self, record: &ConsumerRecord) -> Result<Pair<K, V>> {
        let (topic, headers) = (&*record.topic, &record.headers[..]);
        let describe = |error: Error| match error {
            Error::Serialization(text) => Error::Serialization(format!(
                "Error deserializing the record at offset {} of {topic}-{}: {text}. If needed, please seek past the record \
                 to continue consumption.",
                record.offset, record.partition
            )),
            other => other,
        };
        let key = record.key.as_ref().map(|data| self.key.deserialize(topic, headers, data));
        let value = record.value.as_ref().map(|data| self.value.deserialize(topic, headers, data));
        Ok((key.transpose().map_err(describe)?, value.transpose().map_err(describe)?))
    }

    /// Has the next poll return these records again.
    fn go_back_to(&mut self, records: impl Iterator<Item = ConsumerRecord>) -> Result<()> {
        let mut first = BTreeMap::new();
        for record in records {
            first.entry(TopicPartition::new(record.topic, record.partition)).or_insert(record.offset);
        }
        for (partition, offset) in first {
            self.consumer.seek(&partition, offset)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<D: Deserializer>(mut deserializer: D, data: &'static [u8]) -> Option<D::Output> {
        deserializer.deserialize("t", &[], &Bytes::from_static(data)).ok()
    }

    #[test]
    fn values() {
        assert_eq!(read(StringDeserializer, "grün".as_bytes()).as_deref(), Some("grün"));
        assert_eq!(read(StringDeserializer, b"a\xff").as_deref(), Some("a\u{fffd}"));
        assert_eq!(read(IntegerDeserializer, &[0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(read(IntegerDeserializer, &[1]), None);
        assert_eq!(read(LongDeserializer, &[0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(read(ShortDeserializer, &[1, 0]), Some(256));
        assert_eq!(read(DoubleDeserializer, &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), Some(1.5));
        let uuid = Uuid::from_parts(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        assert_eq!(read(UuidDeserializer, b"01234567-89ab-cdef-fedc-ba9876543210"), Some(uuid));
        assert_eq!(read(UuidDeserializer, b"01234567-89ab-cdef-fedc-ba987654321"), None);
        assert_eq!(read(JsonDeserializer::<Vec<i32>>::default(), b"[1, 2]"), Some(vec![1, 2]));
        assert_eq!(read(JsonDeserializer::<Vec<i32>>::default(), b"[1, "), None);
        assert_eq!(read(BytesDeserializer, b"x").as_deref(), Some(&b"x"[..]));
    }
}
