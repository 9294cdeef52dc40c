//! What a batch's records are compressed with: the framing of gzip, snappy (Java's and plain), lz4 and zstd.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_protocol::records::{Compression, CompressionLevel, compress, decompress};

const LIMIT: usize = 1 << 20;
const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fuzz_target!(|data: &[u8]| {
    let [which, data @ ..] = data else { return };
    let codec = CODECS[usize::from(*which) % CODECS.len()];
    for limit in [data.len(), LIMIT] {
        if let Ok(found) = decompress(codec, data, limit) {
            assert!(found.len() <= limit, "{codec:?} gave {} bytes, {limit} were allowed", found.len());
        }
    }
    // And the other way round, for bytes that no test would think of.
    let compressed = compress(codec, CompressionLevel::default(), data).expect("compresses");
    let again = decompress(codec, &compressed, data.len()).expect("what was compressed decompresses");
    assert_eq!(again, data, "{codec:?} gives something else back");
});
