//! Which partition of `__consumer_offsets` a group lives in.

/// The partition, from 0, of `group_id` among `num_partitions` (`GroupCoordinatorService.partitionFor`):
/// Java's `String.hashCode`, made non-negative by `Utils.abs`, modulo. 0 when there are no partitions.
pub fn partition_for(group_id: &str, num_partitions: i32) -> i32 {
    let hash = java_hash_code(group_id);
    // `Utils.abs` maps the one value that has no positive counterpart to 0.
    let positive = hash.checked_abs().unwrap_or(0);
    positive.checked_rem(num_partitions).unwrap_or(0)
}

/// `java.lang.String.hashCode`: over UTF-16 units, wrapping.
fn java_hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_codes_are_those_of_java() {
        // Read off jshell.
        assert_eq!(java_hash_code(""), 0);
        assert_eq!(java_hash_code("foo"), 101_574);
        assert_eq!(java_hash_code("polygenelubricants"), i32::MIN);
        assert_eq!(java_hash_code("grüße-😀"), 347_391_577);
        assert_eq!(java_hash_code("console-consumer-12345"), 158_455_506);
    }

    #[test]
    fn partitions_are_in_range() {
        assert_eq!(partition_for("foo", 50), 101_574 % 50);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("foo", 0), 0);
        for group in ["a", "b", "some-group", "\u{10ffff}"] {
            assert!((0..50).contains(&partition_for(group, 50)));
        }
    }
}
