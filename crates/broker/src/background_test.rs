//! Moves, and what else is due meanwhile.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use ottla_protocol::Uuid;
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_storage::fs::Disk;
use ottla_storage::{AppendOptions, CreateOptions, LoadOptions, LogConfig, LogManagerOptions};
use parking_lot::Mutex;

use super::*;
use crate::partitions::{HostedTopic, Partition};

const NOW: i64 = 1_700_000_000_000;

type Hook = Box<dyn FnMut(&Path) + Send>;

/// A disk that tells of records written to copies, and of the directory in which one has got its name.
#[derive(Default)]
struct TellingDisk(Mutex<Option<Hook>>);

impl TellingDisk {
    fn set(&self, hook: impl FnMut(&Path) + Send + 'static) {
        *self.0.lock() = Some(Box::new(hook));
    }

    fn tell(&self, path: &Path) {
        if let Some(hook) = &mut *self.0.lock() {
            hook(path);
        }
    }
}

impl Disk for TellingDisk {
    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        if path.to_string_lossy().contains("-future/") && path.extension().is_some_and(|end| end == "log") {
            self.tell(&path);
        }
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        file.write_all_at(&bytes, position)?;
        Ok(bytes.len())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.join("t-0").exists() {
            self.tell(dir);
        }
        ottla_storage::fs::sync_dir(dir)
    }
}

struct Fixture {
    disk: Arc<TellingDisk>,
    clock: Arc<AtomicI64>,
    bytes_per_second: Arc<AtomicI64>,
    worker: Worker,
    stop: SyncSender<()>,
    stopped: Receiver<()>,
    _temp: tempfile::TempDir,
}

impl Fixture {
    /// A log `t-0` of some megabytes, which is to be moved, and an empty one `u-0`.
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("temp dir");
        let disk = Arc::new(TellingDisk::default());
        let dirs = ["d0", "d1"].map(|dir| temp.path().join(dir)).to_vec();
        let options = LogManagerOptions { disk: disk.clone(), ..LogManagerOptions::new(dirs, 1) };
        let logs = LogManager::open(options).expect("open");
        let load = LoadOptions {
            config: &|_| Arc::default(),
            is_stray: &|_, _| false,
            threads_per_dir: 1,
            now_ms: NOW,
        };
        logs.load_logs(&load).expect("load");
        let clock = Arc::new(AtomicI64::new(NOW));
        let bytes_per_second = Arc::new(AtomicI64::new(i64::MAX));
        let (now, limit) = (clock.clone(), bytes_per_second.clone());
        let options = HousekeepingOptions { flush_check_ms: 1, ..Default::default() };
        let worker = Worker {
            logs: Arc::new(logs),
            partitions: Arc::default(),
            directories: crate::directories::news().0,
            housekeeping: Housekeeping::new(&options, NOW),
            moving: None,
            quota: MoveQuota::new(1),
            bytes_per_second: Box::new(move || limit.load(Ordering::Relaxed)),
            tick: Duration::ZERO,
            now_ms: Box::new(move || now.load(Ordering::Relaxed)),
        };
        let (stop, stopped) = sync_channel(1);
        let fixture = Self { disk, clock, bytes_per_second, worker, stop, stopped, _temp: temp };
        let [log, _] = ["t", "u"].map(|topic| fixture.create(topic));
        (0..16).for_each(|_| append(&log, 500_000));
        fixture
    }

    fn create(&self, topic: &str) -> Arc<PartitionLog> {
        let options = CreateOptions {
            topic_id: Some(Uuid::from_parts(1, 1)),
            config: Arc::new(LogConfig { flush_ms: 0, ..Default::default() }),
            is_new: true,
            directory_id: Some(self.worker.logs.log_dirs()[0].id()),
            now_ms: NOW,
        };
        self.worker.logs.get_or_create(&TopicPartition::new(topic.to_owned(), 0), &options).expect("create")
    }

    fn start_move(&self) -> PathBuf {
        let target = self.worker.logs.log_dirs()[1].path().to_path_buf();
        self.worker.logs.start_move(&moving(), &target, NOW).expect("start");
        target
    }

    fn host(&self) -> Arc<Partition> {
        let log = self.worker.logs.log(&moving());
        let (name, id) = (moving().topic, Uuid::from_parts(1, 1));
        let partition = Arc::new(Partition::new(name.clone(), id, 0, 0, log));
        self.worker.partitions.put(HostedTopic { name, id, partitions: vec![Some(partition.clone())] });
        partition
    }
}

fn moving() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn append(log: &PartitionLog, size: usize) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW, None, Some(&vec![b'v'; size]), &[]).expect("record");
    let options = AppendOptions { now_ms: NOW, ..Default::default() };
    log.append_as_leader(&builder.build().expect("batch"), &options).expect("append");
}

