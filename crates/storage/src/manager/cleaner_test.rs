//! The cleaner over all logs of a broker: which log it takes, what it writes down, what it gives up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_protocol::TopicPartition;
use ottla_protocol::records::{BatchBuilder, BatchOptions};

use super::*;
use crate::checkpoint::offset_checkpoint::{self, CLEANER_OFFSET_FILE};
use crate::cleaner::test_host::{TestHost, options};
use crate::cleaner::{CleanerHost, CleanerShared, CleanerWorker, UncleanableLogs};
use crate::config::LogConfig;
use crate::log::AppendOptions;
use crate::test_support::*;

fn config(topic: &str) -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 1000,
        compact: topic != "deleted",
        delete: topic != "compacted",
        retention_ms: 1000,
        ..Default::default()
    })
}

fn open(root: &Path) -> LogManager {
    let dirs = [0, 1].map(|i| root.join(format!("d{i}"))).to_vec();
    let manager = LogManager::open(LogManagerOptions::new(dirs, 1)).expect("open");
    let load = LoadOptions { config: &config, is_stray: &|_, _| false, threads_per_dir: 1, now_ms: NOW };
    manager.load_logs(&load).expect("load");
    manager
}

fn create(manager: &LogManager, topic: &str, partition: i32) -> Arc<PartitionLog> {
    let options = CreateOptions {
        topic_id: None,
        config: config(topic),
        is_new: true,
        directory_id: None,
        now_ms: NOW,
    };
    manager.get_or_create(&TopicPartition::new(topic, partition), &options).expect("create")
}

fn fill(log: &PartitionLog, count: usize) {
    for i in 0..count {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(NOW, Some(&[(i % 5) as u8]), Some(&[b'v'; 100]), &[]).expect("record");
        let options = AppendOptions { now_ms: NOW, ..Default::default() };
        log.append_as_leader(&builder.build().expect("batch"), &options).expect("append");
    }
    log.set_high_watermark(i64::MAX);
}

/// Begins to move a log to the other directory.
fn start_move(manager: &LogManager, log: &PartitionLog) {
    let target = manager.log_dirs().iter().find(|dir| dir.path() != log.log_dir().path()).expect("other");
    manager.start_move(log.partition(), target.path(), NOW).expect("move");
}

fn worker(rate: f64) -> CleanerWorker {
    CleanerWorker::new(&Arc::new(CleanerShared::new(rate, 0)), options(100))
}

fn checkpoint(log: &PartitionLog) -> Option<i64> {
    let file = log.log_dir().path().join(CLEANER_OFFSET_FILE);
    offset_checkpoint::read(&file).expect("read").get(log.partition()).copied()
}

#[test]
fn the_filthiest_first_until_none_is_due_and_over_restarts() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let logs = [0, 1].map(|i| create(&manager, "compacted", i));
    let deleted = create(&manager, "deleted", 0);
    fill(&logs[0], 50);
    [&logs[1], &deleted].into_iter().for_each(|log| fill(log, 40));
    let (host, mut worker) = (TestHost::new(), worker(f64::MAX));
    assert!(worker.work(&manager, &host) && worker.work(&manager, &host));
    assert!(!worker.work(&manager, &host), "both are clean, the third is not compacted");
    let ends = [0, 1].map(|i: usize| logs[i].active_segment_base_offset());
    assert_eq!([0, 1].map(|i: usize| checkpoint(&logs[i])), ends.map(Some));
    assert_eq!(checkpoint(&deleted), None);
    // Both are clean; the one that gets more becomes dirtier.
    fill(&logs[0], 30);
    fill(&logs[1], 60);
    assert!(worker.work(&manager, &host));
    assert!(checkpoint(&logs[1]) > Some(ends[1]) && checkpoint(&logs[0]) == Some(ends[0]));
    worker.release_memory();
    drop((logs, deleted, manager));
    for clean in [true, false] {
        let manager = open(temp.path());
        let log = create(&manager, "compacted", 1);
        assert_eq!(log.cleaner_checkpoint(), checkpoint(&log));
        assert!(log.cleaner_checkpoint().is_some());
        if clean {
            manager.shutdown(1, NOW);
        }
    }
    let manager = open(temp.path());
    let partition = TopicPartition::new("compacted", 1);
    let dir = manager.log(&partition).expect("log").log_dir().path().to_path_buf();
    assert!(manager.delete(std::slice::from_ref(&partition), NOW).is_empty());
    let left = offset_checkpoint::read(&dir.join(CLEANER_OFFSET_FILE)).expect("read");
    assert!(!left.contains_key(&partition), "a log of the same name begins anew");
}

#[test]
fn a_damaged_log_is_left_alone_and_the_others_go_on() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let [bad, good] = [0, 1].map(|i| create(&manager, "compacted", i));
    fill(&bad, 60);
    fill(&good, 40);
    bad.flush(NOW).expect("flush");
    let path = bad.dir().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[80] ^= 1;
    std::fs::write(&path, bytes).expect("write");
    let (host, mut worker) = (TestHost::new(), worker(f64::MAX));
    let cleaned: Vec<bool> = (0..3).map(|_| worker.work(&manager, &host)).collect();
    assert_eq!(cleaned.iter().filter(|cleaned| **cleaned).count(), 1);
    assert!(bad.is_uncleanable() && !good.is_uncleanable());
    let set_aside = manager.uncleanable_logs(bad.log_dir());
    assert!(set_aside.count == 1 && set_aside.bytes > 0, "{set_aside:?}");
    assert_eq!((checkpoint(&bad), checkpoint(&good)), (None, Some(good.active_segment_base_offset())));
    assert!(bad.log_dir().is_online());
}

