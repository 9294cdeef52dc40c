//! A log directory that Apache Kafka 4.3.1 wrote: three topics, all codecs, transactions, deleted records.
//!
//! `fixtures/kafka-4.3.1` was left by a broker that was stopped in order, less its internal topics. The producer
//! gave the records timestamps of 2023, so that the broker, which stamps transaction markers with its own time,
//! closed the first segment of `tx-0` early.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_protocol::TopicPartition;
use ottla_protocol::records::{BatchIter, Record, RecordBatch};
use ottla_storage::{
    AppendOptions, LoadOptions, LoadReport, LogConfig, LogManager, LogManagerOptions, OnCold, OpenError,
    PartitionLog, special_timestamp,
};

const WRITTEN_MS: i64 = 1_700_000_000_000;
const NOW_MS: i64 = WRITTEN_MS + 1000;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}

fn fixture() -> tempfile::TempDir {
    // In memory where there is such a place: the tests fsync a lot.
    let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temp dir");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kafka-4.3.1")), temp.path());
    temp
}

fn open(temp: &tempfile::TempDir) -> (LogManager, LoadReport) {
    let manager = LogManager::open(LogManagerOptions::new(vec![temp.path().into()], 1)).expect("open");
    let config = |_: &str| Arc::new(LogConfig::default());
    let load = LoadOptions { config: &config, is_stray: &|_, _| false, threads_per_dir: 1, now_ms: NOW_MS };
    let report = manager.load_logs(&load).expect("load");
    (manager, report)
}

fn log(manager: &LogManager, topic: &str) -> Arc<PartitionLog> {
    manager.log(&TopicPartition::new(topic, 0)).expect("log")
}

/// All records but those of control batches.
fn records(log: &PartitionLog) -> Vec<Record> {
    let mut found = Vec::new();
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let data = log.read(offset, 1 << 20, true, log.log_end_offset()).expect("read");
        let bytes: Vec<u8> = data.pieces.iter().flat_map(|p| p.to_bytes().expect("read")).collect();
        for batch in BatchIter::new(&bytes) {
            let batch: RecordBatch<'_> = batch.expect("valid");
            assert!(batch.verify_crc());
            offset = batch.next_offset();
            if !batch.is_control() {
                found.extend(batch.records(1 << 20).expect("records").map(|r| r.expect("record")));
            }
        }
    }
    found
}

/// The files of all partitions, but for the leader epochs of the empty one: an epoch that has no record yet is
/// dropped at the start, here as in Kafka, and comes back when the partition has its leader.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for partition in ["plain-0", "tx-0", "idle-0"] {
        for entry in std::fs::read_dir(dir.join(partition)).expect("list") {
            let entry = entry.expect("entry");
            let name = format!("{partition}/{}", entry.file_name().to_string_lossy());
            if name == "idle-0/leader-epoch-checkpoint" {
                continue;
            }
            found.insert(name, std::fs::read(entry.path()).expect("read"));
        }
    }
    found
}

fn check(manager: &LogManager) {
    let plain = log(manager, "plain");
    assert_eq!((plain.log_start_offset(), plain.log_end_offset(), plain.high_watermark()), (25, 100, 100));
    let found = records(&plain);
    for (codec, name) in ["gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        for i in 0..20usize {
            let offset = (codec + 1) * 20 + i;
            let record = found.iter().find(|r| r.offset == offset as i64).expect("record");
            let value = format!("{name} value {i}{}", "x".repeat(100));
            assert_eq!(record.value.as_deref(), Some(value.as_bytes()), "{offset}");
            assert_eq!(record.timestamp, WRITTEN_MS + i as i64);
        }
    }
    let max = plain.offset_for_timestamp(special_timestamp::MAX_TIMESTAMP, OnCold::Wait).expect("look up");
    assert_eq!(max.map(|o| o.timestamp), Some(WRITTEN_MS + 19));

    let tx = log(manager, "tx");
    assert_eq!((tx.log_end_offset(), tx.last_stable_offset(), tx.segment_count()), (44, 44, 2));
    assert_eq!(records(&tx).len(), 40);
    let aborted = tx.aborted_transactions(0, 44).expect("read");
    let spans: Vec<_> = aborted.iter().map(|a| (a.first_offset, a.last_offset)).collect();
    assert_eq!(spans, [(0, 10), (22, 32)]);
    assert_eq!(tx.active_producers().len(), 1);
    assert_eq!(log(manager, "idle").log_end_offset(), 0);
    assert_ne!(tx.topic_id(), plain.topic_id());
}

#[test]
fn after_a_clean_stop_all_is_taken_as_it_is() {
    let temp = fixture();
    let before = files(temp.path());
    let (manager, report) = open(&temp);
    assert_eq!((report.loaded, report.unclean_dirs.len(), report.failed.len()), (3, 0, 0));
    assert_eq!(report.previous_broker_epoch, Some(19));
    assert_eq!(manager.cluster_id(), "MkU3OEVBNTcwNTJENDM2Qg");
    check(&manager);
    manager.shutdown(-1, NOW_MS);
    let after = files(temp.path());
    assert!(after.keys().eq(before.keys()));
    for (name, content) in &before {
        assert!(after.get(name) == Some(content), "{name} was changed");
    }
}