#[test]
fn a_move_stops_when_it_is_told_to() {
    let mut fixture = Fixture::new();
    fixture.start_move();
    let stop = fixture.stop.clone();
    let mut writes = 0;
    fixture.disk.set(move |_| {
        writes += 1;
        match writes {
            1 => {}
            2 => stop.send(()).expect("somebody listens"),
            _ => panic!("it goes on"),
        }
    });
    fixture.worker.run(&fixture.stopped);
    let (log, future) = (fixture.worker.logs.log(&moving()), fixture.worker.logs.future_log(&moving()));
    let copied = future.expect("it is not given up").log_end_offset();
    assert!((2..6).contains(&copied), "{copied}");
    assert!(log.expect("log").check_open().is_ok());
}

#[test]
fn what_is_due_is_done_between_the_slices_of_a_move() {
    let mut fixture = Fixture::new();
    let target = fixture.start_move();
    let hosted = fixture.host();
    let other = fixture.worker.logs.log(&TopicPartition::new("u", 0)).expect("log");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (stop, clock, log, recovery_points) =
        (fixture.stop.clone(), fixture.clock.clone(), other.clone(), seen.clone());
    fixture.disk.set(move |path| {
        if path == target {
            let _ = stop.try_send(());
            return;
        }
        recovery_points.lock().push(log.recovery_point());
        append(&log, 10);
        clock.fetch_add(1000, Ordering::Relaxed);
    });
    fixture.worker.run(&fixture.stopped);
    let slices = seen.lock().clone();
    assert!(slices.len() > 4, "{slices:?}");
    assert!(slices.iter().enumerate().all(|(slice, durable)| *durable == slice as i64), "{slices:?}");
    // And the move has come to its end.
    let moved = fixture.worker.logs.log(&moving()).expect("log");
    assert_eq!(moved.log_dir().id(), fixture.worker.logs.log_dirs()[1].id());
    assert!(Arc::ptr_eq(&moved, &hosted.log().expect("log")));
    assert_eq!(moved.high_watermark(), 16, "nobody had set it");
}

#[test]
fn a_move_that_cannot_go_on_does_not_keep_the_thread_from_its_rest() {
    let mut fixture = Fixture::new();
    fixture.start_move();
    assert!(fixture.worker.move_on());
    fixture
        .worker
        .logs
        .log(&moving())
        .expect("log")
        .log_dir()
        .fail("testing", io::Error::from_raw_os_error(5));
    // Once to find it out; then there is nothing to do, and the copy stays.
    while fixture.worker.moving.is_some() {
        fixture.worker.move_on();
    }
    assert!(!fixture.worker.move_on());
    assert!(fixture.worker.logs.future_log(&moving()).is_some());
}

/// Bytes of the copy; all of them when the log has moved.
fn copied(fixture: &Fixture) -> u64 {
    let logs = &fixture.worker.logs;
    logs.future_log(&moving()).or_else(|| logs.log(&moving())).expect("log").size_bytes()
}

#[test]
fn a_move_keeps_to_its_limit_which_may_change_meanwhile() {
    const LIMIT: u64 = 1_000_000;
    const SLICE_MAX: u64 = 1 << 20;
    let mut fixture = Fixture::new();
    fixture.worker.tick = TICK;
    fixture.start_move();
    fixture.bytes_per_second.store(LIMIT as i64, Ordering::Relaxed);
    let passed_ms = |fixture: &Fixture| fixture.clock.load(Ordering::Relaxed).abs_diff(NOW);
    while passed_ms(&fixture) < 5_000 {
        let wait = fixture.worker.move_within_quota();
        assert!(wait <= TICK, "somebody may raise the limit");
        let (copied, now_allowed) = (copied(&fixture), LIMIT * (1_000 + passed_ms(&fixture)) / 1_000);
        assert!(copied <= now_allowed + SLICE_MAX, "{copied}");
        assert!(wait.is_zero() || copied >= now_allowed, "{copied}");
        fixture.clock.fetch_add(wait.as_millis() as i64, Ordering::Relaxed);
    }
    let before = copied(&fixture);
    fixture.bytes_per_second.store(0, Ordering::Relaxed);
    for _ in 0..3_600 {
        assert!(!fixture.worker.move_within_quota().is_zero());
        fixture.clock.fetch_add(1_000, Ordering::Relaxed);
    }
    assert_eq!(copied(&fixture), before);
    fixture.bytes_per_second.store(i64::MAX, Ordering::Relaxed);
    while fixture.worker.move_within_quota().is_zero() {}
    assert!(fixture.worker.logs.future_log(&moving()).is_none(), "it has moved");
    assert!(copied(&fixture) > 8_000_000);
}
