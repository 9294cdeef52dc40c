//! Numbers that are the same in Java: a seeded generator, and a hash over what was seen.

use ottla_client::record::ConsumerRecord;

/// The generator of `java/Digest.java`: the upper bits of a linear congruential sequence.
pub struct Random(i64);

impl Random {
    /// From a seed.
    pub fn new(seed: i64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `bound` - 1; `bound` is at least 1.
    pub fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 as u64) >> 33) as i64 % bound
    }

    /// So many bytes of any value, or of few values when they shall compress well.
    pub fn bytes(&mut self, len: i64, values: i64) -> Vec<u8> {
        (0..len).map(|_| self.below(values) as u8).collect()
    }
}

/// FNV-1a over 64 bits.
pub struct Digest(u64);

impl Digest {
    /// Of nothing.
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in a number.
    pub fn int(&mut self, value: i64) -> &mut Self {
        for byte in value.to_be_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    /// Takes in bytes with their length; -1 for none.
    pub fn bytes(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        let Some(bytes) = bytes else { return self.int(-1) };
        self.int(bytes.len() as i64);
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    /// Takes in all of a record but its topic.
    pub fn record(&mut self, record: &ConsumerRecord) -> &mut Self {
        self.int(record.partition.into()).int(record.offset).int(record.timestamp_ms);
        self.bytes(record.key.as_deref()).bytes(record.value.as_deref());
        for header in &record.headers {
            self.bytes(Some(header.key.as_bytes())).bytes(header.value.as_deref());
        }
        self
    }

    /// As text.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Hash of records by partition and offset, with their number: `n records, hash`.
pub fn digest(records: &[ConsumerRecord]) -> String {
    let mut sorted: Vec<&ConsumerRecord> = records.iter().collect();
    sorted.sort_by_key(|record| (record.topic.clone(), record.partition, record.offset));
    let mut digest = Digest::new();
    for record in &sorted {
        digest.record(record);
    }
    format!("{} records, {}", sorted.len(), digest.hex())
}
