//! The metadata log on disk: `__cluster_metadata-0`, with Kafka's snapshots beside its segments.
//!
//! A single node is a quorum of one: what it appends is committed when it is durable.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::{MetadataProvenance, VersionedRecord};
use ottla_protocol::messages::leader_change_message::Voter;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{KRaftVersionRecord, LeaderChangeMessage};
use ottla_protocol::records::{
    BatchBuilder, BatchIter, BatchOptions, ControlRecordType, RecordBatch, control_batch,
};
use ottla_protocol::{TopicPartition, Uuid, decode_message, encode_message};
use ottla_storage::{LogConfig, OpenOptions, PartitionLog};

use super::snapshot_file::QuorumRecords;
use super::snapshots::MetadataLogOptions;
use super::take_snapshot::SnapshotState;

/// Directory of the metadata partition within its log directory.
pub const DIR_NAME: &str = "__cluster_metadata-0";
/// Most bytes of one batch (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`).
pub(super) const BATCH_BYTES_MAX: usize = 8 << 20;
/// Kafka writes leader changes so, and reads them so, whatever `kraft.version` is: it cannot read version 1
/// (`ControlRecordUtils.LEADER_CHANGE_CURRENT_VERSION`).
const LEADER_CHANGE_VERSION: i16 = 0;
/// Bytes per read while loading.
const CHUNK_BYTES: usize = 8 << 20;

/// Why the metadata can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the metadata log in {}: {what}", .dir.display())]
pub struct MetadataLogError {
    dir: PathBuf,
    what: String,
}

/// One thing that loading finds, in the order of the log.
pub enum Loaded {
    /// The records of the newest snapshot: they replace everything.
    Snapshot(Vec<MetadataRecord>, MetadataProvenance),
    /// A record of the log.
    Record(MetadataRecord, MetadataProvenance),
}

/// The log, and what its control records said.
pub struct MetadataLog {
    pub(super) log: Arc<PartitionLog>,
    dir: PathBuf,
    /// What the control records say: at `kraft.version` 1 (KIP-853) the voters stand in the log.
    pub quorum: QuorumRecords,
    /// Epoch of this node's leadership.
    pub leader_epoch: i32,
    /// Snapshots, and what is in none of them yet.
    pub(super) snapshots: SnapshotState,
}

impl MetadataLog {
    /// Opens the log below a metadata log directory, and hands everything in it to `take`.
    ///
    /// # Errors
    /// When the directory can't be read, or holds what can't be understood.
    pub fn open(
        metadata_log_dir: &Path,
        options: MetadataLogOptions,
        now_ms: i64,
        mut take: impl FnMut(Loaded) -> Result<(), String>,
    ) -> Result<Self, MetadataLogError> {
        let dir = metadata_log_dir.join(DIR_NAME);
        let fail = |what: String| MetadataLogError { dir: dir.clone(), what };
        let config = LogConfig {
            max_message_bytes: BATCH_BYTES_MAX as u32 * 2,
            segment_bytes: options.segment_bytes,
            segment_ms: options.segment_ms,
            file_delete_delay_ms: options.delete_delay_ms,
            delete: false,
            ..Default::default()
        };
        let open = OpenOptions {
            topic_id: Some(Uuid::ONE),
            config: Arc::new(config),
            // Its end is checked at each start: it is small, and everything hangs on it.
            clean: false,
            now_ms,
            ..OpenOptions::new(TopicPartition::new("__cluster_metadata", 0))
        };
        fs::create_dir_all(&dir).map_err(|why| fail(why.to_string()))?;
        let log = PartitionLog::open_at(&dir, &open).map_err(|why| fail(why.to_string()))?;
        let snapshots = SnapshotState::new(options, now_ms);
        let quorum = QuorumRecords::default();
        let mut this = Self { log, dir: dir.clone(), quorum, leader_epoch: 0, snapshots };
        let from = this.load_snapshot(&mut take).map_err(fail)?;
        this.load_records(from, &mut take).map_err(fail)?;
        Ok(this)
    }

    /// The directory of the partition.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    /// Newest epoch in the log; 0 when it is empty.
    pub fn last_epoch(&self) -> i32 {
        self.log.latest_epoch().unwrap_or(0)
    }

