//! Snappy in the framing of the Java library (xerial), which all of Kafka's clients write; raw blocks are
//! read as well.
//!
//! A stream is 16 bytes of header (magic, version, lowest compatible version) and then chunks: a big-endian
//! int32 length and a raw block of so many bytes. Streams may be joined: a header can stand where a chunk
//! could begin.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{compress_error, decompress_error};
use crate::records::{Compression, RecordsError};

const CODEC: Compression = Compression::Snappy;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_SIZE: usize = 16;
const VERSION: i32 = 1;

/// Bytes before compression per chunk, as `SnappyOutputStream` cuts them.
const CHUNK_SIZE: usize = 32 * 1024;

/// No raw block grows by more than this: its best element makes 64 bytes out of three. A length prefix that
/// claims more is a lie, and is found out before anything is allocated for it.
const RATIO_MAX: usize = 22;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordsError> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    for chunk in input.chunks(CHUNK_SIZE) {
        let start = out.len();
        out.resize(start + 4 + max_compress_len(chunk.len()), 0);
        let size =
            encoder.compress(chunk, &mut out[start + 4..]).map_err(|error| compress_error(CODEC, error))?;
        // A chunk is 32 KiB before compression: its size fits.
        out[start..start + 4].copy_from_slice(&(size as u32).to_be_bytes());
        out.truncate(start + 4 + size);
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::new();
    let mut decoder = Decoder::new();
    if !input.starts_with(&MAGIC) {
        block(&mut decoder, input, limit, &mut out)?;
        return Ok(out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            rest = stream_header(rest)?;
            continue;
        }
        let (length, behind) =
            rest.split_first_chunk().ok_or_else(|| decompress_error(CODEC, "a chunk's length is cut off"))?;
        let length = i32::from_be_bytes(*length);
        let (chunk, behind) = usize::try_from(length)
            .ok()
            .and_then(|length| behind.split_at_checked(length))
            .ok_or_else(|| decompress_error(CODEC, "a chunk is cut off"))?;
        block(&mut decoder, chunk, limit, &mut out)?;
        rest = behind;
    }
    Ok(out)
}

/// Checks a stream's header and returns what follows it.
fn stream_header(stream: &[u8]) -> Result<&[u8], RecordsError> {
    let (header, behind) = stream
        .split_first_chunk::<HEADER_SIZE>()
        .ok_or_else(|| decompress_error(CODEC, "the stream header is cut off"))?;
    let [.., v0, v1, v2, v3, _, _, _, _] = *header;
    if i32::from_be_bytes([v0, v1, v2, v3]) < VERSION {
        return Err(decompress_error(CODEC, "the stream's version is too old"));
    }
    Ok(behind)
}

/// Decompresses one raw block to the end of `out`.
fn block(decoder: &mut Decoder, input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let size = decompress_len(input).map_err(|error| decompress_error(CODEC, error))?;
    if size > input.len().saturating_mul(RATIO_MAX) {
        return Err(decompress_error(CODEC, "a block's declared size is impossible"));
    }
    let start = out.len();
    if size > limit.saturating_sub(start) {
        return Err(RecordsError::DecompressedTooLarge { limit });
    }
    out.resize(start + size, 0);
    let written =
        decoder.decompress(input, &mut out[start..]).map_err(|error| decompress_error(CODEC, error))?;
    out.truncate(start + written);
    Ok(())
}
