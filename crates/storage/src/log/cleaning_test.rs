//! Cleaning one log: what it leaves alone, what ends it, and what can be read afterwards.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions, Compression};
use parking_lot::Mutex;

use super::*;
use crate::cleaner::test_host::{TestHost, options};
use crate::cleaner::{CleanError, Cleaner, LogToClean, Throttler};
use crate::test_support::*;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 200,
        compact: true,
        delete: false,
        min_cleanable_dirty_ratio: 0.0,
        ..Default::default()
    }
}

fn keyed(key: &str, value: Option<&[u8]>, options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    builder.append(NOW, Some(key.as_bytes()), value, &[]).expect("record");
    builder.build().expect("batch")
}

fn put(f: &Fixture, key: &str, value: Option<&[u8]>) -> i64 {
    let offset = f.append(&keyed(key, value, BatchOptions::default())).base_offset;
    f.log.set_high_watermark(i64::MAX);
    offset
}

/// Appends so often to a few keys that there are several segments.
fn fill(f: &Fixture, count: usize) {
    (0..count).for_each(|i| {
        put(f, &format!("key-{}", i % 5), Some(&[b'a'; 100]));
    });
}

fn clean_with(f: &Fixture, host: &TestHost, cleaner: &mut Cleaner) -> Result<i64, CleanError> {
    let (target, _) = LogToClean::look(&f.log, host.now_ms.load(Ordering::Relaxed))?;
    let throttler = Mutex::new(Throttler::new(f64::MAX, 0));
    let (end, _) = cleaner.clean(&target.run(host, &throttler))?;
    f.log.finish_cleaning(target.view.truncations, end);
    Ok(end)
}

fn clean(f: &Fixture) -> i64 {
    clean_with(f, &TestHost::new(), &mut Cleaner::new(&options(100))).expect("clean")
}

/// Offsets and keys of all records.
fn records(f: &Fixture, from: i64) -> Vec<(i64, String)> {
    let bytes = f.read_all(from);
    let batches = BatchIter::new(&bytes).map(|batch| batch.expect("valid"));
    batches
        .flat_map(|batch| batch.records(1 << 24).expect("records"))
        .map(|record| record.expect("record"))
        .map(|r| (r.offset, String::from_utf8_lossy(&r.key.expect("key")).into_owned()))
        .collect()
}

fn offsets(f: &Fixture, from: i64) -> Vec<i64> {
    records(f, from).into_iter().map(|(offset, _)| offset).collect()
}

#[test]
fn the_newest_of_each_key_stays_and_gaps_are_read_over() {
    let mut f = Fixture::with(config());
    fill(&f, 40);
    let active = f.log.active_segment_base_offset();
    let before = f.log.size_bytes();
    assert_eq!(clean(&f), active);
    assert_eq!(f.log.cleaner_checkpoint(), Some(active));
    assert!(f.log.size_bytes() < before / 2);
    let expect: Vec<i64> = (active - 5..40).collect();
    for reopen in [false, true] {
        if reopen {
            f.reopen_clean();
        }
        assert_eq!((f.log.log_start_offset(), f.log.log_end_offset()), (0, 40));
        for from in 0..40 {
            let expect: Vec<i64> = expect.iter().copied().filter(|offset| *offset >= from).collect();
            assert_eq!(offsets(&f, from), expect, "a read in a gap begins with the next batch");
        }
        let found = f.log.offset_for_timestamp(NOW, OnCold::Wait).expect("look up").map(|found| found.offset);
        assert_eq!(found, Some(active - 5), "the first segments are empty now");
        let bounded = f.log.read(0, usize::MAX, true, active - 2).expect("read");
        let last = offsets_of(&bytes_of(&bounded)).last().copied();
        assert_eq!(last, Some((active - 3, active - 3)), "nothing from the bound on");
    }
    assert_eq!(f.log.cleaner_checkpoint(), None, "the manager keeps it over a restart");
}

