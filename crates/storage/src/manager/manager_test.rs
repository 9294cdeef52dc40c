//! All logs of a broker.

use std::sync::Arc;

use ottla_protocol::{TopicPartition, Uuid};

use super::*;
use crate::config::LogConfig;
use crate::log::AppendOptions;
use crate::meta_properties::MetaProperties;
use crate::test_support::*;

pub(super) struct Broker {
    pub(super) temp: tempfile::TempDir,
    pub(super) manager: LogManager,
}

fn paths(temp: &tempfile::TempDir, count: usize) -> Vec<PathBuf> {
    (0..count).map(|i| temp.path().join(format!("d{i}"))).collect()
}

pub(super) fn options(temp: &tempfile::TempDir, dirs: usize) -> LogManagerOptions {
    LogManagerOptions::new(paths(temp, dirs), 1)
}

impl Broker {
    pub(super) fn new(dirs: usize) -> Self {
        let temp = temp_dir();
        let manager = LogManager::open(options(&temp, dirs)).expect("open");
        let broker = Self { temp, manager };
        broker.load();
        broker
    }

    pub(super) fn load(&self) -> LoadReport {
        self.load_as(&|_, _| false)
    }

    fn load_as(&self, is_stray: &(dyn Fn(&TopicPartition, Option<Uuid>) -> bool + Sync)) -> LoadReport {
        let config = |_: &str| Arc::new(LogConfig { segment_bytes: 2000, ..Default::default() });
        let load = LoadOptions { config: &config, is_stray, threads_per_dir: 2, now_ms: NOW };
        self.manager.load_logs(&load).expect("load")
    }

    /// The next start, after a clean stop or a kill.
    pub(super) fn restart(self, clean: bool) -> Self {
        let dirs = self.manager.dirs.len();
        if clean {
            self.manager.shutdown(7, NOW);
        }
        let Self { temp, manager } = self;
        drop(manager);
        let manager = LogManager::open(options(&temp, dirs)).expect("open again");
        Self { temp, manager }
    }

    pub(super) fn create(&self, name: &str, partition: i32) -> Arc<PartitionLog> {
        self.try_create(name, partition).expect("create")
    }

    fn try_create(&self, name: &str, partition: i32) -> Result<Arc<PartitionLog>, CreateError> {
        let options = CreateOptions {
            topic_id: Some(Uuid::from_parts(9, 9)),
            config: Arc::new(LogConfig { segment_bytes: 2000, ..Default::default() }),
            is_new: true,
            directory_id: None,
            now_ms: NOW,
        };
        self.manager.get_or_create(&TopicPartition::new(name, partition), &options)
    }

    pub(super) fn log(&self, name: &str, partition: i32) -> Arc<PartitionLog> {
        self.manager.log(&TopicPartition::new(name, partition)).expect("log")
    }
}

pub(super) fn append(log: &PartitionLog, count: usize) {
    for _ in 0..count {
        let options = AppendOptions { now_ms: NOW, ..Default::default() };
        log.append_as_leader(&record(100), &options).expect("append");
    }
}

#[test]
fn directories_are_formatted_and_recognised() {
    let broker = Broker::new(2);
    let cluster_id = broker.manager.cluster_id().to_owned();
    let ids: Vec<Uuid> = broker.manager.log_dirs().iter().map(|d| d.id()).collect();
    assert_ne!(ids[0], ids[1]);
    for (path, id) in paths(&broker.temp, 2).iter().zip(&ids) {
        let meta = MetaProperties::read(path).expect("read").expect("written");
        assert_eq!(meta, MetaProperties::new(&cluster_id, 1, *id));
    }
    let broker = broker.restart(true);
    assert_eq!(broker.manager.cluster_id(), cluster_id);
    assert_eq!(broker.manager.log_dirs().iter().map(|d| d.id()).collect::<Vec<_>>(), ids);
}

