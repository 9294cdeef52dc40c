use super::*;
use crate::records::testing::Random;

const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn pack(codec: Compression, input: &[u8]) -> Vec<u8> {
    compress(codec, CompressionLevel::DEFAULT, input).unwrap()
}

/// What a decompressor answers, with the error's text left out.
fn outcome(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    decompress(codec, input, limit).map_err(|error| match error {
        RecordsError::DecompressedTooLarge { limit: reported } => {
            assert_eq!(reported, limit);
            "too large"
        }
        RecordsError::Decompress { codec: reported, .. } => {
            assert_eq!(reported, codec);
            "malformed"
        }
        other => panic!("unexpected {other:?}"),
    })
}

#[test]
fn every_size_round_trips() {
    let mut random = Random::new(1);
    for codec in Compression::ALL {
        for size in [0, 1, 2, 100, 4095, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 300_000] {
            for input in
                [random.bytes(size), vec![b'x'; size], (0..size).map(|_| random.next() as u8).collect()]
            {
                let packed = pack(codec, &input);
                assert_eq!(outcome(codec, &packed, size), Ok(input), "{codec} {size}");
            }
        }
    }
}

#[test]
fn every_level_round_trips() {
    let input = Random::new(2).bytes(50_000);
    for codec in CODECS {
        for level in (-10..=22).filter(|level| codec.is_valid_level(*level)) {
            let packed = compress(codec, CompressionLevel::new(codec, level).unwrap(), &input).unwrap();
            assert_eq!(outcome(codec, &packed, 50_000).as_deref(), Ok(&input[..]), "{codec} {level}");
        }
    }
}

#[test]
fn the_limit_is_exact() {
    let input = Random::new(3).bytes(100_000);
    for codec in Compression::ALL {
        let packed = pack(codec, &input);
        assert_eq!(outcome(codec, &packed, 100_000).as_deref(), Ok(&input[..]), "{codec}");
        for limit in [0, 1, 4096, 65_536, 99_999] {
            assert_eq!(outcome(codec, &packed, limit), Err("too large"), "{codec} {limit}");
        }
    }
}

#[test]
fn output_never_outgrows_the_limit() {
    // 8 MiB of zeros in a few kilobytes.
    let zeros = vec![0; 8 << 20];
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let packed = pack(codec, &zeros);
        assert!(packed.len() < 64 << 10);
        assert_eq!(outcome(codec, &packed, 1 << 20), Err("too large"), "{codec}");
    }
    let mut endless = CountingZeros(0);
    let error = read_bounded(Compression::Gzip, &mut endless, usize::MAX, 10_000).unwrap_err();
    assert_eq!(error, RecordsError::DecompressedTooLarge { limit: 10_000 });
    assert_eq!(endless.0, 10_001);
}

struct CountingZeros(usize);

impl Read for &mut CountingZeros {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0 += buf.len();
        Ok(buf.len())
    }
}

#[test]
fn truncations_and_mutations_are_errors_or_other_data() {
    let mut random = Random::new(4);
    let input = random.bytes(3000);
    for codec in CODECS {
        let packed = pack(codec, &input);
        for end in 0..packed.len() {
            // A cut-off lz4 frame ends early without complaint; the records in it are then too few.
            if let Ok(output) = outcome(codec, &packed[..end], 10_000) {
                assert!(input.starts_with(&output), "{codec} {end}");
            }
        }
        for _ in 0..3000 {
            let mut mutated = packed.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(mutated.len());
                mutated[at] = random.next() as u8;
            }
            if let Ok(output) = outcome(codec, &mutated, 10_000) {
                assert!(output.len() <= 10_000);
            }
        }
        for _ in 0..1000 {
            let len = random.below(200);
            let noise: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            let _ = outcome(codec, &noise, 10_000);
        }
    }
}

#[test]
fn raw_snappy_is_read() {
    let input = Random::new(5).bytes(10_000);
    let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert_eq!(outcome(Compression::Snappy, &raw, 10_000), Ok(input));
}

#[test]
fn joined_snappy_streams_are_read() {
    let (first, second) = (Random::new(6).bytes(40_000), Random::new(7).bytes(10));
    let joined = [pack(Compression::Snappy, &first), pack(Compression::Snappy, &second)].concat();
    assert_eq!(outcome(Compression::Snappy, &joined, 1 << 20), Ok([first, second].concat()));
}

#[test]
fn snappy_that_lies_about_its_size_is_refused_before_it_is_believed() {
    // A length prefix of 4 GiB - 1 before three bytes.
    let raw = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    assert_eq!(outcome(Compression::Snappy, &raw, usize::MAX), Err("malformed"));
    let framed = |length: i32, block: &[u8]| {
        let header = pack(Compression::Snappy, &[]);
        [&header[..], &length.to_be_bytes(), block].concat()
    };
    assert_eq!(outcome(Compression::Snappy, &framed(8, &raw), usize::MAX), Err("malformed"));
    assert_eq!(outcome(Compression::Snappy, &framed(-1, &raw), usize::MAX), Err("malformed"));
    assert_eq!(outcome(Compression::Snappy, &framed(9, &raw), usize::MAX), Err("malformed"));
    assert_eq!(outcome(Compression::Snappy, &framed(i32::MAX, &raw), usize::MAX), Err("malformed"));
}

#[test]
fn the_densest_snappy_is_within_the_ratio() {
    let input = vec![7; 60_000];
    let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert!(input.len() / raw.len() >= 20);
    assert_eq!(outcome(Compression::Snappy, &raw, 60_000), Ok(input));
}

#[test]
fn joined_gzip_members_are_read() {
    let joined = [pack(Compression::Gzip, b"one "), pack(Compression::Gzip, b"two")].concat();
    assert_eq!(outcome(Compression::Gzip, &joined, 100), Ok(b"one two".to_vec()));
}

#[test]
fn lz4_that_java_cannot_read_is_refused() {
    let mut legacy = pack(Compression::Lz4, b"some bytes");
    legacy[..4].copy_from_slice(&0x184c_2102_u32.to_le_bytes());
    assert_eq!(outcome(Compression::Lz4, &legacy, 100), Err("malformed"));
    let mut linked = pack(Compression::Lz4, b"some bytes");
    assert_eq!(linked[4], 0x60, "version 1, independent blocks, nothing else");
    assert_eq!(linked[5], 0x40, "64 KiB");
    linked[4] = 0x40;
    assert_eq!(outcome(Compression::Lz4, &linked, 100), Err("malformed"));
}

#[test]
fn a_zstd_window_beyond_128_mib_is_refused() {
    // Frame header: no single segment, window descriptor 2^(10 + 20).
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 1, 0, 0];
    assert_eq!(outcome(Compression::Zstd, &frame, 1 << 20), Err("malformed"));
    // The same with 2^27: an empty last block, valid.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 1, 0, 0];
    assert_eq!(outcome(Compression::Zstd, &frame, 1 << 20), Ok(Vec::new()));
}