    /// Reads the newest snapshot, if there is one; where the log goes on behind it.
    fn load_snapshot(&mut self, take: &mut impl FnMut(Loaded) -> Result<(), String>) -> Result<i64, String> {
        self.snapshots.find(&self.dir).map_err(|why| why.to_string())?;
        let Some(id) = self.snapshots.newest() else { return Ok(self.log.log_start_offset()) };
        let path = self.dir.join(id.file_name());
        let bytes = Bytes::from(fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))?);
        let mut records = Vec::new();
        let mut timestamp = -1;
        for batch in BatchIter::new(&bytes) {
            let batch = batch.map_err(|why| format!("{}: {why}", path.display()))?;
            timestamp = batch.max_timestamp();
            self.each_record(&batch, &bytes, &mut |record, _| {
                records.push(record);
                Ok(())
            })?;
        }
        let provenance = MetadataProvenance {
            last_contained_offset: id.end_offset - 1,
            last_contained_epoch: id.epoch,
            last_contained_log_time_ms: timestamp,
        };
        take(Loaded::Snapshot(records, provenance))?;
        Ok(id.end_offset)
    }

    fn load_records(
        &mut self,
        from: i64,
        take: &mut impl FnMut(Loaded) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut offset = from.max(self.log.log_start_offset());
        while offset < self.log.log_end_offset() {
            let read = self
                .log
                .read(offset, CHUNK_BYTES, true, self.log.log_end_offset())
                .map_err(|why| format!("offset {offset}: {why}"))?;
            let mut bytes = Vec::with_capacity(read.size);
            for piece in &read.pieces {
                bytes.extend_from_slice(&piece.to_bytes().map_err(|why| format!("offset {offset}: {why}"))?);
            }
            let bytes = Bytes::from(bytes);
            let before = offset;
            for batch in BatchIter::new(&bytes) {
                let batch = batch.map_err(|why| format!("offset {offset}: {why}"))?;
                let (epoch, time) = (batch.partition_leader_epoch(), batch.max_timestamp());
                self.snapshots.note_appended(batch.bytes().len());
                self.each_record(&batch, &bytes, &mut |record, offset| {
                    let provenance = MetadataProvenance {
                        last_contained_offset: offset,
                        last_contained_epoch: epoch,
                        last_contained_log_time_ms: time,
                    };
                    take(Loaded::Record(record, provenance))
                })?;
                offset = batch.next_offset();
            }
            if offset == before {
                return Err(format!("offset {offset}: no whole batch can be read"));
            }
        }
        Ok(())
    }

    fn each_record(
        &mut self,
        batch: &RecordBatch<'_>,
        bytes: &Bytes,
        take: &mut impl FnMut(MetadataRecord, i64) -> Result<(), String>,
    ) -> Result<(), String> {
        let at = |why: String| format!("batch at offset {}: {why}", batch.base_offset());
        let records = batch.records_in(bytes, usize::MAX >> 1).map_err(|why| at(why.to_string()))?;
        for record in records {
            let record = record.map_err(|why| at(why.to_string()))?;
            let value = record.value.unwrap_or_default();
            if batch.is_control() {
                self.note_control_record(&record.key.unwrap_or_default(), value);
                continue;
            }
            let (decoded, _) = MetadataRecord::decode(value).map_err(|why| at(why.to_string()))?;
            take(decoded, record.offset)?;
        }
        Ok(())
    }

    fn note_control_record(&mut self, key: &[u8], value: Bytes) {
        match ControlRecordType::parse(key) {
            Ok(Some(ControlRecordType::KRaftVersion)) => {
                if let Ok(record) = decode_message::<KRaftVersionRecord>(value, 0) {
                    self.quorum.kraft_version = record.k_raft_version;
                }
            }
            // Its own buffer, not a slice of the chunk that was read.
            Ok(Some(ControlRecordType::KRaftVoters)) => {
                self.quorum.voters = Some(Bytes::copy_from_slice(&value));
            }
            _ => {}
        }
    }

    /// Begins a term: the record that a new leader writes first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn become_leader(&mut self, epoch: i32, node_id: i32, now_ms: i64) -> Result<(), MetadataLogError> {
        self.leader_epoch = epoch;
        let voter = Voter { voter_id: node_id, voter_directory_id: Uuid::ZERO };
        let message = LeaderChangeMessage {
            version: LEADER_CHANGE_VERSION,
            leader_id: node_id,
            voters: vec![voter.clone()],
            granting_voters: vec![voter],
        };
        let value = encode_message(&message, LEADER_CHANGE_VERSION).map_err(|why| self.fail(why))?;
        let options = BatchOptions {
            base_offset: self.log_end_offset(),
            partition_leader_epoch: epoch,
            ..Default::default()
        };
        let batch = control_batch(&options, now_ms, &[(ControlRecordType::LeaderChange, &value)])
            .map_err(|why| self.fail(why))?;
        self.append(&batch, now_ms)?;
        self.flush(now_ms)
    }

    /// Appends records as one batch, or as several where they may be split; where the last of them stands. They are committed
    /// once [`Self::flush`] has returned.
    ///
    /// # Errors
    /// When the disk fails, or an atomic batch would be too large.
    pub fn append_records(
        &mut self,
        records: &[VersionedRecord],
        is_atomic: bool,
        now_ms: i64,
    ) -> Result<i64, MetadataLogError> {
        let mut at = 0;
        while at < records.len() {
            let options = BatchOptions {
                base_offset: self.log_end_offset(),
                partition_leader_epoch: self.leader_epoch,
                ..Default::default()
            };
            let mut builder = BatchBuilder::new(options);
            while let Some((record, version)) = records.get(at) {
                let value = record.encode(*version).map_err(|why| self.fail(why))?;
                let full = builder.uncompressed_size() + value.len() > BATCH_BYTES_MAX;
                if full && is_atomic {
                    return Err(self.fail(format!("{} records are too large for one batch", records.len())));
                }
                if full && !builder.is_empty() {
                    break;
                }
                builder.append(now_ms, None, Some(&value), &[]).map_err(|why| self.fail(why))?;
                at += 1;
            }
            let batch = builder.build().map_err(|why| self.fail(why))?;
            self.append(&batch, now_ms)?;
        }
        Ok(self.log_end_offset() - 1)
    }

    fn append(&mut self, batch: &Bytes, now_ms: i64) -> Result<(), MetadataLogError> {
        self.snapshots.note_appended(batch.len());
        self.log.append_as_raft_leader(batch, self.leader_epoch, now_ms).map_err(|why| self.fail(why))?;
        Ok(())
    }

    /// Makes everything durable that was appended, and thereby committed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&self, now_ms: i64) -> Result<(), MetadataLogError> {
        self.log.flush(now_ms).map_err(|why| self.fail(why))?;
        self.log.set_high_watermark(self.log_end_offset());
        Ok(())
    }

    /// Ends the log in order.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn close(&self, now_ms: i64) -> Result<(), MetadataLogError> {
        self.log.close(now_ms).map_err(|why| self.fail(why))
    }

    pub(super) fn fail(&self, what: impl ToString) -> MetadataLogError {
        MetadataLogError { dir: self.dir.clone(), what: what.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::TopicRecord;

    fn topic(name: &str, id: u64) -> VersionedRecord {
        let record = TopicRecord { name: name.into(), topic_id: Uuid::from_parts(9, id) };
        (MetadataRecord::Topic(record), 0)
    }

    fn open(dir: &Path) -> (MetadataLog, Vec<(String, i64)>) {
        let mut names = Vec::new();
        let log = MetadataLog::open(dir, MetadataLogOptions::default(), 0, |loaded| {
            if let Loaded::Record(MetadataRecord::Topic(topic), provenance) = loaded {
                names.push((topic.name.to_string(), provenance.last_contained_offset));
            }
            Ok(())
        });
        (log.expect("opens"), names)
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut log, names) = open(dir.path());
        assert!(names.is_empty());
        log.become_leader(1, 1, 5).expect("leads");
        let last = log.append_records(&[topic("a", 1), topic("b", 2)], true, 5).expect("appends");
        log.flush(5).expect("flushes");
        assert_eq!(last, 2, "the leader's own record stands first");
        drop(log);
        let (_, names) = open(dir.path());
        assert_eq!(names, [("a".to_string(), 1), ("b".to_string(), 2)]);
    }
}
