//! Keys and values as bytes (`org.apache.kafka.common.serialization`): the same bytes as Java's serializers write.

use bytes::Bytes;
use ottla_protocol::Uuid;

use crate::{Error, Result};

/// Turns keys or values into bytes. `None` stands for no key, or for a tombstone.
pub trait Serializer<T: ?Sized>: Send + Sync + 'static {
    /// The bytes of `data`, which is to be sent to `topic`.
    ///
    /// # Errors
    /// [`Error::Serialization`] when it has no form as bytes.
    fn serialize(&self, topic: &str, data: &T) -> Result<Option<Bytes>>;
}

/// Strings as UTF-8 (`StringSerializer` with its default encoding).
#[derive(Clone, Copy, Debug, Default)]
pub struct StringSerializer;

impl<T: AsRef<str> + ?Sized> Serializer<T> for StringSerializer {
    fn serialize(&self, _topic: &str, data: &T) -> Result<Option<Bytes>> {
        Ok(Some(Bytes::copy_from_slice(data.as_ref().as_bytes())))
    }
}

/// Bytes as they are (`ByteArraySerializer`, `BytesSerializer`, `ByteBufferSerializer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesSerializer;

impl Serializer<Bytes> for BytesSerializer {
    fn serialize(&self, _topic: &str, data: &Bytes) -> Result<Option<Bytes>> {
        Ok(Some(data.clone()))
    }
}

impl Serializer<Vec<u8>> for BytesSerializer {
    fn serialize(&self, _topic: &str, data: &Vec<u8>) -> Result<Option<Bytes>> {
        Ok(Some(Bytes::copy_from_slice(data)))
    }
}

impl Serializer<[u8]> for BytesSerializer {
    fn serialize(&self, _topic: &str, data: &[u8]) -> Result<Option<Bytes>> {
        Ok(Some(Bytes::copy_from_slice(data)))
    }
}

/// Numbers and booleans, big-endian (`ShortSerializer`, `IntegerSerializer`, `LongSerializer`, `FloatSerializer`,
/// `DoubleSerializer`, `BooleanSerializer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct PrimitiveSerializer;

macro_rules! primitive {
    ($($number:ty),*) => {$(
        impl Serializer<$number> for PrimitiveSerializer {
            fn serialize(&self, _topic: &str, data: &$number) -> Result<Option<Bytes>> {
                Ok(Some(Bytes::copy_from_slice(&data.to_be_bytes())))
            }
        }
    )*};
}

primitive!(i16, i32, i64, u16, u32, u64, f32, f64);

impl Serializer<bool> for PrimitiveSerializer {
    fn serialize(&self, _topic: &str, data: &bool) -> Result<Option<Bytes>> {
        Ok(Some(Bytes::from_static(if *data { &[1] } else { &[0] })))
    }
}

/// UUIDs in their text form (`UUIDSerializer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidSerializer;

impl Serializer<Uuid> for UuidSerializer {
    fn serialize(&self, _topic: &str, data: &Uuid) -> Result<Option<Bytes>> {
        Ok(Some(data.to_hyphenated().into()))
    }
}

/// Nothing (`VoidSerializer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct VoidSerializer;

impl Serializer<()> for VoidSerializer {
    fn serialize(&self, _topic: &str, (): &()) -> Result<Option<Bytes>> {
        Ok(None)
    }
}

/// Whatever serde can write, as JSON in UTF-8 (`JsonSerializer` of `connect-json` writes the same for its trees).
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonSerializer;

impl<T: serde::Serialize + ?Sized> Serializer<T> for JsonSerializer {
    fn serialize(&self, topic: &str, data: &T) -> Result<Option<Bytes>> {
        let bytes = serde_json::to_vec(data).map_err(|error| {
            Error::Serialization(format!("Error serializing JSON message for topic {topic}: {error}"))
        })?;
        Ok(Some(bytes.into()))
    }
}

/// What may be missing: none becomes no bytes.
impl<T, S: Serializer<T>> Serializer<Option<T>> for OrNull<S> {
    fn serialize(&self, topic: &str, data: &Option<T>) -> Result<Option<Bytes>> {
        match data {
            Some(data) => self.0.serialize(topic, data),
            None => Ok(None),
        }
    }
}

/// A serializer for what may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrNull<S>(pub S);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: ?Sized>(serializer: impl Serializer<T>, data: &T, expect: &[u8]) {
        assert_eq!(serializer.serialize("t", data).unwrap().as_deref(), Some(expect));
    }

    #[test]
    fn bytes_are_those_of_java() {
        check(StringSerializer, "naïve", "naïve".as_bytes());
        check(PrimitiveSerializer, &1i16, &[0, 1]);
        check(PrimitiveSerializer, &-2i32, &[255, 255, 255, 254]);
        check(PrimitiveSerializer, &(1i64 << 40), &[0, 0, 1, 0, 0, 0, 0, 0]);
        check(PrimitiveSerializer, &1.5f32, &[0x3f, 0xc0, 0, 0]);
        check(PrimitiveSerializer, &-0.0f64, &[0x80, 0, 0, 0, 0, 0, 0, 0]);
        check(PrimitiveSerializer, &true, &[1]);
        check(UuidSerializer, &Uuid([0; 16]), b"00000000-0000-0000-0000-000000000000");
        check(JsonSerializer, &serde_json::json!({"a": [1, null]}), br#"{"a":[1,null]}"#);
        assert_eq!(VoidSerializer.serialize("t", &()).unwrap(), None);
        assert_eq!(OrNull(StringSerializer).serialize("t", &None::<String>).unwrap(), None);
    }
}