#[test]
fn undecided_unreplicated_and_young_records_are_left_alone() {
    let f = Fixture::with(config());
    fill(&f, 12);
    let uncleanable = |f: &Fixture, now_ms: i64| {
        let (target, dirtiness) = LogToClean::look(&f.log, now_ms).expect("look");
        (target.first_uncleanable_offset, dirtiness.cleanable_bytes > 0)
    };
    let active = f.log.active_segment_base_offset();
    assert_eq!(uncleanable(&f, NOW), (active, true));
    let second = f.log.state.lock().segments[1].base_offset;
    f.log.set_high_watermark(second + 1);
    assert_eq!(uncleanable(&f, NOW), (second, true), "a segment is cleaned as a whole or not at all");
    f.log.set_high_watermark(second - 1);
    assert_eq!(uncleanable(&f, NOW), (0, false));
    f.log.set_high_watermark(i64::MAX);
    f.append(&transactional(1, 0, 0, 1));
    fill(&f, 12);
    assert!(f.log.active_segment_base_offset() > f.log.last_stable_offset());
    assert!(uncleanable(&f, NOW).0 <= f.log.last_stable_offset());
    f.end_txn(1, 0, true).expect("commit");
    f.log.set_high_watermark(i64::MAX);
    assert_eq!(uncleanable(&f, NOW).0, f.log.active_segment_base_offset());
    f.log.update_config(LogConfig { min_compaction_lag_ms: 1000, ..config() });
    assert_eq!(uncleanable(&f, NOW + 999), (0, false));
    assert!(uncleanable(&f, NOW + 1000).1);
}

#[test]
fn an_old_record_makes_a_clean_log_due() {
    let f =
        Fixture::with(LogConfig { min_cleanable_dirty_ratio: 1.0, max_compaction_lag_ms: 5000, ..config() });
    fill(&f, 12);
    let is_due = |now_ms| LogToClean::look(&f.log, now_ms).expect("look").1.is_due();
    assert!(!is_due(NOW + 5000));
    assert!(is_due(NOW + 5001));
    clean(&f);
    assert!(!is_due(NOW + 5001), "nothing is left to clean");
}

#[test]
fn a_truncation_ends_a_cleaning_and_moves_the_checkpoint() {
    let f = Fixture::with(config());
    fill(&f, 40);
    clean(&f);
    fill(&f, 40);
    let host = TestHost::new();
    let log = f.log.clone();
    let (cut, before) = (f.log.active_segment_base_offset() - 8, f.log.cleaner_checkpoint());
    *host.hook.lock() = Some(Box::new(move |asked| {
        if asked == 3 {
            log.truncate_to(cut, NOW).expect("truncate");
        }
    }));
    let ended = clean_with(&f, &host, &mut Cleaner::new(&options(100)));
    assert!(matches!(ended, Err(CleanError::Aborted)), "{ended:?}");
    assert_eq!(f.log.cleaner_checkpoint(), before, "it lies before the cut");
    let names = file_names(&f.dir());
    assert!(!names.iter().any(|n| n.ends_with(".cleaned")), "{names:?}");
    *host.hook.lock() = None;
    clean_with(&f, &host, &mut Cleaner::new(&options(100))).expect("clean");
    f.log.truncate_to(10, NOW).expect("truncate");
    assert_eq!(f.log.cleaner_checkpoint(), Some(f.log.active_segment_base_offset()));
    assert!(f.context.cleaner_checkpoints_changed.load(Ordering::Relaxed));
    fill(&f, 40);
    clean(&f);
    assert_eq!(offsets(&f, 0).len() as i64, 5 + f.log.log_end_offset() - f.log.active_segment_base_offset());
}

#[test]
fn a_deleted_log_ends_its_cleaning() {
    let f = Fixture::with(config());
    fill(&f, 40);
    for at in [0, 2, 8] {
        let f = if at == 0 { &f } else { &Fixture::with(config()) };
        if at > 0 {
            fill(f, 40);
        }
        let (host, log) = (TestHost::new(), f.log.clone());
        *host.hook.lock() = Some(Box::new(move |asked| {
            if asked == at {
                log.retire("-delete").expect("retire");
            }
        }));
        match clean_with(f, &host, &mut Cleaner::new(&options(100))) {
            Err(e @ CleanError::Storage(StorageError::Closed(_))) => assert!(!e.is_lasting()),
            other => panic!("{other:?}"),
        }
        assert!(!f.dir().exists(), "nothing is written under a name that another log may take");
        assert!(f.log_dir.is_online());
    }
}

