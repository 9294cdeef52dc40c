//! The Kafka protocol: wire messages, internal records, record batches, error codes.
//!
//! Pure: bytes in, structs out, and back. No socket, no file, no clock.
//!
//! - [`messages`]: every message of Kafka 4.3.1, generated from `schema/*.txt` by `cargo xtask codegen`.
//! - [`Reader`] and [`Writer`]: primitive types; strings, bytes and records are slices of the frame.
//! - [`records`]: record batches (format v2): view, validation, builder, compression.
//! - [`schema`]: the same schema at run time, to print any message as JSON.
//! - [`base64`]: bytes as text, for all crates.
//!
//! *Invariant:* nothing is allocated by a length that a stranger sent before it has been checked against
//! the bytes that are left.

pub mod base64;
mod constant_name;
mod error_code;
mod message;
#[path = "generated/mod.rs"]
#[allow(missing_docs, dead_code, unused_mut, clippy::all)]
#[rustfmt::skip]
pub mod messages;
pub mod otlp;
mod reader;
pub mod records;
pub mod schema;
pub mod types;
mod uuid;
mod writer;

pub use bytestring::ByteString as Str;
pub use constant_name::constant_name;
pub use error_code::ErrorCode;
pub use message::{
    Message, Request, decode_message, decode_versioned, encode_key, encode_message, encode_versioned,
};
pub use messages::api_key::ApiKey;
pub use reader::{DecodeError, Reader};
pub use types::{ExternalRecords, Records, TopicPartition};
pub use uuid::{InvalidUuid, Uuid};
pub use writer::{EncodeError, Insert, Writer};