#[test]
fn foreign_directories_are_refused() {
    let broker = Broker::new(2);
    let other = options(&broker.temp, 1);
    let locked = LogManager::open(other.clone()).expect_err("in use");
    assert!(matches!(locked, OpenError::Locked(_)), "{locked}");
    let broker = broker.restart(true);
    let temp = &broker.temp;
    broker.manager.shutdown(-1, NOW);
    let open = |change: &dyn Fn(&mut LogManagerOptions)| {
        let mut options = other.clone();
        change(&mut options);
        LogManager::open(options)
    };
    let wrong_node = open(&|o| o.node_id = 2).expect_err("node");
    assert!(matches!(wrong_node, OpenError::NodeId { expected: 2, found: 1, .. }));
    let wrong_cluster = open(&|o| o.cluster_id = Some("other".into())).expect_err("cluster");
    assert!(matches!(wrong_cluster, OpenError::ClusterId { .. }));
    let path = temp.path().join("d0");
    let twice = open(&|o| o.log_dirs = vec![path.clone(), temp.path().join("d1/../d0")]);
    assert!(matches!(twice, Err(OpenError::Duplicate(_))));
    let unformatted = open(&|o| {
        o.format_missing = false;
        o.log_dirs.push(temp.path().join("new"));
    });
    assert!(matches!(unformatted, Err(OpenError::NotFormatted(_))));
    assert!(matches!(open(&|o| o.log_dirs.clear()), Err(OpenError::NoDirs)));
    // The same id in two directories: somebody copied one.
    copy_tree(&path, &temp.path().join("copy"));
    let copied = open(&|o| o.log_dirs.push(temp.path().join("copy")));
    assert!(matches!(copied, Err(OpenError::DirectoryId { .. })));
}

#[test]
fn directories_that_fail_are_reported_and_others_go_on() {
    let temp = temp_dir();
    let file = temp.path().join("file");
    std::fs::write(&file, "not a directory").expect("write");
    let mut options = options(&temp, 1);
    options.log_dirs.push(file.clone());
    options.log_dirs.push(file.join("below"));
    let manager = LogManager::open(options.clone()).expect("open");
    assert_eq!(manager.log_dirs().len(), 1);
    assert_eq!(manager.offline_at_start().len(), 2);
    assert!(manager.has_offline_dirs());
    let create = CreateOptions {
        topic_id: None,
        config: Arc::default(),
        is_new: false,
        directory_id: None,
        now_ms: NOW,
    };
    let partition = TopicPartition::new("t", 0);
    assert!(matches!(manager.get_or_create(&partition, &create), Err(CreateError::MayBeOffline(_))));
    manager.get_or_create(&partition, &CreateOptions { is_new: true, ..create }).expect("create");
    drop(manager);
    options.log_dirs.remove(0);
    let all = LogManager::open(options).expect_err("all offline");
    assert!(matches!(&all, OpenError::AllOffline(dirs) if dirs.len() == 2), "{all}");
    // A meta.properties that makes no sense takes its directory offline only.
    std::fs::write(temp.path().join("d0/meta.properties"), "version=x").expect("write");
    let manager = LogManager::open(LogManagerOptions::new(paths(&temp, 2), 1)).expect("open");
    assert_eq!(manager.offline_at_start().len(), 1);
}

#[test]
fn logs_go_to_the_directory_with_the_fewest() {
    let broker = Broker::new(3);
    for i in 0..9 {
        broker.create("t", i);
    }
    for dir in broker.manager.log_dirs() {
        assert_eq!(broker.manager.logs_in(dir).len(), 3);
    }
    let wanted = broker.manager.log_dirs()[2].id();
    let options = CreateOptions {
        topic_id: None,
        config: Arc::default(),
        is_new: true,
        directory_id: Some(wanted),
        now_ms: NOW,
    };
    let log = broker.manager.get_or_create(&TopicPartition::new("u", 0), &options).expect("create");
    assert_eq!(log.log_dir().id(), wanted);
    let again = broker.create("t", 3);
    assert!(Arc::ptr_eq(&again, &broker.log("t", 3)));
}

#[test]
fn a_partition_without_records_is_a_directory_with_the_topics_id() {
    let broker = Broker::new(1);
    // One that is there already.
    let dir = broker.manager.log_dirs()[0].path().to_path_buf();
    std::fs::create_dir(dir.join("t-1")).expect("create");
    for partition in 0..3 {
        let log = broker.create("t", partition);
        assert_eq!(log.topic_id(), Some(Uuid::from_parts(9, 9)));
        assert_eq!(file_names(&log.dir()), ["partition.metadata"]);
        assert_eq!((log.log_end_offset(), log.size_bytes(), log.segment_count()), (0, 0, 1));
    }
    assert_eq!(broker.manager.context().open_files(), 0);
    append(&broker.log("t", 2), 3);
    for clean in [false, true] {
        let broker = Broker::new(1);
        broker.create("t", 0);
        let broker = broker.restart(clean);
        broker.load();
        assert_eq!(broker.log("t", 0).topic_id(), Some(Uuid::from_parts(9, 9)));
    }
    let broker = broker.restart(false);
    assert_eq!(broker.load().loaded, 3);
    assert_eq!(broker.log("t", 2).log_end_offset(), 3);
}

