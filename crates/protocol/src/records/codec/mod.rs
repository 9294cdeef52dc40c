//! Compression and bounded decompression of a batch's records.
//!
//! Sizes that compressed data declare are never believed: output grows with what really comes out, up to the
//! caller's limit. What each codec needs beside its output is bounded by the codec: 32 KiB (gzip), 64 KiB
//! (snappy), two blocks of at most 4 MiB (lz4), a window of at most 128 MiB (zstd, which touches no more of
//! it than it writes).

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::io::Read;

use super::{Compression, CompressionLevel, RecordsError};

/// First allocation for decompressed data, in bytes.
const CHUNK_MIN: usize = 4 * 1024;

/// Compresses `input`.
///
/// # Errors
/// [`RecordsError::Compress`] for input that the codec cannot take (snappy: 4 GiB) or when it has no memory.
pub fn compress(codec: Compression, level: CompressionLevel, input: &[u8]) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::new();
    compress_into(codec, level.for_codec(codec), input, &mut out)?;
    Ok(out)
}

/// Decompresses `input` to at most `limit` bytes.
///
/// # Errors
/// [`RecordsError::DecompressedTooLarge`] when there is more to come at `limit`; [`RecordsError::Decompress`]
/// for data that are not of this codec.
pub fn decompress(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    match codec {
        Compression::None if input.len() > limit => Err(RecordsError::DecompressedTooLarge { limit }),
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gzip::decompress(input, limit),
        Compression::Snappy => snappy::decompress(input, limit),
        Compression::Lz4 => lz4::decompress(input, limit),
        Compression::Zstd => zstd::decompress(input, limit),
    }
}

/// Appends compressed `input` to `out`.
pub(super) fn compress_into(
    codec: Compression,
    level: i32,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    match codec {
        Compression::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Compression::Gzip => gzip::compress(input, level, out),
        Compression::Snappy => snappy::compress(input, out),
        Compression::Lz4 => lz4::compress(input, out),
        Compression::Zstd => zstd::compress(input, level, out),
    }
}

/// Reads all that `reader` gives, up to `limit` bytes. `expected` is a guess of how much that is.
fn read_bounded(
    codec: Compression,
    mut reader: impl Read,
    expected: usize,
    limit: usize,
) -> Result<Vec<u8>, RecordsError> {
    let mut out: Vec<u8> = Vec::new();
    let mut filled = 0;
    loop {
        if filled == out.len() {
            // One byte more than the limit, to tell "exactly full" from "more to come".
            let room = limit.saturating_add(1) - filled;
            if room == 0 {
                return Err(RecordsError::DecompressedTooLarge { limit });
            }
            let grow = filled.max(expected).max(CHUNK_MIN).min(room);
            out.reserve_exact(grow);
            out.resize(filled + grow, 0);
        }
        match reader.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(decompress_error(codec, error)),
        }
    }
    if filled > limit {
        return Err(RecordsError::DecompressedTooLarge { limit });
    }
    out.truncate(filled);
    Ok(out)
}

fn decompress_error(codec: Compression, reason: impl ToString) -> RecordsError {
    RecordsError::Decompress { codec, reason: reason.to_string() }
}

fn compress_error(codec: Compression, reason: impl ToString) -> RecordsError {
    RecordsError::Compress { codec, reason: reason.to_string() }
}

#[cfg(test)]
mod codec_test;
