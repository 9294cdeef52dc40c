//! Taking snapshots of the metadata, and letting go of what they replace.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_metadata::MetadataImage;

use super::metadata_log::{MetadataLog, MetadataLogError};
use super::snapshot_file::{self, QuorumRecords, SnapshotId, SnapshotWriter};
use super::snapshots::{KnownSnapshot, MetadataLogOptions};

/// What is known of snapshots.
pub struct SnapshotState {
    options: MetadataLogOptions,
    /// On disk, in order.
    known: Vec<KnownSnapshot>,
    /// Bytes of records that are in no snapshot.
    new_bytes: u64,
    /// Time of the last snapshot, or of the start.
    since_ms: i64,
}

impl SnapshotState {
    /// Knows of none yet.
    pub fn new(options: MetadataLogOptions, now_ms: i64) -> Self {
        Self { options, known: Vec::new(), new_bytes: 0, since_ms: now_ms }
    }

    /// Records of so many bytes are behind the newest snapshot.
    pub fn note_appended(&mut self, bytes: usize) {
        self.new_bytes += bytes as u64;
    }

    /// Looks for the snapshots in the log's directory. The time in a file's last record is taken from the file's own: it
    /// only decides when it may go.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn find(&mut self, dir: &Path) -> io::Result<()> {
        self.known.clear();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(snapshot_file::PARTIAL_SUFFIX)) {
                // Left by a process that ended while it wrote.
                std::fs::remove_file(entry.path())?;
                continue;
            }
            let Some(id) = name.to_str().and_then(SnapshotId::parse) else { continue };
            let file = entry.metadata()?;
            let age = file.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let log_time_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            self.known.push(KnownSnapshot { id, bytes: file.len(), log_time_ms });
        }
        self.known.sort_by_key(|snapshot| snapshot.id);
        Ok(())
    }

    /// The newest one.
    pub fn newest(&self) -> Option<SnapshotId> {
        self.known.last().map(|snapshot| snapshot.id)
    }
}

/// A snapshot to be written, on any thread: it holds all that it needs.
pub struct SnapshotJob {
    dir: PathBuf,
    image: Arc<MetadataImage>,
    quorum: QuorumRecords,
    now_ms: i64,
}

impl SnapshotJob {
    /// Writes the file. Blocks.
    ///
    /// # Errors
    /// When the disk fails, or the metadata can't be said at its own version.
    pub fn run(self) -> io::Result<KnownSnapshot> {
        let provenance = self.image.provenance;
        let id = SnapshotId {
            end_offset: provenance.last_contained_offset + 1,
            epoch: provenance.last_contained_epoch,
        };
        let log_time_ms = provenance.last_contained_log_time_ms;
        let path = snapshot_file::create(&self.dir, &id.file_name(), |file| {
            let mut writer = SnapshotWriter::begin(file, id.epoch, log_time_ms, &self.quorum, self.now_ms)?;
            let mut failed = None;
            let written = self.image.write(&self.image.writer_options(), &mut |record| {
                if failed.is_none() {
                    failed = writer.append(&record).err();
                }
            });
            written.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why.to_string()))?;
            failed.map_or(Ok(()), Err)?;
            writer.finish()
        })?;
        let bytes = path.metadata()?.len();
        Ok(KnownSnapshot { id, bytes, log_time_ms })
    }
}

impl MetadataLog {
    /// The snapshot that is due, if one is. `image` is the one last published: all of it is committed, and it ends where a batch
    /// ends.
    pub fn snapshot_due(&mut self, image: &Arc<MetadataImage>, now_ms: i64) -> Option<SnapshotJob> {
        let state = &mut self.snapshots;
        let end_offset = image.provenance.last_contained_offset + 1;
        let is_newer = state.newest().is_none_or(|newest| newest.end_offset < end_offset);
        if !is_newer || !state.options.is_due(state.new_bytes, state.since_ms, now_ms) {
            return None;
        }
        // Whatever becomes of it, the next is due when as much has come again.
        state.new_bytes = 0;
        state.since_ms = now_ms;
        let quorum = self.quorum.clone();
        Some(SnapshotJob { dir: self.dir().to_path_buf(), image: image.clone(), quorum, now_ms })
    }

