//! Loading a log from its directory (Kafka: `LogLoader`).
//!
//! After a clean stop the files are trusted: what is read is the directory, the last few kilobytes of the last
//! segment, and the newest producer snapshot. No file stays open. After a crash, all segments from the
//! recovery point on are read and checked; the log ends before the first batch that is not valid. Where only the
//! process has ended, the last few megabytes are enough (`tail_checkpoint`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use ottla_protocol::{TopicPartition, Uuid};
use parking_lot::{Condvar, Mutex};

use super::leftovers::finish_swaps;
use super::listing::Listing;
use super::recover::{StateBuilder, load_producers, producers_before};
use super::tail_checkpoint::{RecoverFrom, TailCheckpoints};
use super::{LogState, PartitionLog};
use crate::checkpoint::leader_epoch_checkpoint::{self, LEADER_EPOCH_FILE};
use crate::checkpoint::partition_metadata::{self, PARTITION_METADATA_FILE};
use crate::cold::OnCold;
use crate::config::LogConfig;
use crate::context::{ContextOptions, StorageContext};
use crate::error::{StorageError, StorageResult};
use crate::leader_epochs::{EpochEntry, LeaderEpochs};
use crate::log_dir::LogDir;
use crate::producer_state::{ProducerStateManager, snapshot_path};
use crate::segment::lazy_file::SegmentEnv;
use crate::segment::scanner::ScanError;
use crate::segment::{FileSizes, Segment};

/// What is known about a log before it is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id, if it is known; must agree with the directory's.
    pub topic_id: Option<Uuid>,
    /// Settings.
    pub config: Arc<LogConfig>,
    /// First offset to serve, from the checkpoint; 0: whatever is there.
    pub log_start_offset: i64,
    /// All before is durable, from the checkpoint.
    pub recovery_point: i64,
    /// Whether the log was closed in order, or is new.
    pub clean: bool,
    /// The time, Unix ms.
    pub now_ms: i64,
}

impl OpenOptions {
    /// A new or cleanly closed log with Kafka's default settings.
    pub fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
            topic_id: None,
            config: Arc::default(),
            log_start_offset: 0,
            recovery_point: 0,
            clean: true,
            now_ms: 0,
        }
    }
}

/// A log while it is being loaded.
pub(super) struct Loading<'a> {
    pub(super) env: SegmentEnv<'a>,
    pub(super) options: &'a OpenOptions,
    pub(super) segments: Vec<Segment>,
    pub(super) producers: ProducerStateManager,
    epochs: LeaderEpochs,
    /// What the file of the leader epochs holds; none: unknown, or there is no file.
    epochs_in_file: Option<Vec<EpochEntry>>,
    /// Files that were written, for the log's first flush to make durable.
    unsynced: Vec<PathBuf>,
    pub(super) tail_checkpoints: TailCheckpoints,
    /// Whether there are files of an earlier run.
    pub(super) has_tail_checkpoints: bool,
    /// Whether a recovery may begin where they say.
    may_resume: bool,
}

impl PartitionLog {
    /// Opens the log in `dir`, which lies in `log_dir`; creates it when it is not there.
    pub fn open(
        context: &Arc<StorageContext>,
        log_dir: &Arc<LogDir>,
        dir: &Path,
        options: &OpenOptions,
    ) -> StorageResult<Arc<Self>> {
        log_dir.check()?;
        let topic_id = log_dir.guard(doing(options, dir), || {
            let known = partition_metadata::read(dir)?;
            if known.is_none() {
                std::fs::create_dir_all(dir)?;
            }
            Ok(known)
        })?;
        if let (Some(found), Some(wanted)) = (topic_id, options.topic_id)
            && found != wanted
        {
            let partition = options.partition.to_string();
            return Err(StorageError::InconsistentTopicId { partition, wanted, found });
        }
        let listing = log_dir.guard(doing(options, dir), || Listing::read(dir))?;
        Self::load(context, log_dir, dir, options, topic_id, listing)
    }

