//! How dirty a log is, and which one is cleaned next (Kafka: `LogToClean`, `LogCleanerManager`).

/// What is known of a log before it is cleaned.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogBounds {
    /// First offset that is served.
    pub log_start_offset: i64,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// All before is decided and replicated.
    pub last_stable_offset: i64,
    /// Base offset of the active segment.
    pub active_base_offset: i64,
    /// Up to where it was cleaned the last time.
    pub checkpoint: Option<i64>,
    /// First segment that is younger than `min.compaction.lag.ms`.
    pub first_young_segment: Option<i64>,
}

/// The stretch of a log that has to be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirtyRange {
    /// All before is clean.
    pub first_dirty_offset: i64,
    /// From here on nothing may be touched.
    pub first_uncleanable_offset: i64,
    /// Whether the checkpoint does not fit the log and has to be replaced by `first_dirty_offset`.
    pub resets_checkpoint: bool,
}

impl LogBounds {
    /// Where the log's clean part ends. A checkpoint that lies outside the log is worth nothing.
    pub fn first_dirty_offset(&self) -> (i64, bool) {
        match self.checkpoint {
            Some(offset) if offset < self.log_start_offset || offset > self.log_end_offset => {
                (self.log_start_offset, true)
            }
            Some(offset) => (offset, false),
            None => (self.log_start_offset, false),
        }
    }

    /// What has to be cleaned: not the active segment, nothing undecided or unreplicated, nothing too young.
    pub fn dirty_range(&self) -> DirtyRange {
        let (first_dirty_offset, resets_checkpoint) = self.first_dirty_offset();
        let end = self.last_stable_offset.min(self.active_base_offset);
        let end = self.first_young_segment.map_or(end, |young| young.min(end));
        DirtyRange {
            first_dirty_offset,
            first_uncleanable_offset: end.max(first_dirty_offset),
            resets_checkpoint,
        }
    }
}

/// How much of a log is dirty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dirtiness {
    /// Bytes of the segments before the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of the segments that are to be cleaned.
    pub cleanable_bytes: u64,
    /// Whether a record is older than `max.compaction.lag.ms`.
    pub must_clean_now: bool,
    /// `min.cleanable.dirty.ratio`.
    pub min_ratio: f64,
}

impl Dirtiness {
    /// Share of the log that is dirty, from 0 to 1.
    pub fn ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.cleanable_bytes);
        if total == 0 { 0.0 } else { self.cleanable_bytes as f64 / total as f64 }
    }

    /// Whether it is worth cleaning.
    pub fn is_due(&self) -> bool {
        (self.must_clean_now && self.cleanable_bytes > 0) || self.ratio() > self.min_ratio
    }
}

/// The dirtiest of the logs that are due, the first of those that are equally so.
pub fn filthiest<T>(logs: impl IntoIterator<Item = (T, Dirtiness)>) -> Option<T> {
    let mut best: Option<(T, f64)> = None;
    for (log, dirtiness) in logs {
        let ratio = dirtiness.ratio();
        if dirtiness.is_due() && best.as_ref().is_none_or(|(_, most)| ratio > *most) {
            best = Some((log, ratio));
        }
    }
    best.map(|(log, _)| log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_stays_within_what_is_closed_decided_and_old() {
        let check = |bounds: LogBounds, first: i64, end: i64, resets: bool| {
            let range = bounds.dirty_range();
            assert_eq!(
                (range.first_dirty_offset, range.first_uncleanable_offset, range.resets_checkpoint),
                (first, end, resets),
                "{bounds:?}"
            );
        };
        let log = LogBounds {
            log_start_offset: 10,
            log_end_offset: 100,
            last_stable_offset: 90,
            active_base_offset: 80,
            ..Default::default()
        };
        check(log, 10, 80, false);
        check(LogBounds { last_stable_offset: 70, ..log }, 10, 70, false);
        check(LogBounds { first_young_segment: Some(50), ..log }, 10, 50, false);
        check(LogBounds { first_young_segment: Some(80), ..log }, 10, 80, false);
        check(LogBounds { checkpoint: Some(60), ..log }, 60, 80, false);
        check(LogBounds { checkpoint: Some(80), last_stable_offset: 70, ..log }, 80, 80, false);
        check(LogBounds { checkpoint: Some(9), ..log }, 10, 80, true);
        check(LogBounds { checkpoint: Some(101), ..log }, 10, 80, true);
        check(LogBounds { checkpoint: Some(100), ..log }, 100, 100, false);
    }

    #[test]
    fn the_filthiest_log_that_is_due_is_chosen() {
        let log = |clean_bytes, cleanable_bytes, must_clean_now| Dirtiness {
            clean_bytes,
            cleanable_bytes,
            must_clean_now,
            min_ratio: 0.5,
        };
        let check = |logs: &[Dirtiness], expect: Option<usize>| {
            assert_eq!(filthiest(logs.iter().copied().enumerate()), expect, "{logs:?}");
        };
        check(&[], None);
        check(&[log(0, 0, true), log(50, 50, false), log(99, 1, false)], None);
        check(&[log(50, 51, false), log(10, 90, false), log(1, 9, false)], Some(1));
        check(&[log(0, 0, false), log(99, 1, true)], Some(1));
        check(&[log(99, 1, true), log(49, 51, false)], Some(1));
        check(&[log(100, 0, true)], None);
        let eager = Dirtiness { min_ratio: 0.0, ..log(99, 1, false) };
        check(&[Dirtiness { cleanable_bytes: 0, ..eager }, eager], Some(1));
    }
}
