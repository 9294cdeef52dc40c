//! A log on a disk that fails, and what is known about it.

use std::sync::Arc;

use super::model::{Batch, Model, PRODUCERS_END};
use crate::boot_id::BootId;
use crate::config::LogConfig;
use crate::context::{ContextOptions, StorageContext};
use crate::log::{OpenOptions, PartitionLog};
use crate::log_dir::LogDir;
use crate::test_support::crash_disk::CrashDisk;
use crate::test_support::rng::Rng;
use crate::test_support::{NOW, temp_dir};

/// What the checkpoint files of the log directory say: they are replaced durably.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checkpoints {
    pub recovery_point: i64,
    pub log_start_offset: i64,
}

/// What recovery may rely on.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Another one after each power failure.
    pub boot_id: BootId,
    /// Bytes from one tail checkpoint to the next.
    pub recovery_bytes_max: u32,
}

/// One history.
pub struct History {
    pub rng: Rng,
    pub machine: Machine,
    pub temp: tempfile::TempDir,
    pub disk: Arc<CrashDisk>,
    pub context: Arc<StorageContext>,
    pub log_dir: Arc<LogDir>,
    pub options: OpenOptions,
    pub log: Arc<PartitionLog>,
    pub model: Model,
    pub checkpoints: Checkpoints,
    /// Batches of an append that failed: they may be there, from the first on.
    pub perhaps: Vec<Batch>,
    /// Where a truncation that failed was to cut.
    pub perhaps_cut: Option<i64>,
    /// No crash may take anything before this offset.
    pub flushed: i64,
    /// No crash may take the log's start back before this offset.
    pub durable_start: i64,
    /// Where the log has started at the latest.
    pub deleted_to: i64,
    /// The directory's fsyncs as of the last step.
    pub dir_syncs: u64,
    pub leader_epoch: i32,
    /// Behind the largest sequence that each producer has used.
    pub sequences_end: [i32; PRODUCERS_END as usize],
    pub now_ms: i64,
}

impl History {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let temp = temp_dir();
        let disk = CrashDisk::new(temp.path().join("t-0"), rng.next());
        let config = LogConfig {
            segment_bytes: rng.between(400, 3000) as u32,
            index_interval_bytes: rng.between(1, 400) as u32,
            segment_index_bytes: if rng.one_in(8) { 36 } else { 1000 },
            retention_bytes: rng.between(500, 6000),
            retention_ms: -1,
            flush_messages: if rng.one_in(6) { rng.between(1, 20) } else { i64::MAX },
            file_delete_delay_ms: 10,
            preallocate: rng.one_in(10),
            ..Default::default()
        };
        let mut options = OpenOptions::new(ottla_protocol::TopicPartition::new("t", 0));
        options.config = Arc::new(config);
        options.topic_id = Some(ottla_protocol::Uuid::from_parts(7, 7));
        options.now_ms = NOW;
        let machine = Machine { boot_id: BootId(1), recovery_bytes_max: rng.between(200, 5000) as u32 };
        let (context, log_dir, log) = open(&temp, &disk, &options, machine);
        Self {
            rng,
            machine,
            temp,
            disk,
            context,
            log_dir,
            options,
            log,
            model: Model::default(),
            checkpoints: Checkpoints::default(),
            perhaps: Vec::new(),
            perhaps_cut: None,
            flushed: 0,
            durable_start: 0,
            deleted_to: 0,
            dir_syncs: 0,
            leader_epoch: 0,
            sequences_end: Default::default(),
            now_ms: NOW,
        }
    }

    /// Opens the log as a new process does, by what the checkpoints say.
    pub fn open(&mut self, clean: bool) {
        self.options.clean = clean;
        self.options.recovery_point = self.checkpoints.recovery_point;
        self.options.log_start_offset = self.checkpoints.log_start_offset;
        self.options.now_ms = self.now_ms;
        (self.context, self.log_dir, self.log) = open(&self.temp, &self.disk, &self.options, self.machine);
    }

    /// Takes note of what the last step has made durable.
    pub fn note_durable(&mut self) {
        self.disk.look();
        self.deleted_to = self.deleted_to.max(self.log.log_start_offset());
        self.flushed = self.flushed.max(self.log.recovery_point());
        let dir_syncs = self.disk.dir_syncs();
        if dir_syncs != self.dir_syncs {
            self.dir_syncs = dir_syncs;
            // Not as the log is now: it may have removed segments since, in the same step.
            let first = self.disk.first_durable_segment().unwrap_or(0);
            self.durable_start = self.durable_start.max(first);
            // What lies before does not come back.
            self.model.batches.retain(|b| b.last >= first);
        }
    }
}

fn open(
    temp: &tempfile::TempDir,
    disk: &Arc<CrashDisk>,
    options: &OpenOptions,
    machine: Machine,
) -> (Arc<StorageContext>, Arc<LogDir>, Arc<PartitionLog>) {
    let context = StorageContext::new(&ContextOptions {
        verify_transactions: false,
        boot_id: Some(machine.boot_id),
        recovery_bytes_max: machine.recovery_bytes_max,
        ..Default::default()
    });
    let id = ottla_protocol::Uuid::ZERO;
    let log_dir = LogDir::new(temp.path().to_path_buf(), id, disk.clone(), None);
    let log = PartitionLog::open(&context, &log_dir, &temp.path().join("t-0"), options).expect("open");
    (context, log_dir, log)
}