    /// Makes the directory, with an empty log in it: nothing is looked for there. None if there is something of that name,
    /// or if its place is missing.
    pub(crate) fn create(
        context: &Arc<StorageContext>,
        log_dir: &Arc<LogDir>,
        dir: &Path,
        options: &OpenOptions,
    ) -> StorageResult<Option<Arc<Self>>> {
        let is_made = log_dir.guard(doing(options, dir), || match std::fs::create_dir(dir) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Ok(false),
            Err(e) => Err(e),
        })?;
        if !is_made {
            return Ok(None);
        }
        Self::load(context, log_dir, dir, options, None, Listing::default()).map(Some)
    }

    /// Loads what is listed of a directory, in which `found` is the topic's id.
    fn load(
        context: &Arc<StorageContext>,
        log_dir: &Arc<LogDir>,
        dir: &Path,
        options: &OpenOptions,
        found: Option<Uuid>,
        listing: Listing,
    ) -> StorageResult<Arc<Self>> {
        let mut named = None;
        if let (None, Some(wanted)) = (found, options.topic_id) {
            log_dir.guard(doing(options, dir), || context.partition_metadata.write(dir, wanted))?;
            named = Some(dir.join(PARTITION_METADATA_FILE));
        }
        let env = SegmentEnv { dir, files: &context.files, disk: log_dir.disk(), on_cold: OnCold::Wait };
        let load = || Loading::load(env, options, context, listing);
        let (mut loaded, offsets) = log_dir.guard(doing(options, dir), load)?;
        if let Some(named) = named {
            loaded.unsynced.reserve_exact(1);
            loaded.unsynced.push(named);
        }
        let topic_id = found.or(options.topic_id);
        Ok(Self::assemble(context, log_dir, options, loaded, offsets, topic_id))
    }

    /// Opens a log that stands alone, with resources of its own: the metadata log, or one in a tool.
    pub fn open_at(dir: &Path, options: &OpenOptions) -> StorageResult<Arc<Self>> {
        let parent = dir.parent().map(Path::to_path_buf).unwrap_or_default();
        // Whoever opens a log so wants all of it checked that is not known to be durable.
        let context = StorageContext::new(&ContextOptions { boot_id: None, ..ContextOptions::default() });
        Self::open(&context, &LogDir::standalone(parent), dir, options)
    }

    fn assemble(
        context: &Arc<StorageContext>,
        log_dir: &Arc<LogDir>,
        options: &OpenOptions,
        loaded: Loading<'_>,
        offsets: LoadedOffsets,
        topic_id: Option<Uuid>,
    ) -> Arc<Self> {
        let size: u64 = loaded.segments.iter().map(|s| u64::from(s.size())).sum();
        let start = offsets.log_start_offset;
        let state = LogState {
            dir: Arc::from(loaded.env.dir),
            config: options.config.clone(),
            topic_id,
            segments: loaded.segments,
            producers: loaded.producers,
            epochs: loaded.epochs,
            tail_checkpoints: loaded.tail_checkpoints,
            tail: None,
            read_bound: None,
            used: false,
            unsynced: loaded.unsynced,
            last_flush_ms: options.now_ms,
            is_writing: false,
            closed: false,
        };
        Arc::new_cyclic(|this| Self {
            partition: options.partition.clone(),
            log_dir: log_dir.clone(),
            context: context.clone(),
            this: this.clone(),
            log_start_offset: AtomicI64::new(start),
            last_stable_offset: AtomicI64::new(start),
            high_watermark: AtomicI64::new(start),
            log_end_offset: AtomicI64::new(offsets.log_end_offset),
            recovery_point: AtomicI64::new(offsets.recovery_point),
            size_bytes: AtomicU64::new(size),
            appended: Default::default(),
            cleaning: Default::default(),
            state: Mutex::new(state),
            written: Condvar::new(),
            flushing: Mutex::new(()),
        })
    }
}

/// What an error was met at.
fn doing(options: &OpenOptions, dir: &Path) -> impl FnOnce() -> String {
    move || format!("Error while loading log for {} in {}", options.partition, dir.display())
}

/// Where a loaded log starts and ends.
#[derive(Clone, Copy, Debug)]
struct LoadedOffsets {
    log_start_offset: i64,
    log_end_offset: i64,
    recovery_point: i64,
}

