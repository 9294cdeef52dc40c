//! A disk that fails.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::BatchOptions;

use super::*;
use crate::test_support::*;

fn with_failing_disk(config: LogConfig) -> (Fixture, Arc<FailingDisk>) {
    let disk = FailingDisk::new();
    (Fixture::with_disk(config, disk.clone()), disk)
}

#[test]
fn a_full_disk_ends_the_directory_and_leaves_whole_batches() {
    for room in [0, 1, 60, 61, 62, 100] {
        let (mut f, disk) = with_failing_disk(LogConfig::default());
        for _ in 0..5 {
            f.append(&record(100));
        }
        let before = f.read_all(0);
        disk.room.store(room, Ordering::Relaxed);
        let failed = f.try_append(&record(100)).expect_err("no room");
        assert_eq!(failed.code(), ErrorCode::KafkaStorageError, "{room}");
        assert!(!f.log_dir.is_online());
        assert!(f.log_dir.offline_reason().is_some_and(|r| r.contains("os error 28")));
        // For good: room comes back, the directory does not.
        disk.room.store(-1, Ordering::Relaxed);
        assert_eq!(f.try_append(&record(1)).expect_err("offline").code(), ErrorCode::KafkaStorageError);
        assert_eq!(f.log.read(0, 1, true, 5).expect_err("offline").code(), ErrorCode::KafkaStorageError);
        let path = f.dir().join("00000000000000000000.log");
        assert_eq!(std::fs::read(&path).expect("read"), before, "{room}: the half batch was cut off");
        f.log_dir = LogDir::standalone(f.temp.path().to_path_buf());
        f.reopen_killed(0);
        assert_eq!(f.read_all(0), before);
    }
}

#[test]
fn what_cannot_be_cut_off_is_cut_by_recovery() {
    let (mut f, disk) = with_failing_disk(LogConfig::default());
    f.append(&record(100));
    let before = f.read_all(0);
    disk.fail_truncate.store(true, Ordering::Relaxed);
    disk.room.store(50, Ordering::Relaxed);
    f.try_append(&record(100)).expect_err("no room");
    let path = f.dir().join("00000000000000000000.log");
    assert!(std::fs::metadata(&path).expect("stat").len() > before.len() as u64);
    f.log_dir = LogDir::standalone(f.temp.path().to_path_buf());
    f.reopen_killed(0);
    assert_eq!(f.read_all(0), before);
}

#[test]
fn a_failed_fsync_ends_the_directory() {
    let (f, disk) = with_failing_disk(LogConfig { flush_messages: 1, ..Default::default() });
    f.append(&record(10));
    assert_eq!(f.log.recovery_point(), 1);
    disk.fail_sync.store(true, Ordering::Relaxed);
    let failed = f.try_append(&record(10)).expect_err("fsync");
    assert_eq!(failed.code(), ErrorCode::KafkaStorageError);
    assert_eq!(f.log.recovery_point(), 1, "not durable");
    disk.fail_sync.store(false, Ordering::Relaxed);
    assert_eq!(f.log.flush(NOW).expect_err("offline").code(), ErrorCode::KafkaStorageError);
}

#[test]
fn a_directory_that_vanishes_is_an_error_and_no_panic() {
    let f = Fixture::with(LogConfig { segment_bytes: 200, ..Default::default() });
    f.append(&record(100));
    std::fs::remove_dir_all(f.dir()).expect("remove");
    // The open file takes it; the next segment cannot be made.
    let failed = f.try_append(&record(100)).expect_err("no directory");
    assert_eq!(failed.code(), ErrorCode::KafkaStorageError);
    assert!(!f.log_dir.is_online());
}

