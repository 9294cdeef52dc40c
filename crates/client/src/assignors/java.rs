//! The order in which Java's hash maps iterate, and in which its strings compare.
//!
//! A `HashMap` iterates over its buckets, and within a bucket in the order of insertion; growing keeps that order. (Buckets of more
//! than eight keys become trees with an order of their own. Such collisions among member ids do not happen by
//! chance, and the result would still be a valid assignment.)

use std::cmp::Ordering;

use ottla_protocol::TopicPartition;

/// `String.hashCode`: over UTF-16 units.
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub fn partition_hash(partition: &TopicPartition) -> i32 {
    31i32.wrapping_add(partition.partition).wrapping_mul(31).wrapping_add(string_hash(&partition.topic))
}

/// `String.compareTo`: by UTF-16 units, which differs from the order of code points above U+D7FF.
pub fn compare(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

/// Where a hash stands in a table with this many buckets, a power of two.
fn bucket(hash: i32, buckets: usize) -> usize {
    let hash = hash as u32;
    (hash ^ (hash >> 16)) as usize & (buckets - 1)
}

/// Buckets of a table that began with the default size and held up to `len` keys.
fn buckets(len: usize) -> usize {
    let mut buckets: usize = 16;
    while len > buckets / 4 * 3 {
        buckets *= 2;
    }
    buckets
}

/// Sorts distinct keys, given in the order of their insertion, as a default `HashMap` or `HashSet` of them iterates.
pub fn sort_as_map<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    let buckets = buckets(items.len());
    items.sort_by_cached_key(|item| bucket(hash(item), buckets));
}

/// A `HashSet` of partitions of which only the first is ever asked for.
#[derive(Clone, Debug)]
pub struct PartitionSet {
    items: Vec<(i32, TopicPartition)>,
    /// Never shrinks.
    buckets: usize,
}

impl PartitionSet {
    /// None.
    pub fn new() -> Self {
        Self { items: Vec::new(), buckets: buckets(0) }
    }

    /// Adds one.
    pub fn insert(&mut self, partition: TopicPartition) {
        if self.items.iter().all(|(_, other)| *other != partition) {
            self.items.push((partition_hash(&partition), partition));
            self.buckets = self.buckets.max(buckets(self.items.len()));
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, partition: &TopicPartition) {
        self.items.retain(|(_, other)| other != partition);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What its iterator gives first.
    pub fn first(&self) -> Option<&TopicPartition> {
        self.items.iter().min_by_key(|(hash, _)| bucket(*hash, self.buckets)).map(|(_, partition)| partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("kafka"), 101_807_910);
        assert_eq!(string_hash("Aa"), string_hash("BB"));
        assert_eq!(partition_hash(&TopicPartition::new("", 1)), 992);
    }

    #[test]
    fn a_map_of_thirteen_has_thirty_two_buckets() {
        assert_eq!([buckets(0), buckets(12), buckets(13), buckets(24), buckets(25)], [16, 16, 32, 32, 64]);
        let mut keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
        sort_as_map(&mut keys, |key| string_hash(key));
        let places: Vec<usize> = keys.iter().map(|key| bucket(string_hash(key), 32)).collect();
        assert!(places.is_sorted());
    }
}
