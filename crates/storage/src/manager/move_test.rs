//! Moving logs between directories: what goes along, and what is left when it is interrupted.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ottla_protocol::TopicPartition;
use ottla_protocol::records::BatchOptions;

use super::manager_test::{Broker, append, options};
use super::*;
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::log::{AppendError, AppendOptions};
use crate::test_support::*;

/// What is done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Write,
    Sync,
    SyncDir,
}

type Hook = Arc<dyn Fn(Op, &Path) -> io::Result<()> + Send + Sync>;

/// A disk that tells of what is about to be done, to which file or directory.
#[derive(Default)]
struct HookDisk {
    hook: Mutex<Option<Hook>>,
}

impl HookDisk {
    fn set(&self, hook: impl Fn(Op, &Path) -> io::Result<()> + Send + Sync + 'static) {
        *self.hook.lock() = Some(Arc::new(hook));
    }

    fn clear(&self) {
        *self.hook.lock() = None;
    }

    fn tell(&self, op: Op, path: &Path) -> io::Result<()> {
        let hook = self.hook.lock().clone();
        hook.map_or(Ok(()), |hook| hook(op, path))
    }

    fn tell_of(&self, op: Op, file: &File) -> io::Result<()> {
        self.tell(op, &std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?)
    }
}

impl crate::fs::Disk for HookDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.tell_of(Op::Write, file)?;
        Ok(rustix::io::pwritev(file, parts, position)?)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.tell_of(Op::Sync, file)?;
        file.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.tell(Op::SyncDir, dir)?;
        crate::fs::sync_dir(dir)
    }
}

fn is_future(path: &Path) -> bool {
    path.to_string_lossy().contains("-future/")
}

/// A broker with two directories on a disk that tells what is done to it.
fn hooked() -> (Arc<HookDisk>, Broker) {
    let (disk, temp) = (Arc::new(HookDisk::default()), temp_dir());
    let options = LogManagerOptions { disk: disk.clone(), ..options(&temp, 2) };
    let broker = Broker { manager: LogManager::open(options).expect("open"), temp };
    broker.load();
    (disk, broker)
}

fn t0() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// The directory in which the partition does not lie.
fn other_dir(broker: &Broker) -> PathBuf {
    let log = broker.log("t", 0);
    let dirs = broker.manager.log_dirs();
    dirs.iter().find(|dir| dir.path() != log.log_dir().path()).expect("other").path().to_path_buf()
}

fn start(broker: &Broker) -> PathBuf {
    let to = other_dir(broker);
    broker.manager.start_move(&t0(), &to, NOW).expect("start");
    to
}

/// Moves on until it is done, which must not take many calls.
fn finish(broker: &Broker) -> Arc<PartitionLog> {
    for _ in 0..100 {
        match broker.manager.continue_move(&t0(), NOW).expect("copy") {
            MoveProgress::Behind(records) => assert!(records >= 0),
            MoveProgress::Done(moved) => {
                assert!(Arc::ptr_eq(&moved, &broker.log("t", 0)));
                return moved;
            }
        }
    }
    panic!("the move does not end");
}

/// Appends batches of ten records.
fn append_tens(log: &PartitionLog, batches: usize) {
    for _ in 0..batches {
        let options = AppendOptions { now_ms: NOW, ..Default::default() };
        let batch = batch_at(NOW, 10, 10, &BatchOptions::default());
        log.append_as_leader(&batch, &options).expect("append");
    }
    log.set_high_watermark(log.log_end_offset());
}

/// The log that is to be moved, with so many batches of ten records.
fn create_with_tens(broker: &Broker, batches: usize) -> Arc<PartitionLog> {
    let log = broker.create("t", 0);
    append_tens(&log, batches);
    log
}

fn starts_at(broker: &Broker, start: i64, end: i64, records: &[u8]) {
    let log = broker.log("t", 0);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (start, end));
    assert!(log.read(start - 1, 1, true, end).is_err());
    assert_eq!(read_all(&log, start), records);
}