#[test]
fn appends_and_reads_go_on_meanwhile() {
    let f = Fixture::with(config());
    fill(&f, 40);
    let active = f.log.active_segment_base_offset();
    let (host, log) = (TestHost::new(), f.log.clone());
    let held = f.log.read(0, usize::MAX, true, 40).expect("read");
    let expect = bytes_of(&held);
    *host.hook.lock() = Some(Box::new(move |_| {
        let batch = keyed("key-1", Some(&[b'b'; 100]), BatchOptions::default());
        log.append_as_leader(&batch, &AppendOptions { now_ms: NOW, ..Default::default() }).expect("append");
        log.set_high_watermark(i64::MAX);
        log.read(0, 1, true, i64::MAX).expect("read");
    }));
    let end = clean_with(&f, &host, &mut Cleaner::new(&options(100))).expect("clean");
    assert_eq!(end, active);
    assert_eq!(bytes_of(&held), expect, "the old files are there as long as they are read");
    let all: Vec<i64> = (active - 5..f.log.log_end_offset()).collect();
    assert_eq!(offsets(&f, 0), all);
    f.context.background_tick(NOW + 60_000);
    let names = file_names(&f.dir());
    assert!(!names.iter().any(|n| n.ends_with(".deleted")), "{names:?}");
}

#[test]
fn a_small_map_cleans_as_far_as_it_reaches() {
    let f = Fixture::with(config());
    fill(&f, 40);
    let active = f.log.active_segment_base_offset();
    let mut cleaner = Cleaner::new(&options(3));
    let host = TestHost::new();
    assert_eq!(clean_with(&f, &host, &mut cleaner).expect("clean"), 3, "three keys of five");
    assert_eq!(offsets(&f, 0), (0..40).collect::<Vec<_>>(), "none of them is repeated before");
    let mut ends = Vec::new();
    while f.log.cleaner_checkpoint() < Some(active) {
        ends.push(clean_with(&f, &host, &mut cleaner).expect("clean"));
    }
    assert!(ends.is_sorted_by(|a, b| a < b) && ends.len() > 5, "{ends:?}");
    assert_eq!(offsets(&f, 0), (active - 5..40).collect::<Vec<_>>());
}

#[test]
fn large_batches_are_read_and_segments_grouped() {
    let f = Fixture::with(LogConfig { segment_bytes: 50_000, ..config() });
    for i in 0..10 {
        put(&f, "big", Some(&vec![i; 20_000]));
        put(&f, "small", Some(b"1"));
    }
    let active = f.log.active_segment_base_offset();
    clean(&f);
    let (segments, end) = (f.log.segment_count(), f.log.log_end_offset());
    assert_eq!(offsets(&f, 0), (active - 2..end).collect::<Vec<_>>());
    // What has shrunk fits together the next time.
    f.log.roll(NOW).expect("roll");
    put(&f, "big", None);
    clean(&f);
    assert_eq!(offsets(&f, 0), (end - 2..=end).collect::<Vec<_>>());
    assert_eq!((segments, f.log.segment_count()), (5, 3));
}

#[test]
fn damage_makes_a_log_uncleanable_and_changes_nothing() {
    let f = Fixture::with(config());
    fill(&f, 40);
    f.log.flush(NOW).expect("flush");
    let path = f.dir().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[70] ^= 1;
    std::fs::write(&path, &bytes).expect("write");
    let ended = clean_with(&f, &TestHost::new(), &mut Cleaner::new(&options(100)));
    assert!(ended.as_ref().is_err_and(CleanError::is_lasting), "{ended:?}");
    assert_eq!(std::fs::read(&path).expect("read"), bytes);
    assert!(f.log_dir.is_online());
    // A batch that claims to be longer than its segment.
    bytes[70] ^= 1;
    bytes[9] = 0x7f;
    std::fs::write(&path, &bytes).expect("write");
    let ended = clean_with(&f, &TestHost::new(), &mut Cleaner::new(&options(100)));
    assert!(ended.as_ref().is_err_and(CleanError::is_lasting), "{ended:?}");
}

#[test]
fn a_full_disk_takes_the_directory_offline_and_loses_nothing() {
    for room in [0, 100, 190] {
        let disk = FailingDisk::new();
        let mut f = Fixture::with_disk(config(), disk.clone());
        fill(&f, 40);
        let newest = f.read_all(f.log.active_segment_base_offset() - 5);
        disk.room.store(room, Ordering::Relaxed);
        let ended = clean_with(&f, &TestHost::new(), &mut Cleaner::new(&options(100)));
        assert!(matches!(ended, Err(CleanError::Storage(StorageError::Io { .. }))), "{ended:?}");
        assert!(!f.log_dir.is_online());
        f.log.abandon();
        f.log_dir = LogDir::standalone(f.temp.path().to_path_buf());
        f.reopen_killed(0);
        assert!(f.read_all(0).ends_with(&newest), "what was swapped in, and what was not");
    }
}