    /// A snapshot was written, or could not be: removes what retention does not ask to keep.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn snapshot_taken(
        &mut self,
        outcome: io::Result<KnownSnapshot>,
        now_ms: i64,
    ) -> Result<(), MetadataLogError> {
        match outcome {
            Ok(snapshot) => {
                tracing::info!(
                    "snapshot {} of the metadata: {} bytes",
                    snapshot.id.file_name(),
                    snapshot.bytes
                );
                self.snapshots.known.push(snapshot);
            }
            Err(why) => tracing::error!(%why, "a snapshot of the metadata could not be written"),
        }
        // So that what the next snapshot contains can go as a whole.
        self.log.roll(now_ms).map_err(|why| self.fail(why))?;
        self.tick(now_ms)
    }

    /// What is to be done from time to time.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), MetadataLogError> {
        self.clean(now_ms)?;
        self.log.background_tick(now_ms);
        Ok(())
    }

    /// Removes the snapshots and the part of the log that retention does not ask to keep.
    fn clean(&mut self, now_ms: i64) -> Result<(), MetadataLogError> {
        let state = &self.snapshots;
        let Some(keep) = state.options.keep_from(&state.known, self.log.size_bytes(), now_ms) else {
            return Ok(());
        };
        self.log.maybe_increment_log_start_offset(keep.end_offset).map_err(|why| self.fail(why))?;
        self.log.delete_old_segments(now_ms).map_err(|why| self.fail(why))?;
        for gone in self.snapshots.known.extract_if(.., |snapshot| snapshot.id < keep) {
            let path = self.log.dir().join(gone.id.file_name());
            if let Err(why) = std::fs::remove_file(&path) {
                tracing::warn!(%why, "{} could not be removed", path.display());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ottla_metadata::{MetadataLoader, MetadataProvenance};
    use ottla_protocol::Uuid;
    use ottla_protocol::messages::TopicRecord;
    use ottla_protocol::messages::metadata::MetadataRecord;

    use super::*;
    use crate::drivers::controller::metadata_log::Loaded;

    /// Each change makes a snapshot due, and only the newest is kept.
    const EAGER: MetadataLogOptions = MetadataLogOptions {
        segment_bytes: 1 << 20,
        segment_ms: i64::MAX,
        bytes_between_snapshots: 1,
        snapshot_interval_ms: 0,
        retention_bytes: 0,
        retention_ms: -1,
        delete_delay_ms: 0,
    };

    fn open(dir: &Path) -> (MetadataLog, MetadataLoader, usize) {
        let mut loader = MetadataLoader::new(|_, _| true);
        let mut snapshots = 0;
        let log = MetadataLog::open(dir, EAGER, 1, |loaded| {
            let replayed = match loaded {
                Loaded::Snapshot(records, provenance) => {
                    snapshots += 1;
                    loader.load_snapshot(&records, provenance)
                }
                Loaded::Record(record, provenance) => loader.replay(&record, provenance),
            };
            replayed.map_err(|why| why.to_string())
        });
        (log.expect("opens"), loader, snapshots)
    }

    fn add_topic(log: &mut MetadataLog, loader: &mut MetadataLoader, number: u64) {
        let record = TopicRecord { name: format!("t{number}").into(), topic_id: Uuid::from_parts(9, number) };
        let record = MetadataRecord::Topic(record);
        let offset = log.append_records(&[(record.clone(), 0)], true, 5).expect("appends");
        log.flush(5).expect("flushes");
        let provenance = MetadataProvenance {
            last_contained_offset: offset,
            last_contained_epoch: log.leader_epoch,
            last_contained_log_time_ms: 5,
        };
        loader.replay(&record, provenance).expect("replays");
        loader.publish();
    }

    fn snapshot(log: &mut MetadataLog, loader: &MetadataLoader) {
        let job = log.snapshot_due(loader.image(), 6).expect("one is due");
        assert!(log.snapshot_due(loader.image(), 6).is_none(), "nothing is new");
        log.snapshot_taken(job.run(), 6).expect("cleans");
    }

    fn names(dir: &Path, suffix: &str) -> Vec<String> {
        let entries = std::fs::read_dir(dir.join("__cluster_metadata-0")).expect("a directory");
        let names = entries.map(|e| e.expect("entry").file_name().into_string().expect("text"));
        let mut names: Vec<String> = names.filter(|name| name.ends_with(suffix)).collect();
        names.sort();
        names
    }

    #[test]
    fn a_snapshot_replaces_the_log_before_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut log, mut loader, _) = open(dir.path());
        log.become_leader(1, 1, 5).expect("leads");
        for number in 0..3 {
            add_topic(&mut log, &mut loader, number);
            snapshot(&mut log, &loader);
        }
        assert_eq!(names(dir.path(), ".checkpoint"), ["00000000000000000004-0000000001.checkpoint"]);
        assert_eq!(names(dir.path(), ".log"), ["00000000000000000004.log"]);
        add_topic(&mut log, &mut loader, 3);
        drop(log);
        let (mut log, mut again, snapshots) = open(dir.path());
        again.publish();
        assert_eq!(snapshots, 1);
        // Not the features: a snapshot says which metadata version it is in, and this log never did.
        assert_eq!(again.image().topics, loader.image().topics);
        assert_eq!(again.image().provenance, loader.image().provenance);
        log.become_leader(2, 1, 7).expect("leads");
        add_topic(&mut log, &mut again, 4);
        snapshot(&mut log, &again);
        assert_eq!(names(dir.path(), ".checkpoint"), ["00000000000000000007-0000000002.checkpoint"]);
    }

    #[test]
    fn a_snapshot_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut log, mut loader, _) = open(dir.path());
        log.become_leader(1, 1, 5).expect("leads");
        add_topic(&mut log, &mut loader, 0);
        let job = log.snapshot_due(loader.image(), 6).expect("one is due");
        drop(job);
        log.snapshot_taken(Err(io::ErrorKind::StorageFull.into()), 6).expect("goes on");
        assert_eq!(names(dir.path(), ".checkpoint"), [""; 0]);
        add_topic(&mut log, &mut loader, 1);
        drop(log);
        let (_, mut again, snapshots) = open(dir.path());
        again.publish();
        assert_eq!((snapshots, again.image() == loader.image()), (0, true));
    }
}