#[test]
fn a_log_moves_to_another_directory() {
    let broker = Broker::new(2);
    let log = broker.create("t", 0);
    for i in 0..60 {
        let options = AppendOptions { leader_epoch: i / 20, now_ms: NOW, ..Default::default() };
        log.append_as_leader(&idempotent(5, 0, i, 1), &options).expect("append");
    }
    log.set_high_watermark(60);
    log.delete_records_before(7).expect("delete");
    let from = log.log_dir().path().to_path_buf();
    assert!(matches!(
        broker.manager.start_move(&t0(), Path::new("/nowhere"), NOW),
        Err(MoveError::NoDirectory(_))
    ));
    broker.manager.start_move(&t0(), &from, NOW).expect("already there");
    assert!(broker.manager.future_log(&t0()).is_none());
    let to = start(&broker);
    assert!(broker.manager.future_log(&t0()).is_some());
    let before = read_all(&log, 7);
    // The first call does not come to the end: segments are small.
    match broker.manager.continue_move(&t0(), NOW).expect("copy") {
        MoveProgress::Behind(records) => assert!(records > 0),
        MoveProgress::Done(_) => panic!("nothing is left to do"),
    }
    let moved = finish(&broker);
    assert_eq!(moved.log_dir().path(), to);
    assert!(log.check_open().is_err());
    assert_eq!((moved.log_start_offset(), moved.log_end_offset(), moved.high_watermark()), (7, 60, 60));
    assert_eq!(read_all(&moved, 7), before);
    assert_eq!(moved.latest_epoch(), Some(2));
    broker.manager.context().background_tick(NOW + 60_000);
    assert!(file_names(&from).iter().all(|n| !n.starts_with("t-0")));
    let broker = broker.restart(true);
    assert_eq!(broker.load().loaded, 1);
    assert_eq!(read_all(&broker.log("t", 0), 7), before);
}

#[test]
fn a_move_may_be_given_up_or_interrupted() {
    let broker = Broker::new(2);
    append(&broker.create("t", 0), 20);
    start(&broker);
    broker.manager.cancel_move(&t0(), NOW).expect("cancel");
    assert!(broker.manager.future_log(&t0()).is_none());
    start(&broker);
    let broker = broker.restart(true);
    assert_eq!(broker.load().loaded, 2);
    assert!(broker.manager.future_log(&t0()).is_some(), "goes on after a restart");
    assert_eq!(finish(&broker).log_end_offset(), 20);
}

#[test]
fn a_log_that_starts_within_a_batch_moves() {
    for clean in [true, false] {
        let broker = Broker::new(2);
        let log = create_with_tens(&broker, 30);
        log.delete_records_before(7).expect("delete");
        let before = read_all(&log, 7);
        assert_eq!(offsets_of(&before)[0], (0, 9), "the batch comes as a whole");
        start(&broker);
        finish(&broker);
        starts_at(&broker, 7, 300, &before);
        let broker = broker.restart(clean);
        broker.load();
        starts_at(&broker, 7, 300, &before);
    }
}

#[test]
fn records_deleted_during_a_move_stay_deleted() {
    // Among what is copied already; behind it, at the start of a batch and within one; all.
    for (start_offset, clean) in [(25, true), (25, false), (200, false), (207, true), (300, false)] {
        let broker = Broker::new(2);
        let log = create_with_tens(&broker, 30);
        start(&broker);
        let copied = match broker.manager.continue_move(&t0(), NOW).expect("copy") {
            MoveProgress::Behind(behind) => 300 - behind,
            MoveProgress::Done(_) => panic!("nothing is left to do"),
        };
        assert!((30..200).contains(&copied), "{copied}");
        assert_eq!(log.delete_records_before(start_offset).expect("delete"), start_offset);
        let before = read_all(&log, start_offset);
        finish(&broker);
        starts_at(&broker, start_offset, 300, &before);
        assert_eq!(broker.log("t", 0).high_watermark(), 300);
        let broker = broker.restart(clean);
        broker.load();
        starts_at(&broker, start_offset, 300, &before);
    }
}

