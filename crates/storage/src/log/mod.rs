//! The log of one partition (Kafka: `UnifiedLog` and `LocalLog`).
//!
//! | file | what |
//! | --- | --- |
//! | `open`, `listing`, `leftovers`, `recover` | loading a directory, after a clean stop and after a crash |
//! | `tail_checkpoint` | so that recovery need read only the tail |
//! | `append`, `append_given`, `write` | as leader; as follower, and as leader of the metadata quorum |
//! | `appended` | counts of it, for metrics |
//! | `read` | a range for a fetch |
//! | `look` | how looks wait for the disk |
//! | `roll`, `flush` | closing segments, making them durable |
//! | `lookup` | by timestamp, by leader epoch |
//! | `offsets` | high watermark, log start offset, last stable offset |
//! | `retention`, `truncate` | removing from the front, and from the back |
//! | `cleaning`, `replace` | what compaction asks, and swapping its segments in |
//! | `producers` | what is told about producers; verification guards |
//! | `retire` | closing, and renaming for deletion |
//! | `hand_over` | to a copy in another log directory |
//!
//! One mutex guards everything that changes; only a slow disk's writes are done without it (`write`). Offsets are atomics besides, so that looking at them costs
//! nothing. A reader holds the mutex while it finds a range, not while the range is read or sent. Nothing that
//! may wait for the disk (fsync, unlink) is done under it, except what Kafka's order of events demands.

mod append;
mod append_given;
mod appended;
mod cleaning;
mod flush;
mod hand_over;
mod leftovers;
mod listing;
mod look;
mod lookup;
mod offsets;
mod open;
mod producers;
mod read;
mod recover;
mod replace;
mod retention;
mod retire;
mod roll;
pub(crate) mod tail_checkpoint;
mod truncate;
mod write;

#[cfg(test)]
mod append_test;
#[cfg(test)]
mod cleaning_model_test;
#[cfg(test)]
mod cleaning_test;
#[cfg(test)]
mod cold_test;
#[cfg(test)]
mod concurrency_test;
#[cfg(test)]
mod failure_test;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod read_test;
#[cfg(test)]
mod recovery_test;
#[cfg(test)]
mod retention_test;
#[cfg(test)]
mod slow_disk_test;
#[cfg(test)]
mod tail_checkpoint_test;
#[cfg(test)]
mod torn_test;
#[cfg(test)]
mod transactions_test;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use ottla_protocol::{TopicPartition, Uuid};
use parking_lot::{Condvar, Mutex, MutexGuard};

pub use append::{AppendError, AppendInfo, AppendOptions};
pub use appended::Appended;
pub(crate) use cleaning::{CleaningView, SourceSegment};
pub use lookup::{FoundOffset, special_timestamp};
pub use open::OpenOptions;
pub use producers::ActiveProducer;
pub use read::{ReadData, ReadError, ReadOptions};

use crate::cold::OnCold;
use crate::config::LogConfig;
use crate::context::StorageContext;
use crate::error::{StorageError, StorageResult};
use crate::hot_tail::HotTail;
use crate::leader_epochs::LeaderEpochs;
use crate::log_dir::LogDir;
use crate::producer_state::ProducerStateManager;
use crate::segment::Segment;
use crate::segment::lazy_file::SegmentEnv;
use tail_checkpoint::TailCheckpoints;

/// One partition's log. Share it as `Arc<PartitionLog>`; every method takes `&self`.
pub struct PartitionLog {
    partition: TopicPartition,
    log_dir: Arc<LogDir>,
    context: Arc<StorageContext>,
    this: Weak<PartitionLog>,
    /// *Invariant* (but for a moment while two of them move): `log_start <= last_stable <= high_watermark <= log_end`.
    log_start_offset: AtomicI64,
    last_stable_offset: AtomicI64,
    high_watermark: AtomicI64,
    log_end_offset: AtomicI64,
    /// All before is durable.
    recovery_point: AtomicI64,
    size_bytes: AtomicU64,
    appended: appended::AppendCounts,
    cleaning: cleaning::CleaningMarks,
    state: Mutex<LogState>,
    /// Told when an append that had let go of `state` has come back to it.
    written: Condvar,
    /// Held during an fsync: appends that wait for the same one find their work done (group commit). Taken
    /// before `state`, never while it is held.
    flushing: Mutex<()>,
}

/// All that changes, under the log's mutex.
struct LogState {
    dir: Arc<Path>,
    config: Arc<LogConfig>,
    topic_id: Option<Uuid>,
    /// Ascending by base offset, never empty; the last one is the active segment.
    segments: Vec<Segment>,
    producers: ProducerStateManager,
    epochs: LeaderEpochs,
    tail_checkpoints: TailCheckpoints,
    /// None: nobody reads at the log's end.
    tail: Option<Box<HotTail>>,
    /// Where the bound of the last read lies, if it was not at the end: offset, segment, position.
    read_bound: Option<(i64, i64, u32)>,
    /// Files that were replaced without fsync: `partition.metadata`, the leader epochs, producer snapshots.
    unsynced: Vec<PathBuf>,
    last_flush_ms: i64,
    /// Whether anything was appended or read since the last [`PartitionLog::trim_memory`].
    used: bool,
    /// Whether an append has let go of the lock while its records are written ([`AppendOptions::unlocked`]). All may be
    /// looked at meanwhile; who changes segments waits ([`PartitionLog::state_to_change`]).
    is_writing: bool,
    /// Set when the log is deleted, replaced or shut down: nothing is served any more.
    closed: bool,
}