#[test]
fn only_the_policy_delete_goes_by_age() {
    let f = Fixture::with(LogConfig { retention_ms: 1000, retention_bytes: 0, ..config() });
    fill(&f, 40);
    clean(&f);
    assert_eq!(f.log.delete_old_segments(NOW + 5000).expect("retention"), 0);
    let active = f.log.active_segment_base_offset();
    f.log.delete_records_before(active).expect("delete records");
    assert_eq!(f.log.delete_old_segments(NOW + 5000).expect("retention"), 7, "the log's start counts");
    f.log.update_config(LogConfig { retention_ms: 1000, delete: true, ..config() });
    fill(&f, 40);
    clean(&f);
    // An empty segment is as old as its file.
    const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3600 * 1000;
    assert!(f.log.delete_old_segments(NOW + TEN_YEARS_MS).expect("retention") >= 2);
    assert_eq!(f.log.log_start_offset(), f.log.log_end_offset());
    let (target, dirtiness) = LogToClean::look(&f.log, NOW).expect("look");
    assert_eq!((target.first_dirty_offset, dirtiness.is_due()), (f.log.log_start_offset(), false));
}

#[test]
fn offset_commits_are_compacted_as_the_coordinator_writes_them() {
    // Keys with a version, tombstones for expired offsets, commits in transactions: as `__consumer_offsets` has them.
    let f = Fixture::with(LogConfig { segment_bytes: 2000, delete_retention_ms: 1000, ..config() });
    let txn = |sequence| BatchOptions {
        producer_id: 9,
        producer_epoch: 0,
        base_sequence: sequence,
        is_transactional: true,
        compression: Compression::Lz4,
        ..Default::default()
    };
    let committed = f.append(&keyed("group-a", Some(b"1"), txn(0))).base_offset;
    f.end_txn(9, 0, true).expect("commit");
    let aborted = f.append(&keyed("group-a", Some(b"2"), txn(1))).base_offset;
    f.end_txn(9, 0, false).expect("abort");
    put(&f, "group-b", Some(b"1"));
    let tombstone = put(&f, "group-b", None);
    let last = f.append(&keyed("group-c", Some(b"3"), txn(2))).base_offset;
    f.end_txn(9, 0, true).expect("commit");
    f.log.roll(NOW).expect("roll");
    f.log.set_high_watermark(i64::MAX);
    put(&f, "group-d", Some(b"1"));
    clean(&f);
    let keyed_records = |f: &Fixture| -> Vec<(i64, String)> {
        records(f, 0).into_iter().filter(|(_, key)| key.starts_with("group")).collect()
    };
    let of = |offset: i64, key: &str| (offset, key.to_owned());
    let newest = [of(committed, "group-a"), of(tombstone, "group-b"), of(last, "group-c")];
    assert_eq!(keyed_records(&f)[..3], newest, "not the aborted one at {aborted}");
    let later = TestHost::new();
    later.now_ms.store(NOW + 1000, Ordering::Relaxed);
    f.log.roll(NOW).expect("roll");
    f.log.set_high_watermark(i64::MAX);
    clean_with(&f, &later, &mut Cleaner::new(&options(100))).expect("clean");
    let found = keyed_records(&f);
    assert!(!found.contains(&of(tombstone, "group-b")) && found.contains(&of(committed, "group-a")));
    assert_eq!(f.log.active_producers()[0].last_sequence, 2);
}

#[test]
fn records_without_a_key_go_and_the_last_batch_leaves_its_header() {
    let mut f = Fixture::with(LogConfig { compact: false, ..config() });
    for _ in 0..12 {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(NOW, None, Some(&[b'v'; 100]), &[]).expect("record");
        f.append(&builder.build().expect("batch"));
    }
    f.log.roll(NOW).expect("roll");
    f.log.set_high_watermark(i64::MAX);
    f.log.update_config(config());
    clean(&f);
    let left = f.read_all(0);
    assert_eq!(
        (offsets_of(&left), offsets(&f, 0)),
        (vec![(11, 11)], vec![]),
        "up to which offset there was a log"
    );
    f.reopen_killed(0);
    assert_eq!((f.log.log_end_offset(), offsets_of(&f.read_all(3))), (12, vec![(11, 11)]));
}