#[test]
fn another_topic_id_is_refused() {
    let broker = Broker::new(1);
    broker.create("t", 0);
    let options = CreateOptions {
        topic_id: Some(Uuid::from_parts(1, 1)),
        config: Arc::default(),
        is_new: true,
        directory_id: None,
        now_ms: NOW,
    };
    let refused = broker.manager.get_or_create(&TopicPartition::new("t", 0), &options).expect_err("other id");
    assert_eq!(refused.code(), ottla_protocol::ErrorCode::InconsistentTopicId);
}

#[test]
fn a_clean_stop_and_a_kill() {
    for clean in [true, false] {
        let broker = Broker::new(2);
        for i in 0..6 {
            append(&broker.create("t", i), 20 + i as usize);
            broker.log("t", i).set_high_watermark(10);
        }
        broker.manager.checkpoint_high_watermarks();
        broker.log("t", 5).delete_records_before(3).expect("delete");
        broker.manager.checkpoint_log_start_offsets();
        let broker = broker.restart(clean);
        let report = broker.load();
        assert_eq!(report.loaded, 6);
        assert_eq!(report.unclean_dirs.len(), if clean { 0 } else { 2 });
        assert_eq!(report.previous_broker_epoch, clean.then_some(7));
        for i in 0..6 {
            let log = broker.log("t", i);
            assert_eq!(log.log_end_offset(), 20 + i64::from(i));
            assert_eq!(log.high_watermark(), 10);
            assert_eq!(log.log_start_offset(), if i == 5 { 3 } else { 0 });
            assert_eq!(offsets_of(&read_all(&log, 3)).len() as i64, 17 + i64::from(i));
        }
        // The marker is gone: another kill must not look like a clean stop.
        let broker = broker.restart(false);
        assert_eq!(broker.load().unclean_dirs.len(), 2);
    }
}

#[test]
fn a_broker_that_stops_before_loading_leaves_no_marker() {
    let broker = Broker::new(1);
    append(&broker.create("t", 0), 3);
    let broker = broker.restart(false);
    broker.manager.shutdown(1, NOW);
    let broker = broker.restart(false);
    assert_eq!(broker.load().unclean_dirs.len(), 1);
}

#[test]
fn many_logs_are_closed_at_once() {
    let broker = Broker::new(1);
    for i in 0..50 {
        append(&broker.create("t", i), 3);
    }
    let broker = broker.restart(true);
    assert_eq!(broker.load().unclean_dirs.len(), 0);
    for i in 0..50 {
        assert_eq!(broker.log("t", i).log_end_offset(), 3);
        assert_eq!(broker.log("t", i).recovery_point(), 3);
    }
}

#[test]
fn deleted_logs_leave_after_a_while() {
    let broker = Broker::new(1);
    let log = broker.create("t", 0);
    append(&log, 5);
    broker.manager.checkpoint_recovery_points();
    let partition = TopicPartition::new("t", 0);
    assert!(broker.manager.delete(&[partition.clone(), TopicPartition::new("u", 0)], NOW).is_empty());
    assert!(broker.manager.log(&partition).is_none());
    assert!(log.check_open().is_err());
    let dir = broker.temp.path().join("d0");
    let marked = |dir: &Path| file_names(dir).iter().filter(|n| n.ends_with("-delete")).count();
    assert_eq!(marked(&dir), 1);
    let checkpoint = std::fs::read_to_string(dir.join("recovery-point-offset-checkpoint")).expect("read");
    assert_eq!(checkpoint, "0\n0\n");
    // The name is free at once.
    assert_eq!(broker.create("t", 0).log_end_offset(), 0);
    broker.manager.context().background_tick(NOW + 59_999);
    assert_eq!(marked(&dir), 1);
    broker.manager.context().background_tick(NOW + 60_000);
    assert_eq!(marked(&dir), 0);
    // One that a stop interrupts goes at the next start.
    broker.manager.delete(&[partition], NOW);
    let broker = broker.restart(true);
    assert_eq!(broker.load().loaded, 0);
    broker.manager.context().background_tick(NOW);
    assert_eq!(marked(&dir), 0);
}

#[test]
fn strays_are_set_aside_and_kept() {
    let broker = Broker::new(1);
    append(&broker.create("t", 0), 5);
    append(&broker.create("t", 1), 5);
    let broker = broker.restart(true);
    let report = broker.load_as(&|partition, id| {
        assert_eq!(id, Some(Uuid::from_parts(9, 9)));
        partition.partition == 1
    });
    assert_eq!((report.loaded, broker.manager.strays().len()), (1, 1));
    let broker = broker.restart(true);
    assert_eq!(broker.load().loaded, 1);
    assert_eq!(broker.manager.strays().len(), 1);
    broker.manager.set_aside(&TopicPartition::new("t", 0)).expect("set aside");
    assert_eq!((broker.manager.log_count(), broker.manager.strays().len()), (0, 2));
}

