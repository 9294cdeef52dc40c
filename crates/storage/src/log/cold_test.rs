//! Looks at a log that has left memory, by those who must not wait for the disk.

use super::*;
use crate::cold::Cold;
use crate::test_support::slow_disks::ColdDisk;
use crate::test_support::*;

/// Looks to find one place: the files, a binary search in each index, some headers.
const LOOKS_MAX: usize = 40;

/// A closed log that was opened again: nothing of it is in memory but what a start reads.
struct ColdLog {
    f: Fixture,
    disk: Arc<ColdDisk>,
}

impl ColdLog {
    /// Segments whose indexes are longer than the block of a search, with a transaction in each dozen of batches; every
    /// second one is aborted.
    fn new() -> Self {
        let disk = ColdDisk::new();
        let config = LogConfig { segment_bytes: 300_000, index_interval_bytes: 0, ..Default::default() };
        let mut f = Fixture::with_disk(config, disk.clone());
        let mut sequence = 0;
        for i in 0..6000 {
            if i % 12 == 6 {
                f.append(&transactional(1, 0, sequence, 2));
                sequence += 2;
            } else if i % 12 == 9 {
                f.end_txn(1, 0, i % 24 == 9).expect("marker");
            } else {
                f.append(&batch_at(NOW + i, 1, 50, &Default::default()));
            }
        }
        assert!(f.log.segment_count() > 2);
        f.log.set_high_watermark(f.log.log_end_offset());
        f.reopen_clean();
        f.log.set_high_watermark(f.log.log_end_offset());
        Self { f, disk }
    }

    /// Nothing is in memory any more.
    fn evict(&self) {
        // What was used since the last time is closed the second time.
        self.f.context.files.close_idle();
        self.f.context.files.close_idle();
        self.f.log.trim_memory();
        self.f.log.trim_memory();
        assert_eq!(self.f.context.files.open_count(), 0);
        self.disk.evict(&self.f.dir());
    }

    /// Looks until nothing is missing: how often something was, and what was found.
    fn look<T>(&self, look: impl Fn(OnCold) -> Result<T, Cold>) -> (usize, T) {
        self.evict();
        for missed in 0..LOOKS_MAX {
            match look(OnCold::Tell) {
                Ok(found) => return (missed, found),
                Err(cold) => cold.warm(),
            }
        }
        panic!("it does not get warm");
    }
}

fn options(offset: i64, max_bytes: usize, on_cold: OnCold) -> ReadOptions {
    ReadOptions { offset, max_bytes, min_one_message: true, on_cold }
}

fn told(outcome: Result<ReadData, ReadError>) -> Result<ReadData, Cold> {
    match outcome {
        Err(ReadError::Cold(cold)) => Err(cold),
        other => Ok(other.expect("read")),
    }
}

#[test]
fn a_look_that_does_not_wait_finds_the_same_piece_by_piece() {
    let log = ColdLog::new();
    let end = log.f.log.log_end_offset();
    for (offset, bound) in [(0, end), (1, end), (2500, 2502), (3003, end), (end - 3, end), (4000, 5000)] {
        let (missed, found) =
            log.look(|on_cold| told(log.f.log.read_with(options(offset, 700, on_cold), bound)));
        assert!(missed > 0, "{offset}");
        let waited = log.f.log.read_with(options(offset, 700, OnCold::Wait), bound).expect("read");
        assert_eq!(bytes_of(&found), bytes_of(&waited), "{offset}");
        assert!(found.size > 0);
        assert_eq!(found.first_offset, waited.first_offset);
    }
    assert!(log.f.log_dir.is_online());
    assert!(log.disk.warmed() > 20);
}