#[test]
fn settings_changed_during_a_move_are_in_force() {
    let broker = Broker::new(2);
    let log = create_with_tens(&broker, 30);
    start(&broker);
    broker.manager.continue_move(&t0(), NOW).expect("copy");
    let config = Arc::new(LogConfig { segment_bytes: 1000, retention_ms: 77, ..(*log.config()).clone() });
    log.update_config(config.clone());
    broker.manager.continue_move(&t0(), NOW).expect("copy");
    let future = broker.manager.future_log(&t0()).expect("copy");
    assert!(Arc::ptr_eq(&future.config(), &config), "retention looks at the copy, too");
    // What is read at once is no longer too much for a segment.
    let moved = finish(&broker);
    assert_eq!(moved.config().retention_ms, 77);
    assert_eq!(moved.log_end_offset(), 300);
}

#[test]
fn a_log_without_records_moves() {
    let broker = Broker::new(2);
    let id = broker.create("t", 0).topic_id();
    let to = start(&broker);
    let moved = finish(&broker);
    assert_eq!((moved.log_start_offset(), moved.log_end_offset(), moved.topic_id()), (0, 0, id));
    assert_eq!(file_names(&to.join("t-0")), ["partition.metadata"]);
    let broker = broker.restart(false);
    broker.load();
    append_tens(&broker.log("t", 0), 1);
    assert_eq!(broker.log("t", 0).topic_id(), id);
}

#[test]
fn a_gap_at_the_end_moves_along() {
    let broker = Broker::new(2);
    let log = create_with_tens(&broker, 3);
    log.skip_to(35, NOW).expect("skip");
    start(&broker);
    let moved = finish(&broker);
    assert_eq!(moved.log_end_offset(), 35);
    append_tens(&moved, 1);
    assert_eq!(offsets_of(&read_all(&moved, 0)).last(), Some(&(35, 44)));
}