#[test]
fn things_that_are_no_partition_are_ignored() {
    let broker = Broker::new(1);
    append(&broker.create("t", 0), 1);
    let dir = broker.temp.path().join("d0");
    for name in ["lost+found", "remote-log-index-cache", "__cluster_metadata-0", "notes"] {
        std::fs::create_dir(dir.join(name)).expect("create");
    }
    std::fs::write(dir.join("recovery-point-offset-checkpoint"), "0\n7\ntorn").expect("write");
    let broker = broker.restart(false);
    let report = broker.load();
    assert_eq!((report.loaded, report.failed.len()), (1, 0));
    assert!(dir.join("__cluster_metadata-0").exists());
}

#[test]
fn the_same_partition_twice_stops_the_broker() {
    let broker = Broker::new(2);
    append(&broker.create("t", 0), 1);
    let broker = broker.restart(true);
    copy_tree(&broker.temp.path().join("d0/t-0"), &broker.temp.path().join("d1/t-0"));
    let config = |_: &str| Arc::default();
    let load = LoadOptions { config: &config, is_stray: &|_, _| false, threads_per_dir: 1, now_ms: NOW };
    assert!(matches!(broker.manager.load_logs(&load), Err(LoadError::Duplicate { .. })));
}

#[test]
fn one_bad_log_does_not_stop_the_others() {
    let broker = Broker::new(1);
    append(&broker.create("t", 0), 1);
    append(&broker.create("t", 1), 1);
    let broker = broker.restart(true);
    let path = broker.temp.path().join("d0/t-0/partition.metadata");
    std::fs::remove_file(&path).expect("remove");
    std::fs::write(path, format!("version: x\n{:40}", "")).expect("write");
    let report = broker.load();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(broker.log("t", 1).log_end_offset(), 1);
    assert!(!broker.manager.has_offline_dirs());
    // It is not replaced by an empty one.
    assert!(broker.try_create("t", 0).is_err());
}

#[test]
fn a_directory_that_goes_offline_takes_its_logs_along() {
    let temp = temp_dir();
    let disk = FailingDisk::new();
    let mut options = options(&temp, 2);
    options.disk = disk.clone();
    let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let tell = told.clone();
    options.on_offline = Some(Arc::new(move |dir: &LogDir| tell.lock().push(dir.path().to_path_buf())));
    let broker = Broker { manager: LogManager::open(options).expect("open"), temp };
    broker.load();
    let logs: Vec<_> = (0..4).map(|i| broker.create("t", i)).collect();
    disk.room.store(0, std::sync::atomic::Ordering::Relaxed);
    let now = AppendOptions { now_ms: NOW, ..Default::default() };
    let append_one = |log: &PartitionLog| log.append_as_leader(&record(10), &now);
    append_one(&logs[0]).expect_err("no room");
    disk.room.store(-1, std::sync::atomic::Ordering::Relaxed);
    let dead = logs[0].log_dir().path().to_path_buf();
    assert_eq!(*told.lock(), std::slice::from_ref(&dead));
    for log in &logs {
        assert_eq!(append_one(log).is_ok(), log.log_dir().path() != dead);
    }
    assert_eq!(broker.manager.remove_offline_logs(&dead).len(), 2);
    assert_eq!(broker.manager.log_count(), 2);
    assert_ne!(broker.create("u", 0).log_dir().path(), dead);
    broker.manager.shutdown(1, NOW);
    let marked = |dir: &Path| dir.join(".kafka_cleanshutdown").exists();
    let [d0, d1] =
        [0, 1].map(|i| std::fs::canonicalize(broker.temp.path().join(format!("d{i}"))).expect("path"));
    assert_eq!((marked(&d0), marked(&d1)), (d0 != dead, d1 != dead));
}

#[test]
fn checkpoints_are_written_when_they_have_news() {
    let broker = Broker::new(1);
    let log = broker.create("t", 0);
    append(&log, 3);
    let path = broker.temp.path().join("d0/replication-offset-checkpoint");
    broker.manager.checkpoint_high_watermarks();
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "0\n1\nt 0 0\n");
    std::fs::remove_file(&path).expect("remove");
    broker.manager.checkpoint_high_watermarks();
    assert!(!path.exists(), "nothing new");
    log.set_high_watermark(2);
    broker.manager.checkpoint_high_watermarks();
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "0\n1\nt 0 2\n");
    broker.manager.delete(&[log.partition().clone()], NOW);
    broker.manager.checkpoint_high_watermarks();
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "0\n0\n");
}

