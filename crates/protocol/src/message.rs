//! What every generated message can do.

use bytes::Bytes;

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// A message of the schema: a request, a response, a header or a record.
pub trait Message: Sized + Clone + Default + Send + Sync + 'static {
    /// Kafka's name.
    const NAME: &'static str;
    /// First version.
    const MIN_VERSION: i16;
    /// Last version.
    const MAX_VERSION: i16;
    /// First version with compact encodings and tagged fields; `i16::MAX` when there is none.
    const FIRST_FLEXIBLE: i16;

    /// Reads the message; what follows it in the frame is left unread.
    ///
    /// # Errors
    /// When the bytes are not this message in this version.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Appends the message.
    ///
    /// # Errors
    /// When the version can't carry what the message holds.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError>;

    /// Shows every error code of a response, 0 for none included; other messages have none
    /// (`AbstractResponse.errorCounts`).
    fn error_codes(&self, _visit: &mut impl FnMut(i16)) {}

    /// Tells the client in a response for how long it was throttled; other messages, and responses without such a field,
    /// can't say it (`AbstractResponse.maybeSetThrottleTimeMs`).
    fn set_throttle_time_ms(&mut self, _throttle_time_ms: i32) {}
}

/// A request of the protocol.
pub trait Request: Message {
    /// Its API key.
    const KEY: ApiKey;
    /// What answers it.
    type Response: Message;
}

/// Decodes a whole buffer.
///
/// # Errors
/// As [`Message::decode`], and when bytes are left.
pub fn decode_message<M: Message>(bytes: Bytes, version: i16) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

/// Encodes a message into a buffer of its own.
///
/// # Errors
/// As [`Message::encode`].
pub fn encode_message<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

/// Decodes a buffer that begins with its version as an int16, as the values of coordinator records
/// and the consumer protocol do. Bytes after the last field are allowed: a newer minor
/// version may have added them.
///
/// # Errors
/// As [`Message::decode`].
pub fn decode_versioned<M: Message>(bytes: Bytes) -> Result<(i16, M), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    Ok((version, M::decode(&mut reader, version)?))
}

/// Encodes a message behind its version.
///
/// # Errors
/// As [`Message::encode`].
pub fn encode_versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    encode_prefixed(message, version, version)
}

/// Encodes a coordinator record's key: the record type, then the key in version 0.
///
/// # Errors
/// As [`Message::encode`].
pub fn encode_key<M: Message>(key: &M, record_type: i16) -> Result<Bytes, EncodeError> {
    encode_prefixed(key, record_type, 0)
}

fn encode_prefixed<M: Message>(message: &M, prefix: i16, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(prefix);
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}
