//! A disk that makes writers wait: what can be done with a log meanwhile.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::test_support::slow_disks::GateDisk;
use crate::test_support::*;

fn append_unlocked(log: &PartitionLog, size: usize) -> AppendInfo {
    let options = AppendOptions { now_ms: NOW, unlocked: true, ..Default::default() };
    log.append_as_leader(&record(size), &options).expect("append")
}

#[test]
fn a_log_is_read_and_flushed_while_its_disk_makes_an_append_wait() {
    let disk = GateDisk::new(|_, _| true);
    let f = Fixture::with_disk(LogConfig::default(), disk.clone());
    for _ in 0..3 {
        f.append(&record(100));
    }
    let before = f.read_all(0);
    disk.gate.close();
    std::thread::scope(|scope| {
        let appended = scope.spawn(|| append_unlocked(&f.log, 200));
        disk.gate.until_somebody_waits();
        assert_eq!(f.log.log_end_offset(), 3);
        assert_eq!(f.read_all(0), before, "what is being written is not seen");
        f.log.flush(NOW).expect("flush");
        assert_eq!(f.log.recovery_point(), 3);
        f.log.trim_memory();
        assert_eq!(
            f.log.offset_for_timestamp(NOW, OnCold::Wait).expect("look-up").map(|found| found.offset),
            Some(0)
        );
        assert_eq!(f.log.set_high_watermark(3), 3);
        disk.gate.open();
        assert_eq!(appended.join().expect("thread").base_offset, 3);
    });
    assert_eq!(offsets_of(&f.read_all(0)), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn who_changes_a_log_waits_for_the_append_that_is_under_way() {
    type Change = fn(&PartitionLog);
    let changes: [(&str, Change); 5] = [
        ("append", |log| {
            append_unlocked(log, 10);
        }),
        ("roll", |log| log.roll(NOW).expect("roll")),
        ("truncate", |log| assert!(log.truncate_to(1, NOW).expect("truncate"))),
        ("start over", |log| log.truncate_fully_and_start_at(9, None, NOW).expect("start over")),
        ("close", |log| log.close(NOW).expect("close")),
    ];
    for (what, change) in changes {
        let disk = GateDisk::new(|_, _| true);
        let f = Fixture::with_disk(LogConfig::default(), disk.clone());
        f.append(&record(100));
        disk.gate.close();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let appended = scope.spawn(|| append_unlocked(&f.log, 200));
            disk.gate.until_somebody_waits();
            let (log, is_done) = (&f.log, &is_done);
            let changed = scope.spawn(move || {
                change(log);
                is_done.store(true, Ordering::SeqCst);
            });
            // It cannot be done yet, however long one looks; that it is not is all that can be seen.
            for _ in 0..100 {
                std::thread::yield_now();
                assert!(!is_done.load(Ordering::SeqCst), "{what}");
            }
            disk.gate.open();
            assert_eq!(appended.join().expect("thread").base_offset, 1, "{what}");
            changed.join().expect("thread");
        });
        let end = f.log.log_end_offset();
        let expected = match what {
            "append" => 3,
            "truncate" => 1,
            "start over" => 9,
            _ => 2,
        };
        assert_eq!(end, expected, "{what}");
    }
}

#[test]
fn a_write_that_fails_ends_the_directory_also_without_the_lock() {
    let disk = FailingDisk::new();
    let f = Fixture::with_disk(LogConfig::default(), disk.clone());
    f.append(&record(100));
    disk.room.store(10, Ordering::Relaxed);
    let options = AppendOptions { now_ms: NOW, unlocked: true, ..Default::default() };
    f.log.append_as_leader(&record(100), &options).expect_err("no room");
    assert!(!f.log_dir.is_online());
    assert!(!f.log.state.lock().is_writing);
}