impl PartitionLog {
    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The log directory it lies in.
    pub fn log_dir(&self) -> &Arc<LogDir> {
        &self.log_dir
    }

    /// The partition's own directory.
    pub fn dir(&self) -> PathBuf {
        self.state.lock().dir.to_path_buf()
    }

    /// The topic's id, if `partition.metadata` holds one.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.state.lock().topic_id
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.state.lock().segments.len()
    }

    /// Base offset of the first segment.
    pub fn first_segment_base_offset(&self) -> i64 {
        self.state.lock().segments.first().map_or(0, |s| s.base_offset)
    }

    /// Base offset of the active segment.
    pub fn active_segment_base_offset(&self) -> i64 {
        self.state.lock().active().map_or(0, |s| s.base_offset)
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<LogConfig> {
        self.state.lock().config.clone()
    }

    /// Puts other settings in force.
    pub fn update_config(&self, config: impl Into<Arc<LogConfig>>) {
        self.state.lock().config = config.into();
    }

    /// For a log that was opened alone ([`PartitionLog::open_at`]) and that no manager looks after: makes closed
    /// segments durable and unlinks removed files. Blocks on the disk.
    pub fn background_tick(&self, now_ms: i64) {
        self.context.background_tick(now_ms);
    }

    /// Gives memory and reserved disk blocks back that neither append nor fetch has used since the last call.
    pub fn trim_memory(&self) {
        let mut state = self.state.lock();
        state.tail.take_if(|tail| !tail.trim());
        // Who writes is not idle.
        if !state.is_writing && !std::mem::take(&mut state.used) {
            let dir = state.dir.clone();
            // With `preallocate` the blocks were asked for.
            let keeps_blocks = state.config.preallocate;
            if let Some(active) = state.segments.last_mut()
                && !keeps_blocks
            {
                // What is not given back now, is when the segment is closed.
                let _ = active.release_reserve(self.env(&dir));
            }
            state.segments.iter_mut().for_each(Segment::trim);
        }
    }

    /// The state, if the log serves.
    fn open_state(&self) -> StorageResult<MutexGuard<'_, LogState>> {
        self.log_dir.check()?;
        let state = self.state.lock();
        if state.closed { Err(StorageError::Closed(state.dir.to_path_buf())) } else { Ok(state) }
    }

    /// The state, if the log serves, for those who append to it, cut it or close it.
    fn open_state_to_change(&self) -> StorageResult<MutexGuard<'_, LogState>> {
        self.log_dir.check()?;
        let state = self.state_to_change();
        if state.closed { Err(StorageError::Closed(state.dir.to_path_buf())) } else { Ok(state) }
    }

    /// The state while no append is under way.
    fn state_to_change(&self) -> MutexGuard<'_, LogState> {
        let mut state = self.state.lock();
        while state.is_writing {
            self.written.wait(&mut state);
        }
        state
    }

    fn env<'a>(&'a self, dir: &'a Path) -> SegmentEnv<'a> {
        self.env_with(dir, OnCold::Wait)
    }

    fn env_with<'a>(&'a self, dir: &'a Path, on_cold: OnCold) -> SegmentEnv<'a> {
        SegmentEnv { dir, files: &self.context.files, disk: self.log_dir.disk(), on_cold }
    }

    /// Takes the log directory offline for an error of this log.
    fn fail(&self, doing: &str, source: std::io::Error) -> StorageError {
        let dir = self.log_dir.path().display();
        self.log_dir.fail(format!("Error while {doing} {} in dir {dir}", self.partition), source)
    }

    /// The same whatever the error is: this log's memory and its files differ now.
    fn fail_for_good(&self, doing: &str, source: std::io::Error) -> StorageError {
        let dir = self.log_dir.path().display();
        self.log_dir.fail_for_good(format!("Error while {doing} {} in dir {dir}", self.partition), source)
    }
}

impl LogState {
    fn active(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// Empties the hot tail.
    fn clear_tail(&mut self) {
        if let Some(tail) = &mut self.tail {
            tail.clear();
        }
    }

    /// The segment that holds `offset`, or the one before it.
    fn floor_segment(&self, offset: i64) -> Option<usize> {
        self.segments.partition_point(|s| s.base_offset <= offset).checked_sub(1)
    }
}

impl std::fmt::Debug for PartitionLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionLog")
            .field("partition", &self.partition)
            .field("log_start_offset", &self.log_start_offset())
            .field("high_watermark", &self.high_watermark())
            .field("log_end_offset", &self.log_end_offset())
            .finish()
    }
}
