//! What the tests of this module share.

use bytes::Bytes;

use super::{BatchBuilder, BatchOptions, Compression, Header, Record};
use crate::Str;

/// A time, Unix ms.
pub(super) const TIME: i64 = 1_700_000_000_000;

/// xorshift64*: the same numbers from the same seed on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    pub(super) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Bytes that compress to about half.
    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8 & 0x0f).collect()
    }
}

/// The records of the fixtures whose names do not end in "large"; `RecordFixtures.java` says the same.
pub(super) fn small_records() -> Vec<Record> {
    (0..20usize)
        .map(|i| Record {
            offset: i as i64,
            timestamp: TIME + (i * 37 % 101) as i64,
            sequence: -1,
            key: (i % 5 != 0).then(|| Bytes::from(format!("key-{i}"))),
            value: (i % 7 != 3)
                .then(|| (0..i * 13).map(|j| ((i * 31 + j * 7) % 251) as u8).collect::<Vec<u8>>().into()),
            headers: if i % 4 != 1 {
                Vec::new()
            } else {
                vec![
                    Header { key: Str::from_static("n"), value: Some(Bytes::from(vec![i as u8])) },
                    Header { key: Str::from_static(""), value: None },
                    Header { key: Str::from_static("ключ"), value: Some(Bytes::new()) },
                ]
            },
        })
        .collect()
}

/// The records of the fixtures whose names end in "large".
pub(super) fn large_records() -> Vec<Record> {
    (0..3usize)
        .map(|i| Record {
            offset: i as i64,
            timestamp: TIME + i as i64,
            sequence: -1,
            key: None,
            value: Some(
                (0..60_000usize).map(|j| b'a' + ((j / 64 + i) * 7 % 26) as u8).collect::<Vec<u8>>().into(),
            ),
            headers: Vec::new(),
        })
        .collect()
}

/// Records of random shape.
pub(super) fn random_records(random: &mut Random) -> Vec<Record> {
    let bytes = |random: &mut Random| {
        (!random.chance(4)).then(|| {
            let len = if random.chance(20) { random.below(40_000) } else { random.below(200) };
            Bytes::from(random.bytes(len))
        })
    };
    (0..1 + random.below(30))
        .map(|i| Record {
            offset: i as i64,
            timestamp: if random.chance(9) { -1 } else { random.below(1 << 40) as i64 },
            sequence: -1,
            key: bytes(random),
            value: bytes(random),
            headers: (0..random.below(4))
                .map(|h| Header { key: Str::from(format!("header {h}")), value: bytes(random) })
                .collect(),
        })
        .collect()
}

/// The batch of these records, as `BatchBuilder` makes it.
pub(super) fn build(options: BatchOptions, records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let headers: Vec<(&str, Option<&[u8]>)> =
            record.headers.iter().map(|h| (&*h.key, h.value.as_deref())).collect();
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers).unwrap();
    }
    builder.build().unwrap()
}

/// The batch of these records as an ordinary producer sends it.
pub(super) fn produced(compression: Compression, records: &[Record]) -> Bytes {
    build(BatchOptions { compression, ..Default::default() }, records)
}

/// The batch with `change` made to its bytes and the CRC made right again.
pub(super) fn tampered(batch: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = batch.to_vec();
    change(&mut bytes);
    fix_crc(&mut bytes);
    bytes.into()
}

/// Makes the CRC of the batch that `bytes` is right.
pub(super) fn fix_crc(bytes: &mut [u8]) {
    if bytes.len() > 21 {
        let crc = super::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}
