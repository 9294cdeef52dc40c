//! LZ4 frames as Java's `Lz4BlockOutputStream` writes and `Lz4BlockInputStream` reads them: version 1,
//! independent blocks of 64 KiB, no content size, no content checksum.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{compress_error, decompress_error, read_bounded};
use crate::records::{Compression, RecordsError};

const CODEC: Compression = Compression::Lz4;

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const BLOCK_INDEPENDENCE: u8 = 0x20;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(input).map_err(|error| compress_error(CODEC, error))?;
    encoder.finish().map_err(|error| compress_error(CODEC, error))?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    // The library also reads legacy frames and dependent blocks, which Java does not.
    let independent = input.get(4).is_some_and(|flags| flags & BLOCK_INDEPENDENCE != 0);
    if !input.starts_with(&MAGIC) {
        return Err(decompress_error(CODEC, "Stream unsupported (invalid magic bytes)"));
    }
    if !independent {
        return Err(decompress_error(CODEC, "Dependent block stream is unsupported"));
    }
    read_bounded(CODEC, FrameDecoder::new(input), input.len().saturating_mul(4), limit)
}
