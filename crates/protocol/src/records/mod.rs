//! Record batches, format v2: view, iteration, validation, building, compression.
//!
//! A batch is what producers send, logs store, and consumers fetch, byte for byte the same in all three
//! places. Its layout (`org.apache.kafka.common.record.internal.DefaultRecordBatch`), all numbers big-endian:
//!
//! | bytes | field | notes |
//! | --- | --- | --- |
//! | 0..8 | base offset | assigned by the leader, outside the CRC |
//! | 8..12 | length | of what follows: size of the batch - 12 |
//! | 12..16 | partition leader epoch | assigned by the leader, outside the CRC |
//! | 16 | magic | 2 |
//! | 17..21 | CRC-32C | of everything from byte 21 to the end |
//! | 21..23 | attributes | see [`Attributes`] |
//! | 23..27 | last offset delta | also the last sequence delta |
//! | 27..35 | base timestamp | Unix ms; the delete horizon when attribute bit 6 is set |
//! | 35..43 | max timestamp | Unix ms; the append time when attribute bit 3 is set |
//! | 43..51 | producer id | -1: none |
//! | 51..53 | producer epoch | -1: none |
//! | 53..57 | base sequence | -1: none |
//! | 57..61 | records count | |
//! | 61.. | records | compressed as one block when attribute bits 0-2 say so |
//!
//! Base offset and leader epoch lie outside the CRC, so a leader can assign both without touching the rest:
//! [`validate_and_assign`] gives back a new header and a slice of the frame it was given.
//!
//! | file | what |
//! | --- | --- |
//! | `header` | the 61 bytes: [`BatchHeader`] |
//! | `batch`, `batch_iter` | [`RecordBatch`], a view over one batch; [`BatchIter`] over many |
//! | `record`, `record_iter` | records inside a batch |
//! | `builder` | [`BatchBuilder`] |
//! | `restamp` | [`with_producer_state`] |
//! | `control` | transaction markers and the control records of the metadata quorum |
//! | `analyze`, `validate`, `walk`, `rebuild` | what a log checks and changes before it appends; the result is [`ValidatedRecords`] |
//! | `compression`, `codec` | which codecs there are, and how they work |
//!
//! *Invariant:* no input makes this module panic, and no input makes it allocate more than a small multiple
//! of its own size, or of the limit that the caller gave for decompressed data.

mod analyze;
mod attributes;
mod batch;
mod batch_iter;
mod builder;
mod codec;
mod compression;
mod control;
mod crc;
mod error;
mod header;
mod rebuild;
mod record;
mod record_iter;
mod restamp;
mod sequence;
mod validate;
mod validated;
mod varint;
mod walk;

pub use analyze::{Analysis, AnalyzeOptions, analyze};
pub use attributes::{Attributes, TimestampType};
pub use batch::RecordBatch;
pub use batch_iter::BatchIter;
pub use builder::{BatchBuilder, BatchOptions, empty_batch};
pub use codec::{compress, decompress};
pub use compression::{Compression, CompressionLevel};
pub use control::{ControlRecordType, EndTransactionMarker, control_batch, end_transaction_batch};
pub use crc::crc32c;
pub use error::{RecordError, RecordsError, RecordsInvalid};
pub use header::BatchHeader;
pub use record::{Header, HeaderRef, HeaderRefs, Record, RecordRef};
pub use record_iter::{RecordIter, RecordRefs, RecordView};
pub use restamp::with_producer_state;
pub use sequence::{decrement_sequence, increment_sequence};
pub use validate::{AppendOrigin, ValidateOptions, validate_and_assign, validate_produce_records};
pub use validated::ValidatedRecords;

/// Bytes before the first record of a batch.
pub const BATCH_HEADER_SIZE: usize = 61;

/// Bytes of base offset and length; the length field does not count them.
pub const LOG_OVERHEAD: usize = 12;

/// Bytes up to and with the magic byte: enough to know a batch's size and format.
pub const HEADER_SIZE_UP_TO_MAGIC: usize = 17;

/// The only format that is read and written.
pub const MAGIC_V2: i8 = 2;

/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

/// The producer id of a batch that no idempotent producer wrote.
pub const NO_PRODUCER_ID: i64 = -1;

/// The producer epoch of a batch that no idempotent producer wrote.
pub const NO_PRODUCER_EPOCH: i16 = -1;

/// The base sequence of a batch that no idempotent producer wrote.
pub const NO_SEQUENCE: i32 = -1;

/// The leader epoch of a batch that no leader has appended yet.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

#[cfg(test)]
mod analyze_test;
#[cfg(test)]
mod builder_test;
#[cfg(test)]
mod fixtures_test;
#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod judge_test;
#[cfg(test)]
mod record_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod validate_test;