#[test]
fn the_failure_is_told_once() {
    let disk = FailingDisk::new();
    let told = Arc::new(AtomicU64::new(0));
    let temp = temp_dir();
    let counter = told.clone();
    let hook: crate::log_dir::OnOffline = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let dir = LogDir::new(temp.path().to_path_buf(), Uuid::ZERO, disk, Some(hook));
    for _ in 0..3 {
        let _ = dir.fail("testing", std::io::Error::from_raw_os_error(5));
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn too_many_open_files_do_not_end_the_directory() {
    let f = Fixture::new();
    let _ = f.log_dir.fail("opening", std::io::Error::from_raw_os_error(24));
    assert!(f.log_dir.is_online());
    f.append(&record(10));
}

/// Appends until the offset index has a page of entries in memory, which the next append is to write.
fn fill_index_page(f: &Fixture) {
    for _ in 0..512 {
        f.append(&record(10));
    }
}

#[test]
fn an_index_that_cannot_be_written_for_want_of_memory_leaves_no_batch_behind_the_end() {
    for unlocked in [false, true] {
        let (mut f, disk) = with_failing_disk(LogConfig { index_interval_bytes: 1, ..Default::default() });
        fill_index_page(&f);
        disk.no_memory_for.store(512 * 8, Ordering::Relaxed);
        let options = AppendOptions { now_ms: NOW, unlocked, ..Default::default() };
        let first = f.log.append_as_leader(&record(20), &options);
        disk.no_memory_for.store(0, Ordering::Relaxed);
        assert!(f.log_dir.is_online());
        let acknowledged = f.log.append_as_leader(&record(30), &options).expect("append");
        let end = f.log.log_end_offset();
        assert_eq!(acknowledged.last_offset + 1, end);
        let expect = 512 + i64::from(first.is_ok());
        assert_eq!(acknowledged.base_offset, expect);
        let before = f.read_all(0);
        let offsets: Vec<i64> = offsets_of(&before).into_iter().map(|(base, _)| base).collect();
        assert_eq!(offsets, (0..end).collect::<Vec<_>>(), "unlocked: {unlocked}");
        f.reopen_killed(0);
        assert_eq!(f.log.log_end_offset(), end, "unlocked: {unlocked}");
        assert!(f.read_all(0) == before);
        f.reopen_clean();
        assert!(f.read_all(0) == before);
    }
}

#[test]
fn a_time_index_that_cannot_be_read_leaves_no_batch_behind_the_end() {
    let (mut f, disk) = with_failing_disk(LogConfig { index_interval_bytes: 1, ..Default::default() });
    for _ in 0..3 {
        f.append(&record(10));
    }
    // What is in memory is written out, and the files are closed.
    f.reopen_clean();
    f.append(&record(10));
    f.reopen_clean();
    assert_eq!(
        f.log.offset_for_timestamp(NOW, OnCold::Wait).expect("look-up").map(|found| found.offset),
        Some(0)
    );
    f.context.files.close_idle();
    f.context.files.close_idle();
    *disk.no_descriptor_for.lock() = Some(".timeindex");
    f.append(&record(20));
    let done = f.try_append(&record(30));
    *disk.no_descriptor_for.lock() = None;
    assert!(f.log_dir.is_online());
    f.append(&record(40));
    let (end, before) = (f.log.log_end_offset(), f.read_all(0));
    assert_eq!(end, 6 + i64::from(done.is_ok()));
    f.reopen_killed(0);
    assert_eq!(f.log.log_end_offset(), end);
    assert!(f.read_all(0) == before);
}

#[test]
fn an_abort_whose_index_cannot_be_made_is_written_by_the_next_try() {
    let (mut f, disk) = with_failing_disk(LogConfig::default());
    f.append(&transactional(9, 0, 0, 2));
    *disk.no_descriptor_for.lock() = Some(".txnindex");
    f.end_txn(9, 0, false).expect_err("no descriptor");
    assert!(f.log_dir.is_online());
    assert_eq!(f.log.log_end_offset(), 2, "nothing was written");
    assert!(f.log.has_ongoing_transaction(9, 0));
    *disk.no_descriptor_for.lock() = None;
    f.end_txn(9, 0, false).expect("marker");
    for killed in [None, Some(false), Some(true)] {
        match killed {
            Some(true) => f.reopen_killed(0),
            Some(false) => f.reopen_clean(),
            None => {}
        }
        f.log.set_high_watermark(3);
        assert_eq!(f.log.last_stable_offset(), 3, "{killed:?}");
        let aborted = f.log.aborted_transactions(0, 3).expect("read");
        assert_eq!(aborted.iter().map(|a| (a.first_offset, a.last_offset)).collect::<Vec<_>>(), [(0, 2)]);
    }
}

#[test]
fn an_abort_whose_index_cannot_be_written_ends_the_directory() {
    let (mut f, disk) = with_failing_disk(LogConfig::default());
    f.append(&transactional(9, 0, 0, 2));
    disk.no_memory_for.store(34, Ordering::Relaxed);
    f.end_txn(9, 0, false).expect_err("no memory");
    // The marker is in the log, its entry is not: what is served from here on would be wrong.
    assert!(!f.log_dir.is_online());
    disk.no_memory_for.store(0, Ordering::Relaxed);
    f.log_dir = LogDir::standalone(f.temp.path().to_path_buf());
    f.reopen_killed(0);
    assert_eq!(f.log.aborted_transactions(0, 3).expect("read").len(), 1);
}

#[test]
fn a_segment_that_cannot_be_made_leaves_nothing_behind() {
    for suffix in [".log", ".index", ".timeindex"] {
        let (mut f, disk) = with_failing_disk(LogConfig { segment_bytes: 200, ..Default::default() });
        f.append(&record(80));
        *disk.no_descriptor_for.lock() = Some(suffix);
        f.try_append(&record(80)).expect_err("no descriptor");
        *disk.no_descriptor_for.lock() = None;
        assert!(f.log_dir.is_online());
        // Still fits the first segment.
        assert_eq!(f.append(&record(1)).base_offset, 1);
        let before = f.read_all(0);
        f.reopen_clean();
        assert_eq!(f.log.log_end_offset(), 2, "{suffix}");
        f.reopen_killed(0);
        assert_eq!(f.log.log_end_offset(), 2, "{suffix}");
        assert!(f.read_all(0) == before);
    }
}

#[test]
fn a_segment_behind_a_gap_that_got_no_batch_gives_way() {
    let (mut f, disk) = with_failing_disk(LogConfig { segment_bytes: 200, ..Default::default() });
    f.append(&record(80));
    let given = |offset: i64| {
        let mut bytes = record(80).to_vec();
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&0_i32.to_be_bytes());
        Bytes::from(bytes)
    };
    disk.no_memory_for.store(given(0).len(), Ordering::Relaxed);
    f.log.append_as_follower(&given(20), 0, NOW).expect_err("no memory");
    disk.no_memory_for.store(0, Ordering::Relaxed);
    assert_eq!((f.log.log_end_offset(), f.log.active_segment_base_offset()), (1, 20));
    let three = batch_at(NOW, 3, 10, &BatchOptions::default()).to_vec();
    let mut three = [18_i64.to_be_bytes().as_slice(), &three[8..]].concat();
    three[12..16].copy_from_slice(&0_i32.to_be_bytes());
    // Ends behind where that segment begins.
    f.log.append_as_follower(&three.into(), 0, NOW).expect("append");
    f.log.append_as_follower(&given(21), 0, NOW).expect("append");
    let before = f.read_all(0);
    assert_eq!(offsets_of(&before), [(0, 0), (18, 20), (21, 21)]);
    f.reopen_killed(0);
    assert!(f.read_all(0) == before);
    f.reopen_clean();
    assert!(f.read_all(0) == before);
}

#[test]
fn epochs_that_cannot_be_written_or_made_durable_are_not_forgotten() {
    let (f, disk) = with_failing_disk(LogConfig::default());
    f.append(&record(10));
    *disk.no_descriptor_for.lock() = Some("-checkpoint");
    f.log.flush(NOW).expect_err("no descriptor");
    assert!(f.log_dir.is_online());
    assert!(!f.log.state.lock().unsynced.is_empty(), "the file of the epochs is yet to be made durable");
    *disk.no_descriptor_for.lock() = None;
    f.log.flush(NOW).expect("flush");
    assert!(f.log.state.lock().unsynced.is_empty());
    // Nothing can be made under the name that a new file has until it is whole.
    std::fs::create_dir(f.dir().join("leader-epoch-checkpoint.tmp")).expect("create");
    f.log.assign_epoch_start_offset(7, 1).expect_err("blocked");
    assert!(f.log.state.lock().epochs.take_changed(), "the file lacks an epoch");
}