#[test]
fn a_move_ends_while_records_come_in() {
    // One record with every fsync; and more than fits into what is copied at last, several times.
    for (records, size) in [(1, 10), (40, 100_000)] {
        let (disk, broker) = hooked();
        let log = broker.create("t", 0);
        log.update_config(LogConfig::default());
        append(&log, 5);
        start(&broker);
        let (source, appended) = (log.clone(), Arc::new(AtomicUsize::new(5)));
        let count = appended.clone();
        disk.set(move |op, path| {
            if op == Op::Sync && is_future(path) && path.to_string_lossy().ends_with(".log") {
                for _ in 0..records {
                    let options = AppendOptions { now_ms: NOW, ..Default::default() };
                    match source.append_as_leader(&record(size), &options) {
                        Ok(_) => count.fetch_add(1, Ordering::Relaxed),
                        Err(AppendError::Storage(StorageError::Closed(_))) => return Ok(()),
                        Err(e) => panic!("{e}"),
                    };
                }
            }
            Ok(())
        });
        let moved = finish(&broker);
        disk.clear();
        let appended = appended.load(Ordering::Relaxed);
        assert!(appended > 5, "it was not put to the test");
        assert_eq!(moved.log_end_offset(), appended as i64);
        assert_eq!(offsets_of(&read_all(&moved, 0)).len(), appended);
        assert_eq!(moved.recovery_point(), moved.log_end_offset(), "as durable as the log it replaces");
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    let broker = Broker::new(2);
    let log = broker.create("t", 0);
    // Reads end with their segment; with small ones the producer would be faster than the copy.
    log.update_config(LogConfig::default());
    append(&log, 100);
    start(&broker);
    let is_running = AtomicBool::new(false);
    let (moved, acknowledged) = std::thread::scope(|scope| {
        let (is_running, log) = (&is_running, &log);
        let producer = scope.spawn(move || {
            let mut last = 0;
            let options = AppendOptions { now_ms: NOW, ..Default::default() };
            while let Ok(info) = log.append_as_leader(&record(100), &options) {
                last = info.last_offset;
                is_running.store(true, Ordering::Release);
            }
            last
        });
        while !is_running.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let moved = finish(&broker);
        (moved, producer.join().expect("thread"))
    });
    assert_eq!(moved.log_end_offset(), acknowledged + 1);
    assert_eq!(offsets_of(&read_all(&moved, 0)).len() as i64, acknowledged + 1);
}

#[test]
fn a_destination_that_fails_leaves_the_log_where_it_is() {
    // Whatever it fails at, from the first write to the last fsync.
    for failing in 0.. {
        let (disk, broker) = hooked();
        let log = create_with_tens(&broker, 20);
        log.delete_records_before(7).expect("delete");
        broker.manager.checkpoint_log_start_offsets();
        let to = start(&broker);
        let (done, dir) = (Arc::new(AtomicUsize::new(0)), to.clone());
        disk.set(move |op, path| {
            let is_hit = path.starts_with(&dir) && done.fetch_add(1, Ordering::Relaxed) == failing;
            // No room; a broken disk.
            let error = if op == Op::Write { 28 } else { 5 };
            if is_hit { Err(io::Error::from_raw_os_error(error)) } else { Ok(()) }
        });
        let failed = loop {
            match broker.manager.continue_move(&t0(), NOW) {
                Ok(MoveProgress::Behind(_)) => {}
                Ok(MoveProgress::Done(_)) => break None,
                Err(e) => break Some(e),
            }
        };
        disk.clear();
        let Some(failed) = failed else {
            assert!(failing > 10, "{failing}");
            return;
        };
        assert_eq!(failed.code(), ottla_protocol::ErrorCode::KafkaStorageError, "{failing}: {failed}");
        assert!(!broker.manager.log_dir(&to).expect("dir").is_online(), "{failing}");
        // As whoever called does.
        let _ = broker.manager.cancel_move(&t0(), NOW);
        broker.manager.remove_offline_logs(&to);
        assert!(broker.manager.future_log(&t0()).is_none());
        assert!(Arc::ptr_eq(&log, &broker.log("t", 0)));
        append_tens(&log, 1);
        let before = read_all(&log, 7);
        starts_at(&broker, 7, 210, &before);
        // The disk is well again at the next start.
        let broker = broker.restart(failing % 2 == 0);
        broker.load();
        starts_at(&broker, 7, 210, &before);
        if broker.manager.future_log(&t0()).is_none() {
            assert_eq!(start(&broker), to);
        }
        assert_eq!(finish(&broker).log_dir().path(), to);
        starts_at(&broker, 7, 210, &before);
    }
}

#[test]
fn a_full_source_can_be_moved_away_from() {
    let (disk, broker) = hooked();
    let log = create_with_tens(&broker, 20);
    start(&broker);
    let from = log.log_dir().path().to_path_buf();
    disk.set(
        move |_, path| {
            if path.starts_with(&from) { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
        },
    );
    assert_eq!(finish(&broker).log_end_offset(), 200);
    disk.clear();
    assert!(log.log_dir().is_online());
}

#[test]
fn a_disk_that_cannot_be_asked_at_the_end_leaves_log_and_copy() {
    let (disk, broker) = hooked();
    let log = create_with_tens(&broker, 2);
    let to = start(&broker);
    let dir = to.clone();
    // No file can be opened: no fault of the disk.
    disk.set(
        move |op, path| {
            if op == Op::SyncDir && path == dir { Err(io::Error::from_raw_os_error(24)) } else { Ok(()) }
        },
    );
    broker.manager.continue_move(&t0(), NOW).expect_err("too many open files");
    disk.clear();
    assert!(broker.manager.log_dirs().iter().all(|dir| dir.is_online()));
    append_tens(&log, 1);
    assert!(!to.join("t-0").exists() && moved_marks(&broker) == 0);
    assert_eq!(finish(&broker).log_end_offset(), 30);
}

#[test]
fn a_source_that_fails_leaves_the_copy() {
    let broker = Broker::new(2);
    let log = create_with_tens(&broker, 20);
    start(&broker);
    broker.manager.continue_move(&t0(), NOW).expect("copy");
    let _ = log.log_dir().fail("testing", io::Error::from_raw_os_error(5));
    for _ in 0..2 {
        let failed = broker.manager.continue_move(&t0(), NOW).expect_err("offline");
        assert!(matches!(failed, MoveError::NoLog(_)), "{failed}");
        broker.manager.remove_offline_logs(log.log_dir().path());
    }
    assert!(broker.manager.future_log(&t0()).is_some_and(|future| future.check_open().is_ok()));
    let broker = broker.restart(false);
    broker.load();
    assert_eq!(finish(&broker).log_end_offset(), 200);
}

#[test]
fn a_move_that_is_given_up_at_the_end_leaves_the_log_in_service() {
    let (disk, broker) = hooked();
    let broker = Arc::new(broker);
    let log = create_with_tens(&broker, 2);
    start(&broker);
    let other = Arc::downgrade(&broker);
    disk.set(move |op, path| {
        if op == Op::Sync && is_future(path) {
            other.upgrade().expect("broker").manager.cancel_move(&t0(), NOW).expect("cancel");
        }
        Ok(())
    });
    let failed = broker.manager.continue_move(&t0(), NOW).expect_err("given up");
    disk.clear();
    assert!(matches!(failed, MoveError::NoLog(_)), "{failed}");
    append_tens(&log, 1);
    assert_eq!(log.log_end_offset(), 30);
}

/// All states in which `kill -9` can leave the directories during a move: as they are before each operation.
fn snapshots(broker: &Broker, disk: &HookDisk) -> Vec<tempfile::TempDir> {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (root, to) = (broker.temp.path().to_path_buf(), taken.clone());
    disk.set(move |_, _| {
        let copy = temp_dir();
        copy_tree(&root, copy.path());
        to.lock().push(copy);
        Ok(())
    });
    start(broker);
    finish(broker);
    disk.clear();
    let last = temp_dir();
    copy_tree(broker.temp.path(), last.path());
    let mut taken = std::mem::take(&mut *taken.lock());
    taken.push(last);
    taken
}

#[test]
fn a_kill_at_any_moment_leaves_one_log_with_all_records() {
    let (disk, broker) = hooked();
    let log = create_with_tens(&broker, 20);
    log.delete_records_before(7).expect("delete");
    broker.manager.checkpoint_log_start_offsets();
    broker.manager.checkpoint_high_watermarks();
    let before = read_all(&log, 7);
    let (mut twice, mut interrupted) = (0, 0);
    for temp in snapshots(&broker, &disk) {
        let has_log = |dir: &str| temp.path().join(dir).join("t-0").exists();
        twice += usize::from(has_log("d0") && has_log("d1"));
        let broker = Broker { manager: LogManager::open(options(&temp, 2)).expect("open"), temp };
        broker.load();
        starts_at(&broker, 7, 200, &before);
        assert_eq!(broker.log("t", 0).high_watermark(), 200);
        assert_eq!(moved_marks(&broker), 0);
        if broker.manager.future_log(&t0()).is_some() {
            interrupted += 1;
            append_tens(&broker.log("t", 0), 1);
            let before = read_all(&broker.log("t", 0), 7);
            finish(&broker);
            starts_at(&broker, 7, 210, &before);
        }
        // The one that is done with goes.
        broker.manager.context().background_tick(NOW + 60_000);
        let left: Vec<String> =
            ["d0", "d1"].iter().flat_map(|d| file_names(&broker.temp.path().join(d))).collect();
        assert_eq!(left.iter().filter(|name| name.starts_with("t-0")).count(), 1, "{left:?}");
    }
    assert!(twice > 0 && interrupted > 10, "{twice} {interrupted}");
}

/// Marks on logs that are served.
fn moved_marks(broker: &Broker) -> usize {
    let dirs = broker.manager.logs().into_iter().map(|log| log.dir());
    dirs.filter(|dir| crate::checkpoint::moved_to::read(dir).expect("read").is_some()).count()
}

#[test]
fn what_takes_the_name_is_durable_before_and_after() {
    let (disk, broker) = hooked();
    let log = create_with_tens(&broker, 20);
    let to = start(&broker);
    let (from, unsynced) = (log.log_dir().path().to_path_buf(), Mutex::new(Vec::<PathBuf>::new()));
    let was_named = Arc::new(AtomicBool::new(false));
    let named = was_named.clone();
    disk.set(move |op, path| {
        let mut unsynced = unsynced.lock();
        match op {
            Op::Write => unsynced.push(path.to_path_buf()),
            Op::Sync => unsynced.retain(|written| written != path),
            Op::SyncDir if path == to => {
                assert!(from.join("t-0").exists(), "it must not go before the new one's name is durable");
                unsynced.retain(|path| path.extension().is_some_and(|end| end == "log"));
                assert_eq!(*unsynced, Vec::<PathBuf>::new());
                named.store(to.join("t-0").exists(), Ordering::Relaxed);
            }
            Op::SyncDir => {}
        }
        Ok(())
    });
    finish(&broker);
    disk.clear();
    assert!(was_named.load(Ordering::Relaxed), "the new name is made durable");
}

#[test]
fn of_two_copies_one_is_kept_and_one_beside_its_log_is_not() {
    let broker = Broker::new(3);
    create_with_tens(&broker, 20);
    start(&broker);
    broker.manager.continue_move(&t0(), NOW).expect("copy");
    let copied = broker.manager.future_log(&t0()).expect("copy");
    let end = copied.log_end_offset();
    let copy = copied.dir();
    let name = copy.file_name().expect("name").to_owned();
    let dirs: Vec<PathBuf> = broker.manager.log_dirs().iter().map(|dir| dir.path().to_path_buf()).collect();
    let broker = broker.restart(true);
    for dir in dirs.iter().filter(|dir| !copy.starts_with(dir)) {
        copy_tree(&copy, &dir.join(&name));
    }
    assert_eq!(broker.load().loaded, 4);
    let future = broker.manager.future_log(&t0()).expect("one is kept");
    assert_ne!(future.log_dir().path(), broker.log("t", 0).log_dir().path());
    assert_eq!(future.log_end_offset(), end);
    assert_eq!(finish(&broker).log_end_offset(), 200);
}

#[test]
fn what_a_copy_has_beyond_its_log_goes_before_anything_is_appended() {
    let broker = Broker::new(2);
    let log = create_with_tens(&broker, 10);
    start(&broker);
    broker.manager.continue_move(&t0(), NOW).expect("copy");
    let copied = broker.manager.future_log(&t0()).expect("copy").log_end_offset();
    assert!(copied > 50);
    // A power failure takes what was not durable in the log, but was in the copy.
    let dir = log.dir();
    let broker = broker.restart(false);
    for name in file_names(&dir).iter().filter(|name| !name.ends_with("metadata")) {
        std::fs::remove_file(dir.join(name)).expect("remove");
    }
    broker.load();
    append_tens(&broker.log("t", 0), 12);
    let log = broker.log("t", 0);
    log.append_as_leader(&record(33), &AppendOptions { now_ms: NOW, ..Default::default() }).expect("append");
    let before = read_all(&log, 0);
    assert_eq!(broker.manager.future_log(&t0()).expect("copy").log_end_offset(), 0);
    finish(&broker);
    assert_eq!(read_all(&broker.log("t", 0), 0), before);
}
