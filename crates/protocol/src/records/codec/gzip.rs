//! gzip, RFC 1952.

use std::io::Write;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{compress_error, read_bounded};
use crate::records::{Compression, RecordsError};

const CODEC: Compression = Compression::Gzip;

pub(super) fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let level = u32::try_from(level).map_or(flate2::Compression::default(), flate2::Compression::new);
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(input).map_err(|error| compress_error(CODEC, error))?;
    encoder.finish().map_err(|error| compress_error(CODEC, error))?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    // Like Java's `GZIPInputStream`, reads members one after another.
    read_bounded(CODEC, MultiGzDecoder::new(input), input.len().saturating_mul(4), limit)
}