#[test]
fn retention_of_compacted_logs_and_the_cleaner_keep_out_of_each_others_way() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let (both, compacted) = (create(&manager, "both", 0), create(&manager, "compacted", 0));
    [&both, &compacted].into_iter().for_each(|log| fill(log, 40));
    assert!(both.take_for_cleaning());
    assert_eq!(manager.delete_old_segments(NOW + 5000), 0, "it is being cleaned");
    both.release_from_cleaning();
    let host = TestHost::new();
    host.now_ms.store(NOW + 5000, Ordering::Relaxed);
    compacted.delete_records_before(20).expect("delete records");
    both.set_cleaner_checkpoint(Some(both.active_segment_base_offset()));
    let mut worker = worker(f64::MAX);
    assert!(!worker.work(&manager, &host), "half of it lies before the start");
    assert_eq!(both.log_start_offset(), 40, "by age");
    assert_eq!(compacted.log_start_offset(), 20, "only by DeleteRecords");
    assert!(compacted.first_segment_base_offset() > 0);
    assert!(worker.work(&manager, &host));
    assert_eq!(compacted.cleaner_checkpoint(), Some(compacted.active_segment_base_offset()));
    // Its checkpoint had fallen behind its start.
    assert_eq!(both.cleaner_checkpoint(), Some(40));
}

#[test]
fn it_stops_when_told_and_keeps_to_the_rate() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let log = create(&manager, "compacted", 0);
    fill(&log, 40);
    let host = TestHost::new();
    host.stop_after.store(5, Ordering::Relaxed);
    assert!(!worker(f64::MAX).work(&manager, &host));
    assert_eq!((log.cleaner_checkpoint(), log.is_uncleanable()), (None, false));
    let host = TestHost::new();
    let bytes = log.size_bytes();
    assert!(worker(10.0).work(&manager, &host));
    let paused_ms = host.paused_ms.load(Ordering::Relaxed);
    // Read twice, hardly written.
    assert!(paused_ms > bytes as i64 * 2 * 1000 / 10 * 8 / 10, "{paused_ms} ms for {bytes} bytes");
}

#[test]
fn a_truncation_is_written_down_and_a_move_takes_the_clean_offset_along() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let log = create(&manager, "compacted", 0);
    fill(&log, 40);
    let host = TestHost::new();
    assert!(worker(f64::MAX).work(&manager, &host));
    let options = HousekeepingOptions::default();
    let mut housekeeping = Housekeeping::new(&options, NOW);
    start_move(&manager, &log);
    let moved = loop {
        if let MoveProgress::Done(moved) = manager.continue_move(log.partition(), NOW).expect("copy") {
            break moved;
        }
    };
    assert_eq!(moved.log_end_offset(), 40, "a compacted log is copied with its gaps");
    assert!(checkpoint(&moved).is_some() && checkpoint(&moved) == moved.cleaner_checkpoint());
    assert_eq!(checkpoint(&log), None, "it is no longer in this directory");
    moved.truncate_fully_and_start_at(3, None, NOW).expect("truncate");
    housekeeping.tick(&manager, NOW);
    assert_eq!(checkpoint(&moved), Some(3));
}

#[test]
fn a_log_that_is_being_moved_is_not_cleaned() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let log = create(&manager, "compacted", 0);
    fill(&log, 40);
    let view = log.cleaning_view(NOW).expect("view");
    start_move(&manager, &log);
    assert!(log.check_cleaning(view.truncations).is_err(), "the one that is under way is given up");
    let (host, mut worker) = (TestHost::new(), worker(f64::MAX));
    assert!(!worker.work(&manager, &host));
    while !matches!(manager.continue_move(log.partition(), NOW).expect("copy"), MoveProgress::Done(_)) {}
    assert!(worker.work(&manager, &host));
}

#[test]
fn the_gauges_say_what_was_done() {
    let temp = temp_dir();
    let manager = open(temp.path());
    let log = create(&manager, "compacted", 0);
    fill(&log, 50);
    let shared = Arc::new(CleanerShared::new(f64::MAX, 0));
    let (host, mut worker) = (TestHost::new(), CleanerWorker::new(&shared, options(100)));
    assert_eq!(shared.metrics(5_000).time_since_last_run_ms, 5_000);
    assert!(worker.work(&manager, &host));
    let metrics = shared.metrics(host.elapsed_ms());
    assert_eq!(metrics.max_dirty_percent, 100, "it was dirty as a whole when it was chosen");
    assert_eq!(metrics.max_buffer_utilization_percent, 5, "five keys in a map for a hundred");
    assert!((1..50).contains(&metrics.cleaner_recopy_percent), "{metrics:?}");
    assert!(metrics.max_clean_time_secs > 0, "the clock goes on with every question");
    assert_eq!(metrics.max_compaction_delay_secs, 0);
    assert!(!worker.work(&manager, &host));
    assert_eq!(shared.metrics(host.elapsed_ms()).max_dirty_percent, 0);
    drop(worker);
    assert_eq!(
        shared.metrics(0).max_buffer_utilization_percent,
        0,
        "with its thread, its last cleaning is gone"
    );
    let dir = log.log_dir();
    assert_eq!(manager.uncleanable_logs(dir), UncleanableLogs::default());
    log.set_uncleanable(7);
    assert_eq!(manager.uncleanable_logs(dir), UncleanableLogs { count: 1, bytes: 7 });
}