#[test]
fn aborted_transactions_are_found_without_waiting() {
    let log = ColdLog::new();
    let mut aborted = 0;
    for offset in [0, 7, 2000, log.f.log.last_stable_offset() - 5] {
        let (missed, found) =
            log.look(|on_cold| told(log.f.log.read_committed(options(offset, 3000, on_cold))));
        assert!(missed > 0, "{offset}");
        let waited = log.f.log.read_committed(options(offset, 3000, OnCold::Wait)).expect("read");
        assert_eq!(bytes_of(&found), bytes_of(&waited), "{offset}");
        assert_eq!(found.aborted_transactions, waited.aborted_transactions, "{offset}");
        aborted += found.aborted_transactions.len();
    }
    assert!(aborted > 0);
}

#[test]
fn timestamps_are_found_without_waiting() {
    let log = ColdLog::new();
    for timestamp in [0, NOW + 1, NOW + 3000, NOW + 5999, NOW + 9000, special_timestamp::MAX_TIMESTAMP] {
        let look = |on_cold| match log.f.log.offset_for_timestamp(timestamp, on_cold) {
            Err(StorageError::Cold(cold)) => Err(cold),
            other => Ok(other.expect("look up")),
        };
        let (_, found) = log.look(look);
        assert_eq!(found, look(OnCold::Wait).expect("it may wait"), "{timestamp}");
    }
    assert!(log.disk.warmed() > 5);
    assert!(log.f.log_dir.is_online());
}

#[test]
fn an_index_that_does_not_fit_is_rebuilt_by_who_does_not_wait() {
    let log = ColdLog::new();
    let index = crate::names::offset_file(&log.f.dir(), 0, crate::names::INDEX_SUFFIX);
    let mut broken = std::fs::read(&index).expect("read");
    // Each position is that of another batch, or of none.
    broken.chunks_exact_mut(8).for_each(|entry| entry[7] ^= 1);
    std::fs::write(&index, &broken).expect("write");
    let end = log.f.log.log_end_offset();
    let (_, found) = log.look(|on_cold| told(log.f.log.read_with(options(900, 1, on_cold), end)));
    assert_eq!(found.first_offset, 900);
    log.f.log.close(NOW).expect("close");
    let rebuilt = std::fs::read(&index).expect("read");
    assert!(!rebuilt.is_empty() && !broken.starts_with(&rebuilt));
    assert!(log.f.log_dir.is_online());
}

#[test]
fn who_waits_for_the_disk_does_not_hold_the_log() {
    type Look = fn(&PartitionLog) -> String;
    let looks: [(&str, Look); 6] = [
        ("read", |log| format!("{:?}", log.read(900, 1, true, 1000).expect("read").first_offset)),
        ("read_committed", |log| {
            let data = log.read_committed(options(900, 3000, OnCold::Wait)).expect("read");
            format!("{:?}", (data.size, data.aborted_transactions))
        }),
        ("timestamps", |log| {
            format!("{:?}", log.offset_for_timestamp(NOW + 3000, OnCold::Wait).expect("look up"))
        }),
        ("aborted", |log| format!("{:?}", log.aborted_transactions(10, 3000).expect("look up"))),
        ("to clean", |log| format!("{:?}", log.cleaning_view(NOW + 1_000_000).expect("look").overdue_ms)),
        ("retention", |log| format!("{:?}", log.delete_old_segments(NOW + 5000).expect("delete"))),
    ];
    for (what, look) in looks {
        // Each finds a log of which nothing is known yet.
        let log = ColdLog::new();
        let config =
            LogConfig { retention_ms: 2000, max_compaction_lag_ms: 1, ..(*log.f.log.config()).clone() };
        log.f.log.update_config(config);
        // The files that are appended to stay open.
        log.f.append(&record(10));
        log.disk.evict(&log.f.dir());
        log.disk.gate.close();
        let found = std::thread::scope(|scope| {
            let looking = scope.spawn(|| look(&log.f.log));
            log.disk.gate.until_somebody_waits();
            log.f.append(&record(10));
            log.disk.gate.open();
            looking.join().expect("thread")
        });
        let again = if what == "retention" { "1".to_owned() } else { look(&log.f.log) };
        assert_eq!(found, again, "{what}");
    }
}
