//! What the tests of this crate share.

pub mod crash_disk;
pub mod rng;
pub mod slow_disks;

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use bytes::Bytes;
use ottla_protocol::records::{
    AppendOrigin, BatchBuilder, BatchIter, BatchOptions, EndTransactionMarker, end_transaction_batch,
};
use ottla_protocol::{TopicPartition, Uuid};
use parking_lot::Mutex;

use crate::config::LogConfig;
use crate::context::{ContextOptions, StorageContext};
use crate::fs::{Disk, RealDisk};
use crate::log::{AppendError, AppendInfo, AppendOptions, OpenOptions, PartitionLog, ReadData};
use crate::log_dir::LogDir;

/// The time at which tests begin, Unix ms.
pub const NOW: i64 = 1_700_000_000_000;

/// A batch of `count` records of `size` bytes each, as a producer sends it.
pub fn batch_at(timestamp: i64, count: usize, size: usize, options: &BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(*options);
    for i in 0..count {
        let value = vec![b'a' + (i % 26) as u8; size];
        builder.append(timestamp + i as i64, Some(b"key"), Some(&value), &[]).expect("record");
    }
    builder.build().expect("batch")
}

/// A batch of one record.
pub fn record(size: usize) -> Bytes {
    batch_at(NOW, 1, size, &BatchOptions::default())
}

/// A batch of an idempotent producer.
pub fn idempotent(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    batch_at(NOW, count, 10, &options)
}

/// A batch of a transaction.
pub fn transactional(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        is_transactional: true,
        ..BatchOptions::default()
    };
    batch_at(NOW, count, 10, &options)
}

/// A directory in memory where there is one: most tests fsync, and none is about the speed of a disk.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temp dir")
}

/// A log in a directory of its own, and what it takes to open it again.
pub struct Fixture {
    pub temp: tempfile::TempDir,
    pub context: Arc<StorageContext>,
    pub log_dir: Arc<LogDir>,
    pub options: OpenOptions,
    pub log: Arc<PartitionLog>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(LogConfig::default())
    }

    pub fn with(config: LogConfig) -> Self {
        Self::with_disk(config, Arc::new(crate::fs::RealDisk))
    }

    pub fn with_disk(config: LogConfig, disk: Arc<dyn Disk>) -> Self {
        let temp = temp_dir();
        let log_dir = LogDir::new(temp.path().to_path_buf(), Uuid::ZERO, disk, None);
        let context =
            StorageContext::new(&ContextOptions { verify_transactions: false, ..Default::default() });
        let mut options = OpenOptions::new(TopicPartition::new("t", 0));
        options.config = Arc::new(config);
        options.now_ms = NOW;
        options.topic_id = Some(Uuid::from_parts(7, 7));
        let log = PartitionLog::open(&context, &log_dir, &temp.path().join("t-0"), &options).expect("open");
        Self { temp, context, log_dir, options, log }
    }

    pub fn dir(&self) -> PathBuf {
        self.temp.path().join("t-0")
    }

    pub fn append(&self, records: &Bytes) -> AppendInfo {
        self.try_append(records).expect("append")
    }

    pub fn try_append(&self, records: &Bytes) -> Result<AppendInfo, AppendError> {
        self.log.append_as_leader(records, &AppendOptions { now_ms: NOW, ..Default::default() })
    }

    /// Ends a transaction.
    pub fn end_txn(&self, producer_id: i64, epoch: i16, committed: bool) -> Result<AppendInfo, AppendError> {
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        let batch = end_transaction_batch(producer_id, epoch, NOW, marker).expect("marker");
        let options = AppendOptions { now_ms: NOW, origin: AppendOrigin::Coordinator, ..Default::default() };
        self.log.append_as_leader(&batch, &options)
    }

    /// Closes the log in order and opens it again.
    pub fn reopen_clean(&mut self) {
        self.log.close(NOW).expect("close");
        self.options.clean = true;
        self.reopen();
    }

    /// Opens the log again as after `kill -9`: nothing in memory is written.
    pub fn reopen_killed(&mut self, recovery_point: i64) {
        self.options.clean = false;
        self.options.recovery_point = recovery_point;
        self.log.abandon();
        self.reopen();
    }

    fn reopen(&mut self) {
        self.log =
            PartitionLog::open(&self.context, &self.log_dir, &self.dir(), &self.options).expect("open");
    }

    /// All bytes that can be read from `offset`, segment after segment.
    pub fn read_all(&self, offset: i64) -> Vec<u8> {
        read_all(&self.log, offset)
    }
}

pub fn read_all(log: &PartitionLog, mut offset: i64) -> Vec<u8> {
    let mut out = Vec::new();
    while offset < log.log_end_offset() {
        let data = log.read(offset, usize::MAX, true, log.log_end_offset()).expect("read");
        let bytes = bytes_of(&data);
        let Some(next) = BatchIter::new(&bytes).last() else { break };
        offset = next.expect("valid").next_offset();
        out.extend_from_slice(&bytes);
    }
    out
}

pub fn bytes_of(data: &ReadData) -> Vec<u8> {
    let bytes: Vec<u8> = data.pieces.iter().flat_map(|p| p.to_bytes().expect("read")).collect();
    assert_eq!(bytes.len(), data.size);
    bytes
}

/// First and last offsets of the batches in a read.
pub fn offsets_of(bytes: &[u8]) -> Vec<(i64, i64)> {
    BatchIter::new(bytes)
        .map(|b| b.expect("valid"))
        .inspect(|b| assert!(b.verify_crc()))
        .map(|b| (b.base_offset(), b.last_offset()))
        .collect()
}

/// Names of the files in a directory, sorted.
pub fn file_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("list")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Copies a directory tree, as it would be found after a crash.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}

/// A disk that fails when it is told to.
#[derive(Default)]
pub struct FailingDisk {
    /// Bytes that can still be written; negative: no limit.
    pub room: AtomicI64,
    pub fail_sync: AtomicBool,
    pub fail_truncate: AtomicBool,
    pub syncs: AtomicI64,
    /// Writes of so many bytes find no memory.
    pub no_memory_for: AtomicUsize,
    /// The process has no descriptor left for files whose names end so.
    pub no_descriptor_for: Mutex<Option<&'static str>>,
}

impl FailingDisk {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { room: AtomicI64::new(-1), ..Default::default() })
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<File> {
        let name = path.to_string_lossy();
        if self.no_descriptor_for.lock().is_some_and(|suffix| name.ends_with(suffix)) {
            return Err(io::Error::from_raw_os_error(24));
        }
        RealDisk.open(path, create)
    }

    fn open_resident(&self, path: &Path) -> io::Result<Option<File>> {
        self.open(path, false).map(Some)
    }

    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let wanted: usize = parts.iter().map(|part| part.len()).sum();
        if wanted > 0 && wanted == self.no_memory_for.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(12));
        }
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            return Err(io::Error::from_raw_os_error(28));
        }
        if room < 0 {
            return Ok(rustix::io::pwritev(file, parts, position)?);
        }
        let joined: Vec<u8> = parts.iter().flat_map(|p| p.to_vec()).take(room as usize).collect();
        let written = rustix::io::pwrite(file, &joined, position)?;
        self.room.fetch_sub(written as i64, Ordering::Relaxed);
        Ok(written)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.fail_sync.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        file.sync_data()
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        if self.fail_truncate.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        file.set_len(len)
    }
}
