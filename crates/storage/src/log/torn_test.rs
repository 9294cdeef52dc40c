//! What power failures leave, one case each; `histories` finds them in all combinations.

use std::os::unix::fs::FileExt;

use super::*;
use crate::checkpoint::leader_epoch_checkpoint::LEADER_EPOCH_FILE;
use crate::test_support::crash_disk::CrashDisk;
use crate::test_support::*;

const SEGMENT: &str = "00000000000000000000.log";

#[test]
fn an_epoch_file_that_is_not_whole_is_not_believed() {
    for content in ["", "0\n", "0\n1\n", "0\n1\n0 1", "\0\0\0\0\0\0\0"] {
        let mut f = Fixture::new();
        for _ in 0..20 {
            f.append(&record(10));
        }
        f.log.abandon();
        std::fs::write(f.dir().join(LEADER_EPOCH_FILE), content).expect("write");
        f.reopen_killed(15);
        assert_eq!(f.log.epoch_for_offset(0), Some(0), "{content:?}");
        assert_eq!(f.log.epoch_entries().len(), 1, "{content:?}");
    }
}

#[test]
fn without_its_epoch_file_a_log_with_a_torn_tail_opens() {
    let mut f = Fixture::new();
    f.append(&record(10));
    let before = f.read_all(0);
    f.log.abandon();
    std::fs::remove_file(f.dir().join(LEADER_EPOCH_FILE)).expect("remove");
    let file = crate::fs::open_rw(&f.dir().join(SEGMENT)).expect("open");
    file.write_all_at(&[0; 100], before.len() as u64).expect("write");
    f.reopen_killed(0);
    assert_eq!(f.read_all(0), before);
    assert_eq!(f.log.epoch_for_offset(0), Some(0));
}

#[test]
fn a_log_never_ends_before_its_start() {
    let mut f = Fixture::new();
    f.append(&record(10));
    f.log.close(NOW).expect("close");
    // Batches of another segment under this one's name, in a directory that is said to be in order.
    for suffix in ["log", "index", "timeindex"] {
        let name = |base: i64| f.dir().join(format!("{base:020}.{suffix}"));
        std::fs::rename(name(0), name(61)).expect("rename");
    }
    f.options.clean = true;
    let log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (61, 61));
    f.log = log;
}

#[test]
fn a_header_torn_before_its_magic_byte_is_no_old_message() {
    for cut in 8..61 {
        let mut f = Fixture::new();
        f.append(&record(10));
        let before = f.read_all(0);
        let size = f.append(&record(10)).size;
        f.log.abandon();
        let file = crate::fs::open_rw(&f.dir().join(SEGMENT)).expect("open");
        file.write_all_at(&vec![0; size - cut], (before.len() + cut) as u64).expect("write");
        f.reopen_killed(1);
        assert_eq!(f.log.log_end_offset(), 1, "cut at {cut}");
        assert_eq!(f.read_all(0), before);
    }
}

#[test]
fn a_segment_that_is_closed_after_its_records_were_flushed_keeps_its_indexes() {
    let temp = temp_dir();
    let disk = CrashDisk::new(temp.path().join("t-0"), 1);
    let context = StorageContext::new(&crate::ContextOptions::default());
    let log_dir = LogDir::new(temp.path().to_path_buf(), Uuid::ZERO, disk.clone(), None);
    let mut options = OpenOptions::new(TopicPartition::new("t", 0));
    options.config = Arc::new(LogConfig { index_interval_bytes: 1, ..Default::default() });
    let open = |options: &OpenOptions| {
        PartitionLog::open(&context, &log_dir, &temp.path().join("t-0"), options).expect("open")
    };
    let log = open(&options);
    let append = |log: &PartitionLog| {
        let options = AppendOptions { now_ms: NOW, ..Default::default() };
        log.append_as_leader(&record(10), &options).expect("append");
    };
    (0..5).for_each(|_| append(&log));
    log.flush(NOW).expect("flush");
    log.roll(NOW).expect("roll");
    append(&log);
    log.flush(NOW).expect("flush");
    log.abandon();
    disk.power_failure_keeping_what_is_durable();
    (options.clean, options.recovery_point) = (false, 6);
    let log = open(&options);
    assert_eq!(log.offset_for_timestamp(NOW, OnCold::Wait).expect("look up").map(|f| f.offset), Some(0));
    assert_eq!(log.log_end_offset(), 6);
    let index = std::fs::metadata(temp.path().join("t-0/00000000000000000000.index")).expect("stat");
    assert_eq!(index.len(), 4 * 8);
}