impl<'a> Loading<'a> {
    fn load(
        env: SegmentEnv<'a>,
        options: &'a OpenOptions,
        context: &StorageContext,
        mut listing: Listing,
    ) -> io::Result<(Self, LoadedOffsets)> {
        if listing.has_leftovers {
            finish_swaps(env.disk, env.dir)?;
            // What is removed must not come back beside what is appended from now on.
            env.disk.sync_dir(env.dir)?;
            listing = Listing::read(env.dir)?;
        }
        for orphan in &listing.orphans {
            tracing::warn!(
                "Found an orphaned index file {}, with no corresponding log file",
                orphan.display()
            );
            std::fs::remove_file(orphan)?;
        }
        let config = &options.config;
        let segments =
            listing.segments.iter().map(|(base, sizes)| Segment::open(*base, sizes, config, options.now_ms));
        let mut loading = Self {
            env,
            options,
            segments: segments.collect(),
            producers: ProducerStateManager::new(context.producer_id_expiration_ms, listing.snapshots),
            epochs: LeaderEpochs::default(),
            epochs_in_file: None,
            unsynced: Vec::new(),
            tail_checkpoints: TailCheckpoints::new(&context.tail_checkpoints),
            has_tail_checkpoints: listing.has_tail_checkpoints,
            may_resume: listing.has_tail_checkpoints,
        };
        loading.load_epochs(listing.has_epochs)?;
        loading.rebuild_missing_indexes(&listing.segments)?;
        let offsets = loading.load_offsets()?;
        loading.load_state(&offsets)?;
        loading.producers.end_recovery(env.dir)?;
        loading.checkpoint_tail()?;
        Ok((loading, offsets))
    }