#[test]
fn housekeeping_does_what_is_due() {
    let broker = Broker::new(1);
    let log = broker.create("t", 0);
    append(&log, 30);
    log.set_high_watermark(30);
    let config = LogConfig { retention_ms: 1, flush_ms: 10, ..(*log.config()).clone() };
    log.update_config(config);
    let options = HousekeepingOptions { flush_check_ms: 100, ..Default::default() };
    let mut housekeeping = Housekeeping::new(&options, NOW);
    housekeeping.tick(&broker.manager, NOW);
    assert_eq!(log.recovery_point(), log.active_segment_base_offset(), "closed segments");
    housekeeping.tick(&broker.manager, NOW + 100);
    assert_eq!(log.recovery_point(), 30);
    housekeeping.tick(&broker.manager, NOW + 60_000);
    let dir = broker.temp.path().join("d0");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("read");
    assert_eq!(read("recovery-point-offset-checkpoint"), "0\n1\nt 0 30\n");
    assert_eq!(read("replication-offset-checkpoint"), "0\n1\nt 0 30\n");
    assert_eq!(log.segment_count(), 3);
    housekeeping.tick(&broker.manager, NOW + 300_000);
    assert_eq!(log.segment_count(), 1, "retention");
    assert_eq!(log.log_start_offset(), 30);
    housekeeping.tick(&broker.manager, NOW + 300_001 + 30_000);
    housekeeping.tick(&broker.manager, NOW + 300_001 + 60_001);
    assert_eq!(broker.manager.context().open_files(), 0, "nothing is used");
}

#[test]
fn a_log_that_is_durable_already_still_gets_its_indexes_at_a_clean_stop() {
    let broker = Broker::new(1);
    let log = broker.create("t", 0);
    log.update_config(LogConfig { segment_bytes: 100_000, index_interval_bytes: 100, ..Default::default() });
    append(&log, 5);
    log.flush(NOW).expect("flush");
    assert_eq!(log.recovery_point(), 5, "nothing is left for the stop to make durable");
    let dir = log.dir();
    broker.manager.shutdown(1, NOW);
    for index in ["00000000000000000000.index", "00000000000000000000.timeindex"] {
        assert_ne!(std::fs::metadata(dir.join(index)).expect("stat").len(), 0, "{index}");
    }
}

fn recovery_point_on_disk(log: &PartitionLog) -> Option<i64> {
    let path = log.log_dir().path().join("recovery-point-offset-checkpoint");
    crate::checkpoint::offset_checkpoint::read(&path).expect("read").get(log.partition()).copied()
}

#[test]
fn a_truncation_is_written_down_at_once() {
    let broker = Broker::new(1);
    for partition in 0..2 {
        let log = broker.create("t", partition);
        append(&log, 30);
        log.flush(NOW).expect("flush");
    }
    broker.manager.checkpoint_recovery_points();
    let logs = [broker.log("t", 0), broker.log("t", 1)];
    assert_eq!(logs.each_ref().map(|log| recovery_point_on_disk(log)), [Some(30), Some(30)]);
    let missing = (TopicPartition::new("t", 9), 1);
    let cut = (TopicPartition::new("t", 0), 12);
    broker.manager.truncate_to(&[cut, missing], NOW).expect("truncate");
    assert_eq!(logs[0].log_end_offset(), 12);
    assert_eq!(logs.each_ref().map(|log| recovery_point_on_disk(log)), [Some(12), Some(30)]);
    broker.manager.truncate_fully_and_start_at(logs[1].partition(), 7, None, NOW).expect("start over");
    assert_eq!(logs.each_ref().map(|log| recovery_point_on_disk(log)), [Some(12), Some(7)]);
}

#[test]
fn a_recovery_that_cuts_a_log_is_written_down_at_once() {
    let broker = Broker::new(1);
    let log = broker.create("t", 0);
    append(&log, 30);
    log.flush(NOW).expect("flush");
    broker.manager.checkpoint_recovery_points();
    // A disk that has lost what it had said to be durable.
    let names = file_names(&log.dir());
    let last = names.iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    let file = std::fs::File::options().write(true).open(log.dir().join(last)).expect("open");
    file.set_len(file.metadata().expect("stat").len() - 1).expect("cut");
    let broker = broker.restart(false);
    assert_eq!(broker.load().loaded, 1);
    let log = broker.log("t", 0);
    assert_eq!((log.log_end_offset(), log.recovery_point()), (29, 29));
    assert_eq!(recovery_point_on_disk(&log), Some(29));
}
