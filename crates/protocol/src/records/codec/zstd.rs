//! zstd, RFC 8878.

use zstd::stream::read::Decoder;

use super::{compress_error, decompress_error, read_bounded};
use crate::records::{Compression, RecordsError};

const CODEC: Compression = Compression::Zstd;

/// Largest window a frame may ask for, as a power of two: what Kafka's clients write at most, and read by
/// default.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    // In one piece, so that zstd chooses tables by the size of the input: batches are small.
    let start = out.len();
    let compressed = zstd::bulk::compress(input, level).map_err(|error| compress_error(CODEC, error))?;
    out.truncate(start);
    out.extend_from_slice(&compressed);
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    let mut decoder = Decoder::with_buffer(input).map_err(|error| decompress_error(CODEC, error))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| decompress_error(CODEC, error))?;
    read_bounded(CODEC, decoder, input.len().saturating_mul(4), limit)
}
