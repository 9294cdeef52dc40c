//! Which segments are cleaned into one (Kafka: `Cleaner.groupSegmentsBySize`).

use std::ops::Range;

/// A segment, as far as its size matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentSize {
    /// Base offset.
    pub base_offset: i64,
    /// Bytes of batches.
    pub bytes: u32,
    /// Bytes of the offset index.
    pub index_bytes: u64,
    /// Bytes of the time index.
    pub time_index_bytes: u64,
}

/// What bounds a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupLimits {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.index.bytes`.
    pub index_bytes: u64,
    /// No offset of the last segment is as large as this.
    pub end_offset: i64,
}

/// Groups of neighbours that fit into one segment each as they are, and more so when they are cleaned.
pub fn group(segments: &[SegmentSize], limits: &GroupLimits) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while let Some(first) = segments.get(start) {
        let (mut bytes, mut index, mut time_index) =
            (u64::from(first.bytes), first.index_bytes, first.time_index_bytes);
        let mut end = start + 1;
        while let Some(next) = segments.get(end) {
            bytes += u64::from(next.bytes);
            index = index.saturating_add(next.index_bytes);
            time_index = time_index.saturating_add(next.time_index_bytes);
            let last_offset = segments.get(end + 1).map_or(limits.end_offset, |s| s.base_offset) - 1;
            let offsets_fit = last_offset.saturating_sub(first.base_offset) <= i64::from(i32::MAX);
            let fits = bytes <= limits.segment_bytes
                && index <= limits.index_bytes
                && time_index <= limits.index_bytes
                && (next.bytes == 0 || offsets_fit);
            if !fits {
                break;
            }
            end += 1;
        }
        groups.push(start..end);
        start = end;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[(i64, u32, u64, u64)], limits: (u64, u64, i64), expect: &[usize]) {
        let segments: Vec<SegmentSize> = sizes
            .iter()
            .map(|&(base_offset, bytes, index_bytes, time_index_bytes)| SegmentSize {
                base_offset,
                bytes,
                index_bytes,
                time_index_bytes,
            })
            .collect();
        let limits = GroupLimits { segment_bytes: limits.0, index_bytes: limits.1, end_offset: limits.2 };
        let groups = group(&segments, &limits);
        assert!(groups.iter().flat_map(Range::clone).eq(0..sizes.len()));
        let lens: Vec<usize> = groups.iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lens, expect, "{sizes:?} {limits:?}");
    }

    #[test]
    fn groups_are_bounded_by_size_index_and_offsets() {
        let ten: Vec<_> = (0..10).map(|i| (i * 10, 100, 8, 12)).collect();
        check(&[], (1000, 1000, 0), &[]);
        check(&ten, (u64::MAX, u64::MAX, 100), &[10]);
        check(&ten, (1, u64::MAX, 100), &[1; 10]);
        check(&ten, (300, u64::MAX, 100), &[3, 3, 3, 1]);
        check(&ten, (u64::MAX, 24, 100), &[2, 2, 2, 2, 2]);
        let max = i64::from(i32::MAX);
        check(&[(0, 1, 0, 0), (10, 1, 0, 0)], (9, 9, max + 1), &[2]);
        check(&[(0, 1, 0, 0), (10, 1, 0, 0)], (9, 9, max + 2), &[1, 1]);
        check(&[(0, 1, 0, 0), (10, 1, 0, 0), (max + 1, 1, 0, 0)], (9, 9, max + 2), &[2, 1]);
        check(&[(0, 1, 0, 0), (10, 0, 0, 0), (max * 3, 0, 0, 0)], (9, 9, max * 4), &[3]);
    }
}
