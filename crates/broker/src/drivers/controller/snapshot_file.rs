//! The form of a snapshot: a control batch with the header and what the quorum knows of itself, batches of records,
//! and a control batch with the footer (`RecordsSnapshotWriter`). `bootstrap.checkpoint` has it, too.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ottla_metadata::VersionedRecord;
use ottla_protocol::encode_message;
use ottla_protocol::messages::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord};
use ottla_protocol::records::{BatchBuilder, BatchOptions, ControlRecordType, control_batch};
use ottla_storage::fs::replace_file_with;

use super::metadata_log::BATCH_BYTES_MAX;

/// Of a file that is being written. Kafka removes what it finds of that name (`Snapshots.PARTIAL_SUFFIX`).
pub const PARTIAL_SUFFIX: &str = ".part";

/// What a snapshot is called by: everything before an offset is in it. Ordered as snapshots follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The offset at which the log goes on.
    pub end_offset: i64,
    /// Leader epoch of the last record that is in it.
    pub epoch: i32,
}

impl SnapshotId {
    /// `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }

    /// The id in the name of a file, if it is a snapshot's.
    pub fn parse(file_name: &str) -> Option<Self> {
        let (offset, epoch) = file_name.strip_suffix(".checkpoint")?.split_once('-')?;
        (offset.len() == 20 && epoch.len() == 10).then_some(())?;
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// What the quorum's control records say, as they stand in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumRecords {
    /// Level of `kraft.version`.
    pub kraft_version: i16,
    /// The newest `VotersRecord`, encoded in version 0.
    pub voters: Option<bytes::Bytes>,
}

/// Writes one snapshot, record by record.
pub struct SnapshotWriter<W> {
    out: W,
    epoch: i32,
    now_ms: i64,
    builder: BatchBuilder,
}

impl<W: Write> SnapshotWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn begin(
        mut out: W,
        epoch: i32,
        last_contained_log_time_ms: i64,
        quorum: &QuorumRecords,
        now_ms: i64,
    ) -> io::Result<Self> {
        let header =
            SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: last_contained_log_time_ms };
        let header = encode_message(&header, 0).map_err(invalid)?;
        let version = KRaftVersionRecord { version: 0, k_raft_version: quorum.kraft_version };
        let version = encode_message(&version, 0).map_err(invalid)?;
        let mut control = vec![(ControlRecordType::SnapshotHeader, &header[..])];
        if quorum.kraft_version > 0 {
            control.push((ControlRecordType::KRaftVersion, &version[..]));
            control
                .extend(quorum.voters.as_ref().map(|voters| (ControlRecordType::KRaftVoters, &voters[..])));
        }
        out.write_all(&control_batch(&at(0, epoch), now_ms, &control).map_err(invalid)?)?;
        let builder = BatchBuilder::new(at(control.len() as i64, epoch));
        Ok(Self { out, epoch, now_ms, builder })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it can't be encoded, or the writer fails.
    pub fn append(&mut self, (record, version): &VersionedRecord) -> io::Result<()> {
        let value = record.encode(*version).map_err(invalid)?;
        if !self.builder.is_empty() && self.builder.uncompressed_size() + value.len() > BATCH_BYTES_MAX {
            self.end_batch()?;
        }
        self.builder.append(self.now_ms, None, Some(&value), &[]).map_err(invalid)
    }

    /// Writes the footer; gives the writer back.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.builder.is_empty() {
            self.end_batch()?;
        }
        let footer = encode_message(&SnapshotFooterRecord { version: 0 }, 0).map_err(invalid)?;
        let options = at(self.builder.next_offset(), self.epoch);
        let batch = control_batch(&options, self.now_ms, &[(ControlRecordType::SnapshotFooter, &footer)]);
        self.out.write_all(&batch.map_err(invalid)?)?;
        Ok(self.out)
    }

    fn end_batch(&mut self) -> io::Result<()> {
        let next = BatchBuilder::new(at(self.builder.next_offset(), self.epoch));
        let full = std::mem::replace(&mut self.builder, next);
        self.out.write_all(&full.build().map_err(invalid)?)
    }
}

/// Creates `dir/name` with what `content` writes: whole and durable, or not at all.
///
/// # Errors
/// When the disk or `content` fails.
pub fn create(
    dir: &Path,
    name: &str,
    content: impl FnOnce(BufWriter<&mut File>) -> io::Result<BufWriter<&mut File>>,
) -> io::Result<PathBuf> {
    let path = dir.join(name);
    replace_file_with(&path, PARTIAL_SUFFIX, true, |file| content(BufWriter::new(file))?.flush())?;
    Ok(path)
}

fn at(base_offset: i64, epoch: i32) -> BatchOptions {
    BatchOptions { base_offset, partition_leader_epoch: epoch, ..Default::default() }
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_told_by_their_names() {
        let id = SnapshotId { end_offset: 12, epoch: 3 };
        assert_eq!(id.file_name(), "00000000000000000012-0000000003.checkpoint");
        assert_eq!(SnapshotId::parse(&id.file_name()), Some(id));
        for other in ["bootstrap.checkpoint", "00000000000000000012.log", "12-3.checkpoint"] {
            assert_eq!(SnapshotId::parse(other), None, "{other}");
        }
        assert!(id < SnapshotId { end_offset: 13, epoch: 1 });
    }
}
