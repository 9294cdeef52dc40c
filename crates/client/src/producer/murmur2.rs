//! The hash that places records with a key (`org.apache.kafka.common.utils.Utils.murmur2`): 32 bits of MurmurHash2 with
//! Kafka's seed. Every client must agree on it, or records of one key end in two partitions.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// Hash of `data`; Java's value is the same bits as an `int`.
pub fn murmur2(data: &[u8]) -> i32 {
    // Java's lengths are ints: longer data can't reach this function from a record.
    let mut h = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (place, byte) in rest.iter().enumerate() {
        h ^= u32::from(*byte) << (8 * place);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h as i32
}

/// The partition of a key among `partitions` (`BuiltInPartitioner.partitionForKey`); 0 when there are none.
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    to_positive(murmur2(key)).checked_rem(partitions).unwrap_or(0)
}

/// Clears the sign bit (`Utils.toPositive`): not the absolute value.
pub(super) fn to_positive(number: i32) -> i32 {
    number & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values of Kafka's `UtilsTest`.
    #[test]
    fn values_of_kafkas_own_test() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn values_of_the_java_client() {
        let mut seed = 42u64;
        let lines = include_str!("murmur2_java.tsv").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for (n, line) in lines.enumerate() {
            let numbers: Vec<i64> = line.split('\t').map(|number| number.parse().unwrap()).collect();
            let key: Vec<u8> = (0..numbers[0])
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 56) as u8
                })
                .collect();
            assert_eq!(i64::from(murmur2(&key)), numbers[1], "line {n}");
            assert_eq!(i64::from(partition_for_key(&key, 1 + n as i32 % 64)), numbers[2], "line {n}");
            count += 1;
        }
        assert_eq!(count, 200);
    }

    #[test]
    fn no_partitions_are_no_panic() {
        assert_eq!(partition_for_key(b"k", 0), 0);
    }
}