#[test]
fn after_a_kill_all_is_rebuilt_to_the_same_bytes() {
    let temp = fixture();
    let before = files(temp.path());
    std::fs::remove_file(temp.path().join(".kafka_cleanshutdown")).expect("remove");
    std::fs::write(temp.path().join("recovery-point-offset-checkpoint"), "0\n0\n").expect("write");
    for (name, _) in before.iter().filter(|(name, _)| name.ends_with("index")) {
        // What a killed Kafka leaves of the active segment's indexes.
        std::fs::write(temp.path().join(name), vec![0; 1 << 16]).expect("write");
    }
    let (manager, report) = open(&temp);
    assert_eq!((report.loaded, report.unclean_dirs.len()), (3, 1));
    check(&manager);
    manager.shutdown(-1, NOW_MS);
    let after = files(temp.path());
    for (name, content) in before.iter().filter(|(name, _)| !name.ends_with(".snapshot")) {
        assert!(after.get(name) == Some(content), "{name} is not the same");
    }
}

#[test]
fn the_logs_go_on() {
    let temp = fixture();
    let (manager, _) = open(&temp);
    let plain = log(&manager, "plain");
    let batch = {
        let mut builder = ottla_protocol::records::BatchBuilder::new(Default::default());
        builder.append(NOW_MS, None, Some(b"more"), &[]).expect("record");
        builder.build().expect("batch")
    };
    let options = AppendOptions { leader_epoch: 1, now_ms: NOW_MS, ..Default::default() };
    assert_eq!(plain.append_as_leader(&batch, &options).expect("append").base_offset, 100);
    drop((plain, manager));
    let (manager, report) = open(&temp);
    assert_eq!(report.unclean_dirs.len(), 1);
    assert_eq!(log(&manager, "plain").log_end_offset(), 101);
    assert_eq!(log(&manager, "plain").latest_epoch(), Some(1));
}

#[test]
fn another_node_does_not_take_it() {
    let temp = fixture();
    let refused = LogManager::open(LogManagerOptions::new(vec![temp.path().into()], 2)).expect_err("node");
    assert!(matches!(refused, OpenError::NodeId { expected: 2, found: 1, .. }));
}

/// A small generator of numbers, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// Changes, cuts, grows or removes some files.
fn damage(dir: &Path, numbers: &mut Numbers) {
    let mut paths =
        vec!["recovery-point-offset-checkpoint".to_owned(), "log-start-offset-checkpoint".to_owned()];
    paths.extend(files(dir).into_keys());
    for _ in 0..1 + numbers.below(4) {
        let path = dir.join(&paths[numbers.below(paths.len())]);
        let Ok(mut content) = std::fs::read(&path) else { continue };
        match numbers.below(5) {
            0 => content.truncate(numbers.below(content.len() + 1)),
            1 => content.extend((0..numbers.below(200)).map(|i| i as u8)),
            2 => {
                std::fs::remove_file(&path).expect("remove");
                continue;
            }
            _ => {
                for _ in 0..1 + numbers.below(8) {
                    let at = numbers.below(content.len());
                    if let Some(byte) = content.get_mut(at) {
                        *byte = numbers.below(256) as u8;
                    }
                }
            }
        }
        std::fs::write(&path, content).expect("write");
    }
}

#[test]
fn damaged_files_never_panic() {
    let mut numbers = Numbers(42);
    for round in 0..400 {
        let temp = fixture();
        damage(temp.path(), &mut numbers);
        if round % 2 == 0 {
            let _ = std::fs::remove_file(temp.path().join(".kafka_cleanshutdown"));
        }
        let (manager, _) = open(&temp);
        for log in manager.logs() {
            let mut offset = log.log_start_offset();
            while let Ok(data) = log.read(offset, 1 << 20, true, log.log_end_offset()) {
                let bytes: Vec<u8> =
                    data.pieces.iter().flat_map(|p| p.to_bytes().unwrap_or_default()).collect();
                match BatchIter::new(&bytes).last() {
                    Some(Ok(batch)) if batch.next_offset() > offset => offset = batch.next_offset(),
                    _ => break,
                }
            }
            for timestamp in [WRITTEN_MS, special_timestamp::MAX_TIMESTAMP, special_timestamp::EARLIEST] {
                let _ = log.offset_for_timestamp(timestamp, OnCold::Wait);
            }
            let _ = log.aborted_transactions(0, i64::MAX);
            let _ = log.end_offset_for_epoch(0);
            log.set_high_watermark(i64::MAX);
            let _ = log.delete_records_before(-1);
            let _ = log.delete_old_segments(NOW_MS + 1_000_000_000_000);
            let _ = log.truncate_to(log.log_start_offset(), NOW_MS);
        }
        manager.shutdown(-1, NOW_MS);
    }
}
