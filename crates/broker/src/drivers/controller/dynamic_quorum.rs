//! The first snapshot of a quorum whose voters stand in the log (KIP-853): what `kafka-storage format
//! --standalone` writes, so that Apache Kafka can take the directory over.

use std::fs;
use std::io;
use std::path::Path;

use ottla_metadata::Endpoint;
use ottla_protocol::messages::voters_record::{
    Endpoint as VoterEndpoint, KRaftVersionFeature, Voter, VotersRecord,
};
use ottla_protocol::{Uuid, encode_message};

use super::metadata_log::DIR_NAME;
use super::snapshot_file::{self, QuorumRecords, SnapshotId, SnapshotWriter};

/// The snapshot of what is known before the first record (`Snapshots.BOOTSTRAP_SNAPSHOT_ID`).
const ID: SnapshotId = SnapshotId { end_offset: 0, epoch: 0 };
/// Level of `kraft.version` at which voters stand in the log.
const KRAFT_VERSION: i16 = 1;

/// Whether nothing was ever written to the metadata log.
///
/// # Errors
/// When the directory can't be read.
pub fn is_new(metadata_log_dir: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(metadata_log_dir.join(DIR_NAME)) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(why) => return Err(why),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log" || e == "checkpoint") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the snapshot that names this node the only voter.
///
/// # Errors
/// When the disk fails.
pub fn write(
    metadata_log_dir: &Path,
    node_id: i32,
    directory_id: Uuid,
    endpoints: &[Endpoint],
    now_ms: i64,
) -> io::Result<()> {
    let endpoint = |e: &Endpoint| VoterEndpoint { name: e.name.clone(), host: e.host.clone(), port: e.port };
    let voter = Voter {
        voter_id: node_id,
        voter_directory_id: directory_id,
        endpoints: endpoints.iter().map(endpoint).collect(),
        k_raft_version_feature: KRaftVersionFeature {
            min_supported_version: 0,
            max_supported_version: KRAFT_VERSION,
        },
    };
    let voters = encode_message(&VotersRecord { version: 0, voters: vec![voter] }, 0);
    let voters = voters.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
    let quorum = QuorumRecords { kraft_version: KRAFT_VERSION, voters: Some(voters) };
    let dir = metadata_log_dir.join(DIR_NAME);
    fs::create_dir_all(&dir)?;
    snapshot_file::create(&dir, &ID.file_name(), |file| {
        SnapshotWriter::begin(file, ID.epoch, now_ms, &quorum, now_ms)?.finish()
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::controller::metadata_log::MetadataLog;
    use crate::drivers::controller::snapshots::MetadataLogOptions;

    #[test]
    fn a_new_log_learns_from_it_that_voters_stand_in_the_log() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(is_new(dir.path()).expect("readable"));
        write(dir.path(), 1, Uuid::from_parts(3, 4), &[], 5).expect("writable");
        assert!(!is_new(dir.path()).expect("readable"));
        let log = MetadataLog::open(dir.path(), MetadataLogOptions::default(), 5, |_| Ok(())).expect("opens");
        assert_eq!((log.quorum.kraft_version, log.log_end_offset()), (KRAFT_VERSION, 0));
    }
}
