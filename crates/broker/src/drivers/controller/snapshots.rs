//! When the metadata is written down as a whole, and what of the log and of older snapshots goes then.
//!
//! Kafka: `SnapshotGenerator` for the first, `KafkaRaftLog.maybeClean` for the second.

use super::snapshot_file::SnapshotId;

/// Settings of the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLogOptions {
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u32,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub bytes_between_snapshots: u64,
    /// `metadata.log.max.snapshot.interval.ms`; 0: time alone is no reason.
    pub snapshot_interval_ms: i64,
    /// `metadata.max.retention.bytes`, of log and snapshots together; negative: no bound.
    pub retention_bytes: i64,
    /// `metadata.max.retention.ms`; negative: no bound.
    pub retention_ms: i64,
    /// How long what was removed keeps its place on the disk, ms.
    pub delete_delay_ms: i64,
}

impl Default for MetadataLogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            bytes_between_snapshots: 20 << 20,
            snapshot_interval_ms: 3_600_000,
            retention_bytes: 100 << 20,
            retention_ms: 604_800_000,
            delete_delay_ms: 60_000,
        }
    }
}

impl MetadataLogOptions {
    /// Whether a snapshot is due when `new_bytes` of records, none of which is in a snapshot, wait since `since_ms`.
    pub fn is_due(&self, new_bytes: u64, since_ms: i64, now_ms: i64) -> bool {
        let waited_long =
            self.snapshot_interval_ms > 0 && now_ms.saturating_sub(since_ms) >= self.snapshot_interval_ms;
        new_bytes >= self.bytes_between_snapshots || (new_bytes > 0 && waited_long)
    }

    /// From which of `snapshots` (in order) on everything is kept: what comes before it, and the log before its end,
    /// goes. None when nothing goes. The newest always stays.
    pub fn keep_from(&self, snapshots: &[KnownSnapshot], log_bytes: u64, now_ms: i64) -> Option<SnapshotId> {
        let mut total: u64 = log_bytes + snapshots.iter().map(|s| s.bytes).sum::<u64>();
        let mut keep = None;
        for pair in snapshots.windows(2) {
            let [old, next] = pair else { break };
            let too_large = self.retention_bytes >= 0 && total > self.retention_bytes as u64;
            let too_old =
                self.retention_ms >= 0 && now_ms.saturating_sub(old.log_time_ms) > self.retention_ms;
            if !too_large && !too_old {
                break;
            }
            total = total.saturating_sub(old.bytes);
            keep = Some(next.id);
        }
        keep
    }
}

/// A snapshot on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// Size of its file.
    pub bytes: u64,
    /// Time of the last record in it, Unix ms, as well as it is known.
    pub log_time_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: MetadataLogOptions = MetadataLogOptions {
        segment_bytes: 1000,
        segment_ms: 1000,
        bytes_between_snapshots: 100,
        snapshot_interval_ms: 50,
        retention_bytes: 300,
        retention_ms: 1000,
        delete_delay_ms: 0,
    };

    #[test]
    fn bytes_or_time_make_one_due_but_nothing_new_never_does() {
        assert!(!OPTIONS.is_due(99, 0, 49));
        assert!(OPTIONS.is_due(100, 0, 0));
        assert!(OPTIONS.is_due(1, 0, 50));
        assert!(!OPTIONS.is_due(0, 0, 1_000_000));
        assert!(!MetadataLogOptions { snapshot_interval_ms: 0, ..OPTIONS }.is_due(1, 0, 1_000_000));
    }

    #[test]
    fn the_oldest_go_by_size_or_age_and_the_newest_stays() {
        let snapshot = |end_offset, log_time_ms| KnownSnapshot {
            id: SnapshotId { end_offset, epoch: 1 },
            bytes: 100,
            log_time_ms,
        };
        let all = [snapshot(0, 0), snapshot(10, 500), snapshot(20, 900)];
        let kept = |log_bytes, now_ms| OPTIONS.keep_from(&all, log_bytes, now_ms).map(|id| id.end_offset);
        assert_eq!(kept(0, 900), None, "300 bytes are allowed, and nothing is old");
        assert_eq!(kept(1, 900), Some(10));
        assert_eq!(kept(101, 900), Some(20));
        assert_eq!(kept(100_000, 900), Some(20), "the newest stays whatever the size");
        assert_eq!(kept(0, 1001), Some(10));
        assert_eq!(kept(0, 1501), Some(20));
        assert_eq!(kept(0, 1_000_000), Some(20));
        let unbounded = MetadataLogOptions { retention_bytes: -1, retention_ms: -1, ..OPTIONS };
        assert_eq!(unbounded.keep_from(&all, 1 << 40, i64::MAX), None);
    }
}
