//! The snapshots that formatting writes: `bootstrap.checkpoint`, and the empty one that names the voters of a
//! dynamic quorum (`BootstrapDirectory`, `RecordsSnapshotWriter`).

use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use ottla_metadata::VersionedRecord;
use ottla_protocol::encode_message;
use ottla_protocol::messages::{
    KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use ottla_protocol::records::{BatchBuilder, BatchOptions, ControlRecordType, control_batch};
use ottla_storage::fs::replace_file_with;

const PARTIAL_SUFFIX: &str = ".part";

/// Writes the first records of a cluster to `log_dir`.
///
/// # Errors
/// When the disk fails.
pub fn write_bootstrap(log_dir: &Path, records: &[VersionedRecord], now_ms: i64) -> io::Result<()> {
    let bytes = snapshot(records, None, 0, now_ms)?;
    write(&log_dir.join("bootstrap.checkpoint"), &bytes)
}

/// Writes the snapshot that a dynamic quorum begins with to the metadata log of `log_dir`.
///
/// # Errors
/// When the disk fails.
pub fn write_voters(
    log_dir: &Path,
    voters: &VotersRecord,
    kraft_version: i16,
    now_ms: i64,
) -> io::Result<()> {
    let metadata_dir = log_dir.join("__cluster_metadata-0");
    std::fs::create_dir_all(&metadata_dir)?;
    let bytes = snapshot(&[], Some((voters, kraft_version)), now_ms, now_ms)?;
    write(&metadata_dir.join("00000000000000000000-0000000000.checkpoint"), &bytes)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file_with(path, PARTIAL_SUFFIX, true, |file| file.write_all(bytes))?;
    Ok(())
}

fn snapshot(
    records: &[VersionedRecord],
    voters: Option<(&VotersRecord, i16)>,
    last_contained_log_timestamp: i64,
    now_ms: i64,
) -> io::Result<Vec<u8>> {
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp };
    let mut control = vec![(ControlRecordType::SnapshotHeader, encode(&header)?)];
    if let Some((voters, kraft_version)) = voters.filter(|(_, kraft_version)| *kraft_version > 0) {
        let version = KRaftVersionRecord { version: 0, k_raft_version: kraft_version };
        control.push((ControlRecordType::KRaftVersion, encode(&version)?));
        control.push((ControlRecordType::KRaftVoters, encode(voters)?));
    }
    let at = |base_offset| BatchOptions { base_offset, partition_leader_epoch: 0, ..Default::default() };
    let begin: Vec<(ControlRecordType, &[u8])> =
        control.iter().map(|(kind, value)| (*kind, &value[..])).collect();
    let mut out = control_batch(&at(0), now_ms, &begin).map_err(invalid)?.to_vec();
    let mut builder = BatchBuilder::new(at(i64::try_from(begin.len()).unwrap_or_default()));
    for (record, version) in records {
        let value = record.encode(*version).map_err(invalid)?;
        builder.append(now_ms, None, Some(&value), &[]).map_err(invalid)?;
    }
    let end = builder.next_offset();
    if !builder.is_empty() {
        out.extend_from_slice(&builder.build().map_err(invalid)?);
    }
    let footer = encode(&SnapshotFooterRecord { version: 0 })?;
    let footer = control_batch(&at(end), now_ms, &[(ControlRecordType::SnapshotFooter, &footer)]);
    out.extend_from_slice(&footer.map_err(invalid)?);
    Ok(out)
}

fn encode<M: ottla_protocol::Message>(message: &M) -> io::Result<Bytes> {
    encode_message(message, 0).map_err(invalid)
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}