    /// A missing or unreadable file is no loss: the epochs stand in the batches, too.
    fn load_epochs(&mut self, has_file: bool) -> io::Result<()> {
        let is_empty = self.segments.iter().all(|s| s.size() == 0);
        if !has_file && is_empty {
            return Ok(());
        }
        match leader_epoch_checkpoint::read(self.env.dir) {
            // An empty file beside records is what a power failure makes of one that was not durable.
            Ok(entries) if is_empty || !entries.is_empty() => {
                self.epochs = LeaderEpochs::load(entries.iter().copied());
                self.epochs_in_file = has_file.then_some(entries);
                return Ok(());
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => tracing::warn!("{e}"),
            Err(e) => return Err(e),
        }
        tracing::warn!("{}: reading the leader epochs from the log", self.env.dir.display());
        let epochs = &mut self.epochs;
        let mut next = 0;
        for segment in &mut self.segments {
            let read = segment.for_each_batch(self.env, 0, u32::MAX, |_, batch| {
                if batch.header.base_offset() < next {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                next = batch.header.next_offset();
                if epochs.latest_epoch() < Some(batch.header.partition_leader_epoch()) {
                    epochs.assign(batch.header.partition_leader_epoch(), batch.header.base_offset());
                }
                Ok(())
            });
            match read {
                // After a crash the tail is yet to be cut, and the epochs with it.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => break,
                other => other?,
            }
        }
        Ok(())
    }

    fn rebuild_missing_indexes(&mut self, sizes: &BTreeMap<i64, FileSizes>) -> io::Result<()> {
        let interval = self.options.config.index_interval_bytes;
        // What lies behind is read from the recovery point on, with all that depends on it.
        let sound = match self.options.clean {
            true => self.segments.len(),
            false => self.floor_segment(self.options.recovery_point),
        };
        let mut rebuilt: Option<(usize, ProducerStateManager)> = None;
        for at in 0..self.segments.len() {
            let (before, [segment, ..]) = self.segments.split_at_mut(at) else { break };
            let has_index = sizes.get(&segment.base_offset).is_some_and(|s| s.index.is_some());
            let is_sane = segment.txns.is_sane(self.env)?;
            if has_index && is_sane {
                continue;
            }
            let path = segment.log_path(self.env);
            if segment.size() > 0 {
                tracing::warn!("Rebuilding the index files of {}", path.display());
            }
            if at < sound {
                let producers = match rebuilt.take() {
                    Some((previous, mut producers)) if previous + 1 == at => {
                        producers.update_map_end_offset(segment.base_offset);
                        producers
                    }
                    _ => {
                        let (start, end) = (self.options.log_start_offset, segment.base_offset);
                        producers_before(&self.producers, before, self.env, start, end, self.options.now_ms)?
                    }
                };
                let (_, producers) = rebuilt.insert((at, producers));
                let mut builder = StateBuilder { producers, epochs: None };
                segment.rebuild_all_indexes(self.env, interval, &mut builder)
            } else {
                // The recovery must not begin behind it.
                self.may_resume = false;
                segment.rebuild_indexes(self.env, interval)
            }
            .map_err(|e| e.into_io(&path))?;
            segment.sync_indexes(self.env)?;
        }
        Ok(())
    }

    fn load_offsets(&mut self) -> io::Result<LoadedOffsets> {
        let options = self.options;
        let mut intact = options.clean;
        if !options.clean {
            self.producers.begin_recovery();
            let first = self.floor_segment(options.recovery_point);
            let from = if self.may_resume { self.resume(first)? } else { None };
            self.recover(from.unwrap_or_else(|| RecoverFrom::start_of(first, options.recovery_point)))?;
        }
        let mut end = self.read_end();
        if let Err(ScanError::Invalid { .. }) = &end {
            // Closed in order, it is said, and yet the last segment does not end with a whole batch.
            tracing::warn!("{}: recovering the last segment: {:?}", self.env.dir.display(), end);
            intact = false;
            self.tail_checkpoints.forget();
            let last = self.segments.len().saturating_sub(1);
            let base = self.segments.last().map_or(0, |s| s.base_offset);
            self.recover(RecoverFrom::start_of(last, base))?;
            end = self.read_end();
        }
        let mut end = end.map_err(|e| e.into_io(self.env.dir))?;
        if end < options.log_start_offset && !self.segments.is_empty() {
            tracing::warn!(
                "{}: deleting all segments because the log end offset {end} is smaller than the log start offset {}",
                self.env.dir.display(),
                options.log_start_offset
            );
            self.remove_from(0)?;
            self.tail_checkpoints.forget();
            self.epochs.clear();
            self.producers.truncate_fully_and_start_at(self.env.dir, options.log_start_offset)?;
        }
        if self.segments.is_empty() {
            let start = options.log_start_offset;
            // Room for one: most of many partitions never have a second.
            self.segments.reserve_exact(1);
            self.segments.push(match start {
                0 => Segment::create_later(&options.config, options.now_ms),
                _ => Segment::create(self.env, start, &options.config, options.now_ms)?,
            });
            end = start;
        }
        let first = self.segments.first().map_or(0, |s| s.base_offset);
        Ok(LoadedOffsets {
            log_start_offset: options.log_start_offset.max(first),
            log_end_offset: end,
            recovery_point: if intact { end } else { options.recovery_point.min(end) },
        })
    }

    fn load_state(&mut self, offsets: &LoadedOffsets) -> io::Result<()> {
        let LoadedOffsets { log_start_offset, log_end_offset, .. } = *offsets;
        self.epochs.truncate_from_end(log_end_offset);
        self.epochs.truncate_from_start(self.options.log_start_offset);
        self.write_epochs()?;
        let bases: Vec<i64> = self.segments.iter().map(|s| s.base_offset).collect();
        self.producers.remove_stray_snapshots(self.env.dir, &bases)?;
        if self.producers.latest_snapshot_offset().is_none() && self.options.clean {
            // Nobody ever took one: a new log, or one without producers.
            self.producers.on_log_start_offset_incremented(log_start_offset);
            self.producers.update_map_end_offset(log_end_offset);
            return Ok(());
        }
        load_producers(
            &mut self.producers,
            &mut self.segments,
            self.env,
            log_start_offset,
            log_end_offset,
            self.options.now_ms,
        )?;
        // Of a log that was not left in order the next recovery reads the segment of the recovery point anyway, and an orderly
        // stop takes one: a new file for each of ten thousand logs would be most of what their start costs. One that is there is
        // kept, if it is right.
        if !self.options.clean && self.producers.doubts(log_end_offset) {
            self.take_snapshot()?;
        }
        Ok(())
    }

    /// Writes the leader epochs if the file holds others. Recovery, which finds them again in the batches, finds the same ones in
    /// most logs, and to replace a file has the file system put the new one on the disk at once.
    fn write_epochs(&mut self) -> io::Result<()> {
        let changed = self.epochs.take_changed();
        let is_in_file = self.epochs_in_file.take().is_some_and(|there| there == self.epochs.entries());
        if changed && !is_in_file {
            leader_epoch_checkpoint::write(self.env.dir, self.epochs.entries(), false)?;
        }
        // The process that wrote the file may have been killed before it made it durable.
        if changed || (is_in_file && !self.options.clean) {
            self.unsynced.push(self.env.dir.join(LEADER_EPOCH_FILE));
        }
        Ok(())
    }

    fn take_snapshot(&mut self) -> io::Result<()> {
        let taken = self.producers.take_snapshot(self.env.dir, false)?;
        self.unsynced.extend(taken.map(|offset| snapshot_path(self.env.dir, offset)));
        Ok(())
    }

    fn read_end(&mut self) -> Result<i64, ScanError> {
        self.segments.last_mut().map_or(Ok(0), |s| s.read_next_offset(self.env))
    }

    /// The segment of `offset`, or the one before it, or the first.
    fn floor_segment(&self, offset: i64) -> usize {
        self.segments.partition_point(|s| s.base_offset <= offset).saturating_sub(1)
    }

    /// Reads and checks all that lies behind `from`.
    fn recover(&mut self, from: RecoverFrom) -> io::Result<()> {
        let RecoverFrom { at: start, known_until, mut mark, has_producers } = from;
        let Some(base) = self.segments.get(start).map(|s| s.base_offset) else { return Ok(()) };
        // What the file says of offsets behind it may be of before a truncation; the batches say what is true.
        self.epochs.truncate_from_end(known_until);
        if !has_producers {
            // A look-up in the segments before must not go beyond what is known to be sound.
            let (before, _) = self.segments.split_at_mut(start);
            let (log_start, now_ms) = (self.options.log_start_offset, self.options.now_ms);
            load_producers(&mut self.producers, before, self.env, log_start, base, now_ms)?;
        }
        let interval = self.options.config.index_interval_bytes;
        for at in start..self.segments.len() {
            let Some(base) = self.segments.get(at).map(|s| s.base_offset) else { break };
            let mark = mark.take();
            if mark.is_none() {
                self.producers.update_map_end_offset(base);
                self.take_snapshot()?;
            }
            let is_active = at + 1 == self.segments.len();
            let Some(segment) = self.segments.get_mut(at) else { break };
            let path = segment.log_path(self.env);
            let mut builder = StateBuilder { producers: &mut self.producers, epochs: Some(&mut self.epochs) };
            let recovered = match mark {
                Some((mark, next)) => segment.recover_from(self.env, &mark, next, interval, &mut builder),
                None => segment.recover(self.env, interval, &mut builder),
            };
            let recovered = recovered.map_err(|e| e.into_io(&path))?;
            segment.end_recovery(self.env, is_active)?;
            if recovered.truncated > 0 {
                tracing::warn!(
                    "Corruption found in segment {}: cut {} bytes at the end",
                    path.display(),
                    recovered.truncated
                );
                self.remove_from(at + 1)?;
                break;
            }
        }
        Ok(())
    }

    /// Removes the segments from number `at` on: what lies behind a gap is not part of the log.
    fn remove_from(&mut self, at: usize) -> io::Result<()> {
        // From the end, so that whenever this is interrupted, there is no gap before what is left.
        for segment in self.segments.drain(at..).rev() {
            tracing::warn!("Deleting segment {}", segment.log_path(self.env).display());
            for path in segment.mark_deleted(self.env)? {
                std::fs::remove_file(path)?;
            }
            if let Some(path) = self.producers.mark_snapshot_deleted(self.env, segment.base_offset)? {
                std::fs::remove_file(path)?;
            }
        }
        // Or they would come back behind what is appended from now on.
        self.env.disk.sync_dir(self.env.dir)
    }
}
