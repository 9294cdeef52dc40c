//! A disk that fails.

use std::sync::atomic::Ordering;

use ottla_protocol::ErrorCode;

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
